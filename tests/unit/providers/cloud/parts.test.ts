/** The small parts that all clouds share. */
import * as pulumi from "@pulumi/pulumi";
import { checkApart, checkInside, contains, overlaps, parseCidr, type Cidr } from "../../../../providers/cloud/cidr";
import { cloudCosts } from "../../../../providers/cloud/costs";
import { generation, generationName } from "../../../../providers/cloud/generation";
import { Kept } from "../../../../providers/cloud/kept";
import { chooseInstanceType } from "../../../../providers/cloud/instance-choice";
import { checkKubeletLabels } from "../../../../providers/cloud/kubelet-labels";
import { execKubeconfig, kubernetesProvider } from "../../../../providers/cloud/kubernetes";
import { lookUp, notFound } from "../../../../providers/cloud/lookup";
import { ZoneOrder } from "../../../../providers/cloud/rollout";
import { compareNames, serverlessHandle } from "../../../../providers/cloud/serverless";
import { ec2Table } from "../../../../providers/aws/instance-types";
import { describeCosts } from "../../../../src/model/costs";
import { Problems } from "../../../../src/model/errors";
import { failureOf, startMocks, valueOf } from "../../../support/mocks";

const range = (text: string): Cidr => parseCidr(text) as Cidr;
const pathsOf = (check: (problems: Problems) => void): string[] => {
  const problems = new Problems("test");
  check(problems);
  return problems.all.map(({ path }) => path);
};

describe("address ranges", () => {
  it.each(["10.0.0.1/16", "10.0.0.0", "10.0.0.0/33", "256.0.0.0/8", "10.0.0/16", "::/0", ""])("takes %j for none", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it("knows the first and the last address, up to the end of the address space", () => {
    expect(parseCidr("10.0.1.0/24")).toEqual({ text: "10.0.1.0/24", first: 0x0a000100, last: 0x0a0001ff, prefix: 24 });
    expect(parseCidr("0.0.0.0/0")?.last).toBe(2 ** 32 - 1);
    expect(parseCidr("255.255.255.255/32")?.first).toBe(2 ** 32 - 1);
  });

  it("sees an overlap from both sides, and none between neighbours", () => {
    expect(overlaps(range("10.0.0.0/16"), range("10.0.255.0/24"))).toBe(true);
    expect(overlaps(range("10.0.255.0/24"), range("10.0.0.0/16"))).toBe(true);
    expect(overlaps(range("10.0.0.0/25"), range("10.0.0.128/25"))).toBe(false);
    expect(contains(range("10.0.0.0/16"), range("10.1.0.0/24"))).toBe(false);
  });

  it("names both ranges of an overlap, and a range outside of its network", () => {
    const problems = new Problems("test");
    checkApart(problems, [
      ["a", range("10.0.0.0/24")],
      ["unknown", undefined],
      ["b", range("10.0.0.128/25")],
    ]);
    checkInside(problems, "c", range("10.1.0.0/24"), "all", range("10.0.0.0/16"));
    expect(problems.all).toEqual([
      { path: "b", given: '"10.0.0.128/25"', allowed: "it overlaps with a (10.0.0.0/24)" },
      { path: "c", given: '"10.1.0.0/24"', allowed: "it must lie inside of all (10.0.0.0/16)" },
    ]);
  });
});

describe("generations", () => {
  it("change with what cannot be changed in place, whatever the order of its keys", () => {
    expect(generation({ zone: "a", machine: "m" })).toBe(generation({ machine: "m", zone: "a" }));
    expect(generation({ zone: "a", machine: "m" })).not.toBe(generation({ zone: "b", machine: "m" }));
  });

  it("are whole in names of every length", () => {
    const name = generationName(20, ["mesh", "a-very-long-node-name"], "abcdef");
    expect(name).toMatch(/^mesh.*-abcdef$/);
    expect(name.length).toBeLessThanOrEqual(20);
  });
});

describe("the order of zones", () => {
  it("lets every machine wait for all of the zone before, and for none of its own", async () => {
    await startMocks();
    const order = new ZoneOrder();
    const machine = (name: string): pulumi.ComponentResource => new pulumi.ComponentResource("test:index:Machine", name);
    const [a1, a2, b1, c1] = ["a1", "a2", "b1", "c1"].map(machine);
    expect(order.enter("a")).toEqual([]);
    order.add(a1);
    expect(order.enter("a")).toEqual([]);
    order.add(a2);
    expect(order.enter("b")).toEqual([a1, a2]);
    order.add(b1);
    expect(order.enter("c")).toEqual([b1]);
    order.add(c1);
    expect(order.enter("c")).toEqual([b1]);
  });
});

describe("the door to a cluster", () => {
  const exec = { command: "cloud", args: ["token"], env: { REGION: "r" }, installHint: "install it" };

  it("is a secret kubeconfig that asks a program for a token and holds none", async () => {
    await startMocks();
    const kubeconfig = execKubeconfig({ server: "https://x", certificateAuthority: "Y2E=", name: "c", exec });
    expect(await pulumi.isSecret(kubeconfig)).toBe(true);
    expect(JSON.parse(await valueOf(kubeconfig))).toEqual({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: "https://x", "certificate-authority-data": "Y2E=" } }],
      users: [
        {
          name: "c",
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1beta1",
              command: "cloud",
              args: ["token"],
              env: [{ name: "REGION", value: "r" }],
              installHint: "install it",
              interactiveMode: "Never",
              provideClusterInfo: false,
            },
          },
        },
      ],
      contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
      "current-context": "c",
    });
  });

  it("knows in preview which cluster it leads to, though not how to reach it", async () => {
    const recorder = await startMocks({ preview: true });
    const unknown = pulumi.output((pulumi as unknown as { unknown: unknown }).unknown) as pulumi.Output<string>;
    kubernetesProvider("mesh", { kubeconfig: unknown, identifier: "cloud/region/name" });
    await recorder.settle();
    const made = recorder.named("mesh-kubernetes");
    expect(made.inputs.clusterIdentifier).toBe("cloud/region/name");
    expect(made.inputs.enableServerSideApply).toBe("true");
  });
});

describe("what is to be adopted", () => {
  it("is an error with its property path where it is not there, shown without a stack trace", () => {
    const error = notFound("cloudProvider", "cluster.existing.name", "prod", "a cluster", new Error("not\nfound"));
    expect(error).toBeInstanceOf(pulumi.RunError);
    expect(error.message).toBe(
      'cloudProvider: cluster.existing.name: "prod" is not allowed: a cluster of this name was not found, or you may not see it (not found)',
    );
  });

  it("is handed on where it is there", async () => {
    await startMocks();
    expect(await valueOf(lookUp("cloudProvider", "cluster.existing.name", "prod", "a cluster", () => Promise.resolve({ id: 1 })))).toEqual({
      id: 1,
    });
  });
});

describe("what createCluster made", () => {
  it("is asked for in the right order", () => {
    const kept = new Kept<number>("cloudProvider");
    expect(failureOf(() => kept.get("createNode", "n1"))).toMatch(
      /^cloudProvider: createNode: "n1" is not allowed: createCluster must be called first/,
    );
    expect(kept.keep("mesh", () => 1)).toBe(1);
    expect(kept.get("createNode", "n1")).toBe(1);
    expect(failureOf(() => kept.keep("other", () => 2))).toMatch(/^cloudProvider: createCluster: "other" .* has a cluster already/);
    expect(kept.replace(3)).toBe(3);
    expect(kept.get("createNode", "n1")).toBe(3);
  });
});

describe("labels of machines", () => {
  it("are none that a kubelet refuses", () => {
    const labels = {
      "kubernetes.io/x": "1",
      "a.k8s.io/x": "1",
      "node.kubernetes.io/x": "1",
      "example.com/x": "1",
      plain: "1",
      "mykubernetes.io/x": "1",
    };
    expect(pathsOf((problems) => checkKubeletLabels(problems, "spec.labels", labels))).toEqual([
      'spec.labels["kubernetes.io/x"]',
      'spec.labels["a.k8s.io/x"]',
    ]);
  });
});

describe("destinations that are functions", () => {
  it("stop the update where the resource is called otherwise", () => {
    const compare = (): void =>
      compareNames('lambda "f"', [
        ["name", "f", "g"],
        ["region", "r", "r"],
        ["project", "p", undefined],
      ]);
    expect(compare).toThrow(pulumi.RunError);
    expect(failureOf(compare)).toBe('lambda "f": name: "f" is not allowed: the resource says "g"');
  });

  it("come with the resource that routes wait for", async () => {
    await startMocks();
    const resource = new pulumi.ComponentResource("test:index:Function", "fn");
    const names = { name: ["f", pulumi.output("f")] } as const;
    expect(serverlessHandle("f", { name: "f" }, resource, names)).toEqual({ destination: { name: "f" }, dependsOn: [resource] });
    expect(serverlessHandle("f", { name: "f" })).toEqual({ destination: { name: "f" }, dependsOn: [] });
  });
});

describe("notes of costs", () => {
  it("join what is alike and say what grows", () => {
    const node = (nodeName: string, more: object): any => ({
      nodeName,
      mesh: "m",
      weight: 1,
      spec: { zone: "z", architecture: "arm64", ...more },
    });
    const costs = cloudCosts(
      (spec) => chooseInstanceType(ec2Table(["m7g"]), spec),
      {
        nodes: [node("a", {}), node("b", {}), node("c", { spot: true }), node("d", { instanceType: "z9.huge" })],
        pools: [
          { poolName: "web", mesh: "m", zones: ["z"], spec: { architecture: "arm64", cpu: "2", memory: "8Gi" }, minNodes: 1, maxNodes: 4 },
        ],
        snapshotStores: [{ storeName: "hourly", mesh: "m", namespace: "m", serviceAccountName: "s", region: "other", objectLockDays: 3 }],
      },
      { lines: [{ what: "control plane", type: "EKS", count: 1, priceClass: 1.23 }], store: "S3" },
    );
    expect(describeCosts(costs)).toEqual([
      "control plane: 1 × EKS, price class 1.2 each, 1.2 in all",
      "mesh nodes: 2 × m7g.xlarge, price class 2 each, 4 in all",
      "mesh nodes: 1 × m7g.xlarge, price class 2 each, 2 in all (spot: at most the list price)",
      "mesh nodes: 1 × z9.huge",
      "pool web: 1 to 4 × m7g.large, price class 1 each, 1 to 4 in all",
      "snapshot store hourly: 1 × S3 (paid by size and requests, traffic to other, locked)",
    ]);
  });
});
