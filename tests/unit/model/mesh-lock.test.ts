import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { MeshInputError } from "../../../src/model/errors";
import { type MeshLock, parseMeshLock, placementOfLock, requestOf, serializeMeshLock, updateMeshLock } from "../../../src/model/mesh-lock";
import { computeShardMap } from "../../../src/model/placement";
import { createShardMap } from "../../../src/model/shard-map";
import { meshNode, meshNodes, requests } from "../../support/topologies";

const request = { nodes: meshNodes(3, 3), shardCount: 4, replicas: 2 };
const { lock } = updateMeshLock(undefined, request);
const text = serializeMeshLock(lock);
const mend = "npm run placement -- update";

function problemsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MeshInputError);
    return (error as MeshInputError).message.split("\n");
  }
  throw new Error("no error was thrown");
}

/** A lock with an edit of its parsed JSON. */
function edited(edit: (document: any) => void): string {
  const document = JSON.parse(text);
  edit(document);
  return JSON.stringify(document);
}

describe("the lock file", () => {
  it("has one line for each node and each shard, in an order of its own", () => {
    const { version } = JSON.parse(text) as { version: string };
    const facts = (zone: number): string => `{"zone":"zone-${zone}","region":"r","cluster":"c","provider":"local","weight":1}`;
    expect(text.split("\n")).toEqual([
      "{",
      '  "apiVersion": "compute-mesh.dev/v1alpha1",',
      '  "kind": "MeshLock",',
      `  "version": "${version}",`,
      '  "shardCount": 4,',
      '  "replicas": 2,',
      '  "zoneSpread": "preferred",',
      '  "nodes": {',
      ...[0, 1, 2].map((node) => `    "node-${node}": ${facts(node)}${node < 2 ? "," : ""}`),
      "  },",
      '  "owners": [',
      ...lock.map.owners.map(([primary, other], shard) => `    ["${primary}", "${other}"]${shard < 3 ? "," : ""}`),
      "  ]",
      "}",
      "",
    ]);
    expect(serializeMeshLock(updateMeshLock(undefined, { ...request, nodes: [...request.nodes].reverse() }).lock)).toBe(text);
  });

  it("comes back from its text, and is right for what it was made for", () => {
    fc.assert(
      fc.property(requests({ nodes: 20, shards: 60 }, fc.constantFrom(1, 2.5)), (any) => {
        const made = updateMeshLock(undefined, any).lock;
        const read = parseMeshLock(serializeMeshLock(made));
        expect(read).toEqual(made);
        const { changes, moves, lock: again } = updateMeshLock(read, requestOf(read));
        expect([changes, moves, again]).toEqual([[], [], made]);
      }),
      { numRuns: 40 },
    );
  });

  it.each(["three-zones", "two-clouds"])("is the same on every machine and from version to version: %s", (name) => {
    const golden = readFileSync(join(__dirname, "..", "..", "fixtures", "placement", `${name}.lock.json`), "utf8");
    expect(serializeMeshLock(updateMeshLock(undefined, requestOf(parseMeshLock(golden))).lock)).toBe(golden);
  });

  it.each<[what: string, text: string, problems: string[]]>([
    ["no JSON", "{", [expect.stringContaining("JSON is expected")]],
    ["a merge that left its marks", text.replace("  ]\n", "<<<<<<< HEAD\n  ]\n"), [expect.stringContaining("JSON is expected")]],
    [
      "an owner that is no node",
      edited((document) => (document.owners[2] = ["node-0", "node-9"])),
      ['mesh.lock.json: owners[2][1]: "node-9" is not allowed: there is no such node in `nodes`'],
    ],
    [
      "rows, nodes and words that are wrong, all at once",
      edited((document) => {
        document.owners[0] = ["node-0"];
        document.nodes["node-1"] = { zoen: "a" };
        document.zoneSpread = "maybe";
        document.extra = 1;
      }),
      [
        expect.stringContaining("extra: "),
        expect.stringContaining('owners[0]: ["node-0"] is not allowed: 2 owners are needed'),
        expect.stringContaining("zoneSpread: "),
        expect.stringContaining("nodes.node-1.zoen: "),
        expect.stringContaining("nodes.node-1.cluster: "),
        expect.stringContaining("nodes.node-1.provider: "),
      ],
    ],
    [
      "a weight that is none",
      edited((document) => (document.nodes["node-1"].weight = 0)),
      [expect.stringContaining("nodes.node-1.weight: "), expect.stringContaining("version: ")],
    ],
    [
      "owners that were exchanged by hand",
      edited((document) => document.owners[0].reverse()),
      [expect.stringMatching(/^mesh.lock.json: version: .* it was edited by hand, or two changes were merged$/)],
    ],
    [
      "a zone that was changed by hand",
      edited((document) => (document.nodes["node-1"].zone = "zone-7")),
      [expect.stringContaining("it was edited by hand")],
    ],
  ])("is refused with %s", (_what, broken, problems) => {
    expect(problemsOf(() => parseMeshLock(broken))).toEqual(problems);
  });
});

describe("bringing a lock file up to date", () => {
  const six = updateMeshLock(undefined, { nodes: meshNodes(6, 3), shardCount: 24, replicas: 2 }).lock;
  const changesOf = (change: Partial<MeshLock["map"]> & { nodes?: MeshLock["nodes"]; zoneSpread?: "preferred" | "required" }): string[] =>
    updateMeshLock(six, { ...requestOf(six), ...change }).changes;

  it("says what it did not know, and what that moves", () => {
    const { nodes } = six;
    expect(changesOf({})).toEqual([]);
    expect(changesOf({ nodes: [...nodes, meshNode("new", "zone-0")] })).toEqual(["node new is new", "6 of 48 shard copies must move"]);
    expect(changesOf({ nodes: nodes.slice(3) })).toEqual(["nodes node-0, node-1, node-2 are gone", "24 of 48 shard copies must move"]);
    expect(changesOf({ nodes: [{ ...nodes[0], weight: 2, zone: "zone-1" }, ...nodes.slice(1)] })).toEqual([
      "zone of node node-0 is zone-1, it was zone-0",
      "weight of node node-0 is 2, it was 1",
      expect.stringMatching(/^\d+ of 48 shard copies must move$/),
    ]);
    expect(changesOf({ nodes: nodes.map((node) => ({ ...node, maxShards: 9 })) })).toEqual([
      "maxShards of node node-0 is 9, it was not set, and maxShards of 5 more nodes differs",
    ]);
    expect(changesOf({ zoneSpread: "required" })).toEqual(["zoneSpread is required, it was preferred"]);
    expect(changesOf({ replicas: 1 })).toContain("replicas is 1, it was 2");
  });

  it("moves as little as the map itself would", () => {
    const nodes = [...six.nodes.slice(1), meshNode("new", "zone-2")];
    const { lock: next, moves, primaries } = updateMeshLock(six, { ...requestOf(six), nodes });
    expect(next.map).toEqual(computeShardMap({ ...requestOf(six), nodes, previous: six.map }).map);
    expect(moves.length).toBeGreaterThan(7);
    expect(primaries.length).toBeGreaterThan(0);
  });

  it("refuses another number of shards", () => {
    expect(problemsOf(() => updateMeshLock(six, { ...requestOf(six), shardCount: 25 }))).toEqual([
      expect.stringContaining("shardCount: 25 is not allowed: the previous map has 24 shards"),
    ]);
  });
});

describe("deploying with a lock file", () => {
  it("takes the map that the file says, even where another would be computed", () => {
    // What a history of changes leaves: right, but not what the nodes alone give.
    const six = { nodes: meshNodes(6, 3), shardCount: 24, replicas: 2 };
    const grown = updateMeshLock(updateMeshLock(undefined, { ...six, nodes: meshNodes(4, 3) }).lock, six).lock;
    expect(grown.map.owners).not.toEqual(computeShardMap(six).map.owners);
    expect(placementOfLock(six, { path: "mesh.lock.json", text: serializeMeshLock(grown), mend }).map).toEqual(grown.map);
  });

  it.each<[what: string, file: string | undefined, problem: RegExp]>([
    [
      "is not there",
      undefined,
      /^shardMap: lock: "mesh.lock.json" is not allowed: there is no such file; make it with: npm run placement -- update$/,
    ],
    [
      "is broken",
      text.replace("node-1", "node-8"),
      /mesh.lock.json: .*; take the last good version of it, then run: npm run placement -- update$/,
    ],
    [
      "was made for other nodes",
      serializeMeshLock(updateMeshLock(undefined, { ...request, nodes: meshNodes(4, 3) }).lock),
      /it is out of date: node node-3 is gone; 2 of 8 shard copies must move; bring it up to date with: npm run placement -- update$/,
    ],
    [
      "is out of balance, though its version fits",
      serializeMeshLock({
        ...lock,
        map: createShardMap(
          lock.map.owners.map(() => ["node-0", "node-1"]),
          2,
        ),
      }),
      /copies must move/,
    ],
  ])("is refused with the command that mends it where the file %s", (_what, file, problem) => {
    const [line, ...others] = problemsOf(() =>
      placementOfLock(request, { path: "mesh.lock.json", ...(file === undefined ? {} : { text: file }), mend }),
    );
    expect(line).toMatch(problem);
    expect(others).toEqual([]);
  });
});
