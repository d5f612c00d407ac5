/** Other ways to place shards, behind one shape: names of nodes and a number of shards in, owners of each shard out. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as path from "node:path";
import { computeShardMap } from "../../src/model/placement";
import type { TopologyNode } from "../../src/model/topology";
import { refereeEnvironment } from "../../tools/referees";

/** One way to place. It gets the nodes in the order in which they joined, and knows nothing of earlier calls. */
export interface Peer {
  name: string;
  place(nodes: readonly TopologyNode[], shardCount: number, replicas: number): string[][];
}

/** What Kafka's assignor said. */
export interface StickyResult {
  milliseconds: number;
  spread: number;
  joinMoves: number;
  leaveMoves: number;
  left: number;
}

interface Ring {
  range(key: string, size: number, unique: boolean): string[];
}

/** Libraries that lie in the cache, not in this project. */
export function peerModule(name: string): unknown {
  const folder = refereeEnvironment()["BENCH_PEERS"];
  return require(path.join(folder ?? "", name));
}

export const ours: Peer = {
  name: "compute-mesh, no lock",
  place: (nodes, shardCount, replicas) => computeShardMap({ nodes, shardCount, replicas }).map.owners,
};

/** The classic: every shard on the nodes of its highest scores (Thaler and Ravishankar 1998). Ten lines, so no library has it alone. */
const rendezvous: Peer = {
  name: "rendezvous hashing",
  place: (nodes, shardCount, replicas) => {
    const seeds = nodes.map(({ name }) => createHash("sha256").update(name).digest().readInt32LE(0));
    return shards(shardCount, (shard) => {
      const own = createHash("sha256").update(`shard/${shard}`).digest().readInt32LE(0);
      const chosen: number[] = [];
      for (let replica = 0; replica < replicas; replica++) {
        let [best, most] = [-1, -1];
        seeds.forEach((seed, node) => {
          const score = scramble(own ^ seed);
          if (score > most && !chosen.includes(node)) {
            [best, most] = [node, score];
          }
        });
        chosen.push(best);
      }
      return chosen.map((node) => nodes[node].name);
    });
  },
};

/** The finaliser of MurmurHash3 (Austin Appleby, public domain). */
function scramble(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * A consistent-hash ring (Karger et al. 1997) by the npm package `hashring`, with bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018): a shard
 * goes on to the next node while a node has more than `1 + slack` of the mean.
 */
function boundedRing(slack: number): Peer {
  return {
    name: slack === Infinity ? "hash ring" : `hash ring, loads bounded to ${1 + slack} × mean`,
    place: (nodes, shardCount, replicas) => {
      const HashRing = peerModule("hashring") as new (servers: string[]) => Ring;
      const ring = new HashRing(nodes.map(({ name }) => name));
      const limit = Math.ceil(((1 + slack) * shardCount * replicas) / nodes.length);
      const loads = new Map<string, number>();
      return shards(shardCount, (shard) => {
        let owners: string[] = [];
        // Few nodes of the ring are full, so the first ones mostly do.
        for (let looked = 2 * replicas; owners.length < replicas; looked *= 4) {
          const order = ring.range(`shard/${shard}`, Math.min(looked, nodes.length), true);
          owners = order.filter((name) => (loads.get(name) ?? 0) < limit).slice(0, replicas);
        }
        owners.forEach((name) => loads.set(name, (loads.get(name) ?? 0) + 1));
        return owners;
      });
    },
  };
}

/** Jump hash (Lamping and Veach 2014) by the npm package `jump-gouache`: buckets are positions, so a node that leaves the middle renumbers all after it. */
const jump: Peer = {
  name: "jump hash",
  place: (nodes, shardCount, replicas) => {
    const { jump: bucketOf } = peerModule("jump-gouache") as { jump: (key: bigint, buckets: number) => number };
    return shards(shardCount, (shard) => {
      const owners = new Set<string>();
      for (let attempt = 0; owners.size < replicas; attempt++) {
        const key = createHash("sha256").update(`shard/${shard}/${attempt}`).digest().readBigInt64LE(0);
        owners.add(nodes[bucketOf(BigInt.asUintN(63, key), nodes.length)].name);
      }
      return [...owners];
    });
  },
};

/** All that are stateless: what they do follows from the nodes alone. */
export const statelessPeers: Peer[] = [ours, rendezvous, boundedRing(Infinity), boundedRing(0.25), jump];

/** Kafka's cooperative sticky assignor: one owner for each partition, and it knows who had what. */
export function stickyAssignor(nodeCount: number, shardCount: number): StickyResult {
  const jars = path.join(refereeEnvironment()["KAFKA_LIBS"] ?? "", "*");
  const program = path.join(__dirname, "placement", "StickyAssignor.java");
  const child = spawnSync("java", ["-cp", jars, program, String(nodeCount), String(shardCount), "5"], { encoding: "utf8" });
  if (child.status !== 0) {
    throw new Error(`Kafka's assignor failed: ${child.error?.message ?? child.stderr}`);
  }
  return JSON.parse(child.stdout.trim().split("\n").pop() ?? "") as StickyResult;
}

function shards(count: number, owners: (shard: number) => string[]): string[][] {
  return Array.from({ length: count }, (_unused, shard) => owners(shard));
}
