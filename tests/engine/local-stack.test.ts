/** The life of the stack `local` on the real engine and a real control plane: up, no change, one node more, one less, refused changes, destroy. */
import { testCluster, type TestCluster } from "../support/cluster";
import { localMesh, localStack, meshNode, setMesh } from "../support/local-stack";
import type { TestStack } from "../support/pulumi";
import { type Outcome, succeeded, summary } from "../support/pulumi-events";

let cluster: TestCluster;
let stack: TestStack;

beforeAll(async () => {
  cluster = await testCluster({ name: "local-stack", crds: ["gateway-api", "kgateway"] });
  stack = await localStack(cluster);
}, 180_000);

afterAll(async () => {
  await stack?.dispose();
  await cluster?.stop();
}, 60_000);

const read = (apiPath: string): Promise<any> => cluster.read(apiPath);

const creates = (outcome: Outcome) => outcome.steps.filter((step) => step.op === "create").length;

describe("the stack local", () => {
  it("previews everything as new and touches nothing", async () => {
    const outcome = succeeded(await stack.preview());
    expect(creates(outcome)).toBe(outcome.steps.length);
    expect(creates(outcome)).toBe(48);
    expect(await read("/api/v1/namespaces/mesh")).toBeUndefined();
    expect((await stack.export()).deployment.resources ?? []).toEqual([]);
  }, 180_000);

  it("comes up with every workload ready on every node", async () => {
    succeeded(await stack.up());
    const { items } = await read("/apis/apps/v1/namespaces/mesh/daemonsets");
    expect(items.map((one: any) => [one.metadata.name, one.status.numberReady]).sort()).toEqual([
      ["mesh-db", 5],
      ["mesh-ingest", 5],
      ["mesh-snapshots-hourly", 5],
      ["prices-v1-20261121t0500z", 5],
      ["prices-v1-20261121t0600z", 5],
      ["prices-v2-20261121t0500z", 5],
      ["prices-v2-20261121t0600z", 5],
    ]);
    const outputs = await stack.outputs();
    expect(outputs["ready"]).toBe(true);
    expect((outputs["summary"] as any).nodes).toHaveLength(5);
  }, 180_000);

  it("has nothing to change afterwards", async () => {
    const outcome = succeeded(await stack.preview());
    expect(summary(outcome)).toEqual([]);
    expect(outcome.unchanged).toHaveLength(48);
  }, 120_000);

  it("finds nothing to refresh", async () => {
    expect(summary(succeeded(await stack.refresh())).filter((line) => !line.startsWith("refresh "))).toEqual([]);
    expect(summary(succeeded(await stack.preview()))).toEqual([]);
  }, 120_000);

  it("keeps the generated password out of the exported state, and the same over runs", async () => {
    const secret = await read("/api/v1/namespaces/mesh/secrets/mesh-db-credentials");
    const encoded: string = secret.data.password;
    const password = Buffer.from(encoded, "base64").toString();
    expect(password.length).toBeGreaterThanOrEqual(24);
    const text = await stack.exportText();
    expect(text).not.toContain(password);
    expect(text).not.toContain(encoded);
    // The administrator's token of the cluster is in the kubeconfig that the Kubernetes provider was given.
    const token = /token: (\S+)/.exec(cluster.kubeconfig)?.[1] as string;
    expect(token.length).toBeGreaterThan(16);
    expect(text).not.toContain(token);
  }, 60_000);

  it("takes a sixth node by creating it and updating what lists the nodes; nothing is replaced", async () => {
    const mesh = localMesh();
    mesh.nodes["n-6"] = meshNode("zone-c");
    await setMesh(stack, mesh);
    const outcome = succeeded(await stack.up());
    expect(summary(outcome)).toEqual(["create mesh-nodes-n-6-node", ...scalingUpdates]);
    const { items } = await read("/apis/apps/v1/namespaces/mesh/daemonsets");
    expect(items.map((one: any) => one.status.numberReady)).toEqual(Array(7).fill(6));
    // The databases are not rolled: their pod template knows nothing of the number of nodes.
    expect((await read("/apis/apps/v1/namespaces/mesh/daemonsets/mesh-db")).metadata.generation).toBe(1);
  }, 180_000);

  it("gives a node up by deleting it and updating what lists the nodes; nothing is replaced", async () => {
    const mesh = localMesh();
    mesh.nodes["n-6"] = meshNode("zone-c");
    delete mesh.nodes["n-2"];
    await setMesh(stack, mesh);
    const outcome = succeeded(await stack.up());
    expect(summary(outcome)).toEqual(["delete mesh-nodes-n-2-node", ...scalingUpdates]);
    expect(await read("/api/v1/nodes/n-2")).toBeUndefined();
    expect(summary(succeeded(await stack.preview()))).toEqual([]);
  }, 180_000);

  it("refuses another number of partitions of a topic, which would put rows into other shards, and changes nothing", async () => {
    const mesh = localMesh();
    mesh.nodes["n-6"] = meshNode("zone-c");
    delete mesh.nodes["n-2"];
    mesh.topics.orders.partitions = 32;
    await setMesh(stack, mesh);
    const outcome = await stack.preview();
    expect(outcome.code).not.toBe(0);
    expect(outcome.text).toMatch(/mesh-topic-orders.*protect/s);
    const record = await read("/api/v1/namespaces/mesh/configmaps/mesh-topic-orders");
    expect(JSON.parse(record.data["plan.json"]).partitions).toBe(16);
  }, 120_000);

  it("refuses to be destroyed while databases are protected, and leaves nothing once they are not", async () => {
    await setMesh(stack, localMesh());
    succeeded(await stack.up());
    const refused = await stack.destroy();
    expect(refused.code).not.toBe(0);
    expect(refused.text).toContain("protect");
    expect((await read("/apis/apps/v1/namespaces/mesh/daemonsets/mesh-db")).status.numberReady).toBe(5);

    await stack.pulumi("state", "unprotect", "--all", "--stack", "local", "--yes");
    succeeded(await stack.destroy());
    expect((await stack.export()).deployment.resources ?? []).toEqual([]);
    expect(await read("/api/v1/namespaces/mesh")).toBeUndefined();
    expect((await read("/api/v1/nodes")).items).toEqual([]);
    expect((await read("/apis/scheduling.k8s.io/v1/priorityclasses")).items.map((one: any) => one.metadata.name).sort()).toEqual([
      "system-cluster-critical",
      "system-node-critical",
    ]);
  }, 300_000);
});

/**
 * What changes with the number of nodes, however many shards there are: the components (their inputs list the nodes), the shard files with the
 * workloads that mount them, the settings of the snapshots, and the disruption budgets. Not the databases.
 */
const scalingUpdates = [
  "update mesh",
  "update mesh-db",
  "update mesh-db-disruption-budget",
  "update mesh-ingest",
  "update mesh-ingest-daemon-set",
  "update mesh-ingest-settings",
  "update mesh-ingest-shards",
  "update mesh-service-prices",
  "update mesh-service-prices-shards",
  // The pods, whose shards move, and their budget, of one name.
  ...["v1-20261121t0500z", "v1-20261121t0600z", "v2-20261121t0500z", "v2-20261121t0600z"].flatMap((pair) =>
    Array<string>(2).fill(`update mesh-service-prices-${pair}`),
  ),
  "update mesh-snapshots-hourly",
  "update mesh-snapshots-hourly-daemon-set",
  "update mesh-snapshots-hourly-settings",
  "update mesh-snapshots-hourly-shards",
];
