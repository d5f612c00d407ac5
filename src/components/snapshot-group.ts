import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { KafkaArgs, SecretKeyArgs } from "../ingest/kafka";
import { type ChildTransform, createChild, type DataProtection, dataOptions, orFail } from "../kubernetes/children";
import { nodeNames } from "../kubernetes/shown-args";
import { describeLabels, selectorLabels } from "../kubernetes/labels";
import { createNodeIdentity, type NodeIdentityParts, type NodeIdentityTransforms } from "../kubernetes/node-identity";
import type { LocalDbFacts, SnapshotGroupFacts } from "../model/facts";
import type { ShardMap } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import type { IngestTopicArgs } from "./sharded-ingest";
import { normalizeSnapshotGroup, type SnapshotGroupPlan } from "./snapshot-group-plan";
import { snapshotDaemonSet } from "./snapshot-group-pods";
import { snapshotSettings, type SnapshotSettings } from "./snapshot-group-settings";
import type { SnapshotStoreArgs } from "./snapshot-group-stores";

export { normalizeSnapshotGroup } from "./snapshot-group-plan";
export type * from "./snapshot-group-stores";

/** Which complete snapshots stay; one that any of these names stays, and so does every pinned one. */
export interface SnapshotRetentionArgs {
  /** The newest ones; at least 1. */
  last: number;
  /** The last one of each of so many hours. Default: 0. */
  hourly?: number;
  /** The last one of each of so many days in UTC. Default: 0. */
  daily?: number;
  /** The last one of each of so many weeks, ISO 8601, in UTC. Default: 0. */
  weekly?: number;
}

/** Encryption by the agent, before anything leaves the node. */
export interface SnapshotEncryptionArgs {
  /** The key; it must outlive every snapshot made with it. */
  keySecret: SecretKeyArgs;
}

/** The program that takes snapshots. */
export interface SnapshotAgentArgs {
  /** Default: `ghcr.io/compute-mesh/agent` in the version of this package. */
  image?: string;
  /** Default: `["compute-mesh-agent", "snapshot"]`. */
  command?: string[];
}

/** Raw overrides of the children. */
export interface SnapshotGroupTransforms extends NodeIdentityTransforms {
  settings?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
  networkPolicy?: ChildTransform<k8s.networking.v1.NetworkPolicyArgs>;
  daemonSet?: ChildTransform<k8s.apps.v1.DaemonSetArgs>;
}

export interface SnapshotGroupArgs {
  /** Namespace of all objects; that of the database, too. */
  namespace: pulumi.Input<string>;
  /** The mesh nodes. */
  nodes: MeshNodeFacts[];
  shardMap: ShardMap;
  /** The topics by name, each with the same table as the ingest's. */
  topics: Record<string, IngestTopicArgs>;
  /** Asked for the cut of each partition. */
  kafka: KafkaArgs;
  /** `deadLetterTopic` of the ingest: `verify --kafka` knows that records in it have no row. Default: none. */
  deadLetterTopic?: string;
  /** The database of the pod's own node; engine `postgres`, `singlestore`, `clickhouse` or `valkey`. */
  database: LocalDbFacts;
  /** Cron expression with five fields, UTC, for example `0 * * * *`. */
  schedule: string;
  keep: SnapshotRetentionArgs;
  store: SnapshotStoreArgs;
  /** Default: none beyond what the store does itself. */
  encryption?: SnapshotEncryptionArgs;
  /** Ids of snapshots that services may be bound to; retention never removes them. Default: none. */
  snapshots?: string[];
  /**
   * Whether this group's agents keep the databases, too; at most one group of a mesh may, and the ingest must name it as `restoreFrom` to wait for it.
   * On its own node each agent then
   *
   * - restores every own shard that the database lacks (empty after a restart in memory, or newly owned) from the newest complete snapshot, in one
   *   transaction with the offsets, so that ingest goes on from there; where there is none, the shard is left to Kafka;
   * - makes the views `snap_<id>.<table>` of every snapshot in `snapshots`, and shows an own shard there once ingest has passed its cut: what services
   *   with `waitForSnapshot` wait for;
   * - drops the rows of a shard that moved away, once every new owner has reported to the store that it has caught up.
   *
   * Default: false.
   */
  tendsShards?: boolean;
  /**
   * How long the views of a snapshot stay in the databases after it has left `snapshots`, in seconds. An update takes the name away first and deletes
   * the services bound to it last, so this must be longer than an update takes. Default: 600.
   */
  unpinnedGraceSeconds?: number;
  /**
   * How long after T records with a time before T may still arrive; only then is Kafka asked for the cut. It must be more than clocks differ, those of
   * the nodes and of whoever gives records their times. Default: 60.
   */
  allowedLatenessSeconds?: number;
  /** How long a node tries to complete one snapshot before it gives it up. Default: 3600. */
  timeoutSeconds?: number;
  agent?: SnapshotAgentArgs;
  /** Image with `sh`, `sed` and `curl`, used where a pod must read its Node's label. Default: `docker.io/curlimages/curl:8.11.1`. */
  nodeReaderImage?: string;
  /** Annotations of the ServiceAccount that give it an identity in the cloud, for example `eks.amazonaws.com/role-arn`. */
  serviceAccountAnnotations?: Record<string, pulumi.Input<string>>;
  /** CPU of one pod as a Kubernetes quantity, request and limit. Default: `500m`. */
  cpu?: string;
  /** Memory of one pod as a Kubernetes quantity, request and limit. Default: `512Mi`. */
  memory?: string;
  /** Protection of the settings, which name the pinned snapshots. Default: none, because the snapshots themselves are in the store. */
  dataProtection?: DataProtection;
  transforms?: SnapshotGroupTransforms;
}

/**
 * A consistent snapshot of every shard, taken on each node alone.
 *
 * One DaemonSet, no coordinator: each node takes T from the schedule, asks Kafka for the cut, waits until its own ingest has passed it, dumps the
 * rows below the cut from its own database and writes them to the store, then the manifest. Whoever reads the store can tell a complete snapshot
 * from a partial one. A node that is away delays its own shards only. Retention never removes a snapshot that `snapshots` names. With `tendsShards` the
 * agents also restore missing shards and show snapshots in the databases. They are ready without the ingest, and the ingest starts without them.
 *
 * Settings are in one ConfigMap: `settings.json`, which restarts the pods when it changes, and `retention.json`, which does not, so that a new
 * binding never interrupts a snapshot. The encryption key and all credentials stay in their Secrets.
 *
 * Costs CPU and memory of one pod per mesh node, and in the store the size of all rows for each snapshot kept.
 *
 * @example
 * const hourly = new SnapshotGroup("hourly", {
 *   namespace, nodes, shardMap, topics, kafka, database: db.facts,
 *   schedule: "0 * * * *", keep: { last: 24, daily: 7 }, store: { s3: { bucket: "mesh-snapshots", region: "eu-central-1" } },
 * });
 */
export class SnapshotGroup extends pulumi.ComponentResource {
  /** What services bind to: group name, schedule, store; plain, known in preview. */
  public readonly facts: SnapshotGroupFacts;
  /** Name of the ConfigMap that lists the group's settings, for tools. */
  public readonly settingsName: pulumi.Output<string>;
  /** Resolves to true when the pods of all nodes are ready. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: SnapshotGroupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:SnapshotGroup", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeSnapshotGroup(name, args));
    plan.warnings.forEach((warning) => void pulumi.log.warn(`snapshotGroup "${name}": ${warning}`, this));
    const values = snapshotSettings(args, plan);
    const settings = createSettings(this, args, plan, values);
    const account = createServiceAccount(this, args, plan);
    const identity = createIdentity(this, args, plan, account);
    createNetworkPolicy(this, args, plan);
    const daemonSet = createDaemonSet(this, args, plan, identity, settings, values);
    this.facts = plan.facts;
    this.settingsName = settings.metadata.name;
    this.ready = daemonSet.id.apply(() => true);
    this.registerOutputs({ facts: this.facts, settingsName: this.settingsName, ready: this.ready });
  }
}

/** The args as policies see them: functions are none of their business. */
function shownArgs(args: SnapshotGroupArgs): pulumi.Inputs {
  const { transforms: _transforms, nodes, ...shown } = args;
  return { ...shown, nodes: nodeNames(nodes) };
}

function createSettings(
  parent: SnapshotGroup,
  args: SnapshotGroupArgs,
  plan: SnapshotGroupPlan,
  values: SnapshotSettings,
): k8s.core.v1.ConfigMap {
  const settings = {
    metadata: { name: plan.facts.settingsName, namespace: args.namespace, labels: describeLabels(plan.name, "settings") },
    data: { "settings.json": values.settings, "retention.json": values.retention },
  };
  const opts = { parent, ...(args.dataProtection === undefined ? {} : dataOptions(args.dataProtection)) };
  return createChild(k8s.core.v1.ConfigMap, `${plan.name}-settings`, settings, opts, args.transforms?.settings);
}

function createServiceAccount(parent: SnapshotGroup, args: SnapshotGroupArgs, plan: SnapshotGroupPlan): k8s.core.v1.ServiceAccount {
  const { serviceAccountAnnotations: annotations } = args;
  const account = {
    metadata: {
      name: plan.name,
      namespace: args.namespace,
      labels: describeLabels(plan.name, "service-account"),
      ...(annotations === undefined ? {} : { annotations }),
    },
    automountServiceAccountToken: false,
  };
  return createChild(k8s.core.v1.ServiceAccount, `${plan.name}-service-account`, account, { parent }, args.transforms?.serviceAccount);
}

function createIdentity(
  parent: SnapshotGroup,
  args: SnapshotGroupArgs,
  plan: SnapshotGroupPlan,
  account: k8s.core.v1.ServiceAccount,
): NodeIdentityParts {
  const reader = args.nodeReaderImage === undefined ? {} : { readerImage: args.nodeReaderImage };
  const request = { namespace: args.namespace, plan: plan.identity, serviceAccountName: account.metadata.name, ...reader };
  return createNodeIdentity(parent, plan.name, request, args.transforms);
}

/** Nobody talks to the agent: it only calls others. */
function createNetworkPolicy(parent: SnapshotGroup, args: SnapshotGroupArgs, plan: SnapshotGroupPlan): void {
  const policy = {
    metadata: { name: plan.name, namespace: args.namespace, labels: describeLabels(plan.name, "network-policy") },
    spec: { podSelector: { matchLabels: selectorLabels(plan.name, "snapshot") }, policyTypes: ["Ingress"], ingress: [] },
  };
  createChild(k8s.networking.v1.NetworkPolicy, `${plan.name}-network-policy`, policy, { parent }, args.transforms?.networkPolicy);
}

function createDaemonSet(
  parent: SnapshotGroup,
  args: SnapshotGroupArgs,
  plan: SnapshotGroupPlan,
  identity: NodeIdentityParts,
  settings: k8s.core.v1.ConfigMap,
  values: SnapshotSettings,
): k8s.apps.v1.DaemonSet {
  const daemonSet = snapshotDaemonSet({ args, plan, identity, settingsName: settings.metadata.name, configHash: values.hash });
  const opts = { parent, dependsOn: identity.dependsOn };
  return createChild(k8s.apps.v1.DaemonSet, `${plan.name}-daemon-set`, daemonSet, opts, args.transforms?.daemonSet);
}
