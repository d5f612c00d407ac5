import fc from "fast-check";
import { computeShardMap } from "../../../src/model/placement";
import { diffShardMaps, type ShardMap } from "../../../src/model/shard-map";
import type { TopologyNode } from "../../../src/model/topology";
import { bestEvenPlacement } from "../../support/flow-oracle";
import { loads, meshNode, meshNodes, requests } from "../../support/topologies";

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

  it("moves exactly the least when a node joins, leaves or is exchanged", () => {
    let compared = 0;
    const changes = fc.record({
      request: requests({ nodes: 5, shards: 6, zones: 4 }),
      change: fc.constantFrom("join", "leave", "exchange"),
      zone: fc.nat(3),
    });
    fc.assert(
      fc.property(changes, ({ request, change, zone }) => {
        const { map } = computeShardMap(request);
        const stay = change === "join" ? request.nodes : request.nodes.slice(1);
        const nodes = change === "leave" ? stay : [...stay, meshNode("new", `zone-${zone}`)];
        fc.pre(nodes.length >= map.replicas);
        const { moves } = bestEvenPlacement(nodes, map.shardCount, map.replicas, map.owners);
        if (moves !== undefined) {
          compared++;
          const next = computeShardMap({ ...request, nodes, previous: map }).map;
          expect(arrivals(map, next)).toBe(moves);
        }
      }),
      { numRuns: 150 },
    );
    expect(compared).toBeGreaterThan(30);
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
    const after = computeShardMap({
      nodes: nodes.filter((node) => node.name !== "node-7"),
      shardCount: 256,
      replicas: 2,
      previous: before,
    }).map;
    const moves = diffShardMaps(before, after);
    expect(moves).toHaveLength(loads(before, nodes).get("node-7") ?? NaN);
    expect(new Set(moves.map((move) => move.from))).toEqual(new Set(["node-7"]));
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

/** Without the previous map; measured, with room for other names. Few shards on many nodes cost more, because even shares leave no slack. */
describe.each([
  { nodes: 5, zones: 3, shards: 16, replicas: 2, most: 1.8 },
  { nodes: 10, zones: 3, shards: 200, replicas: 2, most: 1.6 },
  { nodes: 20, zones: 1, shards: 1000, replicas: 2, most: 1.5 },
  { nodes: 30, zones: 3, shards: 300, replicas: 3, most: 2.7 },
  { nodes: 100, zones: 3, shards: 2000, replicas: 2, most: 3 },
])("moves without a previous map, $nodes nodes in $zones zones, $shards shards × $replicas", ({ nodes, zones, shards, replicas, most }) => {
  const all = meshNodes(nodes, zones);
  const mapOf = (some: TopologyNode[]): ShardMap => computeShardMap({ nodes: some, shardCount: shards, replicas }).map;
  const before = mapOf(all);
  const rounds = nodes > 50 ? 1 : 4;

  it(`stay below ${most} times the least when a node joins`, () => {
    const ratios = Array.from({ length: rounds }, (_unused, round) => {
      const after = mapOf([...all, meshNode(`new-${round}`, `zone-${round % zones}`)]);
      return arrivals(before, after) / Math.floor((shards * replicas) / (nodes + 1));
    });
    expect(average(ratios)).toBeLessThan(most);
  });

  it(`stay below ${most} times the least when a node leaves`, () => {
    const ratios = Array.from({ length: rounds }, (_unused, round) => {
      const gone = `node-${(round * 7) % nodes}`;
      return arrivals(before, mapOf(all.filter((node) => node.name !== gone))) / (loads(before, all).get(gone) ?? NaN);
    });
    expect(average(ratios)).toBeLessThan(most);
  });
});

/** Copies that are on a node which did not have them. */
function arrivals(before: ShardMap, after: ShardMap): number {
  return diffShardMaps(before, after).filter((move) => move.to !== undefined).length;
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
