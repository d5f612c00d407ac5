/** Wrong input on the real engine: every problem is told once, with its path and without a stack trace, and nothing is made. */
import { testCluster, type TestCluster } from "../support/cluster";
import { localStack, type MeshConfig, setMesh } from "../support/local-stack";
import { type TestStack, testStack } from "../support/pulumi";
import type { Outcome } from "../support/pulumi-events";
import { smallMesh } from "../support/small-mesh";

let cluster: TestCluster;
let local: TestStack;
let inline: TestStack;

beforeAll(async () => {
  cluster = await testCluster({ name: "bad-input", crds: ["gateway-api", "kgateway"] });
  local = await localStack(cluster, smallMesh("n"));
  inline = await testStack({ program: { typescript: "" }, config: { kubeconfig: cluster.kubeconfigPath } });
}, 180_000);

afterAll(async () => {
  await Promise.all([local?.dispose(), inline?.dispose()]);
  await cluster?.stop();
}, 60_000);

/** The small mesh with changes. */
function changed(change: (mesh: MeshConfig) => void): MeshConfig {
  const mesh = smallMesh("n");
  change(mesh);
  return mesh;
}

/** Lines of all errors, without the engine's own last word. */
function problems(outcome: Outcome): string[] {
  const texts = outcome.messages.filter(({ severity }) => severity === "error").map(({ text }) => text);
  return texts.flatMap((text) => text.split("\n")).filter((line) => line.trim() !== "" && line !== "update failed");
}

/** Exactly these problems, each beginning so and told once; nothing made. What is allowed instead is tested with the checks themselves. */
async function expectRefused(stack: TestStack, args: readonly string[], expected: readonly string[]): Promise<void> {
  const outcome = await stack.up({ args });
  expect(outcome.code).not.toBe(0);
  expect(problems(outcome).map((line) => line.split(" is not allowed: ")[0])).toEqual(expected);
  const resources = (await stack.export()).deployment.resources ?? [];
  expect(resources.filter((one) => one.custom).map((one) => one.urn)).toEqual([]);
  expect((await cluster.request("GET", "/api/v1/namespaces/mesh")).status).toBe(404);
  expect(((await cluster.request("GET", "/api/v1/nodes")).body as any).items).toEqual([]);
}

const refusedMesh = (paths: readonly string[]): Promise<void> =>
  expectRefused(
    local,
    [],
    paths.map((path) => `computeMesh "mesh": ${path}`),
  );

describe("the stack local", () => {
  it("reports every wrong property of all parts at once", async () => {
    await setMesh(
      local,
      changed((mesh) => {
        mesh.shards = { count: 0, replicas: 3 };
        mesh.database.engine = { oracle: {} };
        mesh.database.storage = { memory: { size: "16Gi" } };
        mesh.kafka.broker = [];
        mesh.snapshots.nightly = { ...mesh.snapshots.hourly, schedule: "0 0 31 2 *" };
        mesh.services.prices.versions.v1.snapshots.push("20300101t0000z");
      }),
    );
    await refusedMesh([
      "shards.count: 0",
      "shards.replicas: 3",
      'database.storage.memory.size: "16Gi"',
      'database.engine.oracle: "oracle"',
      // The sum of what the memory has to hold.
      'database.memory: "8Gi"',
      'kafka.broker: "broker"',
      'snapshots.nightly.schedule: "0 0 31 2 *"',
      'services.prices.versions.v1.snapshots[1]: "20300101t0000z"',
    ]);
  }, 120_000);

  it("reports a route to a version that there is not, and two routes with the same match", async () => {
    await setMesh(
      local,
      changed((mesh) => {
        const [route] = mesh.routes.routes;
        const missing = { service: "prices", version: "v9", snapshot: "20261121t0600z" };
        mesh.routes.routes = [
          route,
          { ...route, name: "again" },
          { name: "missing", match: [{ prefix: "/missing" }], to: [{ service: missing }] },
        ];
      }),
    );
    await refusedMesh([
      'routes.routes[2].to[0].service.version: "v9"',
      'routes.routes[1].match[0]: "/prices [x-mesh-snapshot: 20261121t0600z]"',
    ]);
  }, 120_000);

  it("reports keys of the stack's configuration that it does not know", async () => {
    await setMesh(local, smallMesh("n"));
    await local.setConfig({ meshh: "x", cloud: JSON.stringify({ local: { kubeconfigPath: cluster.kubeconfigPath, clutser: "test" } }) });
    await expectRefused(local, [], ['stack configuration: meshh: "meshh"', 'stack configuration: cloud.local.clutser: "clutser"']);
  }, 120_000);
});

describe("a program of one's own", () => {
  const program = (body: string): string => `import * as fs from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMeshNode, LocalDbDaemonSet, model, ShardedIngest } from "compute-mesh";
import { localProvider } from "compute-mesh/providers/local";
const nodeProvider = localProvider({ kubeconfig: fs.readFileSync(new pulumi.Config().require("kubeconfig"), "utf8"), clusterName: "c" });
const { kubernetes: provider } = nodeProvider.createCluster("c");
const nodes = ["a", "b"].map((zone) => new ComputeMeshNode("node-" + zone, { mesh: "mesh", nodeName: "n-1", nodeProvider, spec: { zone } }, { provider }));
const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db" };
const { map: shardMap } = model.computeShardMap({ nodes: nodes.slice(0, 1).map((node) => node.facts), shardCount: 2 });
${body}`;

  // With the preview that comes before every update unless it is skipped: parts that are made one by one can only be checked one by one, so that
  // without it a node may be there before the part that two of them collide in is looked at.
  const withPreview = ["--skip-preview=false"];

  it.each([
    {
      type: "ShardedIngest",
      args: `topics: { orders: { partitions: 2 } }, kafka: { brokers: ["kafka:9092"] }, database, shardMap`,
      // On this cloud the name of a mesh node is that of its Kubernetes Node, by which the ingest finds its shards.
      paths: ["nodes[1].name", "nodes[1].kubernetesNodeName"],
    },
    { type: "LocalDbDaemonSet", args: "", paths: ["nodes[1].name"] },
  ])(
    "is told by $type of two mesh nodes with one name",
    async ({ type, args, paths }) => {
      const common = `namespace: "mesh", nodes: nodes.map((node) => node.facts)`;
      inline.setProgram(program(`new ${type}("part", { ${common}, ${args} }, { provider });`));
      const subject = type.charAt(0).toLowerCase() + type.slice(1);
      await expectRefused(
        inline,
        withPreview,
        paths.map((path) => `${subject} "part": ${path}: "n-1"`),
      );
    },
    120_000,
  );

  it("is told by the placement of two mesh nodes with one name", async () => {
    inline.setProgram(program(`export const map = model.computeShardMap({ nodes: nodes.map((node) => node.facts), shardCount: 2 }).map;`));
    await expectRefused(inline, withPreview, ['shardMap: nodes[1].name: "n-1"']);
  }, 120_000);
});
