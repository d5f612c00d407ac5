import fc from "fast-check";
import type { MeshInputError } from "../../../src/model/errors";
import { computeShardMap } from "../../../src/model/placement";
import {
  createShardMap,
  describeMoves,
  diffPrimaries,
  diffShardMaps,
  nodesOfShardMap,
  parseShardMap,
  primaryShardsOfNode,
  serializeShardMap,
  shardsOfNode,
} from "../../../src/model/shard-map";
import type { ShardMap } from "../../../src/model/shard-map";
import { requests } from "../../support/topologies";

const map = createShardMap(
  [
    ["a", "b"],
    ["b", "c"],
    ["c", "a"],
  ],
  2,
);

describe("a shard map", () => {
  it("comes back from its text", () => {
    fc.assert(
      fc.property(requests({ nodes: 20, shards: 60 }), (request) => {
        const computed = computeShardMap(request).map;
        expect(parseShardMap(serializeShardMap(computed))).toEqual(computed);
      }),
      { numRuns: 40 },
    );
  });

  it("has one line for each shard in its text", () => {
    expect(serializeShardMap(map)).toBe(
      '{\n  "apiVersion": "compute-mesh.dev/v1alpha1",\n  "kind": "ShardMap",\n' +
        `  "version": "${map.version}",\n  "shardCount": 3,\n  "replicas": 2,\n  "owners": [\n    ["a", "b"],\n    ["b", "c"],\n    ["c", "a"]\n  ]\n}\n`,
    );
  });

  it("has the same version for the same content only", () => {
    expect(createShardMap(map.owners, 2).version).toBe(map.version);
    expect(createShardMap([...map.owners].reverse(), 2).version).not.toBe(map.version);
  });

  it("knows the shards of a node", () => {
    expect([shardsOfNode(map, "a"), primaryShardsOfNode(map, "a"), shardsOfNode(map, "z"), nodesOfShardMap(map)]).toEqual([
      [0, 2],
      [0],
      [],
      ["a", "b", "c"],
    ]);
  });

  it("is refused with everything that is wrong in its text", () => {
    const text = JSON.stringify({
      apiVersion: "v0",
      kind: "Map",
      shardcount: 3,
      shardCount: 3,
      replicas: 2,
      owners: [["a", "a"], ["b"], "c", ["D", "e"]],
    });
    expect(pathsOf(text)).toEqual(["apiVersion", "kind", "shardcount", "owners", "owners[0][1]", "owners[1]", "owners[2]", "owners[3][0]"]);
    expect(() => parseShardMap("{")).toThrow(/^shardMap: "\{" is not allowed: JSON is expected/);
    expect(() => parseShardMap("[]")).toThrow(/a JSON object is expected/);
    expect(() => parseShardMap(serializeShardMap(map).replace('["c", "a"]', '["c", "b"]'))).toThrow(
      /version: .* a shard map is computed, not edited by hand/,
    );
  });
});

describe("the difference of two shard maps", () => {
  const after = createShardMap(
    [
      ["b", "d"],
      ["b", "d"],
      ["a", "c"],
    ],
    2,
  );

  it("is the copies that move, with their volume", () => {
    const moves = diffShardMaps(map, after, (shard) => (shard + 1) * 2 ** 30);
    expect(moves).toEqual([
      { shard: 0, from: "a", to: "d", bytes: 2 ** 30 },
      { shard: 1, from: "c", to: "d", bytes: 2 ** 31 },
    ]);
    expect(describeMoves(moves)).toEqual([
      "shard 0: a → d (1.0 GiB)",
      "shard 1: c → d (2.0 GiB)",
      "2 shard copies to fill in total (3.0 GiB)",
    ]);
    expect(describeMoves(diffShardMaps(map, map))).toEqual([]);
  });

  it("tells changed primaries apart from moved data", () => {
    expect(diffPrimaries(map, after)).toEqual([
      { shard: 0, from: "a", to: "b" },
      { shard: 2, from: "c", to: "a" },
    ]);
  });

  it("shows new and dropped copies", () => {
    const one = createShardMap([["a"], ["b"], ["c"]], 1);
    expect(describeMoves(diffShardMaps(one, map))).toEqual([
      "shard 0: (new copy) → b",
      "shard 1: (new copy) → c",
      "shard 2: (new copy) → a",
      "3 shard copies to fill in total",
    ]);
    expect(describeMoves(diffShardMaps(map, one))).toContain("0 shard copies to fill in total");
  });

  it("leads from the first map to the second", () => {
    const pairs = requests({ nodes: 12, shards: 30 }).chain((request) => fc.tuple(fc.constant(request), fc.integer({ min: 0, max: 11 })));
    fc.assert(
      fc.property(pairs, ([request, leaving]) => {
        const left = request.nodes.filter((_node, index) => index !== leaving);
        fc.pre(left.length >= (request.replicas ?? 1));
        const [before, next] = [computeShardMap(request).map, computeShardMap({ ...request, nodes: left }).map];
        const owners = before.owners.map((nodes) => new Set(nodes));
        for (const { shard, from, to } of diffShardMaps(before, next)) {
          owners[shard].delete(from ?? "");
          owners[shard].add(to ?? "");
        }
        expect(owners).toEqual(next.owners.map((nodes) => new Set(nodes)));
      }),
      { numRuns: 40 },
    );
  });
});

function pathsOf(text: string): string[] {
  try {
    parseShardMap(text);
  } catch (error) {
    return (error as MeshInputError).problems.map((problem) => problem.path);
  }
  return [];
}

describe("a previous shard map that was written by hand", () => {
  const nodes = [{ name: "a", zone: "z", region: "r", cluster: "c", provider: "p", weight: 1 }];

  it("is checked before anything is made of it", () => {
    const previous = { version: "x", shardCount: 2, replicas: 1 } as unknown as ShardMap;
    expect(() => computeShardMap({ nodes, shardCount: 2, previous })).toThrow(
      "shardMap: previous.owners: nothing is not allowed: a list is allowed",
    );
    const torn = { version: "x", shardCount: 2, replicas: 1, owners: [["a"], "a"] } as unknown as ShardMap;
    expect(() => computeShardMap({ nodes, shardCount: 2, previous: torn })).toThrow(
      'previous.owners[1]: "a" is not allowed: a list is allowed',
    );
  });
});
