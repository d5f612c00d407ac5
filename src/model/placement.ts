/**
 * Placement: which mesh nodes own which shards. A pure function of the nodes, the number of shards and, where there is one, the previous map.
 *
 * Promises, in this order:
 * 1. The same request gives the same map on every machine, whatever the order of the nodes.
 * 2. The replicas of a shard are on different nodes, and no node has more copies than its limit.
 * 3. Every node's number of shard copies is its exact share (in proportion to its weight, at most one copy of each shard, at most its limit) rounded down
 *    or up; with equal weights two nodes differ by at most one. The same holds for primaries, measured against the copies of the node.
 * 4. As few copies as possible share a zone with another copy of their shard: none, where even shares allow it; then the same for regions, clusters and
 *    providers. Balance comes first; where it and zones conflict (zones of 4 and 1 nodes, 2 replicas), a warning says so, or an error with
 *    `zoneSpread: "required"`.
 * 5. With a previous map as few copies move as 2 to 4 allow. Without one a joining or leaving node still moves little more than its own share,
 *    because every shard ranks the nodes by costs that depend on nothing else, and the map is the assignment of least total cost.
 *
 * Where one level of domains cuts across another (two clusters that both span all zones), 4 holds for the first and is a local optimum for the other.
 *
 * `placement-tree.ts` orders the domains, `placement-scores.ts` ranks, `placement-shares.ts` bounds, `placement-prices.ts` and `placement-flow.ts` assign,
 * `placement-swaps.ts` spreads over crossing domains; each cites its source.
 */
import { Problems } from "./errors";
import { checkPlacementRequest, type PlacementRequest } from "./placement-request";
import { explainShard, describeZoneConflicts, type Placed } from "./placement-explain";
import { assign } from "./placement-flow";
import { findPrices } from "./placement-prices";
import { cheapestChoices, costThreshold, costOfPair, costRange, rendezvousScores, type Scores } from "./placement-scores";
import { computeShares, roundedBounds } from "./placement-shares";
import { unreachable, type State } from "./placement-state";
import { spreadOverCrossing } from "./placement-swaps";
import { domainName, domainsOf, domainTree } from "./placement-tree";
import { createShardMap, type ShardMap } from "./shard-map";
import type { TopologyNode } from "./topology";

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
  checkPlacementRequest(problems, request);
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
  return domainName(node, "zone");
}

/** The nodes in the order in which they are numbered: by code units, because localeCompare depends on the machine. */
function inOrder(nodes: readonly TopologyNode[]): TopologyNode[] {
  return [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function place(request: PlacementRequest): Placed {
  const { shardCount, replicas = 1, previous } = request;
  const nodes = inOrder(request.nodes);
  const names = nodes.map((node) => node.name);
  const weights = nodes.map((node) => node.weight);
  const tree = domainTree(nodes);
  const limits = nodes.map((node) => node.maxShards ?? shardCount);
  const { load, perShard } = computeShares({ shardCount, replicas, weights, limits, tree });
  const scores = rendezvousScores(names, weights, shardCount);
  const before = previousOwners(previous, names, shardCount);
  // No exchange visits more vertices than there are nodes, so one copy that stays outweighs all scores of an exchange.
  const stays = costRange * (2 * nodes.length + 2);
  const choices = cheapestChoices(scores, 16 + 8 * replicas, before, stays);
  const { nodeCount, parent } = tree;
  const problem = { shardCount, degree: replicas, nodeCount, parent, load, perShard, choices };
  // Where most copies stay, the search for the few others is shorter than that for prices.
  const missing = before.reduce((sum, owners) => sum + Math.max(0, replicas - owners.length), 0);
  const state = assign(problem, missing < nodes.length ? undefined : findPrices(problem, costThreshold(scores, replicas)));
  spreadOverCrossing(state, tree);
  const { names: zoneNames, domainOf: zoneOfNode } = domainsOf(nodes, "zone");
  const oneRegion = nodes.every((node) => node.region === nodes[0].region);
  const zones = oneRegion ? zoneNames.map((name) => name.slice(nodes[0].region.length + 1)) : zoneNames;
  return { nodes, zones, zoneOfNode, shardCount, replicas, scores, before, owners: primariesFirst(state, scores, before, stays) };
}

/** For each shard its owners in the previous map that are still there, the primary first. */
function previousOwners(previous: ShardMap | undefined, names: readonly string[], shardCount: number): number[][] {
  const index = new Map(names.map((name, node) => [name, node]));
  return Array.from({ length: shardCount }, (_unused, shard) => (previous?.owners[shard] ?? []).flatMap((name) => index.get(name) ?? []));
}

/** The owners of each shard: the primary, then the others by cost. The primaries of a node are its copies divided by the replicas, rounded down or up. */
function primariesFirst(state: State, scores: Scores, before: readonly number[][], stays: number): number[][] {
  const { shardCount, degree, nodeCount, nodeOf, held } = state;
  const start = Int32Array.from({ length: shardCount + 1 }, (_unused, shard) => shard * degree);
  const [node, cost] = [new Int32Array(nodeOf.length), new Float64Array(nodeOf.length)];
  const byCost = Array.from({ length: shardCount }, (_unused, shard) => {
    const owners = Array.from(nodeOf.subarray(shard * degree, (shard + 1) * degree), (owner) => ({
      owner,
      cost: costOfPair(scores, shard, owner),
    }));
    return owners.sort((a, b) => a.cost - b.cost || a.owner - b.owner);
  });
  byCost.forEach((owners, shard) => {
    // The primary before comes first, as the cheapest.
    const preferred = owners.map((each) => (each.owner === before[shard][0] ? { ...each, cost: each.cost - stays } : each));
    preferred
      .sort((a, b) => a.cost - b.cost || a.owner - b.owner)
      .forEach((each, index) => {
        node[shard * degree + index] = each.owner;
        cost[shard * degree + index] = each.cost;
      });
  });
  const all = { low: shardCount, high: shardCount };
  const chosen = assign({
    ...{ shardCount, degree: 1, nodeCount, choices: { start, node, cost, beyond: unreachable } },
    parent: Int32Array.from({ length: nodeCount + 1 }, (_unused, vertex) => (vertex < nodeCount ? nodeCount : -1)),
    load: [...held.map((copies) => roundedBounds(copies.length / degree)), all],
    perShard: [...held.map(() => ({ low: 0, high: 1 })), { low: 1, high: 1 }],
  });
  return Array.from(chosen.nodeOf, (primary, shard) => {
    return [primary, ...byCost[shard].map(({ owner }) => owner).filter((owner) => owner !== primary)];
  });
}
