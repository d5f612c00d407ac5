/**
 * Placement: which mesh nodes own which shards. A pure function of the nodes, the number of shards and, where there is one, the previous map.
 *
 * Promises, in this order:
 * 1. The same request gives the same map on every machine, whatever the order of the nodes.
 * 2. The replicas of a shard are on different nodes.
 * 3. Every node's number of shard copies is its exact share (in proportion to its weight, at most one copy of each shard) rounded down or up; with
 *    equal weights two nodes differ by at most one. The same holds for primaries, measured against the copies of the node.
 * 4. As few copies as possible share a zone with another copy of their shard: none, where even shares allow it. Balance comes first; where the two
 *    conflict (zones of 4 and 1 nodes, 2 replicas), a warning says so, or an error with `zoneSpread: "required"`.
 * 5. With a previous map as few copies move as 2 to 4 allow. Without one a joining or leaving node still moves little more than its own share,
 *    because every shard ranks the nodes by costs that depend on nothing else, and the map is the assignment of least total cost.
 *
 * `placement-scores.ts` ranks, `placement-shares.ts` bounds, `placement-flow.ts` assigns; each cites its source.
 */
import { checkDnsLabel, checkInteger, checkList, checkObject, checkOneOf, checkUnique, isObject } from "./checks";
import { joinPath, Problems } from "./errors";
import { explainShard, describeZoneConflicts, type Placed } from "./placement-explain";
import { assign } from "./placement-flow";
import { costRange, rendezvousCosts } from "./placement-scores";
import { unreachable } from "./placement-state";
import { computeShares, roundedBounds } from "./placement-shares";
import { checkShardMap, createShardMap, type ShardMap } from "./shard-map";
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

/** A shard map and what is to be said about it. */
export interface PlacementResult {
  map: ShardMap;
  /** What was wished for and could not be had, each beginning with its name, for example `zoneSpread: …`. */
  warnings: string[];
  /** One line on why each replica of a shard is where it is. */
  explain: (shard: number) => string;
}

/**
 * Computes the shard map.
 *
 * @throws MeshInputError with everything that is wrong in the request
 */
export function computeShardMap(request: PlacementRequest): PlacementResult {
  const problems = new Problems("shardMap");
  checkRequest(problems, request);
  problems.throwIfAny();
  const placed = place(request);
  const conflicts = describeZoneConflicts(placed);
  if (request.zoneSpread === "required" && conflicts !== undefined) {
    problems.add("zoneSpread", "required", conflicts);
  }
  problems.throwIfAny();
  return {
    map: createShardMap(
      placed.owners.map((nodes) => nodes.map((node) => placed.nodes[node].name)),
      placed.replicas,
    ),
    warnings: conflicts === undefined ? [] : [`zoneSpread: ${conflicts}`],
    explain: (shard) => explainShard(placed, shard),
  };
}

/** The name of a node's zone: zones of different regions are different, even where a cloud calls them all `1`. */
export function zoneOf(node: TopologyNode): string {
  return `${node.region}/${node.zone}`;
}

function place(request: PlacementRequest): Placed {
  const { shardCount, replicas = 1, previous } = request;
  // Sorted by code units: localeCompare depends on the machine.
  const nodes = [...request.nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const zoneNames = [...new Set(nodes.map(zoneOf))].sort();
  const zoneOfNode = nodes.map((node) => zoneNames.indexOf(zoneOf(node)));
  const oneRegion = nodes.every((node) => node.region === nodes[0].region);
  const zones = oneRegion ? zoneNames.map((name) => name.slice(nodes[0].region.length + 1)) : zoneNames;
  const shares = computeShares({ shardCount, replicas, weights: nodes.map((node) => node.weight), zoneOfNode, zoneCount: zones.length });
  const names = nodes.map((node) => node.name);
  const costs = rendezvousCosts(names, shardCount);
  const before = previousOwners(previous, names, shardCount);
  const owners = assign({ ...shares, shardCount, degree: replicas, zoneOfNode, costs: preferring(costs, before, names.length) });
  const primaries = choosePrimaries(owners, costs, before, names.length, replicas);
  const ordered = owners.map((own, shard) => [primaries[shard], ...own.filter((node) => node !== primaries[shard])]);
  return { nodes, zones, zoneOfNode, shardCount, replicas, costs, shares, before, owners: ordered };
}

/** For each shard its owners in the previous map that are still there, the primary first. */
function previousOwners(previous: ShardMap | undefined, names: readonly string[], shardCount: number): number[][] {
  const index = new Map(names.map((name, node) => [name, node]));
  return Array.from({ length: shardCount }, (_unused, shard) => (previous?.owners[shard] ?? []).flatMap((name) => index.get(name) ?? []));
}

/**
 * Costs that make the previous owners cheaper than everything that could be gained by moving: no exchange visits more vertices than there are nodes,
 * zones and the total, so one copy that stays outweighs all scores of an exchange.
 */
function preferring(costs: Float64Array, before: readonly number[][], nodeCount: number): Float64Array {
  const stays = costRange * (2 * nodeCount + 2);
  const preferred = costs.slice();
  before.forEach((owners, shard) => owners.forEach((node) => (preferred[shard * nodeCount + node] -= stays)));
  return preferred;
}

/** One owner of each shard, such that the primaries of a node are its copies divided by the replicas, rounded down or up. */
function choosePrimaries(
  owners: number[][],
  costs: Float64Array,
  before: readonly number[][],
  nodeCount: number,
  replicas: number,
): number[] {
  const copies = new Array<number>(nodeCount).fill(0);
  const among = new Float64Array(costs.length).fill(unreachable);
  for (const [shard, nodes] of owners.entries()) {
    for (const node of nodes) {
      copies[node]++;
      among[shard * nodeCount + node] = costs[shard * nodeCount + node];
    }
  }
  const chosen = assign({
    shardCount: owners.length,
    degree: 1,
    costs: preferring(
      among,
      before.map((nodes) => nodes.slice(0, 1)),
      nodeCount,
    ),
    zoneOfNode: copies.map(() => 0),
    nodeLoad: copies.map((count) => roundedBounds(count / replicas)),
    zoneLoad: [{ low: owners.length, high: owners.length }],
    zonePerShard: [{ low: 1, high: 1 }],
  });
  return chosen.map(([primary]) => primary);
}

function checkRequest(problems: Problems, request: PlacementRequest): void {
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
