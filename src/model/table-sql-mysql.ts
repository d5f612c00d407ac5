/**
 * The mesh's tables in the SQL that SingleStore, MemSQL, MariaDB and MySQL have in common.
 *
 * Text is compared byte by byte (`utf8mb4_bin`), because the default collations of these engines take topics "a" and "A" for one. Times are
 * `datetime(6)` in UTC: `timestamp` ends in 2038, and SingleStore knows 0 and 6 digits only. Names are quoted wherever a reserved word is possible.
 */
import { columnLines, columnsOf, type DialectSql, snapshotSchema } from "./table-sql-dialect";
import { columnNames, cutsTable, documentColumn, offsetsTable, shardsTable } from "./tables";

const quote = (name: string): string => `\`${name}\``;

const types: DialectSql["types"] = {
  text: "longtext",
  int32: "int",
  int64: "bigint",
  float64: "double",
  decimal: "decimal(38, 9)",
  boolean: "tinyint(1)",
  timestamp: "datetime(6)",
  json: "json",
};

const tableOptions = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
/** Topics have at most 249 characters. */
const topic = "`topic` varchar(249) NOT NULL";
const now = "datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)";

/**
 * The MySQL wire. The views of a snapshot lie beside the tables, `snap_<id>_<table>`: a database of their own would take log files of its own in
 * SingleStore and rights on other databases in MariaDB.
 *
 * `CREATE VIEW` is said without `OR REPLACE`, which SingleStore does not know: error 1050 (it is there already) counts as done.
 */
export const mysqlSql: DialectSql = {
  quote,
  types,
  // Names have 64 characters; a view has `snap_20261121t0600z_` in front.
  longestTableName: 44,
  meshTables: [
    `CREATE TABLE IF NOT EXISTS ${offsetsTable} (
  ${topic},
  \`partition\` int NOT NULL,
  next_offset bigint NOT NULL,
  updated ${now},
  PRIMARY KEY (\`topic\`, \`partition\`)
) ${tableOptions}`,
    `CREATE TABLE IF NOT EXISTS ${shardsTable} (
  shard int NOT NULL,
  source varchar(64) NOT NULL,
  since ${now},
  PRIMARY KEY (shard)
) ${tableOptions}`,
    `CREATE TABLE IF NOT EXISTS ${cutsTable} (
  \`snapshot\` varchar(64) NOT NULL,
  ${topic},
  \`partition\` int NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (\`snapshot\`, \`topic\`, \`partition\`)
) ${tableOptions}`,
  ],
  topicTable: (table) => `CREATE TABLE IF NOT EXISTS ${quote(table.name)} (
  part ${types.int32} NOT NULL,
  off ${types.int64} NOT NULL,
  ts ${types.timestamp} NOT NULL,
  ${quote("key")} ${types.text},
${columnLines(table.columns, ({ name, type, required }) => `${quote(name)} ${types[type]}${required ? " NOT NULL" : ""}`)}${
    table.document ? `  ${documentColumn} ${types.json},\n` : ""
  }  PRIMARY KEY (part, off)
) ${tableOptions}`,
  snapshotView: (snapshot, table) => quote(`${snapshotSchema(snapshot)}_${table.name}`),
  snapshotViews: (snapshot, tables, shardCount) =>
    Object.entries(tables).map(
      ([name, table]) => `CREATE VIEW ${mysqlSql.snapshotView(snapshot, table)} AS
SELECT held.part % ${shardCount} AS shard, ${columnsOf("held", columnNames(table), quote)}
FROM ${quote(table.name)} AS held JOIN ${cutsTable} AS cut ON cut.\`partition\` = held.part AND held.off < cut.next_offset
WHERE cut.\`snapshot\` = '${snapshot}' AND cut.\`topic\` = '${name}'`,
    ),
  dropSnapshotViews: (snapshot, tables) => [
    ...tables.map((table) => `DROP VIEW IF EXISTS ${mysqlSql.snapshotView(snapshot, table)}`),
    `DELETE FROM ${cutsTable} WHERE \`snapshot\` = '${snapshot}'`,
  ],
};
