import * as pulumi from "@pulumi/pulumi";
import { existingProvider, type ExistingProviderOptions } from "../../../providers/existing";
import { checkLiveNode, isReady, type LiveNode } from "../../../providers/existing/live-node";
import type { MeshNodeRequest, NodeSpec } from "../../../providers/provider";
import { failureOf, startMocks, valueOf } from "../../support/mocks";

const selector = { "example.com/pool": "mesh" };
const options: ExistingProviderOptions = { clusterName: "dc", region: "berlin", selector, nodeNames: { n1: "rack1-host7" } };
const request = (nodeName: string, spec: Partial<NodeSpec> = {}): MeshNodeRequest => ({
  nodeName,
  mesh: "prices",
  weight: 1,
  spec: { zone: "row-1", ...spec },
});
const liveNode = (more: LiveNode = {}): LiveNode => ({
  metadata: { name: "rack1-host7", labels: { ...selector, "topology.kubernetes.io/zone": "row-1" } },
  spec: { providerID: "metal://7" },
  status: { allocatable: { cpu: "3920m", memory: "15Gi" }, conditions: [{ type: "Ready", status: "True" }] },
  ...more,
});

class Owner extends pulumi.ComponentResource {
  public constructor() {
    super("test:index:Owner", "owner");
  }
}

describe("existingProvider", () => {
  it("knows a named node by its name and any other by its label", () => {
    const provider = existingProvider(options);
    expect(provider.facts(request("n1"))).toEqual({
      name: "n1",
      zone: "row-1",
      region: "berlin",
      cluster: "dc",
      provider: "existing",
      weight: 1,
      selector,
      labels: { ...selector, "topology.kubernetes.io/zone": "row-1", "topology.kubernetes.io/region": "berlin" },
      taints: [],
      kubernetesNodeName: "rack1-host7",
    });
    expect(provider.facts(request("n2")).labels["compute-mesh.dev/node"]).toBe("n2");
    expect(provider.facts(request("n2")).kubernetesNodeName).toBeUndefined();
  });

  it("reads a named node, changes nothing, and is ready when the node is", async () => {
    const recorder = await startMocks({ state: () => liveNode() as Record<string, unknown> });
    const parent = new Owner();
    const node = existingProvider(options).createNode("n1", request("n1"), { parent });
    await recorder.settle(parent);
    expect(recorder.childrenOf("owner")).toEqual(["n1-node"]);
    expect(recorder.named("n1-node")).toMatchObject({ type: "kubernetes:core/v1:Node", readId: "rack1-host7", inputs: {} });
    expect(await valueOf(node.kubernetesNodeName)).toBe("rack1-host7");
    expect(await valueOf(node.providerId)).toBe("metal://7");
    expect(await valueOf(node.ready)).toBe(true);
  });

  it("makes a Kubernetes provider with a secret kubeconfig and an identity", async () => {
    const recorder = await startMocks();
    existingProvider({ ...options, kubernetes: { kubeconfig: "text", context: "dc" } }).createCluster("mesh");
    existingProvider(options).createCluster("ambient");
    await recorder.settle();
    expect(recorder.named("mesh-kubernetes").inputs).toMatchObject({ kubeconfig: "text", context: "dc", clusterIdentifier: "existing/dc" });
    expect(recorder.named("mesh-kubernetes").secretPaths).toEqual(["kubeconfig"]);
    expect(recorder.named("ambient-kubernetes").inputs).toMatchObject({ clusterIdentifier: "existing/dc" });
  });

  it("refuses a selector that takes every node, and one machine as two mesh nodes", () => {
    const wrong = { clusterName: "dc", selector: {}, nodeNames: { n1: "host", n2: "host", n3: "No Host" } };
    expect(failureOf(() => existingProvider(wrong)).split("\n")).toEqual([
      expect.stringContaining("existingProvider: selector: {} is not allowed: at least one label is needed"),
      expect.stringContaining('existingProvider: nodeNames.n2: "host" is not allowed: it is mesh node n1 already'),
      expect.stringContaining('existingProvider: nodeNames.n3: "No Host" is not allowed'),
    ]);
  });

  it("refuses a node of another mesh than it selects", () => {
    const provider = existingProvider({ clusterName: "dc", selector: { "compute-mesh.dev/mesh": "orders" } });
    expect(provider.check(request("n1")).map((problem) => problem.path)).toEqual(["mesh"]);
  });
});

describe("a node that contradicts its spec", () => {
  const check = (spec: Partial<NodeSpec>, node: LiveNode): string[] => {
    const asked = request("n1", spec);
    try {
      checkLiveNode(existingProvider(options).facts(asked), asked.spec, node);
    } catch (error) {
      return (error as Error).message.split("\n").map((line) => line.split("): ")[1]?.split(": ")[0] ?? line);
    }
    return [];
  };

  it("must not lie in another zone or region", () => {
    const labels = { ...selector, "topology.kubernetes.io/zone": "row-9", "topology.kubernetes.io/region": "rome" };
    const asked = request("n1", { region: "berlin" });
    const message = failureOf(() => checkLiveNode(existingProvider(options).facts(asked), asked.spec, liveNode({ metadata: { labels } })));
    expect(message.split("\n")).toEqual([
      'computeMeshNode "n1" (Kubernetes node rack1-host7): spec.zone: "row-1" is not allowed: the node\'s label topology.kubernetes.io/zone says "row-9"',
      expect.stringContaining('spec.region: "berlin" is not allowed'),
    ]);
  });

  it("may lack topology labels, but not those that the mesh selects by", () => {
    expect(check({}, liveNode({ metadata: { labels: selector } }))).toEqual([]);
    expect(check({ labels: { disk: "fast" } }, liveNode({ metadata: { labels: {} } }))).toEqual([
      'selector["example.com/pool"]',
      "spec.labels.disk",
    ]);
  });

  it("must have the architecture and the capacity that are asked for", () => {
    const labels = { ...selector, "kubernetes.io/arch": "arm64" };
    expect(check({ architecture: "amd64", cpu: "4", memory: "16Gi" }, liveNode({ metadata: { labels } }))).toEqual([
      "spec.architecture",
      "spec.cpu",
      "spec.memory",
    ]);
    expect(check({ cpu: "3900m" }, liveNode())).toEqual([]);
  });

  it("must carry no taint that the mesh does not tolerate, except those that pass", () => {
    const taints = (...all: { key: string; value?: string; effect: string }[]): LiveNode => liveNode({ spec: { taints: all } });
    expect(check({}, taints({ key: "pool", value: "x", effect: "NoSchedule" }))).toEqual(["spec.taints"]);
    expect(check({ taints: [{ key: "pool", effect: "NoSchedule" }] }, taints({ key: "pool", value: "x", effect: "NoSchedule" }))).toEqual(
      [],
    );
    expect(check({}, taints({ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }))).toEqual([]);
    expect(check({}, taints({ key: "pool", effect: "PreferNoSchedule" }))).toEqual([]);
  });

  it("is ready only by its Ready condition", () => {
    expect(isReady(liveNode())).toBe(true);
    expect(isReady(liveNode({ status: { conditions: [{ type: "Ready", status: "Unknown" }] } }))).toBe(false);
    expect(isReady({})).toBe(false);
  });
});

describe("a pool that is there", () => {
  it("is known by its label, and nothing is made", async () => {
    const recorder = await startMocks();
    const provider = existingProvider({ clusterName: "dc", selector: { "example.com/pool": "mesh" } });
    const request = { poolName: "web", mesh: "prices", zones: ["row-1"], spec: {}, minNodes: 1, maxNodes: 3 };
    expect(provider.checkPool?.(request)).toEqual([]);
    expect(provider.checkPool?.({ ...request, zones: [] }).map(({ path }) => path)).toEqual(["zones"]);
    const parent = new pulumi.ComponentResource("test:index:Owner", "owner");
    expect(provider.createPool?.("web", request, { parent })).toMatchObject({
      selector: { "compute-mesh.dev/pool": "prices-web" },
      taints: [],
    });
    await recorder.settle(parent);
    expect(recorder.childrenOf("owner")).toEqual([]);
  });
});
