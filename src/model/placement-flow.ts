/**
 * Exact assignment under bounds: every shard gets `degree` nodes at the least total cost, while each node, each zone, and each shard's share of a
 * zone stay within bounds. This is a minimum-cost flow shard → (shard, zone) → node → zone → total.
 *
 * Method: each shard first takes its cheapest nodes, which is the optimum without bounds on nodes; then units flow from vertices with too much to
 * vertices with too little along shortest augmenting paths with potentials (Ford and Fulkerson 1962; Edmonds and Karp, J. ACM 19(2), 1972, section 3).
 * Because costs are whole numbers, sums are exact, and the optimum is the same wherever it is computed. The vertices of shards are folded into arcs
 * between nodes ("some shard goes from i to j"), so that a search costs O(nodes²) and not O(shards · nodes).
 */

import { nodesOfShard, put, renewMoves, start, take, unreachable, type AssignmentProblem, type State } from "./placement-state";

/**
 * Solves the problem.
 *
 * @returns for each shard its nodes, the cheapest first
 * @throws Error where the bounds cannot be met
 */
export function assign(problem: AssignmentProblem): number[][] {
  const state = start(problem);
  while (state.excess.some((units) => units > 0)) {
    augment(state);
  }
  return Array.from({ length: problem.shardCount }, (_unused, shard) => nodesOfShard(state, shard));
}

/** Brings one unit from a vertex that has too much to the nearest that has too little. */
function augment(state: State): void {
  const { nodeCount, excess } = state;
  const { previous, target } = shortestPath(state);
  const path = [target];
  for (let vertex = previous[target]; vertex >= 0; vertex = previous[vertex]) {
    path.unshift(vertex);
  }
  const moved: number[] = [];
  excess[path[0]] -= 1;
  excess[target] += 1;
  for (let step = 0; step + 1 < path.length; step++) {
    const [from, to] = [path[step], path[step + 1]];
    if (from < nodeCount && to < nodeCount) {
      const shard = state.moveShard[from * nodeCount + to];
      take(state, shard, from);
      put(state, shard, to);
      moved.push(shard);
    } else if (from < to) {
      state.flow[from] += 1;
    } else {
      state.flow[to] -= 1;
    }
  }
  // After all steps, because a node in the middle of the path gives one shard and takes another.
  path.filter((vertex) => vertex < nodeCount).forEach((node) => moved.forEach((shard) => renewMoves(state, node, shard)));
  for (const shard of moved) {
    for (let node = 0; node < nodeCount; node++) {
      if (state.owned[shard * nodeCount + node] === 1) {
        renewMoves(state, node, shard);
      }
    }
  }
}

/**
 * Dijkstra's shortest path (1959) over reduced costs from all vertices with too much to the first with too little; keeps the potentials such that no
 * reduced cost is negative. Among equally long paths the one of fewest steps is taken, so that no shard moves twice on it.
 */
function shortestPath(state: State): { previous: Int32Array; target: number } {
  const { nodeCount, zoneCount, excess, potential, moveCost } = state;
  const vertices = nodeCount + zoneCount + 1;
  const distance = new Float64Array(vertices).fill(unreachable);
  const steps = new Int32Array(vertices);
  const previous = new Int32Array(vertices).fill(-1);
  const settled = new Uint8Array(vertices);
  excess.forEach((units, vertex) => {
    if (units > 0) {
      distance[vertex] = 0;
    }
  });
  const reach = (from: number, to: number, cost: number): void => {
    const length = distance[from] + cost + potential[from] - potential[to];
    if (settled[to] === 0 && (length < distance[to] || (length === distance[to] && steps[from] + 1 < steps[to]))) {
      distance[to] = length;
      steps[to] = steps[from] + 1;
      previous[to] = from;
    }
  };
  for (;;) {
    let nearest = -1;
    for (let vertex = 0; vertex < vertices; vertex++) {
      if (
        settled[vertex] === 0 &&
        (nearest < 0 || distance[vertex] < distance[nearest] || (distance[vertex] === distance[nearest] && steps[vertex] < steps[nearest]))
      ) {
        nearest = vertex;
      }
    }
    if (nearest < 0 || distance[nearest] === unreachable) {
      throw new Error("the bounds of the assignment cannot be met");
    }
    if (excess[nearest] < 0) {
      for (let vertex = 0; vertex < vertices; vertex++) {
        potential[vertex] += Math.min(distance[vertex], distance[nearest]);
      }
      return { previous, target: nearest };
    }
    settled[nearest] = 1;
    if (nearest < nodeCount) {
      for (let node = 0, arc = nearest * nodeCount; node < nodeCount; node++, arc++) {
        if (moveCost[arc] !== unreachable) {
          reach(nearest, node, moveCost[arc]);
        }
      }
    }
    reachBounded(state, nearest, reach);
  }
}

/** The arcs of `vertex` between nodes, zones and the total: more flow where the bound allows it, less flow likewise. They cost nothing. */
function reachBounded(state: State, vertex: number, reach: (from: number, to: number, cost: number) => void): void {
  const { nodeCount, zoneCount, zoneOfNode, flow, bounds } = state;
  const total = nodeCount + zoneCount;
  if (vertex < total && flow[vertex] < bounds[vertex].high) {
    reach(vertex, vertex < nodeCount ? nodeCount + zoneOfNode[vertex] : total, 0);
  }
  const [first, end] = vertex < nodeCount ? [0, 0] : vertex < total ? [0, nodeCount] : [nodeCount, total];
  for (let source = first; source < end; source++) {
    if ((vertex === total || nodeCount + zoneOfNode[source] === vertex) && flow[source] > bounds[source].low) {
      reach(vertex, source, 0);
    }
  }
}
