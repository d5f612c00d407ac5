/** A mesh with a lock file: what is deployed, shown, written and refused. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localProvider } from "../../../providers/local";
import { ComputeMesh, type ComputeMeshArgs, lockFile, lockVariable } from "../../../src";
import { parseMeshLock } from "../../../src/model/mesh-lock";
import { localMesh, type MeshConfig, meshNode } from "../../support/local-stack";
import { failureOf, type Recorder, startMocks } from "../../support/mocks";

const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local", region: "local-1" });
const folder = mkdtempSync(join(tmpdir(), "mesh-lock-"));
const path = join(folder, "mesh.lock.json");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let logged: jest.SpyInstance[];
beforeEach(() => {
  rmSync(path, { force: true });
  // Pulumi's log goes to the console where no engine listens.
  logged = (["log", "info", "warn"] as const).map((level) => jest.spyOn(console, level).mockImplementation(() => undefined));
});
afterEach(() => {
  logged.forEach((spy) => spy.mockRestore());
  delete process.env[lockVariable];
});

async function run(edit: (mesh: MeshConfig) => void = () => undefined): Promise<{ recorder: Recorder; mesh: ComputeMesh }> {
  const recorder = await startMocks();
  const args = localMesh();
  args.shards.lock = lockFile(path);
  edit(args);
  const mesh = new ComputeMesh("mesh", { nodeProvider, ...args } as ComputeMeshArgs);
  await recorder.settle(mesh);
  return { recorder, mesh };
}

async function update(edit?: (mesh: MeshConfig) => void): Promise<void> {
  process.env[lockVariable] = "update";
  await run(edit);
  delete process.env[lockVariable];
}

async function refusal(edit: (mesh: MeshConfig) => void = () => undefined): Promise<string> {
  const recorder = await startMocks();
  const args = localMesh();
  args.shards.lock = lockFile(path);
  edit(args);
  const message = failureOf(() => new ComputeMesh("mesh", { nodeProvider, ...args } as ComputeMeshArgs));
  await recorder.settle();
  return message;
}

const printed = (): string => logged.flatMap((spy) => spy.mock.calls.flat()).join("\n");

describe("a mesh with a lock file", () => {
  it("deploys the map that the file says, and keeps the file out of its state", async () => {
    await update();
    const { recorder, mesh } = await run();
    expect(mesh.shardMap).toEqual(parseMeshLock(readFileSync(path, "utf8")).map);
    const { shards } = recorder.named("mesh", "compute-mesh:index:ComputeMesh").inputs;
    expect(shards).toEqual({ count: 16, replicas: 2, zoneSpread: "preferred", lock: "mesh.lock.json" });
  });

  it("is refused without the file, and after a change of its nodes, with the command that mends it", async () => {
    const subject = 'computeMesh "mesh": shards.lock: "mesh.lock.json" is not allowed: ';
    expect(await refusal()).toBe(`${subject}there is no such file; make it with: COMPUTE_MESH_LOCK=update pulumi preview`);
    await update();
    const join = (mesh: MeshConfig): void => {
      mesh.nodes["n-6"] = meshNode("zone-c");
    };
    expect(await refusal(join)).toBe(
      `${subject}it is out of date: node n-6 is new; 5 of 32 shard copies must move; ` +
        "bring it up to date with: COMPUTE_MESH_LOCK=update pulumi preview",
    );
    await update(join);
    expect(printed()).toContain("5 shard copies to fill in total");
    expect((await run(join)).mesh.shardMap.owners.flat()).toContain("n-6");
  });

  it("is refused where the limit of a node has changed, and keeps to it after the update", async () => {
    await update();
    const limit = (mesh: MeshConfig): void => {
      mesh.nodes["n-1"].maxShards = 3;
    };
    expect(await refusal(limit)).toContain("maxShards of node n-1 is 3, it was not set");
    await update(limit);
    expect((await run(limit)).mesh.shardMap.owners.flat().filter((owner) => owner === "n-1")).toHaveLength(3);
  });

  it("is refused beside a previous map, and with a lock that is no lock file", async () => {
    await update();
    const { mesh } = await run();
    expect(await refusal((args) => (args.shards.previous = mesh.shardMap))).toContain("shards.previous: ");
    expect(await refusal((args) => (args.shards.lock = "mesh.lock.json"))).toContain(
      'shards.lock: "mesh.lock.json" is not allowed: what lockFile(',
    );
  });
});

describe("a mesh with its previous map", () => {
  it("shows the moves", async () => {
    const without = (args: MeshConfig): void => {
      delete args.shards.lock;
    };
    const { mesh } = await run(without);
    await run((args) => {
      without(args);
      args.shards.previous = mesh.shardMap;
      args.nodes["n-6"] = meshNode("zone-c");
    });
    expect(printed()).toContain("5 shard copies to fill in total");
  });
});
