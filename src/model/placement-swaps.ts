/**
 * Spread over levels that cut across the tree (`placement-tree.ts`): copies of two shards change places where that lets more shards reach more domains
 * of such a level, and leaves loads, the spread over the tree and that over more important levels as they are. A local search: it ends where no exchange
 * of two copies helps, so it changes nothing in a map that it has made itself.
 */
import { canGo, owns, put, take, type State } from "./placement-state";
import type { DomainTree } from "./placement-tree";

// As in `placement-state.ts`: looked up once.
const { trunc } = Math;

/** For each node its domain in the crossing levels, the most important first; the last is the one that is improved. */
type Levels = readonly (readonly number[])[];

/** Improves the spread over the crossing levels, the most important first. */
export function spreadOverCrossing(state: State, tree: DomainTree): void {
  tree.crossing.forEach((_level, index) => {
    const levels = tree.crossing.slice(0, index + 1).map(({ domainOf }) => domainOf);
    let left = conflicts(state, levels[index]) - leastConflicts(state, levels[index]);
    for (let changed = true; changed && left > 0;) {
      changed = false;
      for (let copy = 0; copy < state.nodeOf.length && left > 0; copy++) {
        const gained = isDouble(state, copy, state.nodeOf[copy], levels[index]) ? exchange(state, copy, levels) : 0;
        left -= gained;
        changed ||= gained > 0;
      }
    }
  });
}

/** Copies that share a domain with another copy of their shard. */
function conflicts(state: State, domainOf: readonly number[]): number {
  const { degree, nodeOf, shardCount } = state;
  let reached = 0;
  for (let shard = 0; shard < shardCount; shard++) {
    reached += new Set(Array.from(nodeOf.subarray(shard * degree, (shard + 1) * degree), (node) => domainOf[node])).size;
  }
  return nodeOf.length - reached;
}

/** What a domain holds above one copy of each shard is a conflict wherever it lies. */
function leastConflicts(state: State, domainOf: readonly number[]): number {
  const loads = new Map<number, number>();
  state.held.forEach((held, node) => loads.set(domainOf[node], (loads.get(domainOf[node]) ?? 0) + held.length));
  return [...loads.values()].reduce((sum, load) => (load > state.shardCount ? sum + load - state.shardCount : sum), 0);
}

/** Exchanges a copy with the first other that makes things better; returns how many domains more are reached. */
function exchange(state: State, copy: number, levels: Levels): number {
  const { nodeOf, nodeCount, held, degree, parent } = state;
  const from = nodeOf[copy];
  const shard = trunc(copy / degree);
  const improved = levels[levels.length - 1];
  // Beginning at another node for each copy, so that not all go to the first.
  for (let step = 0; step < nodeCount; step++) {
    const to = (copy + step) % nodeCount;
    if (owns(state, shard, to) || isDouble(state, copy, to, improved) || !canGo(state, shard, from, parent[to])) {
      continue;
    }
    for (const other of held[to]) {
      const otherShard = trunc(other / degree);
      const gained = 1 + gain(state, other, from, improved);
      if (
        gained > 0 &&
        !owns(state, otherShard, from) &&
        canGo(state, otherShard, to, parent[from]) &&
        levels.every((domainOf) => gain(state, copy, to, domainOf) + gain(state, other, from, domainOf) >= 0)
      ) {
        const [cost, otherCost] = [state.costOf[copy], state.costOf[other]];
        take(state, copy);
        take(state, other);
        put(state, copy, to, cost);
        put(state, other, from, otherCost);
        return gained;
      }
    }
  }
  return 0;
}

/** Whether another copy of the shard is in the domain that `node` is in. */
function isDouble(state: State, copy: number, node: number, domainOf: readonly number[]): boolean {
  const { degree, nodeOf } = state;
  const first = copy - (copy % degree);
  for (let other = first; other < first + degree; other++) {
    if (other !== copy && domainOf[nodeOf[other]] === domainOf[node]) {
      return true;
    }
  }
  return false;
}

/** How many more domains a shard reaches when one of its copies goes to a node. */
function gain(state: State, copy: number, to: number, domainOf: readonly number[]): number {
  return (isDouble(state, copy, state.nodeOf[copy], domainOf) ? 1 : 0) - (isDouble(state, copy, to, domainOf) ? 1 : 0);
}
