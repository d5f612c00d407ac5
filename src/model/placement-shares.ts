/** How many shard copies each node and each zone gets: even shares by weight, and room for replicas in different zones. */
import type { Bounds } from "./placement-state";

/** What shares are computed from; nodes and zones are numbered from 0. */
export interface ShareRequest {
  shardCount: number;
  replicas: number;
  weights: readonly number[];
  zoneOfNode: readonly number[];
  zoneCount: number;
}

/** Bounds of the loads that are allowed. */
export interface Shares {
  /** The exact share of each node. */
  exact: number[];
  /** The share rounded down and up. */
  nodeLoad: Bounds[];
  zoneLoad: Bounds[];
  zonePerShard: Bounds[];
  /** How many copies must lie in a zone that has another copy of their shard; 0 where every shard can have all its replicas in different zones. */
  zoneConflicts: number;
}

/**
 * The exact share of each node: in proportion to its weight, but at most one copy of each shard; what a heavy node cannot hold goes to the others in
 * proportion to theirs.
 */
export function exactShares(weights: readonly number[], shardCount: number, replicas: number): number[] {
  const shares = new Array<number>(weights.length).fill(0);
  let open = weights.map((_weight, node) => node);
  let copies = shardCount * replicas;
  for (;;) {
    const sum = open.reduce((total, node) => total + weights[node], 0);
    const full = open.filter((node) => (copies * weights[node]) / sum >= shardCount);
    if (full.length === 0) {
      open.forEach((node) => (shares[node] = (copies * weights[node]) / sum));
      return shares;
    }
    full.forEach((node) => (shares[node] = shardCount));
    copies -= full.length * shardCount;
    open = open.filter((node) => !full.includes(node));
  }
}

/**
 * Bounds under which every node is within one copy of its exact share, and as few copies as possible share a zone with another copy of their shard.
 *
 * A zone can hold one copy of each shard without conflict; what its nodes must hold above that are conflicts. Which nodes round up is left to the
 * assignment as far as no conflict depends on it. With these bounds an assignment always exists: a share of `load / shardCount` of every shard on
 * every node is one in fractions, and flows with whole bounds are whole (Ford and Fulkerson 1962).
 */
export function computeShares(request: ShareRequest): Shares {
  const { shardCount, replicas, weights, zoneOfNode, zoneCount } = request;
  const exact = exactShares(weights, shardCount, replicas);
  const nodeLoad = exact.map(roundedBounds);
  const zones = Array.from({ length: zoneCount }, (_unused, zone) => {
    const inside = nodeLoad.filter((_load, node) => zoneOfNode[node] === zone);
    const low = inside.reduce((sum, load) => sum + load.low, 0);
    const high = inside.reduce((sum, load) => sum + load.high, 0);
    // What the zone can hold before another copy is a conflict.
    return { low, high, free: Math.min(high, Math.max(low, shardCount)) };
  });
  const toRoundUp = shardCount * replicas - zones.reduce((sum, zone) => sum + zone.low, 0);
  const room = zones.reduce((sum, zone) => sum + zone.free - zone.low, 0);
  const zoneLoad = zones.map(({ low, high, free }) => (toRoundUp <= room ? { low, high: free } : { low: free, high }));
  return {
    exact,
    nodeLoad,
    zoneLoad,
    zonePerShard: zoneLoad.map(({ low, high }) => ({ low: Math.floor(low / shardCount), high: Math.ceil(high / shardCount) })),
    zoneConflicts: Math.max(0, toRoundUp - room) + zones.reduce((sum, zone) => sum + Math.max(0, zone.low - shardCount), 0),
  };
}

/** A share rounded down and up; a share that is whole but for the error of floating point is whole. */
export function roundedBounds(share: number): Bounds {
  const whole = Math.round(share);
  return Math.abs(share - whole) <= 1e-9 * Math.max(1, share)
    ? { low: whole, high: whole }
    : { low: Math.floor(share), high: Math.ceil(share) };
}
