/** `npm run placement`: what goes in, and the table and the picture that come out. The program of a stack runs once, as a process of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { computeShardMap } from "../../../src/model/placement";
import { createShardMap } from "../../../src/model/shard-map";
import { summarizeNodes } from "../../../src/model/summary";
import { placementCommand } from "../../../tools/placement-command";
import { changeTopology, readSizes } from "../../../tools/placement-inputs";
import { drawChange } from "../../../tools/placement-picture";
import { previewMoves } from "../../../tools/placement-preview";
import { compareMaps, formatChange } from "../../../tools/placement-report";
import { meshNode, meshNodes } from "../../support/topologies";

const folder = mkdtempSync(join(tmpdir(), "placement-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const request = { nodes: meshNodes(6, 3), shardCount: 24, replicas: 2 };
const nothing = { add: [], lose: [], loseZone: [], weight: [], limit: [] };

function written(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe("a change of the topology", () => {
  it("adds nodes like those of the zone, loses nodes and zones, and sets weights, limits and replicas", () => {
    const nodes = request.nodes.map((node) => (node.zone === "zone-1" ? { ...node, region: "south" } : node));
    const { nodes: after, replicas } = changeTopology(
      { ...request, nodes },
      { add: ["2@zone-1", "zone-9"], lose: ["node-0"], loseZone: ["zone-2"], weight: ["node-3=2.5"], limit: ["node-1=7"], replicas: "1" },
    );
    expect(after.map(({ name, zone, region, weight, maxShards }) => [name, zone, region, weight, maxShards])).toEqual([
      ["node-1", "zone-1", "south", 1, 7],
      ["node-3", "zone-0", "r", 2.5, undefined],
      ["node-4", "zone-1", "south", 1, undefined],
      ["new-1", "zone-1", "south", 1, undefined],
      ["new-2", "zone-1", "south", 1, undefined],
      ["new-3", "zone-9", "r", 1, undefined],
    ]);
    expect(replicas).toBe(1);
  });

  it("is refused with everything that names nothing", () => {
    const wrong = { ...nothing, add: ["3@"], lose: ["node-9"], loseZone: ["zone-9"], weight: ["node-1"], limit: ["node-9=1"] };
    expect(() => changeTopology(request, wrong)).toThrow(
      /--lose-zone: "zone-9" .*zone-0, zone-1, zone-2\n.*--lose: "node-9" .*\n.*--weight: "node-1" .*\n.*--limit: "node-9=1" .*\n.*--add: "3@" /,
    );
  });
});

describe("sizes of shards", () => {
  it("come from a list of bytes or of manifests", () => {
    expect([0, 1, 2].map(readSizes(written("bytes.json", [10, 20])))).toEqual([10, 20, undefined]);
    expect([0, 1].map(readSizes(written("manifests.json", [{ shard: 1, bytes: 7, rows: 3 }])))).toEqual([undefined, 7]);
    expect(() => readSizes(written("wrong.json", [1, "2"]))).toThrow(/\[1\]: "2" is not allowed/);
    expect(() => readSizes(written("object.json", {}))).toThrow(/a list is allowed/);
  });
});

describe("the report of a change", () => {
  const nodes = [meshNode("a", "x"), meshNode("b", "y"), meshNode("c", "y")];
  const before = {
    map: createShardMap(
      [
        ["a", "b"],
        ["b", "a"],
        ["a", "c"],
      ],
      2,
    ),
    nodes,
  };
  const after = {
    map: createShardMap(
      [
        ["a", "d"],
        ["b", "a"],
        ["c", "a"],
      ],
      2,
    ),
    nodes: [...nodes, meshNode("d", "y")],
  };

  it("is a table of the nodes that it touches, with the data that moves", () => {
    expect(formatChange(compareMaps(before, after, () => 2 ** 30))).toEqual([
      "node  zone         before  after  comes  goes  to fetch",
      "b     y                 2      1      0     1  0 B",
      "d     y     joins       0      1      1     0  1.0 GiB",
      "(2 nodes stay as they are)",
      "1 of 6 shard copies move (1.0 GiB); 1 shard gets another primary",
    ]);
    expect(formatChange(compareMaps(before, before))).toEqual(["0 of 6 shard copies move; 0 shards get another primary"]);
  });

  it("is a picture with what stays, comes and goes of every node", () => {
    const svg = drawChange(compareMaps(before, after), "What if: add <1>");
    expect(svg).toContain("<title>What if: add &lt;1&gt;: 1 of 6 shard copies move, 1 primaries change</title>");
    expect(svg).toContain(">d (joins)</text>");
    expect(svg).toContain(">2 → 1</text>");
    // The legend and one bar: a copy that comes to d, one that goes from b.
    expect(svg.match(/fill="#16a34a"/g)).toHaveLength(2);
    expect(svg.match(/fill="#fca5a5"/g)).toHaveLength(2);
    expect(svg.split("<text").length).toBe(svg.split("</text>").length);
  });
});

describe("what a preview says", () => {
  it("is what moves against the map that is deployed", () => {
    const map = computeShardMap(request).map;
    const deployed = {
      nodes: summarizeNodes(request.nodes, map),
      shards: { count: 24, replicas: 2, mapVersion: map.version, warnings: [] },
    };
    expect(previewMoves(deployed, request, undefined)).toEqual([]);
    const lines = previewMoves(deployed, { ...request, nodes: [...request.nodes, meshNode("new", "zone-0")] }, undefined);
    expect(lines[0]).toBe("Shards that would move:");
    expect(lines.join("\n")).toMatch(/new +zone-0 +joins +0 +[67] +[67] +0/);
  });
});

describe("the command", () => {
  const lock = join(folder, "mesh.lock.json");
  let out: string;
  let err: string;
  beforeEach(() => {
    [out, err] = ["", ""];
    jest.spyOn(process.stdout, "write").mockImplementation((text) => Boolean((out += String(text))));
    jest.spyOn(process.stderr, "write").mockImplementation((text) => Boolean((err += String(text))));
  });
  afterEach(() => jest.restoreAllMocks());

  it("makes, checks, explains and thinks through the lock file of the stack local, without a cluster", async () => {
    expect(await placementCommand(["check", "--frozen"])).toBe(1);
    expect(out).toContain("the stack local has no lock file");
    expect(await placementCommand(["update", "--lock", lock, "--frozen"])).toBe(1);
    expect(await placementCommand(["update", "--lock", lock])).toBe(0);
    expect(await placementCommand(["check", "--lock", lock, "--frozen"])).toBe(0);
    const good = readFileSync(lock, "utf8");
    expect(await placementCommand(["update", "--lock", lock])).toBe(0);
    expect(readFileSync(lock, "utf8")).toBe(good);
    out = "";
    expect(await placementCommand(["explain", "3", "--lock", lock])).toBe(0);
    expect(out).toMatch(/^shard 3: n-\d \(primary, zone zone-\w\) had it before and is its 1st choice.*\n$/);
    const svg = join(folder, "what-if.svg");
    expect(await placementCommand(["what-if", "--add", "1@zone-c", "--lose", "n-1", "--lock", lock, "--svg", svg])).toBe(0);
    expect(out).toMatch(/n-1 +zone-a +leaves/);
    expect(readFileSync(svg, "utf8")).toContain("What if: add 1@zone-c; lose n-1");
    writeFileSync(lock, good.replace("n-5", "n-7"));
    expect(await placementCommand(["check", "--lock", lock])).toBe(1);
    expect(err).toContain("there is no such node in `nodes`");
    // What was in it must not be lost, so it is not made anew.
    const broken = good.slice(0, -20);
    writeFileSync(lock, broken);
    expect(await placementCommand(["update", "--lock", lock])).toBe(1);
    expect(err).toMatch(/JSON is expected.*; take the last good version of it, then run: npm run placement -- update --stack local\n$/);
    expect(readFileSync(lock, "utf8")).toBe(broken);
  }, 120_000);

  it("says what is wrong with its words", async () => {
    expect(await placementCommand([])).toBe(2);
    expect(await placementCommand(["mend"])).toBe(2);
    expect(await placementCommand(["check", "now"])).toBe(2);
    expect(await placementCommand(["check", "--fast"])).toBe(2);
    expect(err).toContain("Unknown option '--fast'");
    expect(await placementCommand(["--help"])).toBe(0);
  });
});
