/** Meshes of every size for the benchmarks: the stack `local`, grown. */
import { localMesh, type MeshConfig } from "../support/local-stack";

/** How large a mesh is. What is left out is as in the stack `local`: 5 nodes, 16 shards, 2 versions, 2 snapshots, 4 routes. */
export interface MeshSize {
  nodes?: number;
  shards?: number;
  versions?: number;
  snapshots?: number;
  routes?: number;
}

/** The args of a mesh, without its node provider. */
export function meshOfSize({ nodes = 5, shards = 16, versions = 2, snapshots = 2, routes }: MeshSize): MeshConfig {
  const mesh = localMesh();
  const names = Array.from({ length: nodes }, (_unused, index) => `n-${index + 1}`);
  mesh.nodes = Object.fromEntries(
    names.map((name, index) => [name, { spec: { zone: `zone-${"abc"[index % 3]}`, cpu: "8", memory: "32Gi" } }]),
  );
  mesh.shards = { count: shards, replicas: 2 };
  mesh.topics = { orders: { partitions: shards }, quotes: { partitions: 2 * shards } };
  const ids = Array.from({ length: snapshots }, (_unused, index) => snapshotId(index));
  mesh.snapshots.hourly.snapshots = ids;
  mesh.snapshots.hourly.keep = { last: Math.max(24, snapshots) };
  const { prices } = mesh.services;
  prices.versions = Object.fromEntries(
    Array.from({ length: versions }, (_unused, index) => [
      `v${index + 1}`,
      { image: `ghcr.io/compute-mesh/demo-prices:1.${index}.0`, snapshots: ids, weight: index === 0 ? 100 : 1 },
    ]),
  );
  const count = routes ?? mesh.routes.routes.length;
  mesh.routes.routes = Array.from({ length: count }, (_unused, index) => ({
    name: `route-${index}`,
    match: [{ prefix: `/route-${index}` }],
    to: [{ service: { service: "prices", snapshot: ids[index % ids.length] } }],
  }));
  return mesh;
}

/** One snapshot id for each hour. */
function snapshotId(index: number): string {
  const time = new Date(Date.UTC(2026, 10, 21, 5) + index * 3_600_000);
  return `${time.toISOString().slice(0, 16).replace(/[-:]/g, "").toLowerCase()}z`;
}
