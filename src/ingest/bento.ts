/**
 * Configuration of Bento, the stock ingest engine (https://warpstreamlabs.github.io/bento/, unmodified image).
 *
 * Values that differ by node (`KAFKA_TOPICS`) and credentials come from the environment. Bento replaces `\${NAME}` in the text before it parses
 * the YAML, so credentials stand in block literals, where no character has a meaning.
 */
import type { LocalDbFacts } from "../model/facts";
import { kafkaPasswordVariable, type KafkaSecurity, kafkaUsernameVariable } from "./kafka";
import { ingestPort } from "./settings";
import { type TopicTables, writeBatchSql } from "./tables";

/** The stock image: busybox with the program at `/bento`. */
export const defaultBentoImage = "ghcr.io/warpstreamlabs/bento:1.10.0";

/** Client programs of the database, `psql` and `pg_isready`. */
export const defaultDatabaseClientImage = "docker.io/library/postgres:17.6";

/**
 * An unmodified image of Bento in place of our own, for PostgreSQL only.
 *
 * Limits. The engine may hand a failed batch back after its successor, so the statement refuses a batch that begins above the next offset; the
 * right one comes again. For the same reason a partition stands still where offsets are missing in the log between two batches: Kafka transactions
 * leave such gaps (their markers take an offset), compaction does, and so does retention that overtakes the ingest. Use it for topics that are
 * neither compacted nor written in transactions; records of aborted transactions would be read as well. A record whose header is named like one
 * of the engine's own fields (`kafka_offset`) stops its partition, too. It knows no typed columns, no dead letters, no TLS to the database, and
 * nothing of shards that are restored from snapshots; its pods are ready when they are connected, not when they have caught up.
 */
export interface StockEngineArgs {
  /** An image with `/bento`, `/bin/sh`, `grep` and `wget`. Default: `ghcr.io/warpstreamlabs/bento:1.10.0`. */
  image?: string;
  /** Most records of one batch, which is one transaction. Default: 5000. */
  batchSize?: number;
  /** Longest wait for a batch to fill, in milliseconds. Default: 200. */
  batchPeriodMilliseconds?: number;
  /** Image with `sh`, `sed`, `psql` and `pg_isready`. Default: `docker.io/library/postgres:17.6`. */
  databaseClientImage?: string;
}

/** Everything that the configuration is made of. */
export interface BentoConfig {
  /** Name of the component, for Kafka's logs and quotas. */
  clientId: string;
  brokers: readonly string[];
  security: KafkaSecurity;
  tables: TopicTables;
  database: LocalDbFacts;
  batchSize: number;
  batchPeriodMilliseconds: number;
}

/**
 * The configuration as YAML.
 *
 * - `consumer_group: ""` must be there for explicit partitions. Kafka stores no offsets: the database does.
 * - `fetch_max_partition_bytes` small, else partitions are drained one after the other and some shards lag behind.
 * - Batching is per partition and keeps its order; one batch in flight, because the statement refuses holes.
 * - `multi_header` makes headers lists, so that a header called `kafka_offset` cannot pass for the offset: such a batch is refused.
 * - `first_offsets` remembers where the engine began each partition. Only for partitions that `KAFKA_TOPICS` gives no offset is it told to the statement.
 * - A value that is no JSON, or has a NUL that PostgreSQL cannot store, becomes `{"base64": "…"}`; a key that is no text becomes `base64:…`.
 * - User name and password of the database come from `PGUSER` and `PGPASSWORD`.
 */
export function renderBentoConfig(config: BentoConfig): string {
  const { database } = config;
  const dsn = `postgres://${database.serviceName}:${database.port}/${encodeURIComponent(database.database)}?sslmode=disable&connect_timeout=10`;
  return `${common}input:
  kafka_franz:
    seed_brokers: ${JSON.stringify(config.brokers)}
    topics: ["\${KAFKA_TOPICS}"]
    consumer_group: ""
    client_id: ${JSON.stringify(config.clientId)}
    start_from_oldest: true
    checkpoint_limit: ${4 * config.batchSize}
    fetch_max_partition_bytes: 256KiB
    fetch_max_wait: 500ms
    multi_header: true
${securityBlock(config.security)}    batching:
      count: ${config.batchSize}
      byte_size: 8388608
      period: ${config.batchPeriodMilliseconds}ms
      processors:
        - mapping: |
${indent(recordMapping, 12)}
        - archive:
            format: json_array
        - branch:
            processors:
              - cache:
                  resource: first_offsets
                  operator: add
                  key: \${! metadata("kafka_topic") }:\${! metadata("kafka_partition") }
                  value: \${! metadata("kafka_offset") }
              - catch: []
              - cache:
                  resource: first_offsets
                  operator: get
                  key: \${! metadata("kafka_topic") }:\${! metadata("kafka_partition") }
            result_map: meta first_offset = content().string()
cache_resources:
  - label: first_offsets
    memory:
      default_ttl: 876000h
      compaction_interval: ""
output:
  sql_raw:
    driver: postgres
    dsn: ${JSON.stringify(dsn)}
    init_verify_conn: true
    max_in_flight: 1
    query: |
${indent(writeBatchSql(config.tables).trimEnd(), 6)}
    args_mapping: |
      let partition = "%v:%v".format(metadata("kafka_topic"), metadata("kafka_partition"))
      root = [ content().string(), if env("KAFKA_TOPICS").split(",").contains($partition) { metadata("first_offset") } else { null } ]
`;
}

/** The configuration of a node that owns no shard: ready, and doing nothing. */
export function renderIdleConfig(): string {
  return `${common}input:
  generate:
    interval: 24h
    mapping: root = deleted()
output:
  drop: {}
`;
}

const common = `http:
  enabled: true
  address: "0.0.0.0:${ingestPort}"
logger:
  level: INFO
  format: json
metrics:
  prometheus: {}
shutdown_timeout: 20s
`;

/** One record as `writeBatchSql` reads it. Version 1.10 has the time in seconds only; later ones in milliseconds too. */
const recordMapping = `let topic = metadata("kafka_topic")
let partition = metadata("kafka_partition")
let offset = metadata("kafka_offset")
let seconds = metadata("kafka_timestamp_unix")
let milliseconds = metadata("kafka_timestamp_unix_ms")
let key = metadata("kafka_key")
let raw = content()
root = {}
root.n = if $topic.type() == "string" { $topic } else { null }
root.p = if $partition.type() == "number" { $partition } else { null }
root.o = if $offset.type() == "number" { $offset } else { null }
root.t = if $milliseconds.type() == "number" { $milliseconds } else if $seconds.type() == "number" { $seconds * 1000 } else { null }
root.k = if $key.type() != "string" { null } else if $key.re_match("[\\\\x00\\\\x{FFFD}]") { "base64:" + $key.bytes().encode("base64").string() } else { $key }
root.d = if $raw.length() == 0 {
  null
} else if $raw.string().contains("\\\\u0000") {
  { "base64": $raw.encode("base64").string() }
} else {
  $raw.parse_json(use_number: true).catch({ "base64": $raw.encode("base64").string() })
}`;

function securityBlock(security: KafkaSecurity): string {
  const lines: string[] = [];
  if (security.tls !== undefined) {
    const { caFile, certificateFile, keyFile } = security.tls;
    lines.push("tls:", "  enabled: true");
    if (caFile !== undefined) {
      lines.push(`  root_cas_file: ${JSON.stringify(caFile)}`);
    }
    if (certificateFile !== undefined && keyFile !== undefined) {
      lines.push("  client_certs:", `    - cert_file: ${JSON.stringify(certificateFile)}`, `      key_file: ${JSON.stringify(keyFile)}`);
    }
  }
  if (security.sasl !== undefined) {
    lines.push("sasl:", `  - mechanism: ${security.sasl.mechanism}`);
    lines.push("    username: |-", `      \${${kafkaUsernameVariable}}`, "    password: |-", `      \${${kafkaPasswordVariable}}`);
  }
  return lines.map((line) => `    ${line}\n`).join("");
}

function indent(text: string, columns: number): string {
  return text.replace(/^(?=.)/gm, " ".repeat(columns));
}
