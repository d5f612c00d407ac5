/** What a mesh asks of its cloud beside nodes: pools, snapshot stores, explanations and costs. */
import { awsProvider } from "../../../providers/aws";
import { localProvider } from "../../../providers/local";
import type { NodeProvider } from "../../../providers/provider";
import { ComputeMesh, type ComputeMeshArgs } from "../../../src";
import { localMesh, type MeshConfig } from "../../support/local-stack";
import { failureOf, type Recorder, startMocks, valueOf } from "../../support/mocks";

const local = (): NodeProvider => localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local", region: "local-1" });
const aws = (): NodeProvider =>
  awsProvider({
    region: "eu-west-1",
    network: { existing: { subnetIds: { "eu-west-1a": "subnet-a", "eu-west-1b": "subnet-b" } } },
    cluster: { create: { name: "quotes" } },
  });

const spec = (zone: string): object => ({
  spec: { zone, cpu: "8", memory: "32Gi", architecture: "arm64", localDisks: [{ size: "400Gi" }] },
});
const onAws = (mesh: MeshConfig): void => {
  mesh.nodes = { "n-1": spec("eu-west-1b"), "n-2": spec("eu-west-1a"), "n-3": spec("eu-west-1b") };
};
const pool = (zones: string[]): object => ({ zones, spec: { cpu: "2", memory: "4Gi" }, minNodes: 2, maxNodes: 6 });
const answers = { merge: { "/total": { fields: { rows: { count: true } } } } };

async function run(nodeProvider: NodeProvider, edit: (mesh: MeshConfig) => void): Promise<{ recorder: Recorder; mesh: ComputeMesh }> {
  const recorder = await startMocks({
    state: ({ type, name }) =>
      type === "aws:s3/bucket:Bucket"
        ? { bucket: `${name}-physical`, arn: `arn:${name}` }
        : type === "aws:eks/cluster:Cluster"
          ? { endpoint: "https://quotes.eks", certificateAuthority: { data: "Y2E=" } }
          : type === "aws:ec2/launchTemplate:LaunchTemplate"
            ? { latestVersion: 1 }
            : undefined,
  });
  const args = localMesh();
  edit(args);
  const mesh = new ComputeMesh("mesh", { nodeProvider, ...args } as ComputeMeshArgs);
  await recorder.settle(mesh);
  return { recorder, mesh };
}

let logged: string[];
beforeEach(() => {
  logged = [];
  // Pulumi's log goes to the console where no engine listens.
  const keep = (...line: unknown[]): void => void logged.push(line.join(" "));
  jest.spyOn(console, "info").mockImplementation(keep);
  jest.spyOn(console, "log").mockImplementation(keep);
  jest.spyOn(console, "warn").mockImplementation(keep);
});
afterEach(() => jest.restoreAllMocks());

describe("a snapshot store of the cloud", () => {
  const withStore = (mesh: MeshConfig): void => {
    onAws(mesh);
    mesh.snapshots.hourly.store = { cloud: { recoveryDays: 3 } };
  };

  it("is made for the ServiceAccount of its group, which writes to it", async () => {
    const { recorder } = await run(aws(), withStore);
    expect(recorder.named("mesh-snapshots-hourly-store-identity").inputs).toMatchObject({
      namespace: "mesh",
      serviceAccount: recorder.named("mesh-snapshots-hourly-service-account").inputs.metadata.name,
    });
    const settings = JSON.parse(recorder.named("mesh-snapshots-hourly-settings").inputs.data["settings.json"]);
    expect(settings.store).toEqual({ s3: { bucket: "mesh-snapshots-hourly-store-bucket-physical", region: "eu-west-1" } });
    expect(recorder.named("mesh-snapshots-hourly-store-lifecycle").inputs.rules[0].noncurrentVersionExpiration).toEqual({
      noncurrentDays: 3,
    });
    expect(recorder.named("mesh-snapshots-hourly-store-bucket").parent).toBe("mesh");
  });

  it("gives access before the agents start, and takes it away after they are gone", async () => {
    const { recorder } = await run(aws(), withStore);
    expect(recorder.named("mesh-snapshots-hourly").options.dependencies.map((urn) => urn.split("::").pop())).toContain(
      "mesh-snapshots-hourly-store-identity",
    );
  });

  it("restores shards like any store that all nodes share", async () => {
    const { mesh } = await run(aws(), withStore);
    expect(mesh.summary.snapshots).toEqual([expect.objectContaining({ store: "s3", tends: true })]);
  });
});

describe("pools", () => {
  it("are made below the mesh, and pods find them by plain labels", async () => {
    const { recorder, mesh } = await run(local(), (args) => {
      args.pools = { web: { ...pool(["zone-b", "zone-a"]), spec: { cpu: "2", taints: [{ key: "web", effect: "NoSchedule" }] } } };
    });
    expect(mesh.pools).toEqual({
      web: { selector: { "compute-mesh.dev/pool": "mesh-web" }, taints: [{ key: "web", effect: "NoSchedule" }] },
    });
    const nodes = recorder.byType("kubernetes:core/v1:Node").filter(({ name }) => name.includes("pool"));
    expect(nodes.map(({ name, inputs }) => [name, inputs.metadata.name, inputs.metadata.labels["topology.kubernetes.io/zone"]])).toEqual([
      ["mesh-pool-web-0-node", "mesh-pool-web-0", "zone-a"],
      ["mesh-pool-web-1-node", "mesh-pool-web-1", "zone-b"],
    ]);
    expect(Object.keys(nodes[0].inputs.metadata.labels)).not.toContain("compute-mesh.dev/mesh");
    expect(nodes[0].provider).toBe(recorder.named("mesh-namespace").provider);
    expect(await valueOf(mesh.ready)).toBe(true);
  });

  it("stay until what runs on them is gone", async () => {
    const { recorder } = await run(aws(), (args) => {
      onAws(args);
      args.pools = { web: pool(["eu-west-1a"]) };
    });
    expect(recorder.named("mesh-namespace").options.dependencies.map((urn) => urn.split("::").pop())).toEqual(
      expect.arrayContaining(["mesh-pool-web-group", "mesh-nodes-n-1-group"]),
    );
  });

  it("run the gatherers of a service that names one; its pods stay beside the data", async () => {
    const { recorder } = await run(local(), (args) => {
      args.pools = { web: { ...pool(["zone-a"]), spec: { taints: [{ key: "web", effect: "NoSchedule" }] } } };
      args.services.prices = { ...args.services.prices, answers, pool: "web" };
    });
    const gatherers = recorder.byType("kubernetes:apps/v1:Deployment");
    expect(gatherers).toHaveLength(4);
    for (const { inputs } of gatherers) {
      expect(inputs.spec.template.spec).toMatchObject({
        nodeSelector: { "compute-mesh.dev/pool": "mesh-web" },
        tolerations: [{ key: "web", operator: "Exists", effect: "NoSchedule" }],
      });
    }
    const pods = recorder.byType("kubernetes:apps/v1:DaemonSet").map(({ inputs }) => inputs.spec.template.spec.nodeSelector);
    expect(pods).toEqual(pods.map(() => ({ "compute-mesh.dev/mesh": "mesh" })));
  });
});

describe("machines", () => {
  it("are explained and counted in the preview and in the summary", async () => {
    const { mesh } = await run(aws(), (args) => {
      onAws(args);
      args.pools = { web: { ...pool(["eu-west-1a"]), spec: { architecture: "arm64", cpu: "2", memory: "8Gi" } } };
    });
    const machine = "m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe";
    expect(mesh.summary.nodes.map((node) => node.machine)).toEqual([machine, machine, machine]);
    expect(mesh.summary.costs).toEqual([
      { what: "control plane", type: "EKS", count: 1, priceClass: expect.closeTo(1.2, 1) },
      { what: "mesh nodes", type: "m7gd.2xlarge", count: 3, priceClass: 5.23 },
      { what: "pool web", type: "m7g.large", count: 2, maxCount: 6, priceClass: 1 },
    ]);
    const lines = logged.join("\n");
    expect(lines).toContain(`chose ${machine}`);
    expect(lines).toContain("costs: mesh nodes: 3 × m7gd.2xlarge, price class 5.2 each, 15.7 in all");
    expect(lines.match(/chose /g)).toHaveLength(1);
  });

  it("say nothing where they cost nothing", async () => {
    const { mesh } = await run(local(), () => undefined);
    expect(mesh.summary).not.toHaveProperty("costs");
    expect(mesh.summary.nodes[0]).not.toHaveProperty("machine");
    expect(logged.join("\n")).not.toContain("costs");
  });

  it("are made one zone after the other, whatever their names", async () => {
    const { recorder } = await run(aws(), onAws);
    const waits = (name: string): string[] =>
      recorder
        .named(`mesh-nodes-${name}-group`)
        .options.dependencies.map((urn) => urn.split("::").pop() ?? "")
        .filter((other) => /^mesh-nodes-.*-group$/.test(other))
        .sort();
    expect(waits("n-2")).toEqual([]);
    expect(waits("n-1")).toEqual(["mesh-nodes-n-2-group"]);
    expect(waits("n-3")).toEqual(["mesh-nodes-n-2-group"]);
  });
});

describe("what no cloud can make", () => {
  async function problemsOf(provider: NodeProvider, edit: (mesh: MeshConfig) => void): Promise<string[]> {
    const recorder = await startMocks();
    const args = localMesh();
    edit(args);
    const lines = failureOf(() => new ComputeMesh("mesh", { nodeProvider: provider, ...args } as ComputeMeshArgs)).split("\n");
    await recorder.settle();
    expect(recorder.resources.filter(({ custom }) => custom)).toEqual([]);
    return lines.map((line) => line.replace('computeMesh "mesh": ', ""));
  }

  it.each<[string, () => NodeProvider, (mesh: MeshConfig) => void, string[]]>([
    [
      "stores and pools of a provider that makes none",
      () => ({ ...local(), createPool: undefined }),
      (mesh) => {
        mesh.pools = { web: pool(["zone-a"]) };
        mesh.snapshots.hourly.store = { cloud: {} };
      },
      ["pools.web: ", "snapshots.hourly.store.cloud: "],
    ],
    ["two stores", aws, (mesh) => ((mesh.snapshots.hourly.store.cloud = {}), onAws(mesh)), ["snapshots.hourly.store: "]],
    [
      "wrong properties of a store",
      aws,
      (mesh) => ((mesh.snapshots.hourly.store = { cloud: { recoveryDays: 0, region: "eu-west-1", bucket: "x" } }), onAws(mesh)),
      ["snapshots.hourly.store.cloud.bucket: ", "snapshots.hourly.store.cloud.recoveryDays: ", "snapshots.hourly.store.cloud.region: "],
    ],
    [
      "wrong properties of a pool",
      aws,
      (mesh) => ((mesh.pools = { Web: { ...pool(["us-east-1a"]), max: 1 }, ok: pool(["us-east-1a"]) }), onAws(mesh)),
      ["pools.Web.max: ", "pools.Web: ", "pools.ok.zones[0]: "],
    ],
    ["a pool that is no object", local, (mesh) => (mesh.pools = { web: 3 }), ["pools.web: "]],
    [
      "services on pools that are not there, and without gatherers",
      local,
      (mesh) => {
        mesh.pools = { web: pool(["zone-a"]) };
        mesh.services.prices.pool = "web";
        mesh.services.more = { ...mesh.services.prices, pool: "wbe", answers };
      },
      ["services.more.pool: ", "services.prices.pool: "],
    ],
    [
      "gatherers nowhere, and in two places",
      local,
      (mesh) => {
        mesh.pools = { web: pool(["zone-a"]) };
        mesh.services.prices.answers = { ...answers, placement: { selector: {}, taints: "web", nodes: 1 } };
        mesh.services.two = { ...mesh.services.prices, pool: "web", answers: { ...answers, placement: { selector: { a: "b" } } } };
      },
      [
        "services.prices.answers.placement.nodes: ",
        "services.prices.answers.placement.selector: ",
        "services.prices.answers.placement.taints: ",
        "services.two.answers.placement: ",
      ],
    ],
    [
      "nodes that no machine of the cloud fits",
      aws,
      (mesh) => {
        onAws(mesh);
        mesh.nodes["n-1"].spec = { zone: "eu-west-1a", memory: "1Pi" };
        mesh.nodes["n-2"].spec.zone = "eu-central-1a";
      },
      ["nodes.n-1.spec: ", "nodes.n-2.spec.zone: "],
    ],
  ])("is refused before anything is made: %s", async (_what, provider, edit, paths) => {
    const problems = await problemsOf(provider(), edit);
    expect(problems.map((problem, index) => (problem.startsWith(paths[index] ?? "?") ? paths[index] : problem))).toEqual(paths);
  });
});
