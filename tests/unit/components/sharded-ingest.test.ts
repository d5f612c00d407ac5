import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { ShardedIngest, type ShardedIngestArgs } from "../../../src/components/sharded-ingest";
import { createShardMap } from "../../../src/model/shard-map";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { failureOf, type Recorder, startMocks, valueOf } from "../../support/mocks";

const shardMap = createShardMap([["node-a"], ["node-b"]], 1);
const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };

function node(name: string, kubernetesNodeName?: string): MeshNodeFacts {
  return {
    name,
    zone: "z",
    region: "r",
    cluster: "c",
    provider: "local",
    weight: 1,
    selector: { "compute-mesh.dev/mesh": "demo" },
    labels: {},
    taints: [{ key: "dedicated", value: "mesh", effect: "NoSchedule" }],
    ...(kubernetesNodeName === undefined ? {} : { kubernetesNodeName }),
  };
}

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

  it("runs one pod per mesh node: prepare, then engine and watch", async () => {
    const { recorder } = await run();
    const { metadata, spec } = recorder.named("ingest-daemon-set", daemonSetType).inputs;
    expect(metadata).toMatchObject({ name: "ingest", namespace: "demo" });
    expect(spec.selector).toEqual({ matchLabels: { "compute-mesh.dev/component": "ingest", "compute-mesh.dev/part": "ingest" } });
    expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    const pod = spec.template.spec;
    expect(pod.nodeSelector).toEqual({ "compute-mesh.dev/mesh": "demo" });
    expect(pod.tolerations).toEqual([{ key: "dedicated", operator: "Equal", value: "mesh", effect: "NoSchedule" }]);
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod).not.toHaveProperty("serviceAccountName");
    expect(pod.securityContext).toEqual({ runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 });
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
  });

  it("is ready when the engine is connected, and restarts it when it hangs or the database is another one", async () => {
    const { recorder } = await run();
    const [engine] = recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.spec.containers;
    expect(engine).toMatchObject({
      image: "ghcr.io/warpstreamlabs/bento:1.10.0",
      command: ["/bin/sh", "/etc/ingest/engine.sh"],
      ports: [{ name: "metrics", containerPort: 4195 }],
      readinessProbe: { httpGet: { path: "/ready", port: "metrics" } },
      resources: { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "500m", memory: "512Mi" } },
    });
    expect(engine.livenessProbe.exec.command[2]).toBe(
      "[ ! -e /run/ingest/restart ] && exec wget -q -T 5 -O /dev/null http://127.0.0.1:4195/ping",
    );
  });

  it("gives every container the same requests and limits, and no way to gain rights", async () => {
    const { recorder } = await run(argsWith({ nodes: [node("node-a"), node("node-b")] }));
    const pod = recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.spec;
    expect(pod.initContainers.map((container: { name: string }) => container.name)).toEqual(["node-identity", "prepare"]);
    expect(pod.serviceAccountName).toBe("ingest");
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.resources.requests).toEqual(container.resources.limits);
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
      });
    }
  });

  it("keeps credentials in Secrets: variables refer to them, the settings do not know them", async () => {
    const { recorder } = await run();
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
    expect(recorder.resources.flatMap((resource) => resource.secretPaths)).toEqual([]);
  });

  it("tells every node its own shards", async () => {
    const { recorder } = await run();
    expect(recorder.named("ingest-shards").inputs.data).toEqual({
      "k-a": "MESH_NODE=node-a\nMESH_SHARDS=0\nMESH_PRIMARY_SHARDS=0\n",
      "k-b": "MESH_NODE=node-b\nMESH_SHARDS=1\nMESH_PRIMARY_SHARDS=1\n",
    });
    expect(recorder.named("ingest-settings").inputs.data["offsets.sql"]).toContain("('orders', 3, 1)");
  });

  it("rolls its pods when the shard map or a setting changes, and only then", async () => {
    const hashOf = async (args: ShardedIngestArgs): Promise<unknown> =>
      (await run(args)).recorder.named("ingest-daemon-set", daemonSetType).inputs.spec.template.metadata.annotations[
        "compute-mesh.dev/config-hash"
      ];
    const first = await hashOf(argsWith());
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf(argsWith())).toBe(first);
    expect(await hashOf(argsWith({ shardMap: createShardMap([["node-b"], ["node-a"]], 1) }))).not.toBe(first);
    expect(await hashOf(argsWith({ engine: { bento: { batchSize: 100 } } }))).not.toBe(first);
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

  it("reports everything that is wrong at once and creates nothing", async () => {
    const recorder = await startMocks();
    const wrong = {
      ...argsWith({
        nodes: [node("node-a", "k-a")],
        topics: { orders: { partitions: 1 }, "bad topic": { partitions: 2, tabel: "x" } as object as { partitions: number } },
        kafka: { brokers: ["kafka"], sasl: { mechanism: "GSSAPI", secretName: "s" } },
        database: { ...database, engine: "redis" },
        engine: { bento: { image: "ghcr.io/warpstreamlabs/bento:latest", batchSize: 0 } },
        memory: "64Mi",
      }),
      brokers: "kafka:9092",
    };
    const lines = failureOf(() => new ShardedIngest("ingest", wrong)).split("\n");
    expect(lines.every((line) => line.startsWith('shardedIngest "ingest": '))).toBe(true);
    expect(lines.map((line) => line.split(": ")[1])).toEqual([
      "brokers",
      "shardMap",
      'topics["bad topic"].tabel',
      "topics.orders.partitions",
      'topics["bad topic"]',
      'topics["bad topic"].table',
      "kafka.brokers[0]",
      "kafka.sasl.mechanism",
      "database.engine",
      "engine.bento.image",
      "engine.bento.batchSize",
      "memory",
    ]);
    await recorder.settle();
    expect(recorder.resources.filter((resource) => resource.custom)).toEqual([]);
  });

  it("wants exactly one engine and at least one topic", async () => {
    await startMocks();
    expect(failureOf(() => new ShardedIngest("ingest", argsWith({ engine: {} })))).toContain(
      "engine: nothing is not allowed: exactly one of bento",
    );
    expect(failureOf(() => new ShardedIngest("ingest", argsWith({ topics: {} })))).toContain(
      "topics: {} is not allowed: at least one topic is needed",
    );
    expect(failureOf(() => new ShardedIngest("Bad_Name", argsWith()))).toContain('name: "Bad_Name" is not allowed: a DNS label');
  });
});
