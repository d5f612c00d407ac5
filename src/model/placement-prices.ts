/**
 * Prices at which the shards, each taking what is cheapest for it, nearly fill every node evenly: a node with too many copies becomes dearer, one with
 * too few cheaper, by what its load is off divided by how many copies a price moves (the auction idea of Bertsekas, Annals of Operations Research 14,
 * 1988, with a step by Newton instead of bids). They only shorten the search for the optimum, which does not depend on them.
 */
import { emptyState, takeCheapest, type AssignmentProblem } from "./placement-state";

// As in `placement-state.ts`: looked up once.
const { max, round, sqrt } = Math;

/** Steps shrink, because in the end loads jitter by single copies. */
const steps = [1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1];

/**
 * Finds the price of each node.
 *
 * @param threshold about the cost up to which a shard takes a node; costs are powers 1/16 of scores that are spread evenly (`placement-scores.ts`)
 */
export function findPrices(problem: AssignmentProblem, threshold: number): Float64Array {
  const potential = new Float64Array(problem.parent.length);
  for (const step of steps) {
    const state = emptyState(problem, potential);
    for (let shard = 0; shard < problem.shardCount; shard++) {
      takeCheapest(state, shard);
    }
    state.held.forEach((held, node) => {
      const { low, high } = problem.load[node];
      // Copies that stay where they were heed no price. The others grow as the power 16 of what they may cost.
      const stay = held.reduce((sum, copy) => (state.costOf[copy] < 0 ? sum + 1 : sum), 0);
      const wanted = max((low + high) / 2 - stay, 0.5) / max(held.length - stay, 0.5);
      potential[node] += round(step * (threshold + potential[node]) * (sqrt(sqrt(sqrt(sqrt(wanted)))) - 1));
    });
  }
  return potential.fill(priceOfRoundingUp(problem, potential), problem.nodeCount);
}

/** The price between the nodes that round their share up, which are the dearest for shards, and those that round it down: that of all domains. */
function priceOfRoundingUp({ nodeCount, shardCount, degree, load }: AssignmentProblem, potential: Float64Array): number {
  const order = Array.from({ length: nodeCount }, (_unused, node) => node).sort((a, b) => potential[a] - potential[b] || a - b);
  let left = order.reduce((sum, node) => sum - load[node].low, shardCount * degree);
  for (const node of order) {
    left -= load[node].high - load[node].low;
    if (left <= 0) {
      return potential[node];
    }
  }
  return 0;
}
