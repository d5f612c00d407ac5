/** The residual network of `placement-flow.ts`: what a search knows, and where one unit can go from each vertex. */
import { Heap } from "./placement-heap";
import { canGo, owns, unreachable, type State } from "./placement-state";

// As in `placement-state.ts`: looked up once.
const { trunc, max, min } = Math;

/** A search for the shortest path; `distance` and what led there are valid where `seen` is the number of the search. */
export interface Search {
  state: State;
  /** Copies that go from each vertex to the one above it, and what has come into a vertex and has not left it. */
  flow: Int32Array;
  excess: Int32Array;
  /** The nodes below each vertex that are its own children, and the domains that have such nodes. */
  children: number[][];
  groups: number[];
  heap: Heap;
  number: number;
  seen: Int32Array;
  settled: Int32Array;
  distance: Float64Array;
  steps: Int32Array;
  previous: Int32Array;
  /** The copy that goes along the last arc of the path, -1 for arcs of the tree, and what it costs there. */
  copy: Int32Array;
  cost: Float64Array;
  touched: number[];
  /** The highest potential in each group, valid where `highSeen` is the number of the search. */
  high: Float64Array;
  highSeen: Int32Array;
  /** Distance of the nearest vertex with too little that is known. */
  nearest: number;
}

/** A search on an assignment whose shards have taken what is cheapest for them: what is too much and too little in it. */
export function begin(state: State): Search {
  const { parent, load, potential, nodeCount, shardCount, degree, held } = state;
  const count = parent.length;
  const children: number[][] = Array.from({ length: count }, () => []);
  const flow = new Int32Array(count);
  const excess = new Int32Array(count);
  for (let vertex = 0; vertex < count; vertex++) {
    const inflow = vertex < nodeCount ? held[vertex].length : excess[vertex];
    const above = parent[vertex];
    if (above < 0) {
      excess[vertex] = inflow - shardCount * degree;
      break;
    }
    children[above].push(vertex);
    const { low, high } = load[vertex];
    const price = potential[vertex] - potential[above];
    // An arc that costs something is empty, and one that pays is full, as far as the bounds go.
    flow[vertex] = price > 0 ? low : price < 0 ? high : min(high, max(low, inflow));
    excess[vertex] = inflow - flow[vertex];
    excess[above] += flow[vertex];
  }
  return {
    ...{ state, flow, excess, children, heap: new Heap(), number: 0, touched: [], nearest: unreachable },
    groups: children.flatMap((own, vertex) => (own.some((child) => child < nodeCount) ? [vertex] : [])),
    ...{ seen: new Int32Array(count), settled: new Int32Array(count), steps: new Int32Array(count), previous: new Int32Array(count) },
    ...{ distance: new Float64Array(count), copy: new Int32Array(count), cost: new Float64Array(count) },
    ...{ high: new Float64Array(count), highSeen: new Int32Array(count) },
  };
}

/** Notes a way to a vertex where it is shorter than what is known and than the way to the nearest with too little. */
export function reach(search: Search, from: number, to: number, length: number, copy: number, cost: number): void {
  const { seen, settled, distance, steps } = search;
  const known = seen[to] === search.number;
  const far = from < 0 ? 0 : steps[from] + 1;
  if (
    length > search.nearest ||
    (known && (settled[to] === search.number || length > distance[to] || (length === distance[to] && far >= steps[to])))
  ) {
    return;
  }
  if (!known) {
    seen[to] = search.number;
    search.touched.push(to);
  }
  distance[to] = length;
  steps[to] = far;
  search.previous[to] = from;
  search.copy[to] = copy;
  search.cost[to] = cost;
  if (search.excess[to] < 0) {
    search.nearest = length;
  }
  search.heap.push(length, far, to);
}

/** The shards of a node go to nodes that they know the cost of. */
export function reachByChoice(search: Search, from: number): void {
  const { state, distance, seen, number } = search;
  const { choices, potential, parent, degree, costOf, highest } = state;
  const { start, node, cost } = choices;
  for (const copy of state.held[from]) {
    const shard = trunc(copy / degree);
    const base = distance[from] + potential[from] - costOf[copy];
    // In ascending order, so the rest is farther than the nearest vertex with too little.
    for (let at = start[shard]; at < start[shard + 1] && base + cost[at] - highest <= search.nearest; at++) {
      const to = node[at];
      const length = base + cost[at] - potential[to];
      if (length > search.nearest || (seen[to] === number && length > distance[to]) || owns(state, shard, to)) {
        continue;
      }
      if (canGo(state, shard, from, parent[to])) {
        reach(search, from, to, length, copy, cost[at]);
      }
    }
  }
}

/** The shards of a node go to all other nodes, at the cost of those beyond their choice: for each domain the shard that gains most by leaving. */
export function reachBeyond(search: Search, from: number): void {
  const { state, groups, children, distance } = search;
  const { choices, potential, nodeCount, degree, held, costOf } = state;
  if (choices.beyond === unreachable || held[from].length === 0) {
    return;
  }
  const base = distance[from] + potential[from] + choices.beyond;
  const dearest = held[from].reduce((most, copy) => max(most, costOf[copy]), -unreachable);
  for (const group of groups) {
    if (base - dearest - highestIn(search, group) > search.nearest) {
      continue;
    }
    const leaving = dearestThat(state, from, group, -1);
    if (leaving < 0) {
      continue;
    }
    const shard = trunc(leaving / degree);
    for (const to of children[group]) {
      if (to >= nodeCount || to === from) {
        continue;
      }
      const copy = owns(state, shard, to) ? dearestThat(state, from, group, to) : leaving;
      if (copy >= 0) {
        reach(search, from, to, base - costOf[copy] - potential[to], copy, choices.beyond);
      }
    }
  }
}

/** The highest potential of the nodes of a group; looked up once in a search, during which potentials stay. */
function highestIn({ state, children, number, high, highSeen }: Search, group: number): number {
  if (highSeen[group] !== number) {
    highSeen[group] = number;
    high[group] = children[group].reduce((most, node) => (node < state.nodeCount ? max(most, state.potential[node]) : most), -unreachable);
  }
  return high[group];
}

/** The copy on a node that costs most there, of those that may go into the group, to the node `to` where that is not -1; -1 where there is none. */
function dearestThat(state: State, from: number, group: number, to: number): number {
  const { held, costOf, degree } = state;
  let dearest = -1;
  for (const copy of held[from]) {
    const shard = trunc(copy / degree);
    if ((dearest < 0 || costOf[copy] > costOf[dearest]) && canGo(state, shard, from, group) && (to < 0 || !owns(state, shard, to))) {
      dearest = copy;
    }
  }
  return dearest;
}

/** The arcs of the tree: more copies where the bound allows it, less likewise. They cost nothing. */
export function reachInTree(search: Search, vertex: number): void {
  const { state, flow, distance, children } = search;
  const { parent, load, potential } = state;
  const base = distance[vertex] + potential[vertex];
  const above = parent[vertex];
  if (above >= 0 && flow[vertex] < load[vertex].high) {
    reach(search, vertex, above, base - potential[above], -1, 0);
  }
  for (const child of children[vertex]) {
    if (flow[child] > load[child].low) {
      reach(search, vertex, child, base - potential[child], -1, 0);
    }
  }
}
