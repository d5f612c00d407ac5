import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { packageVersion } from "../../../src/components/agent-image";
import { ShardedIngest } from "../../../src/components/sharded-ingest";
import { normalizeSnapshotGroup, SnapshotGroup, type SnapshotGroupArgs } from "../../../src/components/snapshot-group";
import { createShardMap } from "../../../src/model/shard-map";
import { failureOf, type Recorder, startMocks, valueOf } from "../../support/mocks";
import { meshNodeFacts as node } from "../../support/topologies";

const shardMap = createShardMap([["node-a"], ["node-b"]], 1);
const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };
const daemonSetType = "kubernetes:apps/v1:DaemonSet";

function argsWith(changes: Partial<SnapshotGroupArgs> = {}): SnapshotGroupArgs {
  return {
    namespace: "demo",
    nodes: [node("node-a", "k-a"), node("node-b", "k-b")],
    shardMap,
    topics: { orders: { partitions: 4 }, "trade.log": { partitions: 2, table: "trades" } },
    kafka: { brokers: ["kafka-0:9092"] },
    database,
    schedule: "0 * * * *",
    keep: { last: 24, daily: 7 },
    store: { s3: { bucket: pulumi.output("mesh-snapshots"), region: "eu-central-1" } },
    ...changes,
  };
}

async function run(args: SnapshotGroupArgs = argsWith()): Promise<{ recorder: Recorder; group: SnapshotGroup }> {
  const recorder = await startMocks();
  const group = new SnapshotGroup("hourly", args);
  await recorder.settle(group);
  return { recorder, group };
}

async function pod(args: SnapshotGroupArgs): Promise<any> {
  return (await run(args)).recorder.named("hourly-daemon-set", daemonSetType).inputs.spec.template.spec;
}

describe("SnapshotGroup", () => {
  let logged: jest.SpyInstance;

  // Pulumi's log goes to the console where no engine listens.
  beforeEach(() => {
    logged = jest.spyOn(console, "warn").mockImplementation(() => undefined);
  });
  afterEach(() => logged.mockRestore());

  it("is one DaemonSet with its settings, account and a closed door", async () => {
    const { recorder, group } = await run();
    expect(recorder.childrenOf("hourly")).toEqual([
      "hourly-daemon-set",
      "hourly-network-policy",
      "hourly-service-account",
      "hourly-settings",
      "hourly-shards",
    ]);
    expect(await valueOf(group.settingsName)).toBe("hourly-settings");
    expect(await valueOf(group.ready)).toBe(true);
    const labels = { "compute-mesh.dev/component": "hourly", "compute-mesh.dev/part": "snapshot" };
    expect(recorder.named("hourly-daemon-set", daemonSetType).inputs.spec.selector).toEqual({ matchLabels: labels });
    expect(recorder.named("hourly-network-policy").inputs.spec).toEqual({
      podSelector: { matchLabels: labels },
      policyTypes: ["Ingress"],
      ingress: [],
    });
  });

  it("tells services what they bind to, in preview already", async () => {
    await startMocks({ preview: true });
    const group = new SnapshotGroup("hourly", argsWith({ snapshots: ["20261121t0600z", "20261121t0700z"] }));
    expect(group.facts).toEqual({
      name: "hourly",
      schedule: "0 * * * *",
      storeKind: "s3",
      settingsName: "hourly-settings",
      snapshots: ["20261121t0600z", "20261121t0700z"],
      tends: false,
    });
    expect(normalizeSnapshotGroup("hourly", argsWith({ tendsShards: true })).facts.tends).toBe(true);
  });

  it("writes all plain settings for agents and tools", async () => {
    const { recorder } = await run(
      argsWith({
        snapshots: ["20261121t0600z"],
        encryption: { keySecret: { name: "snapshot-key", key: "aes" } },
        kafka: {
          brokers: ["kafka-0:9093"],
          tls: { caSecret: { name: "kafka-ca", key: "ca.crt" } },
          sasl: { mechanism: "PLAIN", secretName: "user" },
        },
        store: { s3: { bucket: "mesh-snapshots", prefix: "demo", credentialsSecret: { name: "s3-keys" } } },
      }),
    );
    const { data, metadata } = recorder.named("hourly-settings").inputs;
    expect(metadata).toMatchObject({ name: "hourly-settings", namespace: "demo" });
    expect(JSON.parse(data["settings.json"])).toEqual({
      apiVersion: "compute-mesh.dev/v1alpha1",
      kind: "SnapshotGroupSettings",
      name: "hourly",
      schedule: "0 * * * *",
      timeZone: "UTC",
      allowedLatenessSeconds: 60,
      timeoutSeconds: 3600,
      store: { s3: { bucket: "mesh-snapshots", prefix: "demo" } },
      encryption: { keyFile: "/etc/compute-mesh-key/key" },
      shardMap: { version: shardMap.version, shardCount: 2, replicas: 1 },
      topics: {
        orders: { partitions: 4, table: { name: "orders", columns: [], document: true } },
        "trade.log": { partitions: 2, table: { name: "trades", columns: [], document: true } },
      },
      kafka: { brokers: ["kafka-0:9093"], tls: { caFile: "/etc/kafka-tls/ca/ca.crt" }, sasl: { mechanism: "PLAIN" } },
      database: { engine: "postgres", host: "db", port: 5432, database: "mesh" },
      tends: false,
      unpinnedGraceSeconds: 600,
    });
    expect(JSON.parse(data["retention.json"])).toEqual({
      apiVersion: "compute-mesh.dev/v1alpha1",
      kind: "SnapshotRetention",
      keep: { last: 24, daily: 7 },
      pinned: ["20261121t0600z"],
    });
  });

  it("knows the tables of the ingest, column by column, and whether it keeps the databases", async () => {
    const topics = { orders: { partitions: 4, columns: { amount: { type: "decimal", from: "sum.net", required: true } }, document: true } };
    const { recorder } = await run(argsWith({ topics, tendsShards: true, unpinnedGraceSeconds: 30, deadLetterTopic: "dead" }));
    const settings = JSON.parse(recorder.named("hourly-settings").inputs.data["settings.json"]);
    const columns = [{ name: "amount", type: "decimal", from: ["sum", "net"], required: true }];
    expect(settings.topics).toEqual({ orders: { partitions: 4, table: { name: "orders", columns, document: true } } });
    expect(settings).toMatchObject({ tends: true, unpinnedGraceSeconds: 30, deadLetterTopic: "dead" });
  });

  it("says the same tables as the ingest of the same topics", async () => {
    const topics = { a: { partitions: 2, columns: { x: { type: "int64" } } }, "B.c-d": { partitions: 4, table: "t" } };
    const group = await run(argsWith({ topics }));
    const recorder = await startMocks();
    const { namespace, nodes, kafka } = argsWith();
    await recorder.settle(new ShardedIngest("ingest", { namespace, nodes, kafka, shardMap, topics, database }));
    const settingsOf = (from: Recorder, name: string): any => JSON.parse(from.named(name).inputs.data["settings.json"]);
    const [snapshots, ingest] = [settingsOf(group.recorder, "hourly-settings"), settingsOf(recorder, "ingest-settings")];
    for (const member of ["topics", "database", "shardMap", "kafka"]) {
      expect(snapshots[member]).toEqual(ingest[member]);
    }
  });

  it("reaches a database with TLS by the authority of its Secret", async () => {
    const tls = { caSecret: { name: "db-tls", key: "ca.crt" } };
    const { recorder } = await run(argsWith({ database: { ...database, engine: "singlestore", tls } }));
    expect(JSON.parse(recorder.named("hourly-settings").inputs.data["settings.json"]).database).toEqual({
      ...{ engine: "singlestore", host: "db", port: 5432, database: "mesh" },
      tls: { caFile: "/etc/database-tls/ca.crt" },
    });
    const spec = recorder.named("hourly-daemon-set", daemonSetType).inputs.spec.template.spec;
    expect(spec.volumes).toContainEqual({
      name: "database-ca",
      secret: { secretName: "db-tls", items: [{ key: "ca.crt", path: "ca.crt" }] },
    });
    expect(spec.containers[0].volumeMounts).toContainEqual({ name: "database-ca", mountPath: "/etc/database-tls", readOnly: true });
  });

  it("does not restart a running snapshot for a new binding, but does for a new schedule", async () => {
    const hashOf = async (args: SnapshotGroupArgs): Promise<unknown> =>
      (await run(args)).recorder.named("hourly-daemon-set", daemonSetType).inputs.spec.template.metadata.annotations[
        "compute-mesh.dev/config-hash"
      ];
    const first = await hashOf(argsWith());
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf(argsWith({ snapshots: ["20261121t0600z"], keep: { last: 3 } }))).toBe(first);
    expect(await hashOf(argsWith({ schedule: "30 * * * *" }))).not.toBe(first);
    expect(await hashOf(argsWith({ tendsShards: true }))).not.toBe(first);
    expect(await hashOf(argsWith({ shardMap: createShardMap([["node-b"], ["node-a"]], 1) }))).not.toBe(first);
  });

  it("runs the agent with credentials from Secrets and the key as a file", async () => {
    const spec = await pod(
      argsWith({
        encryption: { keySecret: { name: "snapshot-key", key: "aes" } },
        store: { s3: { bucket: "mesh-snapshots", credentialsSecret: { name: "s3-keys", accessKeyIdKey: "id" } } },
      }),
    );
    expect(spec).toMatchObject({
      serviceAccountName: "hourly",
      automountServiceAccountToken: false,
      securityContext: { runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 },
      nodeSelector: { "compute-mesh.dev/mesh": "demo" },
    });
    expect(spec.containers).toHaveLength(1);
    expect(spec.containers[0]).toMatchObject({
      image: `ghcr.io/compute-mesh/agent:${packageVersion}`,
      command: ["compute-mesh-agent", "snapshot"],
      ports: [{ name: "metrics", containerPort: 8081 }],
      // What they write is what people see of the pod.
      readinessProbe: { exec: { command: ["compute-mesh-agent-ready"] } },
      terminationMessagePolicy: "FallbackToLogsOnError",
      securityContext: { runAsNonRoot: true, readOnlyRootFilesystem: true },
      env: [
        { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        { name: "DATABASE_USER", valueFrom: { secretKeyRef: { name: "db-credentials", key: "username" } } },
        { name: "DATABASE_PASSWORD", valueFrom: { secretKeyRef: { name: "db-credentials", key: "password" } } },
        { name: "AWS_ACCESS_KEY_ID", valueFrom: { secretKeyRef: { name: "s3-keys", key: "id" } } },
        { name: "AWS_SECRET_ACCESS_KEY", valueFrom: { secretKeyRef: { name: "s3-keys", key: "secretAccessKey" } } },
      ],
    });
    expect(spec.volumes).toContainEqual({
      name: "encryption-key",
      secret: { secretName: "snapshot-key", items: [{ key: "aes", path: "key" }], defaultMode: 0o440 },
    });
    expect(spec.containers[0].volumeMounts.map((mount: { mountPath: string }) => mount.mountPath)).toEqual([
      "/etc/compute-mesh-settings",
      "/tmp",
      "/etc/compute-mesh/node.env",
      "/etc/compute-mesh-key",
    ]);
  });

  it("mounts NFS and node folders; a node folder, made by the kubelet for root, is written by root without capabilities", async () => {
    const nfs = await pod(argsWith({ store: { nfs: { server: "10.0.0.5", path: "/export" } } }));
    expect(nfs.volumes).toContainEqual({ name: "store", nfs: { server: "10.0.0.5", path: "/export" } });
    expect(nfs.containers[0].volumeMounts).toContainEqual({ name: "store", mountPath: "/var/lib/compute-mesh/snapshots" });
    const folder = await pod(argsWith({ store: { nodeDirectory: { hostPath: "/srv/snapshots" } } }));
    expect(folder.volumes).toContainEqual({ name: "store", hostPath: { path: "/srv/snapshots", type: "DirectoryOrCreate" } });
    expect(logged.mock.calls.flat().join()).toContain('snapshotGroup "hourly": store.nodeDirectory: snapshots lie in /srv/snapshots');
    expect(folder.securityContext.runAsUser).toBe(0);
    expect(folder.containers[0].securityContext).toMatchObject({ runAsNonRoot: false, capabilities: { drop: ["ALL"] } });
  });

  it.each([
    [{ nfs: { server: "10.0.0.5", path: "/export" } }, { directory: { path: "/var/lib/compute-mesh/snapshots", shared: true } }],
    [{ nodeDirectory: { hostPath: "/srv" } }, { directory: { path: "/var/lib/compute-mesh/snapshots", shared: false } }],
    [{ gcs: { bucket: "mesh" } }, { gcs: { bucket: "mesh" } }],
    [{ azureBlob: { account: "mesh", container: "snapshots" } }, { azureBlob: { account: "mesh", container: "snapshots" } }],
  ])("writes the store %j into the settings", async (store, expected) => {
    const { recorder } = await run(argsWith({ store }));
    expect(JSON.parse(recorder.named("hourly-settings").inputs.data["settings.json"]).store).toEqual(expected);
  });

  it("takes an identity of the cloud from its ServiceAccount", async () => {
    const annotations = { "azure.workload.identity/client-id": pulumi.output("123") };
    const store = { azureBlob: { account: "mesh", container: "snapshots" } };
    const { recorder } = await run(argsWith({ serviceAccountAnnotations: annotations, store }));
    expect(recorder.named("hourly-service-account").inputs).toMatchObject({
      metadata: { name: "hourly", annotations: { "azure.workload.identity/client-id": "123" } },
      automountServiceAccountToken: false,
    });
    const { template, selector } = recorder.named("hourly-daemon-set", daemonSetType).inputs.spec;
    expect(template.metadata.labels["azure.workload.identity/use"]).toBe("true");
    expect(selector.matchLabels).not.toHaveProperty("azure.workload.identity/use");
  });

  it("reads the label of its Node under the same account where names are unknown", async () => {
    const { recorder } = await run(argsWith({ nodes: [node("node-a"), node("node-b")] }));
    expect(recorder.byType("kubernetes:core/v1:ServiceAccount").map((account) => account.name)).toEqual(["hourly-service-account"]);
    expect(recorder.named("hourly-node-reader-binding").inputs.subjects).toEqual([
      { kind: "ServiceAccount", name: "hourly", namespace: "demo" },
    ]);
    const spec = recorder.named("hourly-daemon-set", daemonSetType).inputs.spec.template.spec;
    expect(spec.initContainers.map((container: { name: string }) => container.name)).toEqual(["node-identity"]);
  });

  it("protects its settings where asked to", async () => {
    const { recorder } = await run(argsWith({ dataProtection: { retainOnDelete: true } }));
    expect(recorder.named("hourly-settings").options).toMatchObject({ protect: true, retainOnDelete: true });
    expect((await run()).recorder.named("hourly-settings").options.protect).toBe(false);
  });

  it("runs the agent of this release", () => {
    const manifest = JSON.parse(readFileSync(join(__dirname, "../../../package.json"), "utf8")) as { version: string };
    expect(packageVersion).toBe(manifest.version);
  });

  it("warns of a store that dies with its node and of pins that the schedule never makes", () => {
    expect(normalizeSnapshotGroup("hourly", argsWith()).warnings).toEqual([]);
    const store = { nodeDirectory: { hostPath: "/srv/snapshots" } };
    expect(normalizeSnapshotGroup("hourly", argsWith({ store, snapshots: ["20261121t0600z", "20261121t0630z"] })).warnings).toEqual([
      expect.stringMatching(/^store.nodeDirectory: snapshots lie in \/srv\/snapshots of each mesh node and die with it/),
      expect.stringMatching(/^snapshots: the schedule "0 \* \* \* \*" never fires at 20261121t0630z/),
    ]);
  });

  it("reports everything that is wrong at once and creates nothing", async () => {
    const recorder = await startMocks();
    const wrong = {
      ...argsWith({
        schedule: "0 0 31 2 *",
        keep: { last: 0, daily: -1, yearly: 1 } as SnapshotGroupArgs["keep"],
        store: { s3: { bucket: "abc", credentialsSecret: { name: "" } }, gcs: { bucket: "abc" } },
        snapshots: ["20261121t0600z", "today", "20261121t0600z"],
        encryption: { keySecret: { name: "k" } } as SnapshotGroupArgs["encryption"],
        deadLetterTopic: "a b",
        allowedLatenessSeconds: -1,
        tendsShards: "yes" as unknown as boolean,
        unpinnedGraceSeconds: -1,
        agent: { image: "agent:latest", command: [] },
      }),
      retention: 5,
    } as SnapshotGroupArgs;
    const lines = failureOf(() => new SnapshotGroup("hourly", wrong)).split("\n");
    expect(lines.every((line) => line.startsWith('snapshotGroup "hourly": '))).toBe(true);
    expect(lines.map((line) => line.split(": ")[1])).toEqual([
      "retention",
      "deadLetterTopic",
      "schedule",
      "keep.yearly",
      "keep.last",
      "keep.daily",
      "store",
      "store.s3.credentialsSecret.name",
      "encryption.keySecret.key",
      "snapshots[1]",
      "snapshots[2]",
      "agent.image",
      "agent.command",
      "allowedLatenessSeconds",
      "tendsShards",
      "unpinnedGraceSeconds",
    ]);
    expect(lines).toContain('snapshotGroup "hourly": keep.last: 0 is not allowed: at least 1 snapshot must stay');
    await recorder.settle();
    expect(recorder.resources.filter((resource) => resource.custom)).toEqual([]);
  });
});
