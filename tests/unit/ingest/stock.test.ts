import { parse } from "yaml";
import { checkKafka, type KafkaArgs, kafkaPodParts, kafkaSecurity } from "../../../src/ingest/kafka";
import { renderIdleConfig, renderStockConfig, type StockConfig } from "../../../src/ingest/stock";
import { Problems } from "../../../src/model/errors";

const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };
const secured: KafkaArgs = {
  brokers: ["kafka-0:9093", "kafka-1:9093"],
  tls: { caSecret: { name: "kafka-ca", key: "ca.crt" }, clientCertificateSecretName: "kafka-client" },
  sasl: { mechanism: "SCRAM-SHA-512", secretName: "kafka-user", passwordKey: "pw" },
};

function config(changes: Partial<StockConfig> = {}): StockConfig {
  return {
    program: "connect",
    clientId: "compute-mesh-ingest",
    brokers: ["kafka-0:9093", "kafka-1:9093"],
    security: {},
    tables: { orders: "orders", "trade.log": "trades" },
    database,
    batchSize: 5000,
    batchPeriodMilliseconds: 200,
    ...changes,
  };
}

/** What the engine does to the text before it parses it (internal/config/env_vars.go). */
function withEnvironment(text: string, env: Record<string, string>): string {
  return text.replace(/\$\{([0-9A-Za-z_.]+)\}/g, (_all, name: string) => (env[name] ?? "").replace(/\n/g, "\\n"));
}

describe("the configuration of the stock engine", () => {
  it("reads explicit partitions evenly and keeps no offsets in Kafka", () => {
    const input = parse(renderStockConfig(config())).input.kafka_franz;
    expect(input).toMatchObject({
      seed_brokers: ["kafka-0:9093", "kafka-1:9093"],
      topics: ["${KAFKA_TOPICS}"],
      consumer_group: "",
      client_id: "compute-mesh-ingest",
      checkpoint_limit: 20000,
      fetch_max_partition_bytes: "256KiB",
      multi_header: true,
    });
    expect(input.batching).toMatchObject({ count: 5000, byte_size: 8388608, period: "200ms" });
    expect(input.batching.processors[1]).toEqual({ archive: { format: "json_array" } });
    expect(input).not.toHaveProperty("tls");
    expect(input).not.toHaveProperty("sasl");
  });

  it("never skips what Kafka has deleted, and reads committed records where the program can", () => {
    const [connect, bento] = ["connect", "bento"].map((program) => parse(renderStockConfig(config({ program }))));
    expect(connect.input.kafka_franz).toMatchObject({ start_offset: "committed", transaction_isolation_level: "read_committed" });
    expect(bento.input.kafka_franz).toMatchObject({ auto_offset_reset: "none" });
    expect(bento.output.sql_raw.init_verify_conn).toBe(true);
    delete bento.output.sql_raw.init_verify_conn;
    for (const { kafka_franz } of [connect.input, bento.input]) {
      ["start_offset", "transaction_isolation_level", "auto_offset_reset"].forEach((key) => delete kafka_franz[key]);
    }
    expect(connect).toEqual(bento);
  });

  it("has one batch in flight, written by one statement", () => {
    const output = parse(renderStockConfig(config())).output.sql_raw;
    expect(output).toMatchObject({ driver: "postgres", max_in_flight: 1 });
    expect(output.dsn).toBe("postgres://db:5432/mesh?sslmode=disable&connect_timeout=10");
    expect(output.query).toContain("WHERE n = 'trade.log'");
    expect(output.query).not.toContain(";");
    expect(output.query).toContain("$3::bigint");
    expect(output.args_mapping).toContain("root = [ content().string(), if ");
  });

  it("listens for probes and metrics on all addresses of the pod, with and without shards", () => {
    for (const text of [renderStockConfig(config()), renderIdleConfig()]) {
      expect(parse(text)).toMatchObject({ http: { enabled: true, address: "0.0.0.0:4195" }, metrics: { prometheus: {} } });
    }
    expect(parse(renderIdleConfig())).toMatchObject({ input: { generate: { interval: "24h" } }, output: { drop: {} } });
  });

  it("takes TLS from files and SASL from the environment, whatever characters the password has", () => {
    const text = renderStockConfig(config({ security: kafkaSecurity(secured) }));
    const password = `it's "q" \\ : # { } % & ! | > - ?`;
    const input = parse(withEnvironment(text, { KAFKA_USERNAME: "me", KAFKA_PASSWORD: password, KAFKA_TOPICS: "orders:0:5" })).input
      .kafka_franz;
    expect(input.tls).toEqual({
      enabled: true,
      root_cas_file: "/etc/kafka-tls/ca/ca.crt",
      client_certs: [{ cert_file: "/etc/kafka-tls/client/tls.crt", key_file: "/etc/kafka-tls/client/tls.key" }],
    });
    expect(input.sasl).toEqual([{ mechanism: "SCRAM-SHA-512", username: "me", password }]);
    expect(input.topics).toEqual(["orders:0:5"]);
  });

  it("uses the authorities of the image where tls is empty", () => {
    const text = renderStockConfig(config({ security: kafkaSecurity({ brokers: ["a:1"], tls: {} }) }));
    expect(parse(text).input.kafka_franz.tls).toEqual({ enabled: true });
  });
});

describe("access to Kafka", () => {
  it("reaches a container as files and variables from Secrets only", () => {
    expect(kafkaPodParts(secured)).toEqual({
      env: [
        { name: "KAFKA_USERNAME", valueFrom: { secretKeyRef: { name: "kafka-user", key: "username" } } },
        { name: "KAFKA_PASSWORD", valueFrom: { secretKeyRef: { name: "kafka-user", key: "pw" } } },
      ],
      volumes: [
        { name: "kafka-ca", secret: { secretName: "kafka-ca" } },
        { name: "kafka-client", secret: { secretName: "kafka-client" } },
      ],
      volumeMounts: [
        { name: "kafka-ca", mountPath: "/etc/kafka-tls/ca", readOnly: true },
        { name: "kafka-client", mountPath: "/etc/kafka-tls/client", readOnly: true },
      ],
    });
    expect(kafkaPodParts({ brokers: ["a:1"] })).toEqual({ env: [], volumes: [], volumeMounts: [] });
  });

  it("is checked with paths, and brokers that are not known yet pass", () => {
    const problems = new Problems("x");
    checkKafka(problems, "kafka", {
      brokers: ["kafka-0:9092", "kafka-1", "http://kafka:9092"],
      tls: { caSecret: { name: "", key: "ca" }, insecure: true } as object,
      sasl: { mechanism: "SCRAM-SHA-1", secretName: "" },
    });
    expect(problems.all.map((problem) => problem.path)).toEqual([
      "kafka.brokers[1]",
      "kafka.brokers[2]",
      "kafka.tls.insecure",
      "kafka.tls.caSecret.name",
      "kafka.sasl.mechanism",
      "kafka.sasl.secretName",
    ]);
    const later = new Problems("x");
    checkKafka(later, "kafka", { brokers: Promise.resolve(["a:1"]) });
    checkKafka(later, "kafka", { brokers: [Promise.resolve("a:1"), "[fd00::1]:9092"] });
    expect(later.all).toEqual([]);
    checkKafka(later, "kafka", { brokers: [] });
    checkKafka(later, "kafka", { brokers: "a:1" as unknown as string[] });
    expect(later.all.map((problem) => problem.allowed)).toEqual([
      'at least one broker is needed, as "host:port"',
      'a list of "host:port" is allowed',
    ]);
  });
});
