/**
 * Exact assignment under bounds: every shard gets `degree` nodes at the least total cost, while the load of every node and domain, and each shard's
 * share of a domain, stay within bounds. This is a minimum-cost flow shard → its domains → node → domains → all.
 *
 * Method: each shard first takes its cheapest nodes at the given prices, which is the optimum at those prices without bounds on loads; then units flow
 * from vertices with too much to the nearest with too little along shortest augmenting paths with potentials (Ford and Fulkerson 1962; Edmonds and Karp,
 * J. ACM 19(2), 1972, section 3). Good prices leave little to do (`placement-prices.ts`), and the result is the optimum whatever they are. Costs are whole
 * numbers, so sums are exact, and the optimum is the same wherever it is computed.
 *
 * The vertices of shards are folded into arcs between nodes ("some shard goes from i to j"), and the arcs of a node are looked at when a search comes to
 * it, so that memory grows with the copies and not with shards × nodes. A search ends at the first vertex with too little.
 */
import { begin, reach, reachBeyond, reachByChoice, reachInTree, type Search } from "./placement-search";
import { emptyState, put, take, takeCheapest, unreachable, type AssignmentProblem, type State } from "./placement-state";

// As in `placement-state.ts`: looked up once.
const { min } = Math;

/**
 * Solves the problem.
 *
 * @param prices initial potential of each node; default 0
 * @throws Error where the bounds cannot be met
 */
export function assign(problem: AssignmentProblem, prices?: Float64Array): State {
  const potential = new Float64Array(problem.parent.length);
  potential.set(prices ?? []);
  const state = emptyState(problem, potential);
  for (let shard = 0; shard < problem.shardCount; shard++) {
    takeCheapest(state, shard);
  }
  const search = begin(state);
  for (let vertex = 0; vertex < potential.length; vertex++) {
    while (search.excess[vertex] > 0) {
      augment(search, vertex);
    }
  }
  return state;
}

/** Brings one unit from a vertex that has too much to the nearest that has too little. */
function augment(search: Search, source: number): void {
  const { state, flow, excess, previous, copy, cost } = search;
  const target = shortestPath(search, source);
  excess[source]--;
  excess[target]++;
  for (let vertex = target; vertex !== source; vertex = previous[vertex]) {
    const from = previous[vertex];
    if (copy[vertex] >= 0) {
      take(state, copy[vertex]);
      put(state, copy[vertex], vertex, cost[vertex]);
    } else if (from < vertex) {
      flow[from]++;
    } else {
      flow[vertex]--;
    }
  }
}

/**
 * Dijkstra's shortest path (1959) over reduced costs to the first vertex with too little; keeps the potentials such that no reduced cost is negative.
 * Among equally long paths the one of fewest steps is taken, so that no shard moves twice on it.
 */
function shortestPath(search: Search, source: number): number {
  const { state, heap, excess, distance, settled, touched } = search;
  heap.clear();
  touched.length = 0;
  search.number++;
  search.nearest = unreachable;
  reach(search, -1, source, 0, -1, 0);
  for (;;) {
    const next = heap.pop();
    if (next === undefined) {
      throw new Error("the bounds of the assignment cannot be met");
    }
    const { vertex } = next;
    if (settled[vertex] === search.number) {
      continue;
    }
    if (excess[vertex] < 0) {
      for (const other of touched) {
        state.potential[other] += min(0, distance[other] - next.distance);
      }
      return vertex;
    }
    settled[vertex] = search.number;
    if (vertex < state.nodeCount) {
      reachByChoice(search, vertex);
      reachBeyond(search, vertex);
    }
    reachInTree(search, vertex);
  }
}
