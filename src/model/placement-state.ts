/** What `placement-flow.ts` works on: who holds which copy of a shard, and which copies may go where. */

// Looked up once: in a vm context, where tests run, every look-up of a global costs more than the sum it is for.
const { trunc, max } = Math;

/** The cost of what is not allowed. A constant of our own, because in a vm context, where tests run, the global is slow to look up. */
export const unreachable = Infinity;

/** Lower and upper bound, both included. */
export interface Bounds {
  low: number;
  high: number;
}

/** The nodes that a shard knows the cost of, in ascending order of cost: those of shard s are entries `start[s]` to `start[s + 1]`. */
export interface Choices {
  start: Int32Array;
  node: Int32Array;
  /** Whole numbers. */
  cost: Float64Array;
  /** The cost of every other node, at least that of every choice that is not preferred; `unreachable` where a shard has no others. */
  beyond: number;
}

/** What to assign; shards and nodes are numbered from 0, vertices as in `DomainTree`. */
export interface AssignmentProblem {
  shardCount: number;
  /** Number of nodes of each shard. */
  degree: number;
  nodeCount: number;
  parent: Int32Array;
  /** How many copies each vertex gets. */
  load: readonly Bounds[];
  /** How many copies of one shard each vertex gets. */
  perShard: readonly Bounds[];
  choices: Choices;
}

/** An assignment on its way to the optimum. Copy `shard * degree + r` is the r-th of a shard, in no order. */
export interface State extends AssignmentProblem {
  /** The node of each copy, -1 while it has none. */
  nodeOf: Int32Array;
  /** What each copy costs where it is. */
  costOf: Float64Array;
  /** Copies of each node. */
  held: number[][];
  /** Position of each copy in the list of its node. */
  position: Int32Array;
  /** Dual prices: a move from i to j costs `cost + potential[i] - potential[j]`, which is never negative in an optimum. */
  potential: Float64Array;
  /** No potential is above it: a search only lowers them. */
  highest: number;
  /** Vertices of which every shard must have copies, children first. */
  needed: number[];
  /** Low and high of `perShard`, for quick look-up. */
  least: Int32Array;
  most: Int32Array;
}

/** An assignment without copies, at prices of `potential`. */
export function emptyState(problem: AssignmentProblem, potential: Float64Array): State {
  const { shardCount, degree, nodeCount, perShard } = problem;
  return {
    ...problem,
    nodeOf: new Int32Array(shardCount * degree).fill(-1),
    costOf: new Float64Array(shardCount * degree),
    held: Array.from({ length: nodeCount }, () => []),
    position: new Int32Array(shardCount * degree),
    potential,
    highest: potential.reduce((most, one) => max(most, one), 0),
    needed: perShard.flatMap(({ low }, vertex) => (low > 0 && vertex < perShard.length - 1 ? [vertex] : [])),
    least: Int32Array.from(perShard, ({ low }) => low),
    most: Int32Array.from(perShard, ({ high }) => high),
  };
}

/** Gives a shard the nodes that are cheapest at the present prices: first what its domains must have, then the cheapest of the rest. */
export function takeCheapest(state: State, shard: number): void {
  const { degree, needed, least, parent } = state;
  let copy = shard * degree;
  const end = copy + degree;
  for (const vertex of needed) {
    while (copy < end && copiesIn(state, shard, vertex) < least[vertex]) {
      takeNext(state, copy++, vertex);
    }
  }
  while (copy < end) {
    takeNext(state, copy++, parent.length - 1);
  }
}

/** Puts a copy on the cheapest node inside a vertex that the domains of its shard allow. */
function takeNext(state: State, copy: number, inside: number): void {
  const { choices, potential, nodeCount, degree, highest } = state;
  const shard = trunc(copy / degree);
  let [best, least, bestCost] = [-1, unreachable, 0];
  // In ascending order, so most choices need no look.
  for (let at = choices.start[shard]; at < choices.start[shard + 1] && choices.cost[at] - highest < least; at++) {
    const node = choices.node[at];
    const value = choices.cost[at] - potential[node];
    if (value < least && canTake(state, shard, node, inside)) {
      [best, least, bestCost] = [node, value, choices.cost[at]];
    }
  }
  for (let node = 0; node < nodeCount && choices.beyond - highest < least; node++) {
    if (choices.beyond - potential[node] < least && canTake(state, shard, node, inside)) {
      [best, least, bestCost] = [node, choices.beyond - potential[node], choices.beyond];
    }
  }
  if (best < 0) {
    throw new Error(`no ${degree} nodes for shard ${shard}`);
  }
  put(state, copy, best, bestCost);
}

function canTake(state: State, shard: number, node: number, inside: number): boolean {
  return isInside(state, node, inside) && !owns(state, shard, node) && hasRoom(state, shard, node);
}

/** Number of copies that a shard has in a domain. */
export function copiesIn(state: State, shard: number, vertex: number): number {
  const { degree, nodeOf } = state;
  let copies = 0;
  for (let copy = shard * degree; copy < (shard + 1) * degree; copy++) {
    if (nodeOf[copy] >= 0 && isInside(state, nodeOf[copy], vertex)) {
      copies++;
    }
  }
  return copies;
}

/** Whether a shard has a copy on a node. */
export function owns(state: State, shard: number, node: number): boolean {
  const { degree, nodeOf } = state;
  for (let copy = shard * degree; copy < (shard + 1) * degree; copy++) {
    if (nodeOf[copy] === node) {
      return true;
    }
  }
  return false;
}

function isInside(state: State, node: number, vertex: number): boolean {
  let above = node;
  while (above < vertex && above >= 0) {
    above = state.parent[above];
  }
  return above === vertex;
}

/** Whether every domain of a node has room for one more copy of a shard. */
function hasRoom(state: State, shard: number, node: number): boolean {
  const { parent, most } = state;
  for (let above = parent[node]; above >= 0; above = parent[above]) {
    if (copiesIn(state, shard, above) >= most[above]) {
      return false;
    }
  }
  return true;
}

/** Whether the domains of a shard allow one of its copies to go from a node to some node below `to`; whether it owns that one is another question. */
export function canGo(state: State, shard: number, from: number, to: number): boolean {
  const { parent, least, most } = state;
  // Vertices are greater than those below them, so this climbs both sides to the first domain that they share.
  let [leaves, enters] = [parent[from], to];
  while (leaves !== enters) {
    if (leaves < enters) {
      if (least[leaves] > 0 && copiesIn(state, shard, leaves) <= least[leaves]) {
        return false;
      }
      leaves = parent[leaves];
    } else {
      if (copiesIn(state, shard, enters) >= most[enters]) {
        return false;
      }
      enters = parent[enters];
    }
  }
  return true;
}

/** Puts a copy on a node. */
export function put(state: State, copy: number, node: number, cost: number): void {
  state.nodeOf[copy] = node;
  state.costOf[copy] = cost;
  state.position[copy] = state.held[node].push(copy) - 1;
}

/** Takes a copy from its node. */
export function take(state: State, copy: number): void {
  const held = state.held[state.nodeOf[copy]];
  const last = held.pop() as number;
  if (last !== copy) {
    held[state.position[copy]] = last;
    state.position[last] = state.position[copy];
  }
  state.nodeOf[copy] = -1;
}
