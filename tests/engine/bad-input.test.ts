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
  cluster = await testCluster({ name: "bad-input", crds: ["gateway-api"] });
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

async function expectRefused(stack: TestStack, expected: readonly unknown[]): Promise<void> {
  const outcome = await stack.up();
  console.log(outcome.text, problems(outcome));
  expect(outcome.code).not.toBe(0);
  expect(problems(outcome)).toEqual(expected);
  const resources = (await stack.export()).deployment.resources ?? [];
  console.log(resources.map((one) => one.urn));
  expect(resources.filter((one) => one.custom).map((one) => one.urn)).toEqual([]);
  expect((await cluster.request("GET", "/api/v1/namespaces/mesh")).status).toBe(404);
  expect(((await cluster.request("GET", "/api/v1/nodes")).body as any).items).toEqual([]);
}

describe("the stack local", () => {
  it("reports every wrong property of all parts at once", async () => {
    await setMesh(
      local,
      changed((mesh) => {
        mesh.shards = { count: 0, replicas: 3 };
        mesh.database.engine = { oracle: {} };
        mesh.database.storage = { memory: { size: "16Gi" } };
        mesh.snapshots.nightly = { ...mesh.snapshots.hourly, schedule: "0 0 31 2 *" };
        mesh.services.prices.versions.v1.snapshots.push("20300101t0000z");
        mesh.kafka.broker = [];
      }),
    );
    await expectRefused(local, []);
  }, 120_000);

  it("reports more replicas than nodes", async () => {
    await setMesh(
      local,
      changed((mesh) => {
        mesh.shards = { count: 2, replicas: 3 };
        mesh.database.storage = { memory: { size: "16Gi" } };
      }),
    );
    await expectRefused(local, []);
  }, 120_000);

  it("reports a route to a version that there is not, and two routes with the same match", async () => {
    await setMesh(
      local,
      changed((mesh) => {
        const [route] = mesh.routes.routes;
        mesh.routes.routes = [
          route,
          { ...route, name: "again" },
          { name: "missing", match: [{ prefix: "/missing" }], to: [{ service: { service: "prices", version: "v9", snapshot: "20261121t0600z" } }] },
        ];
      }),
    );
    await expectRefused(local, []);
  }, 120_000);

  it("reports keys of the stack's configuration that it does not know", async () => {
    await setMesh(local, smallMesh("n"));
    await local.setConfig({ meshh: "x" });
    await expectRefused(local, []);
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
${body}`;

  it("is told of two mesh nodes with one name by the component that gets them", async () => {
    inline.setProgram(
      program(`new LocalDbDaemonSet("db", { namespace: "mesh", nodes: nodes.map((node) => node.facts) }, { provider });`),
    );
    await expectRefused(inline, []);
  }, 120_000);

  it("is told of two mesh nodes with one name by the placement", async () => {
    inline.setProgram(program(`export const map = model.computeShardMap({ nodes: nodes.map((node) => node.facts), shardCount: 2 }).map;`));
    await expectRefused(inline, []);
  }, 120_000);
});
