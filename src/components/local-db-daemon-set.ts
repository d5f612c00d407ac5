import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { EngineArgs } from "../engines";
import { createChild, type ChildTransform, type DataProtection, dataOptions, orFail } from "../kubernetes/children";
import { nodeNames } from "../kubernetes/shown-args";
import { dataLabel, describeLabels } from "../kubernetes/labels";
import type { LocalDbFacts } from "../model/facts";
import type { MeshNodeFacts } from "../model/topology";
import { createAccess, createCredentials } from "./local-db-access";
import { databasePart, type LocalDbPlan, normalizeLocalDb } from "./local-db-plan";
import { podTemplate } from "./local-db-pods";

/** Data in memory. */
export interface LocalDbMemoryArgs {
  /** Size of the tmpfs as a Kubernetes quantity, at least 128Mi; it counts against `memory`. Default: half of `memory`. */
  size?: string;
}

/** Data in a folder of the node; it stays when the pod goes. */
export interface LocalDbNodeDiskArgs {
  /** Absolute path on every node, made if missing and given to the database's user. The namespace must allow privileged pods. */
  hostPath: string;
}

/** Data on a volume that a local storage class makes on the node; it goes with the pod (DaemonSets have no lasting claims). */
export interface LocalDbVolumeArgs {
  /** Storage class with `volumeBindingMode: WaitForFirstConsumer`. */
  storageClass: string;
  /** Size as a Kubernetes quantity. */
  size: string;
}

/** Where the data is: at most one member. */
export interface LocalDbStorageArgs {
  /** In memory (tmpfs). The default. */
  memory?: LocalDbMemoryArgs;
  nodeDisk?: LocalDbNodeDiskArgs;
  localVolume?: LocalDbVolumeArgs;
}

/** An NFS export. */
export interface NfsArgs {
  /** Host name or address. */
  server: string;
  /** Exported path; the database's user (id 999 for PostgreSQL) must be able to write to it. */
  path: string;
}

/**
 * A folder that outlives the pod. Every node keeps its own copies in `<namespace>/<name>/<Kubernetes node>` below it: finished WAL segments, and two base copies.
 * A pod that starts empty restores the newest base copy and replays the WAL before anyone is let in; ingest goes on from the offsets that came back with it.
 *
 * What it gives: an orderly stop loses nothing; a killed pod or node loses at most the last `archiveTimeoutSeconds`, which ingest reads again from Kafka.
 * What it does not give: a `hostPath` dies with its node; a replaced node under another Kubernetes name starts empty; while the store cannot be
 * reached, WAL piles up beside the data, and the database stops when its storage is full. It is no snapshot: for that there is SnapshotGroup.
 */
export interface BackingStoreArgs {
  /** Absolute path on every node. The namespace must allow privileged pods. */
  hostPath?: string;
  nfs?: NfsArgs;
  /** Name of a PersistentVolumeClaim of the namespace that all nodes can mount at once (ReadWriteMany). */
  claim?: string;
  /** Hours between two base copies, 1 to 168. Default: 6. */
  baseIntervalHours?: number;
  /** Longest time in seconds that a committed change stays outside the store, 10 to 3600. Default: 60. */
  archiveTimeoutSeconds?: number;
}

/** Credentials of the database's owner. */
export interface LocalDbCredentialsArgs {
  /** Default: `mesh`. */
  username?: string;
  /** Default: 32 random characters, made once. A running database keeps the password that it was made with. */
  password?: pulumi.Input<string>;
}

/** TLS of the databases. */
export interface LocalDbTlsArgs {
  /** Secret of the namespace with `tls.crt` and `tls.key` for the DNS name of the Service (`host`), and `ca.crt`, as cert-manager makes them. */
  secretName: string;
  /** Whether connections without TLS are refused. Default: true. */
  required?: boolean;
}

/** How a changed pod template reaches the nodes. */
export interface LocalDbUpdateArgs {
  /**
   * `oneNodeAtATime` replaces the pods by itself, never more than one at once; `onDelete` waits until somebody deletes a pod.
   * Default: `oneNodeAtATime` where the data survives its pod (node disk or backing store), `onDelete` where it does not: a rolling update counts a
   * database as ready long before ingest has filled it again, and would empty the whole mesh.
   */
  strategy?: string;
}

/** Pods that may reach the database besides those of compute-mesh in the same namespace. */
export interface LocalDbPeerArgs {
  /** Labels of the pods; at least one. */
  podLabels: Record<string, string>;
  /** Labels of their namespaces. Default: the database's own namespace. */
  namespaceLabels?: Record<string, string>;
}

/** Raw overrides of the children of a LocalDbDaemonSet. */
export interface LocalDbDaemonSetTransforms {
  credentials?: ChildTransform<k8s.core.v1.SecretArgs>;
  config?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
  priority?: ChildTransform<k8s.scheduling.v1.PriorityClassArgs>;
  daemonSet?: ChildTransform<k8s.apps.v1.DaemonSetArgs>;
  service?: ChildTransform<k8s.core.v1.ServiceArgs>;
  disruptionBudget?: ChildTransform<k8s.policy.v1.PodDisruptionBudgetArgs>;
  networkPolicy?: ChildTransform<k8s.networking.v1.NetworkPolicyArgs>;
}

/** What the local databases of a mesh are. */
export interface LocalDbDaemonSetArgs {
  /** Namespace of all objects. `hostPath` needs one that enforces no more than the `privileged` Pod Security Standard, NFS `baseline`, all else fits `restricted`. */
  namespace: pulumi.Input<string>;
  /** The mesh nodes; the DaemonSet runs on all nodes with the labels that they have in common. */
  nodes: MeshNodeFacts[];
  /** The engine, exactly one; docs/engines.md compares them. Default: PostgreSQL with its defaults. */
  engine?: EngineArgs;
  /** CPU of the database as a Kubernetes quantity; request and limit. Default: `1`. */
  cpu?: string;
  /** Memory of the database with its tmpfs as a Kubernetes quantity; request and limit. Default: `2Gi`. */
  memory?: string;
  /** Where the data is. Default: in memory. */
  storage?: LocalDbStorageArgs;
  /** Durability for data that would go with its pod, for PostgreSQL. Default: none; shards then come from the newest snapshot and from Kafka. */
  backingStore?: BackingStoreArgs;
  /** SQL that is run once when a database is made; at most 512 KiB. Valkey takes none. */
  schema?: string;
  /**
   * Extra settings: of PostgreSQL's, MariaDB's or Valkey's configuration file, SingleStore's engine variables, ClickHouse's query settings. For example
   * `{ log_min_duration_statement: "500" }`.
   */
  settings?: Record<string, string>;
  credentials?: LocalDbCredentialsArgs;
  /** TLS. Default: none; a connection does not leave its node. A new certificate is read by a new pod. */
  tls?: LocalDbTlsArgs;
  update?: LocalDbUpdateArgs;
  /** An existing PriorityClass. Default: an own one, `<name>-priority`, value 1000000, above what asks for none. */
  priorityClassName?: string;
  /**
   * Pods that an eviction must leave, a whole number (of DaemonSet pods a budget can take no percentage, for they have no scale).
   * Default: all but one. It then changes with the number of nodes, in place.
   */
  minAvailable?: number;
  /** Pods that may connect besides those of compute-mesh in the namespace. Default: none. */
  allowFrom?: LocalDbPeerArgs[];
  /** Protection of the DaemonSet and of the credentials. */
  dataProtection?: DataProtection;
  transforms?: LocalDbDaemonSetTransforms;
}

/**
 * One database on every mesh node, for the shards of that node alone.
 *
 * Pods reach the database of their own node by one constant DNS name (`internalTrafficPolicy: Local`); where that node has none, the connection
 * fails instead of answering with another node's shards. Every container has equal requests and limits, so that the pod is the last to be evicted.
 * Costs on every node: `cpu` and `memory`, with a backing store 0.1 CPU and 128Mi more; at most seven objects in all, however many nodes.
 *
 * @example
 * const db = new LocalDbDaemonSet("db", { namespace, nodes: [node.facts], memory: "8Gi", schema: "CREATE TABLE prices (…);" });
 */
export class LocalDbDaemonSet extends pulumi.ComponentResource {
  /** How the other components reach the database; plain, known in preview. */
  public readonly facts: LocalDbFacts;
  /** DNS name of the database of a pod's own node. */
  public readonly host: pulumi.Output<string>;
  /** Name of the Secret with the keys `username` and `password`. */
  public readonly secretName: pulumi.Output<string>;
  /** Resolves when the database runs on every node and the Service is there. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: LocalDbDaemonSetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:LocalDbDaemonSet", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeLocalDb(name, args));
    const credentials = createCredentials(this, args, plan);
    const config = createConfig(this, args, plan);
    const priority = createPriority(this, args, plan);
    const daemonSet = createDaemonSet(this, args, plan, [credentials, config, ...priority]);
    const service = createAccess(this, args, plan);
    this.facts = plan.facts;
    this.host = pulumi.interpolate`${service.metadata.name}.${service.metadata.namespace}.svc`;
    this.secretName = credentials.metadata.name;
    this.ready = pulumi.all([daemonSet.id, service.id]).apply(() => true);
    this.registerOutputs({ facts: this.facts, host: this.host, secretName: this.secretName, ready: this.ready });
  }
}

/** The args as they are kept in the state: a given password only as a secret. */
function shownArgs(args: LocalDbDaemonSetArgs): pulumi.Inputs {
  const { transforms: _transforms, credentials, nodes, ...others } = args;
  const shown = { ...others, nodes: nodeNames(nodes) };
  return credentials?.password === undefined
    ? { ...shown, credentials }
    : { ...shown, credentials: { ...credentials, password: pulumi.secret(credentials.password) } };
}

function createConfig(parent: pulumi.Resource, args: LocalDbDaemonSetArgs, plan: LocalDbPlan): k8s.core.v1.ConfigMap {
  return createChild(
    k8s.core.v1.ConfigMap,
    `${plan.name}-config`,
    {
      metadata: { name: plan.configName, namespace: args.namespace, labels: describeLabels(plan.name, databasePart) },
      data: { ...plan.engine.configFiles, ...plan.engine.initFiles },
    },
    { parent },
    args.transforms?.config,
  );
}

function createPriority(parent: pulumi.Resource, args: LocalDbDaemonSetArgs, plan: LocalDbPlan): pulumi.Resource[] {
  if (args.priorityClassName !== undefined) {
    return [];
  }
  const priority = {
    metadata: { name: plan.priorityClassName, labels: describeLabels(plan.name, databasePart) },
    // Above everything that asks for nothing, far below the 2 000 000 000 of system-node-critical.
    value: 1_000_000,
    description: `Local databases of ${plan.name}: services next to them can be moved, the data cannot.`,
  };
  return [createChild(k8s.scheduling.v1.PriorityClass, `${plan.name}-priority`, priority, { parent }, args.transforms?.priority)];
}

function createDaemonSet(
  parent: pulumi.Resource,
  args: LocalDbDaemonSetArgs,
  plan: LocalDbPlan,
  dependsOn: pulumi.Resource[],
): k8s.apps.v1.DaemonSet {
  const daemonSet: k8s.apps.v1.DaemonSetArgs = {
    metadata: {
      name: plan.name,
      namespace: args.namespace,
      labels: { ...describeLabels(plan.name, databasePart), [dataLabel]: "database" },
    },
    spec: {
      selector: { matchLabels: plan.selector },
      // Never a surge: two servers on one data directory would destroy it.
      updateStrategy: plan.rolling ? { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } : { type: "OnDelete" },
      template: podTemplate(plan),
    },
  };
  return createChild(
    k8s.apps.v1.DaemonSet,
    `${plan.name}-daemon-set`,
    daemonSet,
    { parent, dependsOn, ...dataOptions(args.dataProtection) },
    args.transforms?.daemonSet,
  );
}
