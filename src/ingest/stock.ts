/**
 * Configuration of the stock ingest engines: unmodified images of Redpanda Connect and of Bento, two branches of one program
 * (https://docs.redpanda.com/redpanda-connect, https://warpstreamlabs.github.io/bento/).
 *
 * Values that differ by node (`KAFKA_TOPICS`) and credentials come from the environment. The engine replaces `\${NAME}` in the text before it parses
 * the YAML, so credentials stand in block literals, where no character has a meaning.
 */
import type { LocalDbFacts } from "../model/facts";
import { kafkaPasswordVariable, type KafkaSecurity, kafkaUsernameVariable } from "./kafka";
import { ingestPort } from "./settings";
import { oldestOffset, type TopicTables, writeBatchSql } from "./tables";

/** What the two programs do not have in common. */
interface StockProgram {
  /** The published image: busybox with the program. */
  image: string;
  /** Arguments before those of every program. */
  command: string;
  /** Settings of the input. */
  input: string;
  /** Settings of the output. */
  output: string;
}

/** The stock engines by the name of their program. */
export const stockPrograms: Readonly<Record<string, StockProgram>> = {
  connect: {
    image: "docker.redpanda.com/redpandadata/connect:4.105.0",
    // It sends usage data to its makers otherwise.
    command: "/redpanda-connect run --disable-telemetry",
    // `committed` is `auto.offset.reset=none`: where Kafka has deleted what is asked for, nothing is skipped without a word.
    input: "start_offset: committed\ntransaction_isolation_level: read_committed\n",
    output: "",
  },
  bento: {
    image: "ghcr.io/warpstreamlabs/bento:1.10.0",
    command: "/bento run",
    input: "auto_offset_reset: none\n",
    output: "init_verify_conn: true\n",
  },
};

/** The program of `engine: { stock: {} }`. */
export const defaultStockProgram = "connect";

/** The image of Bento, as it is packed for the live cluster. */
export const defaultBentoImage = stockPrograms["bento"].image;

/** Client programs of the database, `psql` and `pg_isready`. */
export const defaultDatabaseClientImage = "docker.io/library/postgres:17.6";

/**
 * An unmodified image of Redpanda Connect or Bento in place of our own, for PostgreSQL only. Both pass the test that kills, crashes and cuts
 * (`ingest/internal/endtoend`): nothing lost, nothing doubled, gaps of transactions and compaction are passed over. `docs/ingest-engines.md` compares.
 *
 * Limits of both. The stored offset is that behind the last record, so a snapshot whose cut lies behind the markers of a transaction, or behind
 * records that were aborted or compacted away at the end of a partition, waits for the next record there. Where retention overtakes the ingest, the
 * partition stands still and only the log says so. A record that the database refuses, and one with a header named like a field of the engine's own
 * (`kafka_offset`), stop their partition. There are no typed columns, no dead letters, no TLS to the database, and nothing of shards that are restored
 * from snapshots; pods are ready when they are connected, not when they have caught up; lag is not measured.
 *
 * Limit of `bento`: it has no isolation level, so it stores records of transactions that are still open or aborted as well.
 *
 * The image of Connect holds parts under the Redpanda Community License, too; none of them is used. Bento is under the MIT license.
 */
export interface StockEngineArgs {
  /** `connect` (Redpanda Connect) or `bento`. Default: `connect`, because it does not read aborted records. */
  program?: string;
  /**
   * An image with the program (`/redpanda-connect` or `/bento`), `/bin/sh`, `grep` and `wget`. Default:
   * `docker.redpanda.com/redpandadata/connect:4.105.0` or `ghcr.io/warpstreamlabs/bento:1.10.0`.
   */
  image?: string;
  /** Most records of one batch, which is one transaction. Default: 5000. */
  batchSize?: number;
  /** Longest wait for a batch to fill, in milliseconds. Default: 200. */
  batchPeriodMilliseconds?: number;
  /** Image with `sh`, `sed`, `psql` and `pg_isready`. Default: `docker.io/library/postgres:17.6`. */
  databaseClientImage?: string;
}

/** Everything that the configuration is made of. */
export interface StockConfig {
  /** A name of `stockPrograms`. */
  program: string;
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
 * - Batches are made, and these processors run, in the order of a partition's log. Afterwards a batch can be overtaken: by the next one where a timer
 *   had flushed it, and by all others where it failed. So every batch takes along where the one before it ended (`previous`), which no gap of Kafka's
 *   changes, and the statement refuses it until the database is there. A batch that comes again keeps what it took along.
 * - One batch in flight, because the others would be refused.
 * - `multi_header` makes headers lists, so that a header called `kafka_offset` cannot pass for the offset: such a batch is refused.
 * - `first` remembers where the engine began each partition. Only for partitions that the database had no offset for is it told to the statement.
 * - A value that is no JSON, or has a NUL that PostgreSQL cannot store, becomes `{"base64": "…"}`; a key that is no text becomes `base64:…`.
 * - User name and password of the database come from `PGUSER` and `PGPASSWORD`.
 */
export function renderStockConfig(config: StockConfig): string {
  const { database } = config;
  const program = stockPrograms[config.program];
  const dsn = `postgres://${database.serviceName}:${database.port}/${encodeURIComponent(database.database)}?sslmode=disable&connect_timeout=10`;
  return `${common}input:
  kafka_franz:
    seed_brokers: ${JSON.stringify(config.brokers)}
    topics: ["\${KAFKA_TOPICS}"]
    consumer_group: ""
    client_id: ${JSON.stringify(config.clientId)}
${indent(program.input, 4)}    checkpoint_limit: ${4 * config.batchSize}
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
                  resource: positions
                  operator: get
                  key: ${positionKey("next")}
              - catch:
                  - mapping: root = ""
            result_map: meta previous = content().string()
        - cache:
            resource: positions
            operator: set
            key: ${positionKey("next")}
            value: \${! metadata("next") }
        - branch:
            processors:
              - cache:
                  resource: positions
                  operator: add
                  key: ${positionKey("first")}
                  value: \${! metadata("kafka_offset") }
              - catch: []
              - cache:
                  resource: positions
                  operator: get
                  key: ${positionKey("first")}
            result_map: meta first = content().string()
cache_resources:
  - label: positions
    memory:
      default_ttl: 876000h
      compaction_interval: ""
output:
  sql_raw:
    driver: postgres
    dsn: ${JSON.stringify(dsn)}
${indent(program.output, 4)}    max_in_flight: 1
    query: |
${indent(writeBatchSql(config.tables).trimEnd(), 6)}
    args_mapping: |
${indent(argumentsMapping, 6)}
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

function positionKey(what: string): string {
  return `\${! metadata("kafka_topic") }:\${! metadata("kafka_partition") }:${what}`;
}

/** What `writeBatchSql` wants to know. Entries of `KAFKA_TOPICS` are `topic:partition:offset`, -2 where the database has no offset. */
const argumentsMapping = `let partition = "%v:%v:".format(metadata("kafka_topic"), metadata("kafka_partition"))
let start = env("KAFKA_TOPICS").split(",").filter(entry -> entry.has_prefix($partition)).index(0).split(":").index(2)
let began = if $start == "${oldestOffset}" { null } else { $start }
let previous = metadata("previous")
root = [ content().string(), if $previous == "" { $began } else { $previous }, if $began == null { metadata("first") } else { null } ]`;

/** One record as `writeBatchSql` reads it; `next` is the offset behind the batch's last one. Bento 1.10 has the time in seconds only. */
const recordMapping = `let last = metadata("kafka_offset").from(-1)
meta next = if $last.type() == "number" { $last + 1 } else { "" }
let topic = metadata("kafka_topic")
let partition = metadata("kafka_partition")
let offset = metadata("kafka_offset")
let seconds = metadata("kafka_timestamp_unix")
let milliseconds = metadata("kafka_timestamp_ms").or(metadata("kafka_timestamp_unix_ms"))
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
