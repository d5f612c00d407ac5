import fc from "fast-check";
import { computeShardMap } from "../../../src/model/placement";
import type { PlacementRequest } from "../../../src/model/placement-request";
import { diffShardMaps, type ShardMap } from "../../../src/model/shard-map";
import type { TopologyNode } from "../../../src/model/topology";
import { arrivals, bestOf, conflicts, loads, meshNode, meshNodes, nestedLevels, nestedRequests, requests } from "../../support/topologies";

const weights = fc.constantFrom(1, 1, 1, 2, 3.5);
const changes = ["join", "leave", "exchange", "weigh", "limit", "add replica", "drop replica"] as const;

/** A request after a change of one of its nodes or of the replicas. */
function changed(request: PlacementRequest, change: (typeof changes)[number], which: number): PlacementRequest {
  const { nodes, replicas = 1 } = request;
  const at = which % nodes.length;
  const others = nodes.filter((_node, index) => index !== at);
  const { maxShards: _limit, ...like } = nodes[at];
  switch (change) {
    case "join":
      return { ...request, nodes: [...nodes, { ...like, name: "new" }] };
    case "leave":
      return { ...request, nodes: others };
    case "exchange":
      return { ...request, nodes: [...others, { ...like, name: "new" }] };
    case "weigh":
      return { ...request, nodes: [...others, { ...nodes[at], weight: 2 * nodes[at].weight }] };
    case "limit":
      return { ...request, nodes: [...others, { ...nodes[at], maxShards: Math.floor(request.shardCount / 2) }] };
    case "add replica":
      return { ...request, replicas: replicas + 1 };
    case "drop replica":
      return { ...request, replicas: replicas - 1 };
  }
}

/** Whether there is a placement at all. */
function possible({ nodes, shardCount, replicas = 1 }: PlacementRequest): boolean {
  const room = nodes.reduce((sum, { maxShards = shardCount }) => sum + Math.min(shardCount, maxShards), 0);
  return replicas >= 1 && replicas <= nodes.length && room >= shardCount * replicas;
}

describe("moves with the previous map", () => {
  it("moves nothing where nothing changed", () => {
    fc.assert(
      fc.property(requests({ nodes: 40, shards: 150 }), (request) => {
        const { map } = computeShardMap(request);
        expect(computeShardMap({ ...request, previous: map }).map).toEqual(map);
      }),
      { numRuns: 40 },
    );
  });

  it("moves nothing after a history of changes either, and keeps the order of the owners", () => {
    fc.assert(
      fc.property(
        nestedRequests({ nodes: 30, shards: 120, replicas: 4 }, weights),
        fc.constantFrom(...changes),
        fc.nat(30),
        (request, change, which) => {
          const next = changed(request, change, which);
          fc.pre(possible(next));
          const { map } = computeShardMap({ ...next, previous: computeShardMap(request).map });
          expect(computeShardMap({ ...next, previous: map }).map).toEqual(map);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("moves exactly the least that restores balance, limits and spread, whatever changes", () => {
    const compared = new Map<string, number>();
    fc.assert(
      fc.property(
        nestedRequests({ nodes: 6, shards: 6, replicas: 4 }, weights),
        fc.constantFrom(...changes),
        fc.nat(6),
        (request, change, which) => {
          const next = changed(request, change, which);
          fc.pre(possible(next));
          const { map } = computeShardMap(request);
          const after = computeShardMap({ ...next, previous: map }).map;
          const best = bestOf(next, map.owners);
          expect(nestedLevels.map((level) => conflicts(after, next.nodes, level))).toEqual(best.conflicts);
          // With more replicas there are several ways to have the fewest conflicts, and this one also evens them out over the shards.
          if ((next.replicas ?? 1) <= 2 || best.conflicts.every((count) => count === 0)) {
            expect(arrivals(map, after)).toBe(best.moves);
            compared.set(change, (compared.get(change) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 300 },
    );
    expect([...compared.keys()].sort()).toEqual([...changes].sort());
  });

  it("moves only to the node that joins, and no more than its share", () => {
    const nodes = meshNodes(20, 4);
    const before = computeShardMap({ nodes, shardCount: 256, replicas: 2 }).map;
    const after = computeShardMap({ nodes: [...nodes, meshNode("new", "zone-1")], shardCount: 256, replicas: 2, previous: before }).map;
    const moves = diffShardMaps(before, after);
    expect(moves).toHaveLength(Math.floor(512 / 21));
    expect(new Set(moves.map((move) => move.to))).toEqual(new Set(["new"]));
  });

  it("moves only from the node that leaves", () => {
    const nodes = meshNodes(20, 4);
    const before = computeShardMap({ nodes, shardCount: 256, replicas: 2 }).map;
    const left = nodes.filter((node) => node.name !== "node-7");
    const after = computeShardMap({ nodes: left, shardCount: 256, replicas: 2, previous: before }).map;
    const moves = diffShardMaps(before, after);
    expect(moves).toHaveLength(loads(before, nodes).get("node-7") ?? NaN);
    expect(new Set(moves.map((move) => move.from))).toEqual(new Set(["node-7"]));
  });

  it("moves only what a zone had when it is lost, and no more than its share when it comes back", () => {
    const nodes = meshNodes(30, 3);
    const before = computeShardMap({ nodes, shardCount: 300, replicas: 2 }).map;
    const left = nodes.filter((node) => node.zone !== "zone-2");
    const lost = computeShardMap({ nodes: left, shardCount: 300, replicas: 2, previous: before }).map;
    expect([arrivals(before, lost), conflicts(lost, left)]).toEqual([200, 0]);
    const back = computeShardMap({ nodes, shardCount: 300, replicas: 2, previous: lost }).map;
    expect([arrivals(lost, back), conflicts(back, nodes)]).toEqual([200, 0]);
  });

  it("adds and drops a replica without moving the others", () => {
    const nodes = meshNodes(9, 3);
    const one = computeShardMap({ nodes, shardCount: 36, replicas: 1 }).map;
    const two = computeShardMap({ nodes, shardCount: 36, replicas: 2, previous: one }).map;
    expect(diffShardMaps(one, two).filter((move) => move.from !== undefined)).toEqual([]);
    const back = computeShardMap({ nodes, shardCount: 36, replicas: 1, previous: two }).map;
    expect(diffShardMaps(two, back).filter((move) => move.to !== undefined)).toEqual([]);
  });
});

/**
 * Without the previous map; measured over several names, with room for other names. A greedy stable matching by the same scores moves 1.1 times the
 * least at 5 nodes, 1.25 times at 10 and 1.55 times at 50. Few shards on many nodes cost more, because even shares leave no slack.
 */
describe.each([
  { nodes: 5, zones: 1, shards: 500, replicas: 1, rounds: 24, most: 1.11 },
  { nodes: 10, zones: 1, shards: 1000, replicas: 1, rounds: 12, most: 1.2 },
  { nodes: 50, zones: 1, shards: 5000, replicas: 1, rounds: 4, most: 1.55 },
  { nodes: 30, zones: 3, shards: 300, replicas: 3, rounds: 4, most: 2.5 },
  { nodes: 100, zones: 3, shards: 2000, replicas: 2, rounds: 2, most: 2.8 },
])(
  "moves without a previous map, $nodes nodes in $zones zones, $shards shards × $replicas",
  ({ nodes, zones, shards, replicas, rounds, most }) => {
    const mapOf = (some: TopologyNode[]): ShardMap => computeShardMap({ nodes: some, shardCount: shards, replicas }).map;

    it(`stay below ${most} times the least when nodes join and leave`, () => {
      let [moves, least] = [0, 0];
      const all = meshNodes(nodes + 1, zones);
      const map = mapOf(all);
      for (let round = 0; round < rounds; round++) {
        const gone = all[(round * 7) % all.length].name;
        // The node that has gone, or is yet to come.
        const without = mapOf(all.filter((node) => node.name !== gone));
        moves += arrivals(map, without);
        least += loads(map, all).get(gone) ?? NaN;
      }
      expect(moves / least).toBeLessThan(most);
    });
  },
);
