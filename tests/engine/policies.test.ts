/** The policy pack as CI would use it: `pulumi preview --policy-pack` on the stack `local`, and on a program that breaks every policy. */
import * as path from "node:path";
import { projectRoot } from "../../tools/paths";
import { testCluster, type TestCluster } from "../support/cluster";
import { localMesh, localStack } from "../support/local-stack";
import { type TestStack, testStack } from "../support/pulumi";

const pack = path.join(projectRoot, "policy-packs", "compute-mesh");
const withPack = { args: ["--policy-pack", pack] };

let cluster: TestCluster;
const stacks: TestStack[] = [];

beforeAll(async () => {
  cluster = await testCluster({ name: "policies", crds: ["gateway-api", "kgateway"] });
}, 180_000);

afterAll(async () => {
  await Promise.all(stacks.map((stack) => stack.dispose()));
  await cluster?.stop();
}, 60_000);

describe("the policy pack", () => {
  it("passes on the stack local", async () => {
    const stack = await localStack(cluster);
    stacks.push(stack);
    const outcome = await stack.preview(withPack);
    expect(outcome.violations).toEqual([]);
    expect({ code: outcome.code, text: outcome.text }).toMatchObject({ code: 0, text: expect.stringContaining("compute-mesh") });
  }, 180_000);

  it("fails on a program that breaks every policy, and names each resource", async () => {
    const stack = await testStack({ program: { typescript: badProgram }, config: { kubeconfig: cluster.kubeconfigPath } });
    stacks.push(stack);
    const outcome = await stack.preview(withPack);
    expect(outcome.code).not.toBe(0);
    const found = outcome.violations.map((violation) => `${violation.policy}: ${violation.urn.split("::").at(-1)}`);
    expect([...new Set(found)].sort()).toEqual([
      "image-pinned: careless",
      "protected-data: db-credentials",
      "protected-data: db-daemon-set",
      "replicas-in-different-zones: ingest",
      "resources-set: careless",
      "snapshot-schedule-present: db",
    ]);
    expect(outcome.violations.every((violation) => violation.level === "mandatory")).toBe(true);
  }, 180_000);

  it("finds the same in a stack without snapshots that was made before", async () => {
    const mesh = localMesh();
    mesh.nodes = { "n-1": mesh.nodes["n-1"], "n-3": mesh.nodes["n-3"] };
    delete mesh.snapshots;
    delete mesh.services;
    delete mesh.routes;
    const stack = await localStack(cluster, mesh);
    stacks.push(stack);
    const up = await stack.up();
    expect({ code: up.code, text: up.text }).toMatchObject({ code: 0 });
    const outcome = await stack.preview(withPack);
    expect(outcome.violations.map((violation) => violation.policy)).toEqual(["snapshot-schedule-present"]);
  }, 240_000);
});

/** Two replicas in one zone, unprotected data, no snapshots, an image called latest, no resources. */
const badProgram = `import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
import { ComputeMeshNode, LocalDbDaemonSet, model, ShardedIngest } from "compute-mesh";
import { localProvider } from "compute-mesh/providers/local";

const kubeconfig = new pulumi.Config().require("kubeconfig");
const cloud = localProvider({ kubeconfig, clusterName: "bad" });
const { kubernetes: provider } = cloud.createCluster("bad");
const nodes = ["a", "b"].map((name) => new ComputeMeshNode(name, { mesh: "bad", nodeProvider: cloud, spec: { zone: "one-zone" } }, { provider }).facts);
const shardMap = model.computeShardMap({ nodes, shardCount: 2, replicas: 2 }).map;
const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: "bad" } }, { provider }).metadata.name;
const db = new LocalDbDaemonSet("db", { namespace, nodes, dataProtection: { protect: false } }, { provider });
new ShardedIngest("ingest", { namespace, nodes, shardMap, topics: { orders: { partitions: 2 } }, kafka: { brokers: ["kafka:9092"] }, database: db.facts }, { provider });
new k8s.core.v1.Pod("careless", { metadata: { name: "careless", namespace }, spec: { containers: [{ name: "c", image: "busybox:latest" }] } }, { provider });
`;
