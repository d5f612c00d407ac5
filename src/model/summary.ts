/** One readable picture of a deployed mesh: plain values, known in preview, exported by the stacks and printed by `npm start`. */
export interface MeshSummary {
  mesh: string;
  namespace: string;
  nodes: NodeSummary[];
  shards: { count: number; replicas: number; mapVersion: string; warnings: string[] };
  topics: { name: string; partitions: number }[];
  /** The endpoint is one name on every node: it always means the database of the pod's own node. */
  databases: { engine: string; endpoint: string }[];
  /** `when` is the schedule in words, UTC; `inUse` are the snapshots that services can be bound to. */
  snapshots: { group: string; schedule: string; when: string; store: string; inUse: string[] }[];
  services: { service: string; version: string; snapshot: string; endpoint: string; weight: number }[];
  /** `request` is a witness: one request that takes the route. */
  routes: { name: string; request: string; destination: string }[];
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
}
