/** Weights of weights: a destination with a share of its own can stand for several versions. */
import type { Problems } from "./errors";
import { maxWeight } from "./route-services";
import type { Backend } from "./route-table";

/** What one destination stands for, and its share beside the others. */
export interface Share {
  weight: number;
  backends: Backend[];
}

/**
 * One list of whole weights from shares of shares: share i of W_i with weights w_ij becomes W_i · w_ij · L / S_i, where S_i is the sum of its
 * weights and L the least common multiple of all S_i. A single share keeps its weights as they were written.
 */
export function spreadWeights(problems: Problems, path: string, shares: readonly Share[]): Backend[] | undefined {
  const [only] = shares;
  if (only !== undefined && shares.length === 1) {
    return only.backends;
  }
  const sums = shares.map(({ backends }) => backends.reduce((sum, { weight }) => sum + weight, 0));
  const common = sums.reduce((a, b) => (a / gcd(a, b)) * b, 1);
  const spread = shares.flatMap(({ weight, backends }, index) =>
    backends.map((backend) => ({ ...backend, weight: weight * backend.weight * (common / (sums[index] ?? 1)) })),
  );
  const divisor = common === 1 ? 1 : spread.reduce((sum, { weight }) => gcd(sum, weight), 0);
  const backends = spread.map((backend) => ({ ...backend, weight: backend.weight / divisor }));
  if (backends.some(({ weight }) => !Number.isSafeInteger(weight) || weight > maxWeight)) {
    problems.add(
      path,
      shares.map(({ weight }) => weight),
      `coarser weights are needed: in whole numbers of at most ${maxWeight} these shares cannot be said`,
    );
    return undefined;
  }
  return backends;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
