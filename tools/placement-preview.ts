/** What `npm run preview` says about shards: the map that is deployed beside the one that would be. */
import { createShardMap, type ShardMap } from "../src/model/shard-map";
import { type MeshLock, requestOf, updateMeshLock } from "../src/model/mesh-lock";
import type { PlacementRequest } from "../src/model/placement-request";
import type { MeshSummary } from "../src/model/summary";
import { compareMaps, formatChange } from "./placement-report";

/** The map of a deployed mesh, from the summary in its outputs; owners that are not primary come by name. */
export function mapOfSummary({ nodes, shards }: Pick<MeshSummary, "nodes" | "shards">): ShardMap {
  const owners: string[][] = Array.from({ length: shards.count }, () => []);
  for (const { name, primaryShards } of nodes) {
    primaryShards.forEach((shard) => owners[shard].unshift(name));
  }
  for (const { name, shards: held, primaryShards } of nodes) {
    held.filter((shard) => !primaryShards.includes(shard)).forEach((shard) => owners[shard].push(name));
  }
  return createShardMap(owners, shards.replicas);
}

/**
 * The moves that a deployment would bring, as lines to read; none where nothing moves.
 *
 * @param deployed the summary in the outputs of the stack
 * @param lock what the stack's lock file holds; without one the map is computed from the nodes alone
 */
export function previewMoves(
  deployed: Pick<MeshSummary, "nodes" | "shards">,
  request: PlacementRequest,
  lock: MeshLock | undefined,
  bytesOfShard?: (shard: number) => number | undefined,
): string[] {
  const before = mapOfSummary(deployed);
  const after = lock ?? updateMeshLock(undefined, request).lock;
  const nodes = deployed.nodes.map(({ name, zone, region }) => ({ name, zone, region, cluster: "", provider: "", weight: 1 }));
  const change = compareMaps({ map: before, nodes }, { map: after.map, nodes: requestOf(after).nodes }, bytesOfShard);
  return change.moves + change.primaries === 0 ? [] : ["Shards that would move:", ...formatChange(change).map((line) => `  ${line}`)];
}
