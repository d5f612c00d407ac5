/** The components one by one, with values that are known only once something else is there, and a secret: preview and update plan the same. */
import * as fs from "node:fs";
import * as path from "node:path";
import { testCluster, type TestCluster } from "../support/cluster";
import { type TestStack, testStack } from "../support/pulumi";
import { type Outcome, succeeded, summary } from "../support/pulumi-events";

const canaries = ["canary-first-5d21", "canary-second-91ef"] as const;

let cluster: TestCluster;
let stack: TestStack;

beforeAll(async () => {
  cluster = await testCluster({ name: "unknowns", crds: ["gateway-api", "kgateway"] });
  stack = await testStack({
    program: { typescript: program },
    config: {
      kubeconfig: cluster.kubeconfigPath,
      password: { secret: canaries[0] },
      "pulumi:disable-default-providers": '["*"]',
    },
  });
}, 180_000);

afterAll(async () => {
  await stack?.dispose();
  await cluster?.stop();
}, 60_000);

const read = (apiPath: string): Promise<any> => cluster.read(apiPath);

/** The names of the canaries that `text` gives away, in the clear or in base64. */
function leaks(text: string): string[] {
  return canaries.filter((canary) => text.includes(canary) || text.includes(Buffer.from(canary).toString("base64")));
}

const planned = (outcome: Outcome): string[] => outcome.steps.map((step) => `${step.op} ${step.urn}`).sort();

/** What the namespace, the brokers, the bucket and the password are is known once `source` is there, and not in a preview before. */
const program = `import * as fs from "node:fs";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMeshNode, GlooRoutes, LocalDbDaemonSet, ShardedIngest, SnapshotGroup, VersionedService } from "compute-mesh";
import { computeShardMap } from "compute-mesh/model";
import { localProvider } from "compute-mesh/providers/local";

const config = new pulumi.Config();
const nodeProvider = localProvider({ kubeconfig: fs.readFileSync(config.require("kubeconfig"), "utf8"), clusterName: "unknowns" });
const { kubernetes: provider } = nodeProvider.createCluster("cluster");
const opts = { provider };

const source = new k8s.core.v1.ConfigMap("source", { metadata: { name: "source", namespace: "default" }, data: { broker: "kafka-0.kafka:9092" } }, opts);
const later = <T>(value: pulumi.Input<T>): pulumi.Output<T> => pulumi.all([source.id, pulumi.output(value)]).apply(([, known]) => known as T);
const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: later("unknowns") } }, opts).id;

const meshNodes = ["zone-a", "zone-b"].map(
  (zone, index) => new ComputeMeshNode("n-" + (index + 1), { mesh: "unknowns", nodeProvider, spec: { zone, cpu: "8", memory: "32Gi" } }, opts),
);
const nodes = meshNodes.map((node) => node.facts);
const shardMap = computeShardMap({ nodes, shardCount: 2, replicas: 2 }).map;
const kafka = { brokers: later([source.data.apply((data) => data["broker"]), "kafka-1.kafka:9092"]) };
const topics = { orders: { partitions: 2 } };
// The pods wait for their nodes only by being scheduled; a DaemonSet without nodes would count as ready.
const after = { ...opts, dependsOn: meshNodes };

const db = new LocalDbDaemonSet("db", { namespace, nodes, memory: "1Gi", credentials: { password: later(config.requireSecret("password")) } }, after);
const data = { namespace, nodes, shardMap, topics, kafka, database: db.facts };
const ingest = new ShardedIngest("ingest", data, after);
const hourly = new SnapshotGroup("hourly", {
  ...data, schedule: "0 * * * *", keep: { last: 24 }, store: { s3: { bucket: later("snapshots") } }, snapshots: ["20261121t0600z"],
}, after);
const prices = new VersionedService("prices", {
  namespace, nodes, shardMap, database: db.facts, snapshotGroup: hourly.facts, port: 8080,
  versions: { v1: { image: "example.com/prices:1.4.0", snapshots: ["20261121t0600z"], env: { GREETING: later("hello") } } },
}, after);
new GlooRoutes("edge", {
  namespace, hosts: ["mesh.example.test"], services: [prices.facts],
  routes: [{ name: "prices", match: [{ prefix: "/prices", snapshot: "20261121t0600z" }], to: [{ service: { service: "prices" } }] }],
}, opts);

export const host = db.host;
export const ready = pulumi.all([...meshNodes, db, ingest, hourly, prices].map((part) => part.ready)).apply((all) => all.every(Boolean));
`;

describe("components one by one, with values that are not known yet", () => {
  it("cannot reach a cluster through a default provider here", async () => {
    stack.setProgram(`import * as k8s from "@pulumi/kubernetes"; new k8s.core.v1.ConfigMap("cm", { metadata: { name: "cm" } });`);
    const outcome = await stack.preview();
    stack.setProgram(program);
    expect(outcome.code).not.toBe(0);
    expect(outcome.text).toMatch(/Default provider for 'kubernetes' disabled/);
  }, 120_000);

  it("are planned in preview exactly as they are then made", async () => {
    const preview = succeeded(await stack.preview());
    expect(preview.steps.map((step) => step.op)).toEqual(preview.steps.map(() => "create"));
    expect(preview.stdout).toContain("[unknown]");
    expect(await read("/api/v1/nodes/n-1")).toBeUndefined();
    const up = succeeded(await stack.up());
    expect(planned(up)).toEqual(planned(preview));
    expect(await stack.outputs()).toEqual({ host: "db.unknowns.svc", ready: true });
    expect([preview, up].flatMap((outcome) => leaks(outcome.stdout + outcome.stderr))).toEqual([]);
  }, 240_000);

  it("run with what was not known", async () => {
    const { items } = await read("/apis/apps/v1/namespaces/unknowns/daemonsets");
    expect(Object.fromEntries(items.map((one: any) => [one.metadata.name, one.status.numberReady]))).toEqual({
      db: 2,
      hourly: 2,
      ingest: 2,
      "prices-v1-20261121t0600z": 2,
    });
    const settings = await read("/api/v1/namespaces/unknowns/configmaps/ingest-settings");
    expect(settings.data["settings.json"]).toContain("kafka-0.kafka:9092");
    const { data } = await read("/api/v1/namespaces/unknowns/secrets/db-credentials");
    expect(Buffer.from(data.password, "base64").toString()).toBe(canaries[0]);
  }, 60_000);

  it("have nothing to change afterwards", async () => {
    expect(summary(succeeded(await stack.preview()))).toEqual([]);
  }, 120_000);

  it("keep a given password out of the state, of previews and of diffs", async () => {
    expect(leaks(await stack.exportText())).toEqual([]);
    const state = path.join(stack.folder, "state");
    const files = fs.readdirSync(state, { recursive: true, encoding: "utf8" }).map((file) => path.join(state, file));
    expect(leaks(files.map((file) => (fs.statSync(file).isFile() ? fs.readFileSync(file, "utf8") : "")).join())).toEqual([]);
    await stack.setConfig({ password: { secret: canaries[1] } });
    const preview = succeeded(await stack.preview());
    expect(summary(preview)).toEqual(["update db", "update db-credentials"]);
    expect(leaks(preview.stdout + preview.stderr)).toEqual([]);
  }, 120_000);
});
