/** Row 1 of the benchmark: placement beside what people use today and beside the true optimum. */
import { computeShardMap } from "../../src/model/placement";
import { createShardMap, type ShardMap } from "../../src/model/shard-map";
import type { TopologyNode } from "../../src/model/topology";
import { fetchReferees } from "../../tools/referees";
import { arrivals, bestOf, conflicts, loads, meshNode, meshNodes } from "../support/topologies";
import { inOwnProcess } from "./own-process";
import { type Peer, statelessPeers, stickyAssignor } from "./placement-peers";
import { exponent, type ResultTable } from "./results";

/** Shards are 100 times the nodes, but for the largest, which is the size of the goal. */
const sizes = [
  { nodes: 5, shards: 500, rounds: 6 },
  { nodes: 10, shards: 1000, rounds: 6 },
  { nodes: 50, shards: 5000, rounds: 4 },
  { nodes: 1000, shards: 20_000, rounds: 1 },
] as const;

/** Measures everything of row 1. */
export async function benchPlacement(say: (text: string) => void): Promise<ResultTable[]> {
  await fetchReferees(["kafka", "bench-peers"]);
  say("one owner for each shard, nodes that join and leave");
  const moves = movesTable(say);
  say("two replicas in three zones");
  const spread = spreadTable();
  say("beside the optimum");
  const optimum = optimumTable();
  say("time and memory");
  return [moves, spread, optimum, growthTable(say)];
}

/** Moves of every method when a node joins and one leaves, against the least that keeps loads even. */
function movesTable(say: (text: string) => void): ResultTable {
  const rows: ResultTable["rows"] = [];
  for (const { nodes, shards, rounds } of sizes) {
    say(`  ${nodes} nodes, ${shards} shards`);
    for (const peer of statelessPeers) {
      rows.push([nodes, shards, peer.name, ...measureMoves(peer, nodes, shards, rounds)]);
    }
    const locked = measureLocked(nodes, shards);
    rows.push([nodes, shards, "compute-mesh with mesh.lock.json", ...locked]);
    const sticky = stickyAssignor(nodes, shards);
    const [join, leave] = [sticky.joinMoves / Math.floor(shards / (nodes + 1)), sticky.leaveMoves / sticky.left];
    rows.push([nodes, shards, "Kafka's sticky assignor (knows the owners before)", sticky.spread, 1, join, leave, sticky.milliseconds]);
  }
  return {
    title: "One owner for each shard: balance, and moves when a node joins or leaves",
    head: ["nodes", "shards", "method", "max − min", "max / mean", "moves: join / least", "moves: leave / least", "ms"],
    rows,
    notes: [
      "Least: what the joining node must get (shards ÷ nodes, rounded down), and what the leaving one had. A ratio below 1 means that loads stay uneven. " +
        "Jump hash loses its last node in half of the rounds and its first in the others; only the last is cheap for it.",
      "A hash ring that moves more than the least when a node leaves: the library gives every node some points less or more when their number changes.",
      "Times are of the whole call, in one process that is warm (Kafka: the best of five in a warm JVM, with no scores to compute).",
    ],
  };
}

function measureMoves(peer: Peer, nodeCount: number, shardCount: number, rounds: number): number[] {
  const all = meshNodes(nodeCount, 1);
  const began = performance.now();
  const map = mapOf(peer, all, shardCount, 1);
  const milliseconds = performance.now() - began;
  const counts = [...loads(map, all).values()];
  let [joins, leaves] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const gone = round % 2 === 0 ? all[all.length - 1 - round] : all[round - 1];
    const left = all.filter((node) => node !== gone);
    leaves += arrivals(map, mapOf(peer, left, shardCount, 1)) / Math.max(1, loads(map, all).get(gone.name) ?? 0);
    joins +=
      arrivals(map, mapOf(peer, [...all, meshNode(`new-${round}`, "zone-0")], shardCount, 1)) / Math.floor(shardCount / (nodeCount + 1));
  }
  return [
    Math.max(...counts) - Math.min(...counts),
    (Math.max(...counts) * nodeCount) / shardCount,
    joins / rounds,
    leaves / rounds,
    milliseconds,
  ];
}

/** The same with the map before, as a lock file holds it. */
function measureLocked(nodeCount: number, shardCount: number): number[] {
  const all = meshNodes(nodeCount, 1);
  const { map } = computeShardMap({ nodes: all, shardCount });
  const began = performance.now();
  const joined = computeShardMap({ nodes: [...all, meshNode("new", "zone-0")], shardCount, previous: map }).map;
  const milliseconds = performance.now() - began;
  const left = computeShardMap({ nodes: all.slice(1), shardCount, previous: map }).map;
  const counts = [...loads(joined, [...all, meshNode("new", "zone-0")]).values()];
  return [
    ...[Math.max(...counts) - Math.min(...counts), (Math.max(...counts) * (nodeCount + 1)) / shardCount],
    ...[
      arrivals(map, joined) / Math.floor(shardCount / (nodeCount + 1)),
      arrivals(map, left) / (loads(map, all).get(all[0].name) ?? NaN),
      milliseconds,
    ],
  ];
}

/** Balance and spread of two replicas over three zones, which most methods do not know of. */
function spreadTable(): ResultTable {
  const [nodes, shards] = [meshNodes(30, 3), 3000];
  const rows = statelessPeers.map((peer) => {
    const map = mapOf(peer, nodes, shards, 2);
    const counts = [...loads(map, nodes).values()];
    const primaries = [...loads(map, nodes, true).values()];
    return [
      ...[peer.name, Math.max(...counts) - Math.min(...counts), Math.max(...primaries) - Math.min(...primaries)],
      ...[conflicts(map, nodes), `${((100 * conflicts(map, nodes)) / shards).toFixed(1)} %`],
    ];
  });
  return {
    title: "3,000 shards × 2 replicas on 30 nodes in 3 zones",
    head: ["method", "copies: max − min", "primaries: max − min", "shards with both replicas in one zone", "of all"],
    rows,
    notes: [
      "A shard whose replicas share a zone is gone with the zone. The others could be told of zones by placing each zone for itself, at the price of more moves.",
    ],
  };
}

/** Small cases, where minimum-cost flow on the whole network says what is possible. */
function optimumTable(): ResultTable {
  const rows = (["join", "leave", "exchange"] as const).map((change) => {
    let [locked, free, least, spread, cases] = [0, 0, 0, 0, 0];
    for (let nodeCount = 4; nodeCount <= 9; nodeCount++) {
      for (const shardCount of [8, 13, 20]) {
        const request = { nodes: meshNodes(nodeCount, 3), shardCount, replicas: 2 };
        const { map } = computeShardMap(request);
        const stay = change === "join" ? request.nodes : request.nodes.slice(1);
        const nodes = change === "leave" ? stay : [...stay, meshNode("new", "zone-1")];
        const best = bestOf({ ...request, nodes }, map.owners);
        const after = computeShardMap({ ...request, nodes, previous: map }).map;
        const stateless = computeShardMap({ ...request, nodes }).map;
        least += best.moves;
        locked += arrivals(map, after);
        free += arrivals(map, stateless);
        spread += Math.abs(conflicts(after, nodes) - best.conflicts[0]) + Math.abs(conflicts(stateless, nodes) - best.conflicts[0]);
        cases++;
      }
    }
    return [change, cases, least, locked / least, free / least, spread];
  });
  return {
    title: "Beside the optimum by minimum-cost flow: 4 to 9 nodes in 3 zones, 8 to 20 shards × 2",
    head: ["change of a node", "cases", "least moves", "with lock / least", "without lock / least", "zone conflicts above the least"],
    rows,
    notes: [
      "The optimum is computed by another program: Bellman and Ford on the whole network, every load within its bounds, fewest conflicts, then fewest moves.",
    ],
  };
}

/** Time, memory and their exponents, each size in a process of its own. */
function growthTable(say: (text: string) => void): ResultTable {
  const load = 'const { computeShardMap } = require("./dist/src/model");';
  const points: [number, number][] = [];
  const rows = [
    ...[50, 100, 200, 500, 1000].map((nodes) => ({ nodes, shards: 20 * nodes })),
    ...[
      { nodes: 200, shards: 20_000 },
      { nodes: 1000, shards: 4_000 },
      { nodes: 1000, shards: 65_536 },
    ],
  ].map(({ nodes, shards }) => {
    say(`  ${nodes} nodes, ${shards} shards`);
    const topology = `const nodes = Array.from({ length: ${nodes} }, (_, i) => ({ name: "node-" + i, zone: "z" + i % 3, region: "r", cluster: "c", provider: "p", weight: 1 }));`;
    const free = inOwnProcess(`${load} ${topology}`, `return computeShardMap({ nodes, shardCount: ${shards}, replicas: 2 }).map.version;`);
    const before = `const previous = computeShardMap({ nodes, shardCount: ${shards}, replicas: 2 }).map;`;
    const joined = inOwnProcess(
      `${load} ${topology} ${before}`,
      `return computeShardMap({ nodes: [...nodes, { ...nodes[0], name: "new" }], shardCount: ${shards}, replicas: 2, previous }).map.version;`,
    );
    if (shards === 20 * nodes) {
      points.push([nodes, free.cpuSeconds]);
    }
    return [nodes, shards, free.cpuSeconds, joined.cpuSeconds, free.peakMegabytes, free.idleMegabytes];
  });
  return {
    title: "Time and memory of one placement, two replicas in three zones",
    head: ["nodes", "shards", "s of CPU, no lock", "s of CPU, a node joins with a lock", "peak MB", "of which Node itself MB"],
    rows,
    notes: [
      `With 20 shards for each node, time grows as nodes to the power of ${exponent(points).toFixed(2)} from ${points[0][0]} to ${points[points.length - 1][0]} nodes, ` +
        `${exponent(points.slice(-2)).toFixed(2)} over the last step. Every shard scores every node, so with shards in proportion to nodes the exponent must come to 2 in the end.`,
      "Goal: 1,000 nodes × 20,000 shards × 2 in under 2 s and 300 MB.",
    ],
  };
}

function mapOf(peer: Peer, nodes: readonly TopologyNode[], shardCount: number, replicas: number): ShardMap {
  return createShardMap(peer.place(nodes, shardCount, replicas), replicas);
}
