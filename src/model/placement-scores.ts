/**
 * Rendezvous scores: for each shard every node gets a pseudo-random cost that depends on the two names alone, and the shard prefers the cheapest.
 * So a node that joins or leaves changes nobody else's cost (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
 * Transactions on Networking 6(1), 1998).
 */
import { createHash } from "node:crypto";

// Looked up once: in a vm context, where tests run, every look-up of a global costs more than the sum it is for.
const { floor, imul, sqrt } = Math;

/** Costs are whole numbers below this, so that sums of them are exact and the same on every machine. */
export const costRange = 2 ** 30;

/** The costs of all nodes for all shards, row by row: entry `shard * nodes.length + node`. */
export function rendezvousCosts(nodes: readonly string[], shardCount: number): Float64Array {
  const seeds = nodes.map((node) => seedOf(`node/${node}`));
  const costs = new Float64Array(shardCount * nodes.length);
  for (let shard = 0, at = 0; shard < shardCount; shard++) {
    const [first, second] = seedOf(`shard/${shard}`);
    for (const [nodeFirst, nodeSecond] of seeds) {
      // SHA-256 once for each name, a cheap mix for each pair: millions of pairs take milliseconds.
      const score = mix(mix(first ^ nodeFirst) + (second ^ nodeSecond)) >>> 0;
      // The square root sets the best choices further apart: measured, it keeps more primaries in place when nodes come and go. IEEE 754 rounds it alike everywhere.
      costs[at++] = floor(sqrt(score) * 2 ** 14);
    }
  }
  return costs;
}

function seedOf(text: string): [number, number] {
  const digest = createHash("sha256").update(text).digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain): every input bit changes every output bit with a chance of about one half. */
function mix(value: number): number {
  let hash = value | 0;
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
