/** The configuration of a stack: from the texts of Pulumi.<stack>.yaml to the args of a mesh. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { model } from "../../../src";
import { normalizeComputeMesh } from "../../../src/components/compute-mesh-plan";
import { readStackSettings } from "../../../stacks/config";
import { localMesh } from "../../support/local-stack";

const folder = mkdtempSync(join(tmpdir(), "stack-config-"));
const kubeconfigPath = join(folder, "kubeconfig");
writeFileSync(kubeconfigPath, "apiVersion: v1\nkind: Config\n");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Texts as Pulumi hands them to a program. */
function values(changes: Record<string, unknown> = {}): Record<string, string> {
  const all = { cloud: { local: { cluster: "test", kubeconfigPath } }, mesh: localMesh(), ...changes };
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

function refusal(changes: Record<string, unknown>): string[] {
  try {
    readStackSettings(values(changes));
  } catch (error) {
    expect(error).toBeInstanceOf(model.MeshInputError);
    return (error as Error).message.split("\n").map((line) => line.replace(/^stack configuration: /, ""));
  }
  throw new Error("no error was thrown");
}

describe("the configuration of a stack", () => {
  it("becomes a mesh on the embedded cluster, exactly as the file describes it", () => {
    const { name, args } = readStackSettings(values());
    const { nodeProvider, ...mesh } = args;
    expect(name).toBe("mesh");
    expect(mesh).toEqual(localMesh());
    const request = { nodeName: "n-1", mesh: "mesh", weight: 1, spec: { zone: "zone-a" } };
    expect(nodeProvider.facts(request)).toMatchObject({ provider: "local", cluster: "test", region: "local-1" });
    expect(normalizeComputeMesh(name, args).shardMap.shardCount).toBe(16);
  });

  it("takes the name of the mesh and the region of the cloud", () => {
    const { name, args } = readStackSettings(values({ name: "quotes", cloud: { local: { kubeconfigPath, region: "south" } } }));
    expect(name).toBe("quotes");
    const request = { nodeName: "n-1", mesh: "quotes", weight: 1, spec: { zone: "zone-a" } };
    expect(args.nodeProvider.facts(request)).toMatchObject({ cluster: "local", region: "south" });
  });

  it("takes the lock file of the project, and names the command that makes it", () => {
    const mesh = localMesh();
    mesh.shards.lock = "no-such.lock.json";
    const { args } = readStackSettings(values({ mesh }), { stack: "blue" });
    const mend = "npm run placement -- update --stack blue";
    expect(args.shards.lock).toEqual({ path: "no-such.lock.json", mend });
    expect(() => normalizeComputeMesh("mesh", args)).toThrow(
      `shards.lock: "no-such.lock.json" is not allowed: there is no such file; make it with: ${mend}`,
    );
  });

  it("needs no cluster where nothing is deployed", () => {
    const { args } = readStackSettings(values({ cloud: { local: { cluster: "nowhere" } } }), { offline: true });
    const request = { nodeName: "n-1", mesh: "mesh", weight: 1, spec: { zone: "zone-a" } };
    expect(args.nodeProvider.facts(request)).toMatchObject({ cluster: "nowhere", region: "local-1" });
  });

  it("becomes a mesh on nodes that are there already", () => {
    const { args } = readStackSettings(values({ cloud: { existing: { clusterName: "prod", selector: { pool: "mesh" } } } }));
    const request = { nodeName: "n-1", mesh: "mesh", weight: 1, spec: { zone: "zone-a" } };
    expect(args.nodeProvider.facts(request)).toMatchObject({ provider: "existing", cluster: "prod", selector: { pool: "mesh" } });
  });

  it.each<[title: string, changes: Record<string, unknown>, problems: string[]]>([
    ["an unknown key", { mehs: {} }, ['mehs: "mehs" is not allowed: unknown key, perhaps mesh is meant; known keys are name, cloud, mesh']],
    [
      "unknown keys in the cloud, beside the one that is known",
      { cloud: { locl: {}, existing: { clusterName: "c", selector: { a: "b" } } } },
      ['cloud.locl: "locl" is not allowed: unknown key, perhaps local is meant; known keys are local, existing, aws, gcp, azure'],
    ],
    [
      "unknown keys of the embedded cluster",
      { cloud: { local: { clutser: "test", kubeconfigPath } } },
      [
        'cloud.local.clutser: "clutser" is not allowed: unknown key, perhaps cluster is meant; known keys are cluster, region, kubeconfigPath',
      ],
    ],
    [
      "two clouds",
      { cloud: { local: {}, existing: {} } },
      ['cloud: "local and existing" is not allowed: exactly one of local, existing, aws, gcp, azure is allowed'],
    ],
    ["no cloud", { cloud: {} }, ["cloud: nothing is not allowed: exactly one of local, existing, aws, gcp, azure is allowed"]],
    ["a cloud that is a word", { cloud: "local" }, ['cloud: "local" is not allowed: an object is allowed: { local: {} }']],
    ["an embedded cluster that is a word", { cloud: { local: "test" } }, ['cloud.local: "test" is not allowed: an object is allowed']],
    ["existing nodes that are a list", { cloud: { existing: [] } }, ["cloud.existing: [] is not allowed: an object is allowed"]],
    [
      "options that the cloud does not know, at their full path",
      { cloud: { existing: { clusterName: "", selectr: {} } } },
      [
        'cloud.existing.selectr: "selectr" is not allowed: unknown key, perhaps selector is meant; known keys are kubernetes, clusterName, region, selector, nodeNames',
        'cloud.existing.clusterName: "" is not allowed: it must not be empty; it becomes a label',
        "cloud.existing.selector: nothing is not allowed: a map of labels is allowed",
      ],
    ],
    [
      "an embedded cluster that is not up, with the command that starts it",
      { cloud: { local: { cluster: "nowhere" } } },
      ['cloud.local.cluster: "nowhere" is not allowed: no such cluster is up: start it with `npm run cluster -- up --name nowhere`'],
    ],
    [
      "a name of a cluster that would leave its folder",
      { cloud: { local: { cluster: "../other", kubeconfigPath: 7 } } },
      [
        'cloud.local.cluster: "../other" is not allowed: a DNS label is allowed: lower-case letters, digits and hyphens, starting with a letter, at most 63 characters',
        "cloud.local.kubeconfigPath: 7 is not allowed: the path of a kubeconfig is allowed, and there is no such file",
      ],
    ],
    [
      "a kubeconfig that is not there",
      { cloud: { local: { kubeconfigPath: "/nowhere/kubeconfig" } } },
      ['cloud.local.kubeconfigPath: "/nowhere/kubeconfig" is not allowed: the path of a kubeconfig is allowed, and there is no such file'],
    ],
    [
      "no mesh",
      { mesh: undefined },
      ["mesh: nothing is not allowed: an object is allowed: the args of ComputeMesh: nodes, shards, topics, kafka, …"],
    ],
    [
      "a mesh that is a list",
      { mesh: [1] },
      ["mesh: [1] is not allowed: an object is allowed: the args of ComputeMesh: nodes, shards, topics, kafka, …"],
    ],
    [
      "a mesh that is a word",
      { mesh: "big" },
      ['mesh: "big" is not allowed: an object is allowed: the args of ComputeMesh: nodes, shards, topics, kafka, …'],
    ],
    [
      "a cloud inside the mesh",
      { mesh: { nodeProvider: "aws" } },
      ['mesh.nodeProvider: "aws" is not allowed: it is chosen by the key `cloud`'],
    ],
  ])("refuses %s", (_title, changes, problems) => {
    expect(refusal(changes)).toEqual(problems);
  });

  it("reports everything that is wrong at once", () => {
    const local = refusal({
      nmae: "x",
      cloud: { local: { regoin: "x", region: "No Region", kubeconfigPath } },
      mesh: { nodeProvider: {} },
    });
    expect(local.map(pathOf)).toEqual(["nmae", "cloud.local.regoin", "cloud.local.region", "mesh.nodeProvider"]);
    const existing = refusal({ nmae: "x", cloud: { existing: { clusterName: "c" } }, mesh: [] });
    expect(existing.map(pathOf)).toEqual(["nmae", "cloud.existing.selector", "mesh"]);
  });

  it("takes one cloud with its options, and names what is wrong with them", () => {
    const gcp = {
      project: "my-project",
      region: "europe-west4",
      network: { create: { cidr: "10.0.0.0/20" } },
      cluster: { create: { name: "c" } },
    };
    const settings = readStackSettings(values({ cloud: { gcp } }));
    expect(settings.cloud).toEqual({ gcp });
    expect(settings.args.nodeProvider.name).toBe("gcp");
    expect(refusal({ cloud: { gcp, aws: {} } })).toEqual([expect.stringMatching(/^cloud: .*(aws and gcp|gcp and aws)/)]);
    expect(refusal({ cloud: { gcp: { ...gcp, region: "Holland", zones: [] } } })).toEqual([
      expect.stringMatching(/^cloud\.gcp\.zones: /),
      expect.stringMatching(/^cloud\.gcp\.region: "Holland" is not allowed: /),
    ]);
    expect(refusal({ cloud: { azure: "westeurope" } })).toEqual([expect.stringMatching(/^cloud\.azure: "westeurope" is not allowed/)]);
  });
});

const pathOf = (line: string): string => line.split(": ")[0] ?? "";
