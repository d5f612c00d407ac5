/** The mesh of the stack `local` cut down to what still has every kind of part: for tests that deploy it many times. */
import { localMesh, type MeshConfig, meshNode } from "./local-stack";

const snapshot = "20261121t0600z";

/** Two nodes in two zones, two shards × two replicas, one topic, one version × one snapshot, one route. Node names begin with `name`. */
export function smallMesh(name: string): MeshConfig {
  const mesh = localMesh();
  const [version] = Object.values<MeshConfig>(mesh.services.prices.versions);
  return {
    ...mesh,
    nodes: { [`${name}-1`]: meshNode("zone-a"), [`${name}-2`]: meshNode("zone-b") },
    shards: { count: 2, replicas: 2 },
    topics: { orders: { partitions: 2 } },
    snapshots: { hourly: { ...mesh.snapshots.hourly, snapshots: [snapshot] } },
    services: { prices: { ...mesh.services.prices, versions: { v1: { ...version, snapshots: [snapshot] } } } },
    routes: {
      ...mesh.routes,
      hosts: [`${name}.example.test`],
      routes: [{ name: "prices", match: [{ prefix: "/prices", snapshot }], to: [{ service: { service: "prices" } }] }],
    },
  };
}
