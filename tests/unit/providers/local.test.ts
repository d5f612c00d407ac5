import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { localProvider } from "../../../providers/local";
import type { MeshNodeRequest } from "../../../providers/provider";
import { failureOf, startMocks, valueOf } from "../../support/mocks";

const kubeconfig = "apiVersion: v1\nkind: Config\n";
const provider = localProvider({ kubeconfig, clusterName: "local" });
const request = (spec: Partial<MeshNodeRequest["spec"]> = {}): MeshNodeRequest => ({
  nodeName: "n1",
  mesh: "prices",
  weight: 1,
  spec: { zone: "zone-a", ...spec },
});

class Owner extends pulumi.ComponentResource {
  public constructor() {
    super("test:index:Owner", "owner");
  }
}

describe("localProvider", () => {
  it("says the facts of a node: labels, one selector for the mesh, its Kubernetes name", () => {
    const taints = [{ key: "example.com/mesh", value: "prices", effect: "NoSchedule" }];
    expect(provider.facts(request({ labels: { disk: "fast" }, taints }))).toEqual({
      name: "n1",
      zone: "zone-a",
      region: "local",
      cluster: "local",
      provider: "local",
      weight: 1,
      selector: { "compute-mesh.dev/mesh": "prices" },
      labels: {
        disk: "fast",
        "compute-mesh.dev/node": "n1",
        "compute-mesh.dev/mesh": "prices",
        "topology.kubernetes.io/zone": "zone-a",
        "topology.kubernetes.io/region": "local",
        "kubernetes.io/hostname": "n1",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        type: "kwok",
      },
      taints,
      kubernetesNodeName: "n1",
    });
  });

  it("makes a simulated Node with its capacity in annotations, unprotected because it holds no data", async () => {
    const recorder = await startMocks();
    const parent = new Owner();
    const localDisks = [{ size: "200Gi" }, { size: "100Gi", mountPath: "/data" }];
    const node = provider.createNode("n1", request({ cpu: "8", memory: "32Gi", localDisks, taints: [{ key: "t", effect: "NoExecute" }] }), {
      parent,
    });
    await recorder.settle(parent);
    const { type, inputs, options } = recorder.named("n1-node");
    expect(type).toBe("kubernetes:core/v1:Node");
    expect(inputs.metadata.name).toBe("n1");
    expect(inputs.metadata.annotations).toEqual({
      "kwok.x-k8s.io/node": "fake",
      "compute-mesh.dev/capacity-cpu": "8",
      "compute-mesh.dev/capacity-memory": "32Gi",
      "compute-mesh.dev/capacity-disk": "300Gi",
      "compute-mesh.dev/local-disks": "/mnt/compute-mesh/0=200Gi,/data=100Gi",
    });
    expect(inputs.spec).toEqual({ taints: [{ key: "t", effect: "NoExecute" }] });
    expect(options.protect).toBe(false);
    expect(await valueOf(node.ready)).toBe(true);
  });

  it("makes a Kubernetes provider with a secret kubeconfig and an identity that survives new credentials", async () => {
    const recorder = await startMocks();
    const folder = mkdtempSync(join(tmpdir(), "compute-mesh-"));
    try {
      writeFileSync(join(folder, "kubeconfig"), kubeconfig);
      const cluster = localProvider({ kubeconfig: join(folder, "kubeconfig"), clusterName: "local" }).createCluster("mesh");
      await recorder.settle();
      const made = recorder.named("mesh-kubernetes");
      expect(made.type).toBe("pulumi:providers:kubernetes");
      expect(made.inputs).toEqual({
        kubeconfig,
        clusterIdentifier: "local/local",
        enableServerSideApply: "true",
        enableConfigMapMutable: "true",
        enableSecretMutable: "true",
      });
      expect(made.secretPaths).toEqual(["kubeconfig"]);
      expect(cluster.name).toBe("local");
      expect(await valueOf(cluster.ready)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says what to do where the kubeconfig file is missing", async () => {
    await startMocks();
    const missing = localProvider({ kubeconfig: "/nowhere/kubeconfig", clusterName: "local" });
    expect(failureOf(() => missing.createCluster("mesh"))).toMatch(
      /kubeconfig: "\/nowhere\/kubeconfig" is not allowed: there is no such file; is the cluster up/,
    );
  });

  it("refuses wrong options without showing the kubeconfig", () => {
    const wrong = { kubeconfig: " ", clusterName: "", regoin: "x" } as unknown as Parameters<typeof localProvider>[0];
    expect(failureOf(() => localProvider(wrong)).split("\n")).toEqual([
      expect.stringContaining("localProvider: regoin: "),
      expect.stringContaining("localProvider: clusterName: "),
      expect.stringContaining('localProvider: kubeconfig: "empty text" is not allowed'),
    ]);
  });
});

describe("a wrong node request", () => {
  const pathsOf = (wrong: MeshNodeRequest): string[] => provider.check(wrong).map((problem) => problem.path);

  it("passes a right one", () => {
    expect(provider.check(request({ labels: { "example.com/pool": "a" }, localDisks: [{ size: "1Gi" }] }))).toEqual([]);
  });

  it.each([
    ["an empty zone", { zone: "" }, ["spec.zone"]],
    ["a zone that is no label", { zone: "zone a" }, ["spec.zone"]],
    ["an empty region", { region: "" }, ["spec.region"]],
    ["quantities that are none", { cpu: "two", memory: "16GB" }, ["spec.cpu", "spec.memory"]],
    ["a memory of nothing", { memory: "0" }, ["spec.memory"]],
    ["an unknown architecture", { architecture: "x86" }, ["spec.architecture"]],
    ["an unknown key", { memroy: "1Gi" }, ["spec.memroy"]],
    ["bad label keys and values", { labels: { "a/b/c": "x", ok: "not ok" } }, ['spec.labels["a/b/c"]', "spec.labels.ok"]],
    ["a label that the zone decides", { labels: { "topology.kubernetes.io/zone": "z" } }, ['spec.labels["topology.kubernetes.io/zone"]']],
    ["our own labels", { labels: { "compute-mesh.dev/x": "z" } }, ['spec.labels["compute-mesh.dev/x"]']],
    [
      "two disks in one place",
      {
        localDisks: [
          { size: "1Gi", mountPath: "/d" },
          { size: "1Gi", mountPath: "/d" },
        ],
      },
      ["spec.localDisks[1].mountPath"],
    ],
    ["a disk without a size", { localDisks: [{}] }, ["spec.localDisks[0].size"]],
    ["an unknown taint effect", { taints: [{ key: "t", effect: "NoRun" }] }, ["spec.taints[0].effect"]],
    ["a taint key with two slashes", { taints: [{ key: "readiness.k8s.io/a.org/b", effect: "NoSchedule" }] }, ["spec.taints[0].key"]],
    [
      "the same taint twice",
      {
        taints: [
          { key: "t", value: "a", effect: "NoSchedule" },
          { key: "t", value: "b", effect: "NoSchedule" },
        ],
      },
      ["spec.taints[1]"],
    ],
  ])("reports %s", (_what, spec, paths) => {
    expect(pathsOf(request(spec as Partial<MeshNodeRequest["spec"]>))).toEqual(paths);
  });

  it("reports names and weights as well", () => {
    expect(pathsOf({ ...request(), nodeName: "N1", mesh: "", weight: -1 })).toEqual(["nodeName", "mesh", "weight"]);
    expect(pathsOf({ ...request(), spec: undefined as unknown as MeshNodeRequest["spec"] })).toEqual(["spec"]);
  });

  it("allows the same taint key with different effects", () => {
    const taints = ["NoSchedule", "PreferNoSchedule", "NoExecute"].map((effect) => ({ key: "t", effect }));
    expect(pathsOf(request({ taints }))).toEqual([]);
  });
});
