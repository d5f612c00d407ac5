import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { packageVersion } from "../../../src/components/agent-image";
import { ShardedIngest, type ShardedIngestArgs } from "../../../src/components/sharded-ingest";
import type { SnapshotGroupFacts } from "../../../src/model/facts";
import { createShardMap } from "../../../src/model/shard-map";
import { createTablesSql } from "../../../src/model/table-sql";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { failureOf, type Recorder, startMocks, valueOf } from "../../support/mocks";
import { meshNodeFacts } from "../../support/topologies";

const shardMap = createShardMap([["node-a"], ["node-b"]], 1);
const group: SnapshotGroupFacts = {
  name: "hourly",
  schedule: "0 * * * *",
  storeKind: "s3",
  settingsName: "hourly-settings",
  snapshots: [],
  tends: true,
};
const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };

const node = (name: string, kubernetesNodeName?: string): MeshNodeFacts => ({
  ...meshNodeFacts(name, kubernetesNodeName),
  taints: [{ key: "dedicated", value: "mesh", effect: "NoSchedule" }],
});

function argsWith(changes: Partial<ShardedIngestArgs> = {}): ShardedIngestArgs {
  return {
    namespace: "demo",
    nodes: [node("node-a", "k-a"), node("node-b", "k-b")],
    shardMap,
    topics: { orders: { partitions: 4 }, "trade.log": { partitions: 2, table: "trades" } },
    kafka: {
      brokers: [pulumi.output("kafka-0:9093"), "kafka-1:9093"],
      tls: { caSecret: { name: "kafka-ca", key: "ca.crt" } },
      sasl: { mechanism: "PLAIN", secretName: "kafka-user" },
    },
    database,
    ...changes,
  };
}

async function run(args: ShardedIngestArgs = argsWith()): Promise<{ recorder: Recorder; ingest: ShardedIngest }> {
  const recorder = await startMocks();
  const ingest = new ShardedIngest("ingest", args);
  await recorder.settle(ingest);
  return { recorder, ingest };
}

const daemonSetType = "kubernetes:apps/v1:DaemonSet";
const stock: Partial<ShardedIngestArgs> = { engine: { stock: {} } };

async function podOf(args: ShardedIngestArgs): Promise<any> {
  return (await run(args)).recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.spec;
}

async function settingsOf(args: ShardedIngestArgs): Promise<any> {
  const { data } = (await run(args)).recorder.named("ingest-settings").inputs;
  expect(Object.keys(data)).toEqual(["settings.json"]);
  return JSON.parse(data["settings.json"]);
}

/** The lines of the refusal, each without its subject; nothing is created. */
async function refusal(changes: Record<string, unknown>): Promise<string[]> {
  const recorder = await startMocks();
  const message = failureOf(() => new ShardedIngest("ingest", argsWith(changes)));
  await recorder.settle();
  expect(recorder.resources.filter((resource) => resource.custom)).toEqual([]);
  return message.split("\n").map((line) => line.replace(/^shardedIngest "ingest": /, ""));
}

const restricted = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};

describe("ShardedIngest", () => {
  it("is one DaemonSet and two ConfigMaps", async () => {
    const { recorder, ingest } = await run();
    expect(recorder.childrenOf("ingest")).toEqual(["ingest-daemon-set", "ingest-settings", "ingest-shards"]);
    expect(ingest.tables).toEqual({ orders: "orders", "trade.log": "trades" });
    expect(await valueOf(ingest.settingsName)).toBe("ingest-settings");
    expect(await valueOf(ingest.ready)).toBe(true);
  });

  it("has as many objects for 512 shards as for 2", async () => {
    const many = createShardMap(
      Array.from({ length: 512 }, (_unused, shard) => [shard % 2 === 0 ? "node-a" : "node-b"]),
      1,
    );
    const { recorder } = await run(argsWith({ shardMap: many, topics: { orders: { partitions: 1024 } } }));
    expect(recorder.childrenOf("ingest")).toEqual(["ingest-daemon-set", "ingest-settings", "ingest-shards"]);
  });

  it("runs one pod per mesh node with our own image alone, restricted, its root read-only", async () => {
    const { recorder } = await run();
    const { metadata, spec } = recorder.named("ingest-daemon-set", daemonSetType).inputs;
    const selector = { "compute-mesh.dev/component": "ingest", "compute-mesh.dev/part": "ingest" };
    expect(metadata).toMatchObject({ name: "ingest", namespace: "demo" });
    expect(metadata).not.toHaveProperty("annotations");
    expect(spec.selector).toEqual({ matchLabels: selector });
    expect(spec.template.metadata.labels).toMatchObject(selector);
    const secret = (name: string, key: string): object => ({ valueFrom: { secretKeyRef: { name, key } } });
    const resources = { cpu: "500m", memory: "512Mi" };
    expect(spec.template.spec).toEqual({
      nodeSelector: { "compute-mesh.dev/mesh": "demo" },
      tolerations: [{ key: "dedicated", operator: "Equal", value: "mesh", effect: "NoSchedule" }],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 30,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 },
      containers: [
        {
          name: "ingest",
          image: `ghcr.io/compute-mesh/ingest:${packageVersion}`,
          command: ["/mesh-ingest", "run"],
          ports: [{ name: "metrics", containerPort: 4195 }],
          env: [
            { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
            { name: "DATABASE_USER", ...secret("db-credentials", "username") },
            { name: "DATABASE_PASSWORD", ...secret("db-credentials", "password") },
            { name: "KAFKA_USERNAME", ...secret("kafka-user", "username") },
            { name: "KAFKA_PASSWORD", ...secret("kafka-user", "password") },
            // Nine tenths of 512Mi.
            { name: "GOMEMLIMIT", value: "483183820" },
          ],
          resources: { requests: resources, limits: resources },
          // Its words reach the Event of the pod.
          readinessProbe: { exec: { command: ["/mesh-ingest", "ready"] }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
          livenessProbe: {
            httpGet: { path: "/ping", port: "metrics" },
            initialDelaySeconds: 10,
            periodSeconds: 10,
            timeoutSeconds: 5,
            failureThreshold: 3,
          },
          terminationMessagePolicy: "FallbackToLogsOnError",
          securityContext: restricted,
          volumeMounts: [
            { name: "settings", mountPath: "/etc/ingest", readOnly: true },
            { name: "node-identity", mountPath: "/etc/compute-mesh/node.env", subPathExpr: "$(NODE_NAME)", readOnly: true },
            { name: "kafka-ca", mountPath: "/etc/kafka-tls/ca", readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: "settings", configMap: { name: "ingest-settings" } },
        { name: "node-identity", configMap: { name: "ingest-shards" } },
        { name: "kafka-ca", secret: { secretName: "kafka-ca" } },
      ],
    });
  });

  it("writes all plain settings, and no credentials", async () => {
    const columns = { customer: { type: "text", from: "customer.id", required: true }, amount: { type: "decimal" } };
    const settings = await settingsOf(
      argsWith({
        topics: { orders: { partitions: 4, columns }, "trade.log": { partitions: 2, table: "trades" } },
        engine: { mesh: { batchSize: 100, batchBytes: 4096, batchPeriodMilliseconds: 50 } },
        deadLetterTopic: "dead",
        maxLagRecords: 5,
        bufferMemory: "64Mi",
        restoreFrom: group,
      }),
    );
    const { createTables, ...plain } = settings;
    expect(plain).toEqual({
      apiVersion: "compute-mesh.dev/v1alpha1",
      kind: "IngestSettings",
      name: "ingest",
      clientId: "compute-mesh-ingest",
      kafka: { brokers: ["kafka-0:9093", "kafka-1:9093"], tls: { caFile: "/etc/kafka-tls/ca/ca.crt" }, sasl: { mechanism: "PLAIN" } },
      database: { engine: "postgres", host: "db", port: 5432, database: "mesh" },
      shardMap: { version: shardMap.version, shardCount: 2, replicas: 1 },
      topics: {
        orders: {
          partitions: 4,
          table: {
            name: "orders",
            columns: [
              { name: "customer", type: "text", from: ["customer", "id"], required: true },
              { name: "amount", type: "decimal", from: ["amount"], required: false },
            ],
            document: false,
          },
        },
        "trade.log": { partitions: 2, table: { name: "trades", columns: [], document: true } },
      },
      deadLetterTopic: "dead",
      batch: { count: 100, bytes: 4096, periodMilliseconds: 50 },
      bufferBytes: 64 * 1024 * 1024,
      awaitShards: true,
      ready: { maxLagRecords: 5 },
    });
    expect(createTables).toEqual(createTablesSql("postgres", [plain.topics.orders.table, plain.topics["trade.log"].table]));
  });

  it("has defaults: a quarter of the memory as buffer, shards from Kafka, ready within 10000 records", async () => {
    const settings = await settingsOf(argsWith({ memory: "1Gi" }));
    expect(settings).toMatchObject({
      batch: { count: 5000, bytes: 8388608, periodMilliseconds: 200 },
      bufferBytes: 256 * 1024 * 1024,
      awaitShards: false,
      ready: { maxLagRecords: 10000 },
    });
    expect(settings).not.toHaveProperty("deadLetterTopic");
    expect((await settingsOf(argsWith({ memory: "64Gi" }))).bufferBytes).toBe(1024 ** 3);
  });

  it.each([
    ["postgres", 'CREATE TABLE IF NOT EXISTS "trades"'],
    ["singlestore", "CREATE TABLE IF NOT EXISTS `trades`"],
    ["clickhouse", "trades"],
  ])("creates the tables of %s in its own SQL", async (engine, statement) => {
    const { createTables, database: written } = await settingsOf(argsWith({ database: { ...database, engine } }));
    expect(written.engine).toBe(engine);
    expect(createTables[createTables.length - 1]).toContain(statement);
  });

  it("creates no tables where the engine has none", async () => {
    expect((await settingsOf(argsWith({ database: { ...database, engine: "valkey" } }))).createTables).toEqual([]);
  });

  it("reaches a database with TLS by the authority of its Secret, and nothing else of that Secret", async () => {
    const tls = { caSecret: { name: "db-tls", key: "ca.crt" } };
    const args = argsWith({ database: { ...database, tls } });
    expect((await settingsOf(args)).database.tls).toEqual({ caFile: "/etc/database-tls/ca.crt" });
    const pod = await podOf(args);
    expect(pod.volumes).toContainEqual({
      name: "database-ca",
      secret: { secretName: "db-tls", items: [{ key: "ca.crt", path: "ca.crt" }] },
    });
    expect(pod.containers[0].volumeMounts).toContainEqual({ name: "database-ca", mountPath: "/etc/database-tls", readOnly: true });
    expect((await settingsOf(argsWith({ database: { ...database, tls: {} } }))).database.tls).toEqual({});
  });

  it("reads the label of its Node where names are unknown, every container with equal requests and limits", async () => {
    const pod = await podOf(argsWith({ nodes: [node("node-a"), node("node-b")] }));
    expect(pod.initContainers.map((container: { name: string }) => container.name)).toEqual(["node-identity"]);
    expect(pod.serviceAccountName).toBe("ingest");
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.resources.requests).toEqual(container.resources.limits);
      expect(container.securityContext).toMatchObject(restricted);
    }
  });

  it("tells every node its own shards", async () => {
    const { recorder } = await run();
    expect(recorder.named("ingest-shards").inputs.data).toEqual({
      "k-a": "MESH_NODE=node-a\nMESH_SHARDS=0\nMESH_PRIMARY_SHARDS=0\n",
      "k-b": "MESH_NODE=node-b\nMESH_SHARDS=1\nMESH_PRIMARY_SHARDS=1\n",
    });
  });

  it.each<[string, Partial<ShardedIngestArgs>]>([
    ["our own image", { engine: { mesh: { batchSize: 100 } } }],
    ["the stock image", { engine: { stock: { batchSize: 100 } } }],
  ])("rolls its pods when the shard map or a setting changes, and only then, with %s", async (_title, changed) => {
    const hashOf = async (args: ShardedIngestArgs): Promise<unknown> =>
      (await run(args)).recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.metadata.annotations[
        "compute-mesh.dev/config-hash"
      ];
    const before = changed.engine?.mesh === undefined ? stock : {};
    const first = await hashOf(argsWith(before));
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf(argsWith(before))).toBe(first);
    expect(await hashOf(argsWith({ ...before, shardMap: createShardMap([["node-b"], ["node-a"]], 1) }))).not.toBe(first);
    expect(await hashOf(argsWith(changed))).not.toBe(first);
  });

  it("is not waited for where asked so, and does not call itself ready then", async () => {
    const { recorder, ingest } = await run(argsWith({ awaitReady: false }));
    const { metadata } = recorder.named("ingest-daemon-set", daemonSetType).inputs;
    expect(metadata.annotations).toEqual({ "pulumi.com/skipAwait": "true" });
    expect(await valueOf(ingest.ready)).toBe(false);
  });

  it("lets every child be changed", async () => {
    const { recorder } = await run(
      argsWith({
        transforms: {
          settings: (args) => ({ args: { ...args, immutable: false } }),
          daemonSet: (_args, opts) => ({ opts: { ...opts, protect: true } }),
          shards: (args) => void Object.assign(args, { immutable: true }),
        },
      }),
    );
    expect(recorder.named("ingest-settings").inputs.immutable).toBe(false);
    expect(recorder.named("ingest-daemon-set", daemonSetType).options.protect).toBe(true);
    expect(recorder.named("ingest-shards").inputs.immutable).toBe(true);
  });
});

describe("ShardedIngest with the stock image", () => {
  it("prepares, then runs engine and watch", async () => {
    const pod = await podOf(argsWith(stock));
    expect(pod.initContainers.map((container: { name: string }) => container.name)).toEqual(["prepare"]);
    expect(pod.containers.map((container: { name: string }) => container.name)).toEqual(["engine", "watch"]);
    expect(pod.initContainers[0]).toMatchObject({
      image: "docker.io/library/postgres:17.6",
      command: ["/bin/sh", "/etc/ingest/offsets.sh", "prepare"],
      volumeMounts: [
        { name: "settings", mountPath: "/etc/ingest", readOnly: true },
        { name: "run", mountPath: "/run/ingest" },
        { name: "node-identity", mountPath: "/etc/compute-mesh/node.env", subPathExpr: "$(NODE_NAME)", readOnly: true },
      ],
    });
    expect(pod.volumes).toEqual([
      { name: "settings", configMap: { name: "ingest-settings" } },
      { name: "run", emptyDir: { sizeLimit: "16Mi" } },
      { name: "node-identity", configMap: { name: "ingest-shards" } },
      { name: "kafka-ca", secret: { secretName: "kafka-ca" } },
    ]);
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.resources.requests).toEqual(container.resources.limits);
      expect(container.securityContext).toEqual(restricted);
      expect(container.terminationMessagePolicy).toBe("FallbackToLogsOnError");
    }
  });

  it("is ready when the engine is connected, and restarts it when it hangs or the database is another one", async () => {
    const [engine] = (await podOf(argsWith(stock))).containers;
    expect(engine).toMatchObject({
      image: "docker.redpanda.com/redpandadata/connect:4.105.0",
      command: ["/bin/sh", "/etc/ingest/engine.sh"],
      ports: [{ name: "metrics", containerPort: 4195 }],
      readinessProbe: { httpGet: { path: "/ready", port: "metrics" } },
      resources: { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "500m", memory: "512Mi" } },
    });
    expect(engine.livenessProbe.exec.command[2]).toBe(
      "[ ! -e /run/ingest/restart ] && exec wget -q -T 5 -O /dev/null http://127.0.0.1:4195/ping",
    );
  });

  it("runs Bento where it is asked for, and names the programs that there are", async () => {
    const { recorder } = await run(argsWith({ engine: { stock: { program: "bento" } } }));
    const pod = recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.spec;
    expect(pod.containers[0].image).toBe("ghcr.io/warpstreamlabs/bento:1.10.0");
    expect(recorder.named("ingest-settings").inputs.data["engine.sh"]).toContain('exec "${ENGINE:-/bento}" run -e');
    expect(await refusal({ engine: { stock: { program: "vector" } } })).toEqual([
      expect.stringMatching(/^engine.stock.program: .*connect.*bento/),
    ]);
  });

  it("keeps credentials in Secrets: variables refer to them, the settings do not know them", async () => {
    const { recorder } = await run(argsWith(stock));
    const pod = recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.spec;
    expect(pod.containers[0].env).toEqual([
      { name: "PGUSER", valueFrom: { secretKeyRef: { name: "db-credentials", key: "username" } } },
      { name: "PGPASSWORD", valueFrom: { secretKeyRef: { name: "db-credentials", key: "password" } } },
      { name: "KAFKA_USERNAME", valueFrom: { secretKeyRef: { name: "kafka-user", key: "username" } } },
      { name: "KAFKA_PASSWORD", valueFrom: { secretKeyRef: { name: "kafka-user", key: "password" } } },
    ]);
    const { data } = recorder.named("ingest-settings").inputs;
    expect(Object.keys(data).sort()).toEqual([
      "config.yaml",
      "engine.sh",
      "exist.sql",
      "idle.yaml",
      "offsets.sh",
      "offsets.sql",
      "tables.sql",
    ]);
    const config = parse(data["config.yaml"]);
    expect(config.input.kafka_franz.seed_brokers).toEqual(["kafka-0:9093", "kafka-1:9093"]);
    expect(config.input.kafka_franz.sasl).toEqual([{ mechanism: "PLAIN", username: "${KAFKA_USERNAME}", password: "${KAFKA_PASSWORD}" }]);
    expect(config.output.sql_raw.dsn).not.toContain("@");
    expect(data["offsets.sql"]).toContain("('orders', 3, 1)");
    expect(recorder.resources.flatMap((resource) => resource.secretPaths)).toEqual([]);
  });

  it("refuses what only our own image can do, with the way out", async () => {
    const lines = await refusal({
      ...stock,
      topics: { orders: { partitions: 4, columns: { amount: { type: "int64" } } } },
      database: { ...database, engine: "clickhouse", tls: {} },
      deadLetterTopic: "dead",
      maxLagRecords: 1,
      bufferMemory: "1Mi",
      restoreFrom: group,
    });
    expect(lines.map((line) => line.split(": ")[0])).toEqual([
      "deadLetterTopic",
      "maxLagRecords",
      "bufferMemory",
      "restoreFrom",
      "topics.orders.columns",
      "database.engine",
      "database.tls",
    ]);
    lines.forEach((line) => expect(line).toMatch(/; use the engine mesh, which is the default$/));
  });
});

describe("wrong args of a ShardedIngest", () => {
  it("are reported all at once, and nothing is created", async () => {
    const lines = await refusal({
      nodes: [node("node-a", "k-a")],
      topics: { orders: { partitions: 1 }, "bad topic": { partitions: 2, tabel: "x" } },
      kafka: { brokers: ["kafka"], sasl: { mechanism: "GSSAPI", secretName: "s" } },
      database: { ...database, engine: "redis" },
      engine: { mesh: { image: "ghcr.io/compute-mesh/ingest:latest", batchSize: 0, batchBytes: 1 } },
      maxLagRecords: -1,
      memory: "64Mi",
      brokers: "kafka:9092",
    });
    expect(lines.map((line) => line.split(": ")[0])).toEqual([
      "brokers",
      "shardMap",
      'topics["bad topic"].tabel',
      'topics["bad topic"]',
      "topics.orders.partitions",
      'topics["bad topic"].table',
      "kafka.brokers[0]",
      "kafka.sasl.mechanism",
      "database.engine",
      "memory",
      "engine.mesh.image",
      "engine.mesh.batchSize",
      "engine.mesh.batchBytes",
      "maxLagRecords",
    ]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["no engine", { engine: {} }, "engine: nothing is not allowed: exactly one of mesh, stock is allowed"],
    ["two engines", { engine: { mesh: {}, stock: {} } }, 'engine: "mesh and stock" is not allowed: exactly one of mesh, stock'],
    ["no topics", { topics: {} }, "topics: {} is not allowed: at least one topic is needed"],
    ["a topic that is none", { topics: { orders: 16 } }, "topics.orders: 16 is not allowed: an object is allowed"],
    [
      "a column of an unknown type",
      { topics: { orders: { partitions: 4, columns: { amount: { type: "money" } } } } },
      'topics.orders.columns.amount.type: "money" is not allowed',
    ],
    [
      "a table whose views would have too long a name",
      { topics: { orders: { partitions: 4, table: "t".repeat(60) } }, database: { ...database, engine: "singlestore" } },
      `topics.orders.table: "${"t".repeat(60)}" is not allowed: at most `,
    ],
    [
      "dead letters that come back",
      { deadLetterTopic: "orders" },
      'deadLetterTopic: "orders" is not allowed: another topic is needed: this one is ingested',
    ],
    [
      "a dead-letter topic that is no name",
      { deadLetterTopic: "a b" },
      'deadLetterTopic: "a b" is not allowed: a Kafka topic name is allowed',
    ],
    [
      "a buffer of more than half of the memory",
      { bufferMemory: "300Mi" },
      'bufferMemory: "300Mi" is not allowed: at most 256.0 MiB is allowed: half of the memory of 512Mi',
    ],
    [
      "a buffer beyond what the program can count",
      { memory: "64Gi", bufferMemory: "2Gi" },
      'bufferMemory: "2Gi" is not allowed: at most 2.0 GiB is allowed: half of the memory of 64Gi, and never 2 GiB',
    ],
    [
      "to wait for a group that restores nothing",
      { restoreFrom: { ...group, tends: false } },
      "restoreFrom.tends: false is not allowed: nobody would restore anything and every shard would wait for ever",
    ],
    ["a word for true", { awaitReady: "yes" }, 'awaitReady: "yes" is not allowed: true or false is allowed'],
  ])("refuses %s", async (_title, changes, message) => {
    const lines = await refusal(changes);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
  });

  it("refuses a name that cannot name objects", async () => {
    await startMocks();
    expect(failureOf(() => new ShardedIngest("Bad_Name", argsWith()))).toContain('name: "Bad_Name" is not allowed: a DNS label');
  });
});
