/** What `placement-flow.ts` works on: where the shards are, and the cheapest shard that can go from one node to another. */

/** The cost of what is not allowed. A constant of our own, because in a vm context, where tests run, the global is slow to look up. */
export const unreachable = Infinity;

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
  /** Cost of a node for a shard, entry `shard * nodes + node`, whole numbers; `unreachable` where the shard cannot be there. */
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

/** An assignment on its way to the optimum. */
export interface State extends AssignmentProblem {
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

/** The optimum without bounds on nodes and zones, and what is too much and too little in it. */
export function start(problem: AssignmentProblem): State {
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
    } else {
      total += flow;
    }
  }
  state.excess.push(total - problem.shardCount * problem.degree);
  findMoves(state);
  return state;
}

/** Gives a shard the nodes of least cost that its zones allow: first what each zone must have, then the cheapest of the rest. */
function takeCheapest(state: State, shard: number): void {
  let missing = state.degree;
  for (const bound of ["low", "high"] as const) {
    for (let node = cheapestOpen(state, shard, bound); missing > 0 && node >= 0; node = cheapestOpen(state, shard, bound)) {
      put(state, shard, node);
      missing--;
    }
  }
  if (missing > 0) {
    throw new Error(`no ${state.degree} nodes for shard ${shard}`);
  }
}

/** The cheapest node that a shard is not on, in a zone below its bound for one shard; the first of equal ones, -1 where there is none. */
function cheapestOpen(state: State, shard: number, bound: "low" | "high"): number {
  const { nodeCount, zoneCount, costs, owned, inZone, zoneOfNode, zonePerShard } = state;
  const row = shard * nodeCount;
  let best = -1;
  let least = unreachable;
  for (let node = 0; node < nodeCount; node++) {
    if (costs[row + node] < least && owned[row + node] === 0) {
      const zone = zoneOfNode[node];
      if (inZone[shard * zoneCount + zone] < zonePerShard[zone][bound]) {
        least = costs[row + node];
        best = node;
      }
    }
  }
  return best;
}

/** Finds the cheapest shard that can go from a node to another, for all pairs of nodes. */
function findMoves(state: State): void {
  state.moveCost.fill(unreachable);
  state.held.forEach((shards, from) => {
    for (const shard of shards) {
      for (let to = 0; to < state.nodeCount; to++) {
        offerMove(state, from, to, shard);
      }
    }
  });
}

/** Mends what `findMoves` found from a node, after a shard has come, gone, or changed its zones. */
export function renewMoves(state: State, from: number, shard: number): void {
  const { nodeCount, moveCost, moveShard } = state;
  const holds = state.held[from].has(shard);
  for (let to = 0, arc = from * nodeCount; to < nodeCount; to++, arc++) {
    if (moveShard[arc] === shard && moveCost[arc] !== unreachable && !(holds && canMove(state, from, to, shard))) {
      moveCost[arc] = unreachable;
      for (const other of state.held[from]) {
        offerMove(state, from, to, other);
      }
    } else if (holds) {
      offerMove(state, from, to, shard);
    }
  }
}

/** Notes the move of a shard where it is allowed and cheaper than what is known; of equal costs the lower shard, whatever the order of the calls. */
function offerMove(state: State, from: number, to: number, shard: number): void {
  const { nodeCount, costs, moveCost, moveShard } = state;
  const arc = from * nodeCount + to;
  const cost = costs[shard * nodeCount + to] - costs[shard * nodeCount + from];
  if ((cost < moveCost[arc] || (cost === moveCost[arc] && shard < moveShard[arc])) && canMove(state, from, to, shard)) {
    moveCost[arc] = cost;
    moveShard[arc] = shard;
  }
}

/** Whether a shard of `from` can go to `to`: it is not there yet, and the zones of both allow it. */
function canMove(state: State, from: number, to: number, shard: number): boolean {
  const { zoneOfNode, zonePerShard, inZone, zoneCount } = state;
  const [fromZone, toZone] = [zoneOfNode[from], zoneOfNode[to]];
  const row = shard * zoneCount;
  return (
    state.owned[shard * state.nodeCount + to] === 0 &&
    state.costs[shard * state.nodeCount + to] !== unreachable &&
    (fromZone === toZone || (inZone[row + fromZone] > zonePerShard[fromZone].low && inZone[row + toZone] < zonePerShard[toZone].high))
  );
}

/** Puts a shard on a node. */
export function put(state: State, shard: number, node: number): void {
  state.owned[shard * state.nodeCount + node] = 1;
  state.held[node].add(shard);
  state.inZone[shard * state.zoneCount + state.zoneOfNode[node]] += 1;
}

/** Takes a shard from a node. */
export function take(state: State, shard: number, node: number): void {
  state.owned[shard * state.nodeCount + node] = 0;
  state.held[node].delete(shard);
  state.inZone[shard * state.zoneCount + state.zoneOfNode[node]] -= 1;
}

/** The nodes that a shard is on, the cheapest first, in the order of the nodes where costs are equal. */
export function nodesOfShard(state: State, shard: number): number[] {
  const { nodeCount, costs, owned } = state;
  const row = shard * nodeCount;
  const nodes: number[] = [];
  for (let node = 0; node < nodeCount; node++) {
    if (owned[row + node] === 1) {
      nodes.push(node);
    }
  }
  return nodes.sort((a, b) => costs[row + a] - costs[row + b] || a - b);
}
