/**
 * Spread over levels that cut across the tree (`placement-tree.ts`): copies of two shards change places where that lets a shard reach more domains of
 * such a level, costs the other shard none, and leaves loads and the spread over the tree as they are. A local search; it stops where no exchange of two
 * copies helps.
 */
import { canGo, owns, put, take, type State } from "./placement-state";
import type { DomainTree } from "./placement-tree";

/** Other copies that are looked at for one that should go: enough to find a partner where there are many, few enough to stay fast. */
const mostTries = 4000;

/** Improves the spread over the crossing levels, the most important first. */
export function spreadOverCrossing(state: State, tree: DomainTree): void {
  for (let level = 0; level < tree.crossing.length; level++) {
    // A level must not harm those before it.
    const levels = tree.crossing.slice(0, level + 1).map(({ domainOf }) => domainOf);
    for (let copy = 0; copy < state.nodeOf.length; copy++) {
      if (shares(state, copy, state.nodeOf[copy], levels[level])) {
        exchange(state, copy, levels);
      }
    }
  }
}

/** Exchanges a copy with the first other that makes things better. */
function exchange(state: State, copy: number, levels: readonly (readonly number[])[]): boolean {
  const { nodeOf, nodeCount, held, degree, parent } = state;
  const from = nodeOf[copy];
  const shard = Math.trunc(copy / degree);
  let tries = 0;
  // Beginning at another node for each copy, so that not all go to the first.
  for (let step = 0; step < nodeCount && tries < mostTries; step++) {
    const to = (copy + step) % nodeCount;
    if (owns(state, shard, to) || shares(state, copy, to, levels[levels.length - 1]) || !canGo(state, shard, from, parent[to])) {
      continue;
    }
    for (const other of held[to]) {
      const otherShard = Math.trunc(other / degree);
      tries++;
      if (
        otherShard !== shard &&
        !owns(state, otherShard, from) &&
        canGo(state, otherShard, to, parent[from]) &&
        levels.every((domainOf) => gain(state, copy, to, domainOf) + gain(state, other, from, domainOf) >= 0) &&
        gain(state, other, from, levels[levels.length - 1]) >= 0
      ) {
        const [cost, otherCost] = [state.costOf[copy], state.costOf[other]];
        take(state, copy);
        take(state, other);
        put(state, copy, to, cost);
        put(state, other, from, otherCost);
        return true;
      }
    }
  }
  return false;
}

/** Whether another copy of the shard is in the domain that `node` is in. */
function shares(state: State, copy: number, node: number, domainOf: readonly number[]): boolean {
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
  return Number(shares(state, copy, state.nodeOf[copy], domainOf)) - Number(shares(state, copy, to, domainOf));
}
