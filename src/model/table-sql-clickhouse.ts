/**
 * The mesh's tables in ClickHouse 24.8 or newer.
 *
 * ClickHouse has no transactions over several statements, and what it calls a primary key is only an order. So the tables are laid out such that each
 * step is atomic by itself and harmless when done twice:
 *
 * - A topic's table is split by Kafka partition, and one insert is one stretch of one partition: one data part, there as a whole or not at all.
 *   A shard's rows go at once (`DROP PARTITION`).
 * - Inserts carry a token; one that comes twice within the last 1000 is dropped by the server (`non_replicated_deduplication_window`).
 * - Should a row be there twice all the same, both are equal: `ReplacingMergeTree` keeps one, and the views read with FINAL, as others should. For
 *   rows in the order of the log FINAL costs little, because data parts do not overlap.
 * - `mesh_offsets` and the others are logs of changes: the greatest `next_offset` of a partition counts, and it is never above the rows that are there.
 */
import { columnLines, columnsOf, type DialectSql, snapshotSchema } from "./table-sql-dialect";
import { type ColumnFacts, columnNames, cutsTable, documentColumn, offsetsTable, shardsTable } from "./tables";

const quote = (name: string): string => `"${name}"`;

const types: DialectSql["types"] = {
  text: "String",
  int32: "Int32",
  int64: "Int64",
  float64: "Float64",
  decimal: "Decimal(38, 9)",
  boolean: "Bool",
  timestamp: "DateTime64(6, 'UTC')",
  // The text as it came: the type JSON changes documents (order, repeated members, numbers).
  json: "String",
};

const column = ({ name, type, required }: ColumnFacts): string => `${quote(name)} ${required ? types[type] : `Nullable(${types[type]})`}`;

/** The greatest `next_offset` of each partition, for the topic in a snapshot. */
const cutOf = (snapshot: string, topic: string): string =>
  `SELECT "partition", max(next_offset) AS next_offset FROM ${cutsTable} WHERE snapshot = '${snapshot}' AND topic = '${topic}' GROUP BY "partition"`;

/** ClickHouse. The views of a snapshot are a database. */
export const clickhouseSql: DialectSql = {
  quote,
  types,
  // Data lies in folders of this name.
  longestTableName: 63,
  meshTables: [
    `CREATE TABLE IF NOT EXISTS ${offsetsTable} (
  topic String,
  "partition" Int32,
  next_offset Int64,
  updated DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (topic, "partition")`,
    `CREATE TABLE IF NOT EXISTS ${shardsTable} (
  shard Int32,
  source String,
  since DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
) ENGINE = ReplacingMergeTree PARTITION BY shard ORDER BY shard`,
    `CREATE TABLE IF NOT EXISTS ${cutsTable} (
  snapshot String,
  topic String,
  "partition" Int32,
  next_offset Int64
) ENGINE = ReplacingMergeTree(next_offset) PARTITION BY snapshot ORDER BY (topic, "partition")`,
  ],
  topicTable: (table) => `CREATE TABLE IF NOT EXISTS ${quote(table.name)} (
  part ${types.int32},
  off ${types.int64},
  ts ${types.timestamp},
  ${quote("key")} Nullable(${types.text}),
${columnLines(table.columns, column)}${table.document ? `  ${documentColumn} Nullable(${types.json}),\n` : ""}) ENGINE = ReplacingMergeTree PARTITION BY part ORDER BY (part, off)
SETTINGS non_replicated_deduplication_window = 1000`,
  snapshotView: (snapshot, table) => `${quote(snapshotSchema(snapshot))}.${quote(table.name)}`,
  snapshotViews: (snapshot, tables, shardCount) => [
    `CREATE DATABASE IF NOT EXISTS ${quote(snapshotSchema(snapshot))}`,
    ...Object.entries(tables).map(
      ([topic, table]) => `CREATE OR REPLACE VIEW ${clickhouseSql.snapshotView(snapshot, table)} AS
SELECT stored.part % ${shardCount} AS shard, ${columnsOf("stored", columnNames(table), quote)}
FROM ${quote(table.name)} AS stored FINAL INNER JOIN (${cutOf(snapshot, topic)}) AS cut ON cut."partition" = stored.part
WHERE stored.off < cut.next_offset`,
    ),
  ],
  dropSnapshotViews: (snapshot) => [
    `DROP DATABASE IF EXISTS ${quote(snapshotSchema(snapshot))} SYNC`,
    // Without a partition of this name this does nothing.
    `ALTER TABLE ${cutsTable} DROP PARTITION '${snapshot}'`,
  ],
};
