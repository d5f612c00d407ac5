import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { NodeProvider, NodeSpec } from "../../providers/provider";
import { type ChildTransform, type DataProtection, orFail } from "../kubernetes/children";
import type { LockFile } from "../lock-file";
import { isObject } from "../model/checks";
import type { ShardMap } from "../model/shard-map";
import type { MeshSummary } from "../model/summary";
import type { MeshNodeFacts } from "../model/topology";
import { createPools, onPool, type MeshPoolEntry, type MeshPoolFacts } from "./compute-mesh-cloud";
import { ComputeMeshNodes } from "./compute-mesh-nodes";
import { createNamespace, createTopicRecords } from "./compute-mesh-objects";
import { normalizeComputeMesh } from "./compute-mesh-plan";
import { createStores, type MeshSnapshotStoreArgs, withCloudStore } from "./compute-mesh-snapshots";
import { GlooRoutes, type GlooRoutesArgs } from "./gloo-routes";
import { LocalDbDaemonSet, type LocalDbDaemonSetArgs } from "./local-db-daemon-set";
import { ShardedIngest, type ShardedIngestArgs } from "./sharded-ingest";
import { SnapshotGroup, type SnapshotGroupArgs } from "./snapshot-group";
import { VersionedService, type VersionedServiceArgs } from "./versioned-service";

export type { MeshPoolEntry, MeshPoolFacts } from "./compute-mesh-cloud";
export type { CloudSnapshotStoreArgs, MeshSnapshotStoreArgs } from "./compute-mesh-snapshots";

/** One mesh node of a mesh; its key is its name. */
export interface MeshNodeEntry {
  spec: NodeSpec;
  /** Share of the work relative to the other nodes, above 0. Default: 1. */
  weight?: number;
  /** Most shard copies that the node may hold, at least 0. Default: no limit. */
  maxShards?: number;
  /** Default: the node provider's. */
  dataProtection?: DataProtection;
}

/** How the computation is cut. */
export interface ShardsArgs {
  /** Number of shards, at least 1. Fixed at creation: another number would put rows into other shards. */
  count: number;
  /** Owners of each shard, on different nodes. Default: 1. */
  replicas?: number;
  /** `preferred`: replicas in one zone are a warning; `required`: an error. Default: `preferred`. */
  zoneSpread?: string;
  /** The shard map before this change; with it as little as possible moves, and preview shows the moves. Default: none. */
  previous?: ShardMap;
  /**
   * The lock file, by `lockFile("mesh.lock.json")`: the map is what the file says, and one that is out of date or broken is refused with the command that
   * mends it. Default: none; the map is computed from the nodes alone, and a change of the nodes moves somewhat more than it must.
   */
  lock?: LockFile;
}

/** The database of every node: a LocalDbDaemonSet without what the mesh itself knows. */
export type MeshDatabaseArgs = Omit<LocalDbDaemonSetArgs, "namespace" | "nodes">;
/** A ShardedIngest without what the mesh itself knows. */
export type MeshIngestArgs = Omit<
  ShardedIngestArgs,
  "namespace" | "nodes" | "shardMap" | "topics" | "kafka" | "database" | "restoreFrom"
> & {
  /**
   * Key of the snapshot group that keeps the databases (`tendsShards`): its agents restore missing shards and show snapshots to the services.
   * Default: the group that says `tendsShards`, or else the only group, where its store is one for all nodes.
   */
  restoreFrom?: string;
};
/** A SnapshotGroup without what the mesh itself knows. */
export type MeshSnapshotArgs = Omit<SnapshotGroupArgs, "namespace" | "nodes" | "shardMap" | "topics" | "kafka" | "database" | "store"> & {
  /** Where snapshots go: a store that is there, or `cloud` for one that the node provider makes. */
  store: MeshSnapshotStoreArgs;
};
/** A VersionedService without what the mesh itself knows, and the name of its snapshot group. */
export type MeshServiceArgs = Omit<
  VersionedServiceArgs,
  "namespace" | "serviceName" | "nodes" | "database" | "snapshotGroup" | "shardMap"
> & {
  /** Key of the snapshot group whose snapshots the versions are bound to. */
  snapshotGroup: string;
  /** Key of the pool that the gatherers (`answers`) run on; the pods themselves stay beside the data. Default: the mesh nodes. */
  pool?: string;
};
/** GlooRoutes without what the mesh itself knows. */
export type MeshRoutesArgs = Omit<GlooRoutesArgs, "namespace" | "services">;

/** Raw overrides of the mesh's own children; the parts have `transforms` of their own. */
export interface ComputeMeshTransforms {
  namespace?: ChildTransform<k8s.core.v1.NamespaceArgs>;
  /** One per topic: the record of how its partitions are cut. */
  topic?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
}

export interface ComputeMeshArgs {
  /** The cloud that the mesh runs on, for example `localProvider(…)`. */
  nodeProvider: NodeProvider;
  /** Name of the namespace that is created for the mesh, a DNS label. Default: the name of the mesh. */
  namespace?: string;
  /** The mesh nodes by name. Adding or removing one renames no other. */
  nodes: Record<string, MeshNodeEntry>;
  /** Pools of interchangeable nodes by name, for what needs no data of its own node. Default: none. */
  pools?: Record<string, MeshPoolEntry>;
  shards: ShardsArgs;
  /** The ingested Kafka topics by name. The number of partitions of a topic is fixed at creation. */
  topics: ShardedIngestArgs["topics"];
  kafka: ShardedIngestArgs["kafka"];
  /** Default: PostgreSQL in memory. */
  database?: MeshDatabaseArgs;
  /** Default: our own image, as it comes. */
  ingest?: MeshIngestArgs;
  /** Snapshot groups by name. Default: none. */
  snapshots?: Record<string, MeshSnapshotArgs>;
  /** Services by name. Default: none. */
  services?: Record<string, MeshServiceArgs>;
  /** Default: no routes. */
  routes?: MeshRoutesArgs;
  transforms?: ComputeMeshTransforms;
}

/**
 * A whole mesh from one typed object: nodes, databases, ingest, snapshots, services and routes, linked to each other.
 *
 * Everything is checked before anything is created, and every wrong property is reported at once. Whoever needs the parts one by one uses the other
 * components; this one adds nothing to them but the links, the namespace, and one protected record per topic of how it is cut into shards.
 *
 * An update makes the databases first, then ingest and snapshots side by side, for each waits for the other's work inside its pods, then services, then
 * routes. Destroying goes the other way: routes, services, data.
 *
 * Costs one resource per node and per topic and three per (version, snapshot) beside a constant number; none per shard.
 *
 * @example
 * const mesh = new ComputeMesh("quotes", {
 *   nodeProvider: existingProvider({ clusterName: "prod-eu", selector: { "node-pool": "mesh" } }),
 *   nodes: { "n-1": { spec: { zone: "eu-1a" } }, "n-2": { spec: { zone: "eu-1b" } } },
 *   shards: { count: 16, replicas: 2 },
 *   topics: { orders: { partitions: 16 } },
 *   kafka: { brokers: ["kafka-bootstrap.kafka.svc:9092"] },
 * });
 */
export class ComputeMesh extends pulumi.ComponentResource {
  /** Which mesh node owns which shard; plain, known in preview. */
  public readonly shardMap: ShardMap;
  /** The mesh nodes; plain, known in preview. */
  public readonly nodes: MeshNodeFacts[];
  /** Where pods for a pool belong: its labels and taints by the pool's name; plain, known in preview. */
  public readonly pools: Record<string, MeshPoolFacts>;
  /** A readable picture of the whole mesh; plain, known in preview. */
  public readonly summary: MeshSummary;
  public readonly namespaceName: pulumi.Output<string>;
  /**
   * Resolves to true when every node and workload of the mesh is ready; to false where the update has not waited for one of them, which is so for services
   * that wait for their snapshots (`awaitReady`).
   */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: ComputeMeshArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:ComputeMesh", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeComputeMesh(name, args));
    plan.summary.shards.warnings.forEach((warning) => void pulumi.log.warn(`shard map: ${warning}`, this));
    plan.notes.forEach((line) => void pulumi.log.info(line, this));
    plan.moves.forEach((line) => void pulumi.log.info(`shard map: ${line}`, this));
    if (plan.lockText !== undefined) {
      args.shards.lock?.write?.(plan.lockText);
    }

    const cluster = args.nodeProvider.createCluster(`${name}-cluster`, { parent: this });
    const opt = { parent: this, provider: cluster.kubernetes };
    const nodes = new ComputeMeshNodes(`${name}-nodes`, { mesh: name, nodeProvider: args.nodeProvider, nodes: plan.nodes }, opt);
    const pools = createPools(this, args.nodeProvider, plan.pools);
    this.pools = Object.fromEntries(pools.map(([key, { selector, taints }]) => [key, { selector, taints }]));
    // A DaemonSet without nodes counts as ready, so the nodes come first. One list of them here, and not one in every workload, keeps the state small.
    const poolParts = pools.flatMap(([, pool]) => pool.dependsOn ?? []);
    const namespace = createNamespace(name, args, plan, { ...opt, dependsOn: [nodes, ...poolParts] });
    const inside = { namespace: namespace.metadata.name };
    createTopicRecords(name, args, plan, inside.namespace, opt);
    const database = new LocalDbDaemonSet(plan.database.name, { ...plan.database.args, ...inside }, opt);
    const afterDatabase = { ...opt, dependsOn: [database] };
    // Neither after the other: a shard's ingest waits for the agent that restores it, and the agent's snapshots wait for the ingest.
    const ingest = new ShardedIngest(plan.ingest.name, { ...plan.ingest.args, ...inside }, afterDatabase);
    const stores = createStores(this, args.nodeProvider, plan.stores);
    const groups = plan.snapshotGroups.map((group) => {
      const store = stores.get(group.key);
      const after = { ...opt, dependsOn: [database, ...(store?.dependsOn ?? [])] };
      return new SnapshotGroup(group.name, { ...withCloudStore(group.args, store), ...inside }, after);
    });
    const afterData = { ...opt, dependsOn: [ingest, ...groups] };
    const services = plan.services.map(
      (service) => new VersionedService(service.name, { ...onPool(service.args, service.pool, this.pools), ...inside }, afterData),
    );
    const afterServices = { ...opt, dependsOn: services };
    plan.routes.forEach((routes) => new GlooRoutes(routes.name, { ...routes.args, ...inside }, afterServices));

    this.shardMap = plan.shardMap;
    this.nodes = plan.facts;
    this.summary = plan.summary;
    this.namespaceName = namespace.metadata.name;
    this.ready = pulumi
      .all([nodes, ...pools.map(([, pool]) => pool), database, ingest, ...groups, ...services].map((part) => part.ready))
      .apply((all) => all.every(Boolean));
    this.registerOutputs({
      shardMap: this.shardMap,
      nodes: this.nodes,
      pools: this.pools,
      summary: this.summary,
      namespaceName: this.namespaceName,
      ready: this.ready,
    });
  }
}

/**
 * The args as policies see them and the state keeps them, without functions and without what can hold credentials: a provider is known by its name,
 * and the credentials of the database are shown, as a secret, by the LocalDbDaemonSet. Nothing has been checked yet.
 */
function shownArgs(args: ComputeMeshArgs): pulumi.Inputs {
  const { nodeProvider, shards, database, ingest, snapshots, services, routes, ...shown } = shownPart(args);
  const { lock, ...shownShards } = shownPart(shards);
  const { credentials: _credentials, ...shownDatabase } = shownPart(database);
  return {
    ...shown,
    nodeProvider: (nodeProvider as NodeProvider | undefined)?.name,
    // The file is as long as the shard map, which is an output anyway.
    shards: { ...shownShards, ...(isObject(lock) ? { lock: lock["path"] } : {}) },
    database: shownDatabase,
    ingest: shownPart(ingest),
    snapshots: shownParts(snapshots),
    services: shownParts(services),
    ...(routes === undefined ? {} : { routes: shownPart(routes) }),
  };
}

function shownPart(part: unknown): Record<string, unknown> {
  const { transforms: _transforms, ...shown } = isObject(part) ? part : {};
  return shown;
}

function shownParts(parts: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(isObject(parts) ? parts : {}).map(([key, part]) => [key, shownPart(part)]));
}
