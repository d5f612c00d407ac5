/**
 * Exact assignment under bounds: every shard gets `degree` nodes at the least total cost, while each node, each zone, and each shard's share of a
 * zone stay within bounds. This is a minimum-cost flow shard → (shard, zone) → node → zone → total.
 *
 * Method: each shard first takes its cheapest nodes, which is the optimum without bounds on nodes; then units flow from vertices with too much to
 * vertices with too little along shortest augmenting paths with potentials (Ford and Fulkerson 1962; Edmonds and Karp, J. ACM 19(2), 1972, section 3).
 * Because costs are whole numbers, sums are exact, and the optimum is the same wherever it is computed. The vertices of shards are folded into arcs
 * between nodes ("some shard goes from i to j"), so that a search costs O(nodes²) and not O(shards · nodes).
 */

/** Lower and upper bound, both included. */
export interface Bounds {
  low: number;
  high: number;
}

/** What to assign; nodes, zones and shards are numbered from 0. */
export interface AssignmentProblem {
  shardCount: number;
  /** Number of nodes of each shard. */
  degree: number;
  /** Cost of a node for a shard, entry `shard * nodes + node`, whole numbers; Infinity where the shard cannot be there. */
  costs: Float64Array;
  /** For each node its zone. */
  zoneOfNode: readonly number[];
  /** How many shards each node gets. */
  nodeLoad: readonly Bounds[];
  /** How many shards the nodes of a zone get together. */
  zoneLoad: readonly Bounds[];
  /** How many nodes of a zone one shard gets. */
  zonePerShard: readonly Bounds[];
}

interface State extends AssignmentProblem {
  nodeCount: number;
  zoneCount: number;
  /** Whether a shard is on a node, indexed as the costs. */
  owned: Uint8Array;
  /** Shards of each node. */
  held: Set<number>[];
  /** Number of nodes of a shard in a zone, entry `shard * zoneCount + zone`. */
  inZone: Uint16Array;
  /** Least cost of moving some shard from node i to node j, entry `i * nodeCount + j`, and the shard it is. */
  moveCost: Float64Array;
  moveShard: Int32Array;
  /** Flow of each node into its zone, then of each zone into the total. */
  flow: number[];
  /** The bounds of `flow`. */
  bounds: Bounds[];
  /** What has come into each vertex (nodes, zones, the total) and has not left it. */
  excess: number[];
  potential: Float64Array;
}

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
  return Array.from({ length: problem.shardCount }, (_unused, shard) =>
    nodesByCost(state, shard).filter((node) => state.owned[shard * state.nodeCount + node] === 1),
  );
}

/** The optimum without bounds on nodes and zones, and what is too much and too little in it. */
function start(problem: AssignmentProblem): State {
  const nodeCount = problem.zoneOfNode.length;
  const zoneCount = problem.zoneLoad.length;
  const state: State = {
    ...problem,
    nodeCount,
    zoneCount,
    owned: new Uint8Array(problem.shardCount * nodeCount),
    held: Array.from({ length: nodeCount }, () => new Set<number>()),
    inZone: new Uint16Array(problem.shardCount * zoneCount),
    moveCost: new Float64Array(nodeCount * nodeCount),
    moveShard: new Int32Array(nodeCount * nodeCount),
    flow: [],
    bounds: [...problem.nodeLoad, ...problem.zoneLoad],
    excess: [],
    potential: new Float64Array(nodeCount + zoneCount + 1),
  };
  for (let shard = 0; shard < problem.shardCount; shard++) {
    takeCheapest(state, shard);
  }
  const zoneInflow = new Array<number>(zoneCount).fill(0);
  let total = 0;
  for (let vertex = 0; vertex < nodeCount + zoneCount; vertex++) {
    const inflow = vertex < nodeCount ? state.held[vertex].size : zoneInflow[vertex - nodeCount];
    const { low, high } = state.bounds[vertex];
    const flow = Math.min(high, Math.max(low, inflow));
    state.flow.push(flow);
    state.excess.push(inflow - flow);
    if (vertex < nodeCount) {
      zoneInflow[problem.zoneOfNode[vertex]] += flow;
      findMoves(state, vertex);
    } else {
      total += flow;
    }
  }
  state.excess.push(total - problem.shardCount * problem.degree);
  return state;
}

/** Gives a shard the nodes of least cost that its zones allow: first what each zone must have, then the cheapest of the rest. */
function takeCheapest(state: State, shard: number): void {
  const { degree, zonePerShard, zoneOfNode, zoneCount } = state;
  const order = nodesByCost(state, shard);
  let missing = degree;
  for (const mandatory of [true, false]) {
    for (const node of order) {
      const zone = zoneOfNode[node];
      const { low, high } = zonePerShard[zone];
      if (missing > 0 && state.owned[shard * state.nodeCount + node] === 0 && state.inZone[shard * zoneCount + zone] < (mandatory ? low : high)) {
        put(state, shard, node);
        missing--;
      }
    }
  }
  if (missing > 0) {
    throw new Error(`no ${degree} nodes for shard ${shard}`);
  }
}

/** Brings one unit from a vertex that has too much to the nearest that has too little. */
function augment(state: State): void {
  const { nodeCount, excess } = state;
  const { previous, target } = shortestPath(state);
  const path = [target];
  for (let vertex = previous[target]; vertex >= 0; vertex = previous[vertex]) {
    path.unshift(vertex);
  }
  excess[path[0]] -= 1;
  excess[target] += 1;
  const touched = new Set<number>();
  for (let step = 0; step + 1 < path.length; step++) {
    const [from, to] = [path[step], path[step + 1]];
    if (from < nodeCount && to < nodeCount) {
      const shard = state.moveShard[from * nodeCount + to];
      take(state, shard, from);
      put(state, shard, to);
      touched.add(from);
      for (let node = 0; node < nodeCount; node++) {
        if (state.owned[shard * nodeCount + node] === 1) {
          touched.add(node);
        }
      }
    } else if (from < to) {
      state.flow[from] += 1;
    } else {
      state.flow[to] -= 1;
    }
  }
  for (const node of touched) {
    findMoves(state, node);
  }
}

/**
 * Dijkstra's shortest path (1959) over reduced costs from all vertices with too much to the first with too little; keeps the potentials such that no
 * reduced cost is negative. Among equally long paths the one of fewest steps is taken, so that no shard moves twice on it.
 */
function shortestPath(state: State): { previous: Int32Array; target: number } {
  const { nodeCount, zoneCount, excess, potential, moveCost } = state;
  const vertices = nodeCount + zoneCount + 1;
  const distance = new Float64Array(vertices).fill(Infinity);
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
      if (settled[vertex] === 0 && (nearest < 0 || distance[vertex] < distance[nearest] || (distance[vertex] === distance[nearest] && steps[vertex] < steps[nearest]))) {
        nearest = vertex;
      }
    }
    if (nearest < 0 || distance[nearest] === Infinity) {
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
        if (moveCost[arc] !== Infinity) {
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

/** Finds anew the cheapest shard that can go from a node to each other node. */
function findMoves(state: State, from: number): void {
  const { nodeCount, zoneCount, zoneOfNode, zonePerShard, costs, owned, inZone, moveCost, moveShard } = state;
  const row = from * nodeCount;
  moveCost.fill(Infinity, row, row + nodeCount);
  const fromZone = zoneOfNode[from];
  for (const shard of state.held[from]) {
    const shardRow = shard * nodeCount;
    const leaves = inZone[shard * zoneCount + fromZone] > zonePerShard[fromZone].low;
    for (let to = 0; to < nodeCount; to++) {
      const cost = costs[shardRow + to] - costs[shardRow + from];
      // Of equal costs the lower shard, whatever the order in which the shards came to the node.
      if (owned[shardRow + to] === 1 || cost > moveCost[row + to] || (cost === moveCost[row + to] && shard > moveShard[row + to])) {
        continue;
      }
      const toZone = zoneOfNode[to];
      if (cost !== Infinity && (toZone === fromZone || (leaves && inZone[shard * zoneCount + toZone] < zonePerShard[toZone].high))) {
        moveCost[row + to] = cost;
        moveShard[row + to] = shard;
      }
    }
  }
}

function put(state: State, shard: number, node: number): void {
  state.owned[shard * state.nodeCount + node] = 1;
  state.held[node].add(shard);
  state.inZone[shard * state.zoneCount + state.zoneOfNode[node]] += 1;
}

function take(state: State, shard: number, node: number): void {
  state.owned[shard * state.nodeCount + node] = 0;
  state.held[node].delete(shard);
  state.inZone[shard * state.zoneCount + state.zoneOfNode[node]] -= 1;
}

/** The nodes that a shard can be on, the cheapest first, in the order of the nodes where costs are equal. */
function nodesByCost(state: State, shard: number): number[] {
  const { nodeCount, costs } = state;
  const row = shard * nodeCount;
  const nodes: number[] = [];
  for (let node = 0; node < nodeCount; node++) {
    if (costs[row + node] !== Infinity) {
      nodes.push(node);
    }
  }
  return nodes.sort((a, b) => costs[row + a] - costs[row + b] || a - b);
}
