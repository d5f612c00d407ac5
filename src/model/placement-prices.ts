/**
 * Prices at which the shards, each taking what is cheapest for it, nearly fill every node evenly: a node with too many copies becomes dearer, one with
 * too few cheaper, by what its load is off divided by how many copies a price moves (the auction idea of Bertsekas, Annals of Operations Research 14,
 * 1988, with a step by Newton instead of bids). They only shorten the search for the optimum, which does not depend on them.
 */
import { emptyState, takeCheapest, type AssignmentProblem } from "./placement-state";

/** Steps shrink, because in the end loads jitter by single copies. */
const steps = [1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1];

/**
 * Finds the price of each node.
 *
 * @param copiesPerCost how many more copies a node gets where it is cheaper by 1
 */
export function findPrices(problem: AssignmentProblem, copiesPerCost: Float64Array): Float64Array {
  const potential = new Float64Array(problem.parent.length);
  for (const step of steps) {
    const state = emptyState(problem, potential);
    for (let shard = 0; shard < problem.shardCount; shard++) {
      takeCheapest(state, shard);
    }
    state.held.forEach((held, node) => {
      const { low, high } = problem.load[node];
      potential[node] -= Math.round((step * (held.length - (low + high) / 2)) / copiesPerCost[node]);
    });
  }
  return potential;
}
