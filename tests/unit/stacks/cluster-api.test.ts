/** The example of a fourth cloud: short, complete, and a whole mesh runs on it. */
import * as fs from "node:fs";
import * as path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import type { NodeProvider } from "../../../providers/provider";
import { ComputeMesh, model } from "../../../src";
import { clusterApiProvider } from "../../../stacks/custom/cluster-api";
import { projectRoot } from "../../../tools/paths";
import { type Recorder, startMocks } from "../../support/mocks";
import { smallMesh } from "../../support/small-mesh";

const machine = { family: "rack", architecture: "amd64" as const, localDisks: { count: 0, sizeGB: 0 }, networkGbps: 10, current: true };
const machines = {
  cloud: "the basement",
  priceUnit: "small",
  namePattern: /^[a-z]+$/,
  types: [
    { ...machine, name: "small", cpu: 8, memoryGiB: 32, priceClass: 1 },
    { ...machine, name: "large", cpu: 32, memoryGiB: 128, priceClass: 3 },
  ],
};

function provider(): NodeProvider {
  return clusterApiProvider({
    clusterName: "basement",
    namespace: "fleet",
    region: "home",
    version: "v1.34.1",
    templates: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "VSphereMachineTemplate", names: { small: "small-2026" } },
    machines,
    management: new k8s.Provider("management", { kubeconfig: "{}" }),
  });
}

async function deploy(change: (mesh: any) => void = () => undefined): Promise<Recorder> {
  const secret = { data: { value: Buffer.from("apiVersion: v1\nkind: Config\n").toString("base64") } };
  const recorder = await startMocks({ state: ({ type }) => (type === "kubernetes:core/v1:Secret" ? secret : undefined) });
  const mesh = smallMesh("n");
  change(mesh);
  await recorder.settle(new ComputeMesh("mesh", { ...mesh, nodeProvider: provider() }));
  return recorder;
}

describe("the example of customNodeProvider", () => {
  it("is shorter than 150 lines", () => {
    const text = fs.readFileSync(path.join(projectRoot, "stacks", "custom", "cluster-api.ts"), "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThan(150);
  });

  it("carries a whole mesh: one machine deployment per node, in the management cluster", async () => {
    const recorder = await deploy();
    const parts = ["n-1", "n-2"].flatMap((node) => [`mesh-nodes-${node}-bootstrap`, `mesh-nodes-${node}-machine`]);
    expect([...recorder.childrenOf("mesh-nodes")].sort()).toEqual(parts);
    const { inputs, provider: reference, options } = recorder.named("mesh-nodes-n-1-machine");
    expect(reference).toContain("::management::");
    expect(options.dependencies.join()).toContain("mesh-nodes-n-1-bootstrap");
    expect(inputs).toMatchObject({
      kind: "MachineDeployment",
      metadata: { name: "mesh-n-1", namespace: "fleet" },
      spec: {
        replicas: 1,
        rollout: { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
        template: {
          metadata: { labels: { "compute-mesh.dev/node": "n-1", "compute-mesh.dev/mesh": "mesh" } },
          spec: { failureDomain: "zone-a", infrastructureRef: { name: "small-2026" } },
        },
      },
    });
    const template = recorder.named("mesh-nodes-n-1-bootstrap").inputs.spec.template.spec.joinConfiguration.nodeRegistration;
    expect(template.kubeletExtraArgs).toEqual([{ name: "node-labels", value: "compute-mesh.dev/node=n-1,compute-mesh.dev/mesh=mesh" }]);
    expect(recorder.named("mesh-db-daemon-set").provider).toContain("::mesh-cluster-kubernetes::");
    expect(recorder.named("mesh-cluster-kubernetes").secretPaths).toContain("kubeconfig");
  });

  it("makes another template where its content changes, because templates cannot be changed", async () => {
    const nameOf = (recorder: Recorder): string => recorder.named("mesh-nodes-n-1-bootstrap").inputs.metadata.name;
    const before = nameOf(await deploy());
    const tainted = await deploy((mesh) => (mesh.nodes["n-1"].spec.taints = [{ key: "mesh", effect: "NoSchedule" }]));
    expect(nameOf(tainted)).not.toBe(before);
    expect(nameOf(await deploy((mesh) => (mesh.nodes["n-1"].spec.cpu = "16")))).toBe(before);
  });

  it("says which machine it chose and why there is none, and refuses another region", () => {
    const request = (spec: object): Parameters<NodeProvider["check"]>[0] => ({
      nodeName: "n-1",
      mesh: "mesh",
      weight: 1,
      spec: { zone: "zone-a", ...spec },
    });
    expect(provider().describe?.(request({ cpu: "16" }))).toBe("large: 32 vCPU, 128 GiB");
    expect(provider().check(request({ cpu: "64" }))).toEqual([
      expect.objectContaining({ path: "spec", allowed: expect.stringContaining("closest are large: 32 vCPU, 128 GiB (32 of 64 vCPU)") }),
    ]);
    expect(provider().check(request({ region: "away" }))).toEqual([expect.objectContaining({ path: "spec.region" })]);
    expect(provider().check(request({ cpu: 16 }))).toEqual([expect.objectContaining({ path: "spec.cpu" })]);
  });

  it("makes nodes only after its cluster", () => {
    const request = { nodeName: "n-1", mesh: "mesh", weight: 1, spec: { zone: "zone-a" } };
    expect(() => provider().createNode("n-1", request, {} as never)).toThrow(model.MeshInputError);
  });
});
