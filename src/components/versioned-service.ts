import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type ChildTransform, orFail } from "../kubernetes/children";
import { nodeNames } from "../kubernetes/shown-args";
import { createNodeIdentity, type NodeIdentityParts, type NodeIdentityTransforms } from "../kubernetes/node-identity";
import type { LocalDbFacts, SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import type { ShardMap } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import type { ServiceAnswersArgs } from "./versioned-service-answers";
import { createGatherers, type GathererTransforms } from "./versioned-service-gatherer";
import { createDisruptionBudget, createPodServices, createService, createWorkload } from "./versioned-service-objects";
import { normalizeVersionedService, type VersionedServicePlan } from "./versioned-service-plan";

export type { PodPlacementArgs, ServiceAnswersArgs } from "./versioned-service-answers";
export type { GathererTransforms } from "./versioned-service-gatherer";

/** One version of a service. */
export interface ServiceVersionArgs {
  /** Container image with a tag or a digest; `latest` is refused. It must run as a user other than root and write nowhere but below `/tmp` (and `/data`). */
  image: string;
  /** Snapshot ids that this version answers for, at least one, each kept by the snapshot group. Every one gets pods of its own. */
  snapshots: string[];
  /** Share of the requests that name no version, relative to the other versions. Default: 1; 0 is no share. */
  weight?: number;
  /**
   * Environment on top of what the component sets. A value may use the component's variables, for example
   * `postgres://$(DATABASE_USER):$(DATABASE_PASSWORD)@$(DATABASE_HOST)/$(DATABASE_NAME)`.
   */
  env?: Record<string, pulumi.Input<string>>;
  /** Program in place of the image's own. */
  command?: string[];
  /** Arguments in place of the image's own. */
  args?: string[];
}

/** One pod on every mesh node. */
export interface DaemonSetPlacementArgs {
  /** Pods that may be missing at once while an update rolls. Default: 1. */
  maxUnavailable?: number;
}

/** A volume of its own for every pod of a StatefulSet, mounted at `/data`. It stays when the workload goes. */
export interface ServiceStorageArgs {
  /** Size as a Kubernetes quantity, for example `10Gi`. Fixed at creation. */
  size: string;
  /** Default: the default class of the cluster. Fixed at creation. */
  storageClassName?: string;
}

/** A number of pods with stable names, at most one on a mesh node, spread over the zones. */
export interface StatefulSetPlacementArgs {
  /** Pods per version and snapshot, at most one per mesh node. */
  replicas: number;
  /** Default: none. */
  storage?: ServiceStorageArgs;
}

/** Where the pods run, exactly one of these. */
export interface ServicePlacementArgs {
  daemonSet?: DaemonSetPlacementArgs;
  statefulSet?: StatefulSetPlacementArgs;
}

/** Raw changes of single children, the same for every (version, snapshot); tell them apart by their args. */
export interface VersionedServiceTransforms extends NodeIdentityTransforms, GathererTransforms {
  daemonSet?: ChildTransform<k8s.apps.v1.DaemonSetArgs>;
  statefulSet?: ChildTransform<k8s.apps.v1.StatefulSetArgs>;
  /** The Service of one (version, snapshot). */
  service?: ChildTransform<k8s.core.v1.ServiceArgs>;
  /** The headless Service of one StatefulSet. */
  headlessService?: ChildTransform<k8s.core.v1.ServiceArgs>;
  /** The Service of a single pod. */
  podService?: ChildTransform<k8s.core.v1.ServiceArgs>;
  podDisruptionBudget?: ChildTransform<k8s.policy.v1.PodDisruptionBudgetArgs>;
}

export interface VersionedServiceArgs {
  /** Namespace of all objects; that of the database, too. */
  namespace: pulumi.Input<string>;
  /** Name of the service in object names, labels and routes; a DNS label. Fixed at creation. Default: the component's name. */
  serviceName?: string;
  /** The mesh nodes that the pods run on. */
  nodes: MeshNodeFacts[];
  /** The database of the pod's own node. Default: none, and no `DATABASE_…` variables. */
  database?: LocalDbFacts;
  /** The snapshots that versions are bound to. */
  snapshotGroup: SnapshotGroupFacts;
  /** The versions by name, a DNS label each. */
  versions: Record<string, ServiceVersionArgs>;
  /** Port that the container listens on, 1 to 65535; the Services have the same. */
  port: number;
  /** Path that answers 200 once the pod can serve its snapshot. Default: `/healthz`. */
  readinessPath?: string;
  /** Default: `{ daemonSet: {} }`. */
  placement?: ServicePlacementArgs;
  /**
   * Which mesh node owns which shard: every shard must then have a pod beside it, and every pod finds the shards of its node in
   * `/etc/compute-mesh/node.env`. Pods roll when the map changes. Default: none, where nothing waits for a snapshot and there are no `answers`.
   */
  shardMap?: ShardMap;
  /**
   * Whether pods start only once the database of their own node shows all of its shards of their snapshot. Needs `database`, `shardMap` and a snapshot
   * group with `tendsShards`. Default: true where there is a database and the group tends, else false.
   */
  waitForSnapshot?: boolean;
  /**
   * Whether an update waits until the pods are ready. Pods that are bound to a snapshot of the future are not ready before it is taken, so the
   * default is false where pods wait for their snapshot: the update ends, and they come up when they can. Default: true where they do not.
   */
  awaitReady?: boolean;
  /** Image of the programs that wait for snapshots and gather answers. Default: `ghcr.io/compute-mesh/agent` in the version of this package. */
  agentImage?: string;
  /** Image with `sh`, `sed` and `curl`, used where a pod must read its Node's label. Default: `docker.io/curlimages/curl:8.11.1`. */
  nodeReaderImage?: string;
  /** Global answers: a gatherer for every version and snapshot, which routes then go to. Needs `shardMap`. Default: none. */
  answers?: ServiceAnswersArgs;
  /** CPU of one pod as a Kubernetes quantity, request and limit. Default: `500m`. */
  cpu?: string;
  /** Memory of one pod as a Kubernetes quantity, request and limit. Default: `512Mi`. */
  memory?: string;
  transforms?: VersionedServiceTransforms;
}

/**
 * One service in several versions at once, each bound to one or more snapshots, with its pods beside the data.
 *
 * Every (version, snapshot) has its own workload and its own Kubernetes Service, both named `<service>-<version>-<snapshot>`, so that a question
 * about one snapshot can never be answered from another, and a version comes or goes without touching the others. StatefulSet pods have a
 * Service each, too, for asking every pod once.
 *
 * Pods find in their environment: `MESH_SERVICE`, `MESH_VERSION`, `MESH_SNAPSHOT`, `NODE_NAME`; with a database `DATABASE_ENGINE`, `DATABASE_HOST`,
 * `DATABASE_PORT`, `DATABASE_NAME`, `DATABASE_USER`, `DATABASE_PASSWORD` and, where it has TLS, `DATABASE_TLS=true` and `DATABASE_CA_FILE`; with a shard map
 * `MESH_SHARD_COUNT`, and the file `/etc/compute-mesh/node.env` with `MESH_NODE`, `MESH_SHARDS` and `MESH_PRIMARY_SHARDS` (comma lists). On a node that the
 * node selector matches and the shard map does not name, a directory is in its place: such a pod has no shards and is asked nothing.
 *
 * With `answers` a gatherer stands before the pods of every (version, snapshot), and `facts` name its Service, so that routes reach all shards at once. It
 * forwards a question to one owner of every shard with the headers `mesh-shards: 0,3,5`, `mesh-snapshot` and `mesh-version`. A pod must answer for
 * exactly those shards, and refuse (421) where its database does not show one of them: a partial answer that looks whole would become a wrong one.
 * `directServiceName` of an endpoint is the Service of the pods themselves.
 *
 * Cost: three objects per (version, snapshot) whatever the number of nodes; for a StatefulSet one more, and one per pod; with answers four more, and three
 * to five for the whole service; with a shard map one more. CPU and memory are reserved once per pod. Needs Kubernetes 1.30 or later (preStop sleep).
 *
 * @example
 * const prices = new VersionedService("prices", {
 *   namespace, nodes, shardMap, database: db.facts, snapshotGroup: hourly.facts, port: 8080,
 *   answers: { merge: { "/total": { fields: { rows: { count: true }, amount: { sum: true } } } } },
 *   versions: {
 *     v1: { image: "ghcr.io/acme/prices:1.4.2", snapshots: ["20261121t0600z"], weight: 90 },
 *     v2: { image: "ghcr.io/acme/prices:2.0.0", snapshots: ["20261121t0600z", "20261121t0700z"], weight: 10 },
 *   },
 * });
 */
export class VersionedService extends pulumi.ComponentResource {
  /** What routes bind to: versions, weights and one endpoint per (version, snapshot); plain, known in preview. */
  public readonly facts: VersionedServiceFacts;
  /** Names of the Kubernetes Services, one per (version, snapshot), in the order of `facts.endpoints`. */
  public readonly endpointNames: pulumi.Output<string[]>;
  /** Resolves to true when every pod is ready and every Service is there; to false where `awaitReady` is, because nobody has looked. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: VersionedServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:VersionedService", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeVersionedService(name, args));
    const identity = createIdentity(this, args, plan);
    const workloads = plan.pairs.map((pair) => createWorkload(this, args, plan, pair, identity));
    const services = plan.pairs.map((pair) => createService(this, args, plan, pair));
    const podServices = plan.pairs.flatMap((pair) => createPodServices(this, args, plan, pair));
    plan.pairs.forEach((pair) => createDisruptionBudget(this, args, plan, pair));
    const gatherers = createGatherers(this, args, plan);
    const entrances = gatherers.length === 0 ? services : gatherers.map((gatherer) => gatherer.service);
    const all = [...workloads, ...services, ...podServices, ...gatherers.flatMap(({ deployment, service }) => [deployment, service])];
    this.facts = plan.facts;
    this.endpointNames = pulumi.all(entrances.map((service) => service.metadata.name));
    this.ready = pulumi.all(all.map((resource) => resource.id)).apply(() => plan.awaitReady);
    this.registerOutputs({ facts: this.facts, endpointNames: this.endpointNames, ready: this.ready });
  }
}

/** The args as they are kept in the state: without functions. */
function shownArgs({ transforms: _transforms, nodes, ...shown }: VersionedServiceArgs): pulumi.Inputs {
  return { ...shown, nodes: nodeNames(nodes) };
}

/** The shards of every node, where the shard map is known. */
function createIdentity(parent: VersionedService, args: VersionedServiceArgs, plan: VersionedServicePlan): NodeIdentityParts | undefined {
  if (plan.identity === undefined) {
    return undefined;
  }
  const reader = args.nodeReaderImage === undefined ? {} : { readerImage: args.nodeReaderImage };
  return createNodeIdentity(parent, plan.name, { namespace: args.namespace, plan: plan.identity, ...reader }, args.transforms);
}
