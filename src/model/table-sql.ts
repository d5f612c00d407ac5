/**
 * The SQL of the mesh's tables, one dialect per wire protocol. Ingest and agent run the same statements, so either may come first.
 *
 * Every database of a mesh node has three tables of the mesh beside those of the topics:
 *
 * - `mesh_offsets (topic, partition, next_offset, updated)`: changed with the rows in one transaction, so every consistent copy knows its own cut.
 * - `mesh_shards (shard, source, since)`: the shards that the node holds; `source` is `kafka` or the id of the snapshot that was restored.
 * - `mesh_cuts (snapshot, topic, partition, next_offset)`: for each snapshot that services read from here, the first offset that is not in it.
 *
 * and for each such snapshot a schema `snap_<id>` with one view per topic: the rows below the cut, with the column `shard` in front.
 */
import { columnNames, type ColumnType, cutsTable, documentColumn, offsetsTable, shardsTable, type TableFacts } from "./tables";

/** SQL as PostgreSQL, as MySQL (SingleStore, MariaDB) or as ClickHouse speaks it. */
export type SqlDialect = "postgres";

/** A name as the dialect quotes it. Names are checked before; quoting keeps reserved words (`key`) apart. */
export function quoteName(_dialect: SqlDialect, name: string): string {
  return `"${name}"`;
}

/** Creates what is missing, one statement each; safe to run at any time and by several at once. */
export function createTablesSql(dialect: SqlDialect, tables: readonly TableFacts[]): string[] {
  return [...meshTables[dialect], ...tables.map((table) => topicTable(dialect, table))];
}

/** Schema, or database where the engine calls it so, with the views of one snapshot. */
export function snapshotSchema(snapshot: string): string {
  return `snap_${snapshot}`;
}

/**
 * The views of one snapshot: all rows below its cuts, topic by topic. They are there at once and empty; a shard comes in with its rows of `mesh_cuts`.
 *
 * @param tables topic → table
 */
export function createSnapshotViewsSql(
  dialect: SqlDialect,
  snapshot: string,
  tables: Readonly<Record<string, TableFacts>>,
  shardCount: number,
): string[] {
  const schema = quoteName(dialect, snapshotSchema(snapshot));
  const views = Object.entries(tables).map(([topic, table]) => {
    const columns = columnNames(table).map((name) => `stored.${quoteName(dialect, name)}`);
    return `CREATE OR REPLACE VIEW ${schema}.${quoteName(dialect, table.name)} AS
SELECT stored.part % ${shardCount} AS shard, ${columns.join(", ")}
FROM ${quoteName(dialect, table.name)} stored JOIN ${cutsTable} cut ON cut.partition = stored.part AND stored.off < cut.next_offset
WHERE cut.snapshot = '${snapshot}' AND cut.topic = '${topic}'`;
  });
  return [`CREATE SCHEMA IF NOT EXISTS ${schema}`, ...views];
}

/** Takes the views of a snapshot away, then its cuts. */
export function dropSnapshotViewsSql(dialect: SqlDialect, snapshot: string): string[] {
  return [
    `DROP SCHEMA IF EXISTS ${quoteName(dialect, snapshotSchema(snapshot))} CASCADE`,
    `DELETE FROM ${cutsTable} WHERE snapshot = '${snapshot}'`,
  ];
}

const meshTables: Record<SqlDialect, string[]> = {
  postgres: [
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
};

const columnSql: Record<SqlDialect, Record<ColumnType, string>> = {
  postgres: {
    text: "text",
    int32: "integer",
    int64: "bigint",
    float64: "double precision",
    decimal: "numeric(38, 9)",
    boolean: "boolean",
    timestamp: "timestamptz",
    json: "jsonb",
  },
};

function topicTable(dialect: SqlDialect, table: TableFacts): string {
  const types = columnSql[dialect];
  const columns = table.columns.map(
    ({ name, type, required }) => `  ${quoteName(dialect, name)} ${types[type]}${required ? " NOT NULL" : ""},\n`,
  );
  return `CREATE TABLE IF NOT EXISTS ${quoteName(dialect, table.name)} (
  part ${types.int32} NOT NULL,
  off ${types.int64} NOT NULL,
  ts ${types.timestamp} NOT NULL,
  ${quoteName(dialect, "key")} ${types.text},
${columns.join("")}${table.document ? `  ${documentColumn} ${types.json},\n` : ""}  PRIMARY KEY (part, off)
)`;
}
