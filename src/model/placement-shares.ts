/** How many shard copies each node and each failure domain gets: even shares by weight, and room for replicas in different domains. */
import type { Bounds } from "./placement-state";
import type { DomainTree } from "./placement-tree";

/** What shares are computed from; nodes are numbered from 0. */
export interface ShareRequest {
  shardCount: number;
  replicas: number;
  weights: readonly number[];
  /** Most copies of each node. */
  limits: readonly number[];
  tree: DomainTree;
}

/** Bounds of the loads that are allowed. */
export interface Shares {
  /** The exact share of each node. */
  exact: number[];
  /** Copies of each vertex of the tree; those of a node are its share rounded down or up. */
  load: Bounds[];
  /** Copies of one shard in each vertex of the tree. */
  perShard: Bounds[];
}

/**
 * The exact share of each node: in proportion to its weight, but at most one copy of each shard and at most its limit; what a node cannot hold goes to
 * the others in proportion to theirs. Limits that leave no room for all copies are full, all of them.
 */
export function exactShares(weights: readonly number[], shardCount: number, replicas: number, limits: readonly number[] = []): number[] {
  const most = weights.map((_weight, node) => Math.min(shardCount, limits[node] ?? shardCount));
  const shares = new Array<number>(weights.length).fill(0);
  let open = weights.map((_weight, node) => node);
  let copies = shardCount * replicas;
  while (open.length > 0) {
    const sum = open.reduce((total, node) => total + weights[node], 0);
    const full = new Set(open.filter((node) => (copies * weights[node]) / sum >= most[node]));
    if (full.size === 0) {
      open.forEach((node) => (shares[node] = (copies * weights[node]) / sum));
      break;
    }
    full.forEach((node) => {
      shares[node] = most[node];
      copies -= most[node];
    });
    open = open.filter((node) => !full.has(node));
  }
  return shares;
}

/**
 * Bounds under which every node is within one copy of its exact share, and as few copies as possible share a domain with another copy of their shard.
 *
 * A domain can hold one copy of each shard without conflict; what its nodes must hold above that are conflicts. So a domain of `load` copies has between
 * `load / shards` rounded down and rounded up of every shard. Which nodes round their share up is left to the assignment as far as no conflict depends
 * on it: first of the smallest domains, then of those around them. With these bounds an assignment always exists: a share of `load / shards` of every
 * shard on every node is one in fractions that meets all of them, and flows with whole bounds are whole (Ford and Fulkerson 1962).
 */
export function computeShares(request: ShareRequest): Shares {
  const { shardCount, replicas, weights, limits, tree } = request;
  const { nodeCount, parent, levels } = tree;
  const exact = exactShares(weights, shardCount, replicas, limits);
  const copies = shardCount * replicas;
  const root = parent.length - 1;
  const load: Bounds[] = Array.from(parent, (_above, vertex) => (vertex < nodeCount ? roundedBounds(exact[vertex]) : { low: 0, high: 0 }));
  // A level at a time, so that the bounds of a domain count what has been decided of those inside it.
  let next = 0;
  for (const { vertices } of levels) {
    next = sumUp(load, parent, next, Math.max(nodeCount, ...vertices.map((vertex) => vertex + 1)));
    narrow(load, vertices, shardCount, copies);
  }
  sumUp(load, parent, next, root + 1);
  load[root] = { low: copies, high: copies };
  return {
    exact,
    load,
    perShard: load.map(({ low, high }, vertex) =>
      vertex === root ? { low: replicas, high: replicas } : { low: Math.floor(low / shardCount), high: Math.ceil(high / shardCount) },
    ),
  };
}

/** Makes the bounds of the domains up to `end` of what is in them; all below `first` have been counted. */
function sumUp(load: Bounds[], parent: Int32Array, first: number, end: number): number {
  for (let vertex = first; vertex < end; vertex++) {
    load[vertex] = { ...load[vertex] };
  }
  for (let child = 0; child < end; child++) {
    const above = parent[child];
    if (above >= first && above < end) {
      load[above].low += load[child].low;
      load[above].high += load[child].high;
    }
  }
  return Math.max(first, end);
}

/** Keeps of the loads of a partition those with the fewest copies that share a domain with another of their shard. */
function narrow(load: Bounds[], vertices: readonly number[], shardCount: number, copies: number): void {
  // What a domain can hold before another copy is a conflict.
  const free = ({ low, high }: Bounds): number => Math.min(high, Math.max(low, shardCount));
  const toRoundUp = vertices.reduce((left, vertex) => left - load[vertex].low, copies);
  const room = vertices.reduce((sum, vertex) => sum + free(load[vertex]) - load[vertex].low, 0);
  for (const vertex of vertices) {
    const { low, high } = load[vertex];
    load[vertex] = toRoundUp <= room ? { low, high: free(load[vertex]) } : { low: free(load[vertex]), high };
  }
}

/** A share rounded down and up; a share that is whole but for the error of floating point is whole. */
export function roundedBounds(share: number): Bounds {
  const whole = Math.round(share);
  return Math.abs(share - whole) <= 1e-9 * Math.max(1, share)
    ? { low: whole, high: whole }
    : { low: Math.floor(share), high: Math.ceil(share) };
}
