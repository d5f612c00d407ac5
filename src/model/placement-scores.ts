/**
 * Rendezvous scores: for each shard every node gets a pseudo-random cost that depends on the two names and the node's weight alone, and the shard
 * prefers the cheapest. So a node that joins or leaves changes nobody else's cost (Thaler and Ravishankar, "Using name-based mappings to increase hit
 * rates", IEEE/ACM Transactions on Networking 6(1), 1998). A node of twice the weight is twice as often the cheapest, as in weighted rendezvous hashing
 * (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005).
 */
import { createHash } from "node:crypto";
import { exactShares } from "./placement-shares";
import type { Choices } from "./placement-state";

// Looked up once: in a vm context, where tests run, every look-up of a global costs more than the sum it is for.
const { floor, imul, sqrt, ceil, min } = Math;

/** Costs are whole numbers of at most this, so that sums of them are exact and the same on every machine. */
export const costRange = 2 ** 30;

const scoreRange = 2 ** 32;

/** What scores are made of: the seeds of shards and nodes, and what a node's weight divides its scores by. */
export interface Scores {
  shardCount: number;
  shards: Int32Array;
  nodes: Int32Array;
  /** The least weight divided by that of the node. */
  scale: Float64Array;
}

/** SHA-256 once for each name, a cheap mix for each pair: millions of pairs take milliseconds. */
export function rendezvousScores(nodes: readonly string[], weights: readonly number[], shardCount: number): Scores {
  const least = weights.reduce((one, other) => Math.min(one, other), Infinity);
  return {
    shardCount,
    shards: seedsOf(Array.from({ length: shardCount }, (_unused, shard) => `shard/${shard}`)),
    nodes: seedsOf(nodes.map((node) => `node/${node}`)),
    scale: Float64Array.from(weights, (weight) => least / weight),
  };
}

/** The cost of a node for a shard. */
export function costOfPair(scores: Scores, shard: number, node: number): number {
  return costOf(scoreOf(scores, shard, node));
}

/**
 * For each shard the cheapest nodes, as many as `wanted` or a few more, in ascending order, and before them those that it has already, which cost
 * `stays` less than their score.
 */
export function cheapestChoices(scores: Scores, wanted: number, before: readonly (readonly number[])[], stays: number): Choices {
  const { shardCount, shards, nodes, scale } = scores;
  const nodeCount = scale.length;
  const limit = scoreLimit(scale, wanted);
  const start = new Int32Array(shardCount + 1);
  const node: number[] = [];
  const cost: number[] = [];
  const chosen: { node: number; score: number }[] = [];
  for (let shard = 0; shard < shardCount; shard++) {
    const [first, second] = [shards[2 * shard], shards[2 * shard + 1]];
    const own = (before[shard] ?? []).map((each) => ({ node: each, score: scoreOf(scores, shard, each) }));
    chosen.length = 0;
    for (let each = 0; each < nodeCount; each++) {
      // `scoreOf` by hand: this runs once for each pair.
      const score = (mix(mix(first ^ nodes[2 * each]) + (second ^ nodes[2 * each + 1])) >>> 0) * scale[each];
      if (score < limit) {
        chosen.push({ node: each, score });
      }
    }
    for (const each of own.sort(byScore)) {
      node.push(each.node);
      cost.push(costOf(each.score) - stays);
    }
    for (const each of chosen.sort(byScore)) {
      if (!own.some((other) => other.node === each.node)) {
        node.push(each.node);
        cost.push(costOf(each.score));
      }
    }
    start[shard + 1] = node.length;
  }
  return { start, node: Int32Array.from(node), cost: Float64Array.from(cost), beyond: costRange };
}

function byScore(a: { node: number; score: number }, b: { node: number; score: number }): number {
  return a.score - b.score || a.node - b.node;
}

/** The score below which a shard has about `wanted` nodes, with room for chance. */
function scoreLimit(scale: Float64Array, wanted: number): number {
  const most = ceil(wanted + 4 * sqrt(wanted));
  if (most >= scale.length) {
    return scoreRange;
  }
  // Of a node of weight w the part `w * limit` of all scores is below the limit, at most all of them: filling by weight, as shares are.
  const parts = exactShares(
    Array.from(scale, (each) => 1 / each),
    1,
    most,
  );
  return scoreRange * parts.reduce((limit, part, node) => Math.max(limit, part * scale[node]), 0);
}

function scoreOf({ shards, nodes, scale }: Scores, shard: number, node: number): number {
  return (mix(mix(shards[2 * shard] ^ nodes[2 * node]) + (shards[2 * shard + 1] ^ nodes[2 * node + 1])) >>> 0) * scale[node];
}

/**
 * The power 1/16 of the score, in whole numbers: nearly its logarithm, so that equal ratios of scores weigh equally; measured, fewer shards move than
 * with the score itself when nodes come and go. IEEE 754 rounds square roots alike everywhere, which is not so for logarithms.
 */
function costOf(score: number): number {
  return floor(sqrt(sqrt(sqrt(sqrt(score / scoreRange)))) * costRange);
}

/** About the cost up to which a shard takes a node, where it takes `replicas` of them: scores are spread evenly, so that part of them is low enough. */
export function costThreshold({ scale }: Scores, replicas: number): number {
  return costOf(scoreRange * min(1, replicas / scale.reduce((sum, each) => sum + 1 / each, 0)));
}

function seedsOf(names: readonly string[]): Int32Array {
  const seeds = new Int32Array(2 * names.length);
  names.forEach((name, index) => {
    const digest = createHash("sha256").update(name).digest();
    seeds[2 * index] = digest.readInt32LE(0);
    seeds[2 * index + 1] = digest.readInt32LE(4);
  });
  return seeds;
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain): every input bit changes every output bit with a chance of about one half. */
function mix(value: number): number {
  let hash = value | 0;
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
