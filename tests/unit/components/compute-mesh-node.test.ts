import * as pulumi from "@pulumi/pulumi";
import { existingProvider } from "../../../providers/existing";
import { localProvider } from "../../../providers/local";
import type { NodeProvider } from "../../../providers/provider";
import { ComputeMeshNode, type ComputeMeshNodeArgs } from "../../../src/components/compute-mesh-node";
import { failureOf, startMocks, valueOf } from "../../support/mocks";

const kubeconfig = "apiVersion: v1\nkind: Config\n";
const local = localProvider({ kubeconfig, clusterName: "local", region: "here" });
const spec = { zone: "zone-a", cpu: "2", memory: "4Gi" };

describe("ComputeMeshNode", () => {
  it("makes one Node through its provider and says plain facts in preview", async () => {
    const recorder = await startMocks();
    const node = new ComputeMeshNode("n1", { mesh: "prices", nodeProvider: local, spec, weight: 2 });
    expect(node.facts).toMatchObject({ name: "n1", zone: "zone-a", region: "here", cluster: "local", provider: "local", weight: 2 });
    await recorder.settle(node);
    expect(recorder.childrenOf("n1")).toEqual(["n1-node"]);
    expect(recorder.resources.map((resource) => resource.type)).toEqual(["compute-mesh:index:ComputeMeshNode", "kubernetes:core/v1:Node"]);
    expect(await valueOf(node.kubernetesNodeName)).toBe("n1");
    expect(await valueOf(node.labels)).toEqual(node.facts.labels);
    expect(await valueOf(node.taints)).toEqual([]);
    expect(await valueOf(node.providerId)).toBeUndefined();
    expect(await valueOf(node.ready)).toBe(true);
  });

  it("takes its name from nodeName where the resource has another", async () => {
    const recorder = await startMocks();
    const node = new ComputeMeshNode("mesh-n1", { mesh: "prices", nodeName: "n1", nodeProvider: local, spec });
    await recorder.settle(node);
    expect(recorder.named("mesh-n1-node").inputs.metadata.name).toBe("n1");
    expect(node.facts).toMatchObject({ name: "n1", weight: 1 });
  });

  it("shows the provider to policies by its name alone, because its options can hold credentials", async () => {
    const recorder = await startMocks();
    const node = new ComputeMeshNode("n1", { mesh: "prices", nodeProvider: local, spec, transforms: { node: () => undefined } });
    await recorder.settle(node);
    expect(recorder.named("n1").inputs).toEqual({ mesh: "prices", nodeProvider: "local", spec });
    expect(JSON.stringify(recorder.resources)).not.toContain("kind: Config");
  });

  it("passes protection on only where it is asked for", async () => {
    const recorder = await startMocks();
    const args = { mesh: "prices", nodeProvider: local, spec };
    await recorder.settle(new ComputeMeshNode("n1", args));
    await recorder.settle(new ComputeMeshNode("n2", { ...args, dataProtection: { protect: true, retainOnDelete: true } }));
    expect(recorder.named("n1-node").options).toMatchObject({ protect: false, retainOnDelete: false });
    expect(recorder.named("n2-node").options).toMatchObject({ protect: true, retainOnDelete: true });
  });

  it("lets a transform change what the provider makes", async () => {
    const recorder = await startMocks();
    const transforms: ComputeMeshNodeArgs["transforms"] = {
      node: (args, opts) => ({ args: { ...args, spec: { unschedulable: true } }, opts: { ...opts, retainOnDelete: true } }),
    };
    await recorder.settle(new ComputeMeshNode("n1", { mesh: "prices", nodeProvider: local, spec, transforms }));
    expect(recorder.named("n1-node").inputs.spec).toEqual({ unschedulable: true });
    expect(recorder.named("n1-node").options.retainOnDelete).toBe(true);
  });

  it("knows no Kubernetes name for a node that is adopted by its label", async () => {
    const recorder = await startMocks();
    const nodeProvider = existingProvider({ clusterName: "dc", selector: { "example.com/pool": "mesh" } });
    const node = new ComputeMeshNode("n1", { mesh: "prices", nodeProvider, spec: { zone: "row-1" } });
    await recorder.settle(node);
    expect(recorder.childrenOf("n1")).toEqual([]);
    expect(node.facts.kubernetesNodeName).toBeUndefined();
    expect(await valueOf(node.kubernetesNodeName)).toBeUndefined();
  });

  it("reports every problem at once, without a stack trace, and creates nothing", async () => {
    const recorder = await startMocks();
    const args = { mesh: "My Mesh", nodeProvider: local, spec: { zone: "", cpu: "two" }, weight: 0, wieght: 1, transforms: { nodes: 1 } };
    const make = (): unknown => new ComputeMeshNode("n1", args as unknown as ComputeMeshNodeArgs);
    expect(make).toThrow(pulumi.ResourceError);
    expect(failureOf(make).split("\n")).toEqual([
      expect.stringMatching(/^computeMeshNode "n1": wieght: "wieght" is not allowed: unknown key, perhaps weight is meant/),
      expect.stringMatching(/^computeMeshNode "n1": transforms.nodes: .*perhaps node is meant/),
      expect.stringMatching(/^computeMeshNode "n1": mesh: "My Mesh" is not allowed/),
      expect.stringMatching(/^computeMeshNode "n1": weight: "0" is not allowed: a number above 0/),
      'computeMeshNode "n1": spec.zone: "" is not allowed: it must not be empty; it becomes a label',
      expect.stringMatching(/^computeMeshNode "n1": spec.cpu: "two" is not allowed: a Kubernetes quantity/),
    ]);
    await recorder.settle();
    expect(recorder.byType("kubernetes:core/v1:Node")).toEqual([]);
  });

  it("says what a node provider is where none is given", async () => {
    await startMocks();
    const make = (): unknown => new ComputeMeshNode("n1", { mesh: "prices", nodeProvider: "aws" as unknown as NodeProvider, spec });
    expect(failureOf(make)).toMatch(/^computeMeshNode "n1": nodeProvider: "aws" is not allowed: a node provider is allowed/);
  });
});
