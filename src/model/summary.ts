import type { CostLine } from "./costs";
import type { LocalDbFacts, SnapshotGroupFacts, TopicFacts, VersionedServiceFacts } from "./facts";
import { describeSchedule } from "./schedule";
import { primaryShardsOfNode, type ShardMap, shardsOfNode } from "./shard-map";
import type { MeshNodeFacts, TopologyNode } from "./topology";

/** One readable picture of a deployed mesh: plain values, known in preview, exported by the stacks and printed by `npm start`. */
export interface MeshSummary {
  mesh: string;
  namespace: string;
  nodes: NodeSummary[];
  shards: { count: number; replicas: number; mapVersion: string; warnings: string[] };
  topics: { name: string; partitions: number }[];
  /** The endpoint is one name on every node: it always means the database of the pod's own node. */
  databases: { engine: string; endpoint: string }[];
  /** `engine` is `mesh` or `stock`; `restoreFrom` is the component of the snapshot group that restores missing shards. */
  ingest: { engine: string; restoreFrom?: string };
  /** `when` is the schedule in words, UTC; `inUse` are the snapshots that services can be bound to; `tends` says whether it keeps the databases. */
  snapshots: { group: string; schedule: string; when: string; store: string; inUse: string[]; tends: boolean }[];
  /** `answers` is `all shards` where a gatherer stands before the pods, and `direct` then the pods' own endpoint; else `one pod`. */
  services: { service: string; version: string; snapshot: string; endpoint: string; direct?: string; answers: string; weight: number }[];
  /** `request` is a witness: one request that takes the route. */
  routes: { name: string; request: string; destination: string }[];
  /** What runs, by price class; absent where the node provider says nothing of it. */
  costs?: CostLine[];
}

/** One mesh node and its part of the work. */
export interface NodeSummary {
  name: string;
  zone: string;
  region: string;
  /** Every shard that has a replica here. */
  shards: number[];
  /** Those of them whose first owner is this node. */
  primaryShards: number[];
  /** Why this machine, for example `m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe`; absent where the node provider says nothing of it. */
  machine?: string;
}

/** What a summary is made of. */
export interface MeshSummaryInput {
  mesh: string;
  namespace: string;
  nodes: readonly MeshNodeFacts[];
  shardMap: ShardMap;
  warnings: readonly string[];
  topics: Record<string, TopicFacts>;
  database: LocalDbFacts;
  ingest: MeshSummary["ingest"];
  /** `key` is the group's name in the mesh. */
  snapshotGroups: readonly { key: string; facts: SnapshotGroupFacts }[];
  services: readonly VersionedServiceFacts[];
  routes: readonly { name: string; destination: string; witness: string }[];
  /** Mesh node → why this machine. Default: nothing is known of them. */
  machines?: Readonly<Record<string, string>>;
  costs?: readonly CostLine[];
}

/** The shards of every node. */
export function summarizeNodes(nodes: readonly TopologyNode[], shardMap: ShardMap): NodeSummary[] {
  return nodes.map(({ name, zone, region }) => ({
    name,
    zone,
    region,
    shards: shardsOfNode(shardMap, name),
    primaryShards: primaryShardsOfNode(shardMap, name),
  }));
}

/** Makes the summary of a mesh. */
export function summarizeMesh(input: MeshSummaryInput): MeshSummary {
  const { shardMap, namespace } = input;
  return {
    mesh: input.mesh,
    namespace,
    nodes: summarizeNodes(input.nodes, shardMap).map((node) => {
      const machine = input.machines?.[node.name];
      return machine === undefined ? node : { ...node, machine };
    }),
    shards: { count: shardMap.shardCount, replicas: shardMap.replicas, mapVersion: shardMap.version, warnings: [...input.warnings] },
    topics: Object.entries(input.topics).map(([name, { partitions }]) => ({ name, partitions })),
    databases: [{ engine: input.database.engine, endpoint: `${input.database.serviceName}.${namespace}.svc:${input.database.port}` }],
    ingest: { ...input.ingest },
    snapshots: input.snapshotGroups.map(({ key, facts }) => ({
      group: key,
      schedule: facts.schedule,
      when: describeSchedule(facts.schedule),
      store: facts.storeKind,
      inUse: [...facts.snapshots],
      tends: facts.tends ?? false,
    })),
    services: input.services.flatMap((service) =>
      service.endpoints.map((endpoint) => ({
        service: service.name,
        version: endpoint.version,
        snapshot: endpoint.snapshot,
        endpoint: `${endpoint.serviceName}.${namespace}.svc:${endpoint.port}`,
        ...(endpoint.directServiceName === undefined ? {} : { direct: `${endpoint.directServiceName}.${namespace}.svc:${endpoint.port}` }),
        answers: endpoint.directServiceName === undefined ? "one pod" : "all shards",
        weight: service.weights[endpoint.version] ?? 0,
      })),
    ),
    routes: input.routes.map((route) => ({ name: route.name, request: route.witness, destination: route.destination })),
    ...(input.costs === undefined || input.costs.length === 0 ? {} : { costs: [...input.costs] }),
  };
}
