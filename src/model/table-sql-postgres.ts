/** The mesh's tables in PostgreSQL. */
import { columnLines, columnsOf, type DialectSql, snapshotSchema } from "./table-sql-dialect";
import { columnNames, cutsTable, documentColumn, offsetsTable, shardsTable } from "./tables";

const quote = (name: string): string => `"${name}"`;

const types: DialectSql["types"] = {
  text: "text",
  int32: "integer",
  int64: "bigint",
  float64: "double precision",
  decimal: "numeric(38, 9)",
  boolean: "boolean",
  timestamp: "timestamptz",
  json: "jsonb",
};

/** PostgreSQL. The views of a snapshot are a schema. */
export const postgresSql: DialectSql = {
  quote,
  types,
  // NAMEDATALEN - 1
  longestTableName: 63,
  meshTables: [
    `CREATE TABLE IF NOT EXISTS ${offsetsTable} (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
)`,
    `CREATE TABLE IF NOT EXISTS ${shardsTable} (
  shard int PRIMARY KEY,
  source text NOT NULL,
  since timestamptz NOT NULL DEFAULT now()
)`,
    `CREATE TABLE IF NOT EXISTS ${cutsTable} (
  snapshot text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (snapshot, topic, partition)
)`,
  ],
  topicTable: (table) => `CREATE TABLE IF NOT EXISTS ${quote(table.name)} (
  part ${types.int32} NOT NULL,
  off ${types.int64} NOT NULL,
  ts ${types.timestamp} NOT NULL,
  ${quote("key")} ${types.text},
${columnLines(table.columns, ({ name, type, required }) => `${quote(name)} ${types[type]}${required ? " NOT NULL" : ""}`)}${
    table.document ? `  ${documentColumn} ${types.json},\n` : ""
  }  PRIMARY KEY (part, off)
)`,
  snapshotView: (snapshot, table) => `${quote(snapshotSchema(snapshot))}.${quote(table.name)}`,
  snapshotViews: (snapshot, tables, shardCount) => [
    `CREATE SCHEMA IF NOT EXISTS ${quote(snapshotSchema(snapshot))}`,
    ...Object.entries(tables).map(
      ([topic, table]) => `CREATE OR REPLACE VIEW ${postgresSql.snapshotView(snapshot, table)} AS
SELECT stored.part % ${shardCount} AS shard, ${columnsOf("stored", columnNames(table), quote)}
FROM ${quote(table.name)} stored JOIN ${cutsTable} cut ON cut.partition = stored.part AND stored.off < cut.next_offset
WHERE cut.snapshot = '${snapshot}' AND cut.topic = '${topic}'`,
    ),
  ],
  dropSnapshotViews: (snapshot) => [
    `DROP SCHEMA IF EXISTS ${quote(snapshotSchema(snapshot))} CASCADE`,
    `DELETE FROM ${cutsTable} WHERE snapshot = '${snapshot}'`,
  ],
};
