/** What our ingest image (`ingest/`) is told: one JSON document. No secret is in it: paths and names of variables only. */
import { dialectOfEngine } from "../model/database-engines";
import { formatDocument } from "../model/documents";
import type { LocalDbFacts, TopicFacts } from "../model/facts";
import type { ShardMap } from "../model/shard-map";
import { createTablesSql } from "../model/table-sql";
import type { TableFacts } from "../model/tables";
import { databaseSettings } from "./database";
import type { KafkaSecurity } from "./kafka";

/** Port of `/ping`, `/ready` and `/metrics`, of either engine. */
export const ingestPort = 4195;

/** When a batch is written: as soon as one of these is reached. One batch of a partition is one transaction. */
export interface IngestBatch {
  /** Records. */
  count: number;
  /** Bytes of records. */
  bytes: number;
  /** Time since its first record. */
  periodMilliseconds: number;
}

/** Everything that the settings are made of. */
export interface IngestSettings {
  /** Name of the component. */
  name: string;
  /** For Kafka's logs and quotas. */
  clientId: string;
  brokers: readonly string[];
  security: KafkaSecurity;
  database: LocalDbFacts;
  shardMap: Pick<ShardMap, "version" | "shardCount" | "replicas">;
  topics: Readonly<Record<string, TopicFacts>>;
  /** Topic → table. */
  tables: Readonly<Record<string, TableFacts>>;
  deadLetterTopic?: string;
  batch: IngestBatch;
  /** Most bytes of records that are held and not yet written; then nothing is fetched. */
  bufferBytes: number;
  /** Whether a shard waits until the agent has restored it, or found nothing to restore. */
  awaitShards: boolean;
  /** Lag of every own partition, in records, at which a pod is ready. */
  maxLagRecords: number;
}

/** The text of `settings.json`. */
export function renderIngestSettings(settings: IngestSettings): string {
  const { name, clientId, brokers, security, database, shardMap, tables, deadLetterTopic } = settings;
  const dialect = dialectOfEngine(database.engine);
  return formatDocument("IngestSettings", {
    name,
    clientId,
    kafka: { brokers, ...security },
    database: databaseSettings(database),
    shardMap: { version: shardMap.version, shardCount: shardMap.shardCount, replicas: shardMap.replicas },
    topics: Object.fromEntries(
      Object.entries(settings.topics).map(([topic, { partitions }]) => [topic, { partitions, table: tables[topic] }]),
    ),
    createTables: dialect === undefined ? [] : createTablesSql(dialect, Object.values(tables)),
    ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }),
    batch: settings.batch,
    bufferBytes: settings.bufferBytes,
    awaitShards: settings.awaitShards,
    ready: { maxLagRecords: settings.maxLagRecords },
  });
}
