/** What a shard map is computed from, and what is wrong with it. */
import { checkDnsLabel, checkInteger, checkList, checkObject, checkOneOf, checkUnique, isObject } from "./checks";
import { joinPath, type Problems } from "./errors";
import { checkShardMap, type ShardMap } from "./shard-map";
import { maxShardCount } from "./shards";
import type { TopologyNode } from "./topology";

/** What a shard map is computed from. */
export interface PlacementRequest {
  nodes: readonly TopologyNode[];
  shardCount: number;
  /** Owners of each shard, default 1. */
  replicas?: number;
  /** Whether replicas of a shard in one zone are a warning (`preferred`, the default) or an error (`required`). */
  zoneSpread?: "preferred" | "required";
  /** The map that the mesh has now; the new one moves as little of it as possible. */
  previous?: ShardMap;
}

/** Notes everything that is wrong with a request. */
export function checkPlacementRequest(problems: Problems, request: PlacementRequest): void {
  const { nodes, shardCount, replicas = 1, zoneSpread = "preferred", previous } = request;
  const counted = checkInteger(problems, "shardCount", shardCount, { min: 1, max: maxShardCount });
  const repeated = checkInteger(problems, "replicas", replicas, { min: 1 });
  checkOneOf(problems, "zoneSpread", zoneSpread, ["preferred", "required"]);
  if (checkList(problems, "nodes", nodes)) {
    if (nodes.length === 0) {
      problems.add("nodes", [], "at least one mesh node is needed");
    } else if (repeated && replicas > nodes.length) {
      const known = nodes.length === 1 ? "is only 1 node" : `are only ${nodes.length} nodes`;
      problems.add("replicas", replicas, `the replicas of a shard are on different nodes, and there ${known}`);
    }
    nodes.forEach((node, index) => checkNode(problems, joinPath("nodes", index), node));
    checkUnique(
      problems,
      "nodes",
      nodes.map((node: unknown) => (isObject(node) ? node["name"] : undefined)),
      "name",
    );
  }
  if (!problems.any) {
    checkRoom(problems, nodes, shardCount, replicas);
  }
  if (previous !== undefined && checkObject(problems, "previous", previous)) {
    checkShardMap(problems, "previous", previous);
  }
  if (counted && typeof previous?.shardCount === "number" && previous.shardCount !== shardCount) {
    problems.add(
      "shardCount",
      shardCount,
      `the previous map has ${previous.shardCount} shards, and another number would cut all data anew; ` +
        `create a second mesh with ${shardCount} shards and move the data by restoring a snapshot into it`,
    );
  }
}

/** Notes where limits leave no room for all copies. */
function checkRoom(problems: Problems, nodes: readonly TopologyNode[], shardCount: number, replicas: number): void {
  const room = nodes.reduce((sum, { maxShards = shardCount }) => sum + Math.min(shardCount, maxShards), 0);
  if (room < shardCount * replicas) {
    problems.add(
      "nodes",
      `room for ${room} shard copies`,
      `the ${nodes.length} nodes must hold ${shardCount} shards × ${replicas} replicas: add nodes, or raise maxShards`,
    );
  }
}

function checkNode(problems: Problems, path: string, node: unknown): void {
  if (!isObject(node)) {
    problems.add(path, node, "a mesh node is expected");
    return;
  }
  checkDnsLabel(problems, joinPath(path, "name"), node["name"]);
  for (const key of ["zone", "region"]) {
    if (typeof node[key] !== "string" || node[key] === "") {
      problems.add(joinPath(path, key), node[key], `the name of the ${key} is needed to spread replicas`);
    }
  }
  if (node["maxShards"] !== undefined) {
    checkInteger(problems, joinPath(path, "maxShards"), node["maxShards"], { min: 0 });
  }
  const weight = node["weight"];
  if (typeof weight !== "number" || !(weight > 0) || weight > maxWeight) {
    problems.add(
      joinPath(path, "weight"),
      typeof weight === "number" ? String(weight) : weight,
      `a number above 0 and at most ${maxWeight} is allowed`,
    );
  }
}

/** Weights far above all others would leave nothing but rounding errors to the rest. */
const maxWeight = 1_000_000;
