import type { MeshInputError } from "../../../src/model/errors";
import { computeShardMap } from "../../../src/model/placement";
import type { PlacementRequest } from "../../../src/model/placement-request";
import { conflicts, meshNode, meshNodes } from "../../support/topologies";

describe("what placement says", () => {
  const uneven = [...meshNodes(4, 1), meshNode("lone", "zone-b")];

  it("warns where balance and zones conflict, naming shards, zone and way out", () => {
    const { map, warnings } = computeShardMap({ nodes: uneven, shardCount: 16, replicas: 2 });
    expect(conflicts(map, uneven)).toBe(9);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^zoneSpread: 9 of 16 shards have two or more replicas in one zone \([\d, ]+\), in zone-0 \(4 nodes\) of 5 nodes: .*add nodes in other zones/,
      ),
    ]);
  });

  it("refuses the conflict where the spread is required", () => {
    expect(() => computeShardMap({ nodes: uneven, shardCount: 16, replicas: 2, zoneSpread: "required" })).toThrow(
      /^shardMap: zoneSpread: "required" is not allowed: 9 of 16 shards/,
    );
  });

  it("explains every replica in one line", () => {
    const { map, explain } = computeShardMap({ nodes: meshNodes(5, 3), shardCount: 16, replicas: 2 });
    for (let shard = 0; shard < 16; shard++) {
      const line = explain(shard);
      expect(line).toMatch(
        new RegExp(
          `^shard ${shard}: ${map.owners[shard][0]} \\(primary, zone zone-\\d\\) is its \\d(st|nd|rd|th) choice.*; ${map.owners[shard][1]} \\(`,
        ),
      );
      expect(line).not.toContain("\n");
    }
    expect(explain(16)).toBe("shard 16: there is no such shard, the last is 15");
    const kept = computeShardMap({ nodes: meshNodes(5, 3), shardCount: 16, replicas: 2, previous: map });
    expect(kept.explain(0)).toContain("had it before");
  });

  it("refuses limits that leave no room, and limits that are none", () => {
    const nodes = [{ ...meshNode("a", "z"), maxShards: 3 }, meshNode("b", "z")];
    expect(() => computeShardMap({ nodes, shardCount: 4, replicas: 2 })).toThrow(
      'shardMap: nodes: "room for 7 shard copies" is not allowed: the 2 nodes must hold 4 shards × 2 replicas: add nodes, or raise maxShards',
    );
    expect(pathsOf({ nodes: [{ ...meshNode("a", "z"), maxShards: -1 }], shardCount: 1 })).toEqual(["nodes[0].maxShards"]);
  });

  it("reports everything wrong in a request at once", () => {
    const nodes = [meshNode("a", "z"), meshNode("b", "", 0), meshNode("a", "z"), meshNode("No Label", "z", Infinity)];
    const request = { nodes, shardCount: 0, replicas: 5, zoneSpread: "requird" } as unknown as PlacementRequest;
    expect(pathsOf(request)).toEqual([
      "shardCount",
      "zoneSpread",
      "replicas",
      "nodes[1].zone",
      "nodes[1].weight",
      "nodes[3].name",
      "nodes[3].weight",
      "nodes[2].name",
    ]);
    expect(pathsOf({ nodes: [], shardCount: 1.5, replicas: 0 })).toEqual(["shardCount", "replicas", "nodes"]);
    expect(pathsOf({ nodes: undefined, shardCount: 1 } as unknown as PlacementRequest)).toEqual(["nodes"]);
    expect(() => computeShardMap({ nodes: meshNodes(2, 1), shardCount: 4, replicas: 3 })).toThrow(
      "shardMap: replicas: 3 is not allowed: the replicas of a shard are on different nodes, and there are only 2 nodes",
    );
  });

  it("refuses another number of shards than the previous map has", () => {
    const previous = computeShardMap({ nodes: meshNodes(3, 3), shardCount: 8 }).map;
    expect(() => computeShardMap({ nodes: meshNodes(3, 3), shardCount: 16, previous })).toThrow(
      /shardCount: 16 is not allowed: the previous map has 8 shards.*second mesh/,
    );
  });
});

function pathsOf(request: PlacementRequest): string[] {
  try {
    computeShardMap(request);
  } catch (error) {
    return (error as MeshInputError).problems.map((problem) => problem.path);
  }
  return [];
}
