/** How a ComputeMesh places its shards: by its lock file, beside the map before, or from its nodes alone. */
import { isObject } from "../model/checks";
import { keyPath, type Problems } from "../model/errors";
import { placementOfLock, readMeshLock, serializeMeshLock, updateMeshLock } from "../model/mesh-lock";
import { computeShardMap, type PlacementResult } from "../model/placement";
import type { PlacementRequest } from "../model/placement-request";
import { describeMoves, diffShardMaps } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";
import { attempt, below } from "./compute-mesh-checks";

/** A placement, and what follows from it for whoever deploys. */
export interface MeshPlacement extends PlacementResult {
  /** What moves against the map before, as lines to read; none where that is not known. */
  moves: string[];
  /** The lock file as it should be; undefined where the mesh has none. */
  lockText?: string;
}

/** More lines than this say less than their sum. */
const mostLines = 20;

/**
 * Places the shards.
 *
 * @param names the nodes' names in the args, in the order of `facts`
 * @returns undefined where a problem was noted
 */
export function placeShards(
  problems: Problems,
  args: ComputeMeshArgs,
  names: readonly string[],
  facts: readonly MeshNodeFacts[],
): MeshPlacement | undefined {
  const wanted = placementRequestOf(args, names, facts);
  // The zone of a stand-in is not known: with one, what is required can only be checked afterwards.
  const known = facts.every((one, index) => one.name === names[index]);
  const request: PlacementRequest = known || wanted.zoneSpread !== "required" ? wanted : { ...wanted, zoneSpread: "preferred" };
  const place = (path: string): string =>
    path === "shardCount"
      ? "shards.count"
      : below("shards", ["nodes"])(path.replace(/^nodes\[(\d+)\]/, (_all, index: string) => keyPath("nodes", names[Number(index)])));
  // With a stand-in every lock would be out of date.
  return checkLock(problems, args)
    ? attempt(problems, () => computed(request, known ? args.shards : { ...args.shards, lock: undefined }), place)
    : undefined;
}

/**
 * What the shards of a mesh are placed on.
 *
 * @param names the nodes' names in the args, in the order of `facts`
 */
export function placementRequestOf(
  { nodes, shards }: Pick<ComputeMeshArgs, "nodes" | "shards">,
  names: readonly string[],
  facts: readonly MeshNodeFacts[],
): PlacementRequest {
  const { count, replicas, zoneSpread } = shards;
  return {
    nodes: facts.map((node, index) => withLimit(node, nodes[names[index]]?.maxShards)),
    shardCount: count,
    ...(replicas === undefined ? {} : { replicas }),
    // The placement checks the word itself.
    ...(zoneSpread === undefined ? {} : { zoneSpread: zoneSpread as "preferred" | "required" }),
  };
}

function computed(request: Omit<PlacementRequest, "previous">, { previous, lock }: Partial<ComputeMeshArgs["shards"]>): MeshPlacement {
  if (lock?.write !== undefined) {
    const before = lock.text === undefined ? undefined : readMeshLock({ ...lock, text: lock.text });
    const { lock: next, placement, moves } = updateMeshLock(before, request);
    return { ...placement, moves: shortened(describeMoves(moves)), lockText: serializeMeshLock(next) };
  }
  if (lock !== undefined) {
    return { ...placementOfLock(request, lock), moves: [] };
  }
  const placement = computeShardMap({ ...request, ...(previous === undefined ? {} : { previous }) });
  return { ...placement, moves: previous === undefined ? [] : shortened(describeMoves(diffShardMaps(previous, placement.map))) };
}

function shortened(lines: string[]): string[] {
  return lines.length > mostLines ? lines.slice(-1) : lines;
}

function withLimit(node: MeshNodeFacts, maxShards: number | undefined): MeshNodeFacts {
  return maxShards === undefined ? node : { ...node, maxShards };
}

function checkLock(problems: Problems, { shards }: ComputeMeshArgs): boolean {
  const { lock, previous } = shards;
  if (lock === undefined) {
    return true;
  }
  if (!isObject(lock) || typeof lock.path !== "string" || typeof lock.mend !== "string") {
    problems.add(
      "shards.lock",
      lock,
      'what lockFile("mesh.lock.json") returns is allowed; in the configuration of a stack the name of the file',
    );
    return false;
  }
  if (previous !== undefined) {
    problems.add("shards.previous", "a map", "the lock file says what the map was before");
    return false;
  }
  return true;
}
