/** How a mesh grows: numbers that do not depend on the machine, and which the benchmarks show in full. */
import { localProvider } from "../../../providers/local";
import { ComputeMesh, type ComputeMeshArgs } from "../../../src";
import { type MeshSize, meshOfSize } from "../../bench/meshes";
import { startMocks } from "../../support/mocks";

const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local" });
const answers = { merge: { "/total": { fields: { rows: { count: true } } } } };

interface Size {
  resources: number;
  components: number;
  bytes: number;
}

async function sizeOf(size: MeshSize, edit: (args: ReturnType<typeof meshOfSize>) => void = () => undefined): Promise<Size> {
  const recorder = await startMocks();
  const args = meshOfSize(size);
  edit(args);
  await recorder.settle(new ComputeMesh("mesh", { nodeProvider, ...args } as ComputeMeshArgs));
  return {
    resources: recorder.resources.length,
    components: recorder.resources.filter(({ custom }) => !custom).length,
    bytes: JSON.stringify(recorder.resources.map(({ inputs }) => inputs)).length,
  };
}

/** What each one more adds, between two sizes. */
const slope = (before: Size, after: Size, added: number): Size => ({
  resources: (after.resources - before.resources) / added,
  components: (after.components - before.components) / added,
  bytes: (after.bytes - before.bytes) / added,
});

// Pulumi's log goes to the console where no engine listens: snapshots without routes are warned of.
beforeEach(() => void jest.spyOn(console, "warn").mockImplementation(() => undefined));
afterEach(() => jest.restoreAllMocks());

describe("A ComputeMesh", () => {
  it("has one resource more for each node, no component, and less than 1.5 KiB of inputs", async () => {
    const { bytes, ...counts } = slope(await sizeOf({ nodes: 5 }), await sizeOf({ nodes: 55 }), 50);
    expect(counts).toEqual({ resources: 1, components: 0 });
    expect(bytes).toBeLessThan(1536);
  });

  it("has as many resources whatever the number of shards, and less than 100 bytes for each", async () => {
    const { bytes, ...counts } = slope(await sizeOf({ shards: 16 }), await sizeOf({ shards: 516 }), 500);
    expect(counts).toEqual({ resources: 0, components: 0 });
    expect(bytes).toBeLessThan(100);
  });

  it("has one resource more for each topic", async () => {
    const topics = { a: { partitions: 16 }, b: { partitions: 16 }, c: { partitions: 16 } };
    const [before, after] = [await sizeOf({}), await sizeOf({}, (args) => Object.assign(args.topics, topics))];
    expect(slope(before, after, 3)).toMatchObject({ resources: 1, components: 0 });
  });

  it.each([
    ["without answers three", undefined, 3],
    ["with answers seven", answers, 7],
  ])("has %s resources for each pair of a version and a snapshot, and no component", async (_name, given, perPair) => {
    const edit = (args: ReturnType<typeof meshOfSize>): void => void (given && (args.services.prices.answers = given));
    const small = await sizeOf({ versions: 1, snapshots: 1, routes: 1 }, edit);
    const versions = await sizeOf({ versions: 4, snapshots: 1, routes: 1 }, edit);
    const snapshots = await sizeOf({ versions: 1, snapshots: 4, routes: 1 }, edit);
    expect(slope(small, versions, 3)).toMatchObject({ resources: perPair, components: 0 });
    expect(slope(small, snapshots, 3)).toMatchObject({ resources: perPair, components: 0 });
  });

  it("has no more resources for snapshots that no version is bound to, and none for routes below the limit of an HTTPRoute", async () => {
    const unbound = await sizeOf({}, ({ snapshots: { hourly } }) => (hourly.snapshots = [...(hourly.snapshots ?? []), "20261121t0700z"]));
    const [plain, routes] = [await sizeOf({ routes: 1 }), await sizeOf({ routes: 12 })];
    expect(unbound.resources).toBe(plain.resources);
    expect(routes.resources).toBe(plain.resources);
  });
});

describe("An import of the library", () => {
  it("loads neither the clouds nor what only some programs need", () => {
    const lazy = [
      "cron-parser",
      "@pulumi/aws",
      "@pulumi/azure-native",
      "@pulumi/gcp",
      "@aws-sdk/client-s3",
      "@kubernetes/client-node",
      "yaml",
    ];
    const loaded: string[] = [];
    jest.isolateModules(() => {
      lazy.forEach((name) => {
        jest.doMock(name, () => {
          loaded.push(name);
          return jest.requireActual<object>(name);
        });
      });
      require("../../../src");
      require("../../../providers/local");
      expect(loaded).toEqual([]);
      const { parseSchedule } = require("../../../src/model/schedule") as { parseSchedule: (text: string) => unknown };
      parseSchedule("0 * * * *");
    });
    expect(loaded).toEqual(["cron-parser"]);
  });
});
