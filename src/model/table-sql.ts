/**
 * The SQL of the mesh's tables, one dialect per wire protocol. Ingest and agent run the same statements, so either may come first.
 *
 * Every database of a mesh node has three tables of the mesh beside those of the topics:
 *
 * - `mesh_offsets (topic, partition, next_offset, updated)`: changed with the rows in one transaction, so every consistent copy knows its own cut.
 * - `mesh_shards (shard, source, since)`: the shards that the node holds; `source` is `kafka` or the id of the snapshot that was restored.
 * - `mesh_cuts (snapshot, topic, partition, next_offset)`: for each snapshot that services read from here, the first offset that is not in it.
 *
 * and for each such snapshot one view per topic (`snapshotView` says its name): the rows below the cut, with the column `shard` in front.
 * What each engine does differently is in the file of its dialect; Valkey has keys instead of tables (docs/engines.md).
 */
import { joinPath, keyPath, type Problems } from "./errors";
import { clickhouseSql } from "./table-sql-clickhouse";
import type { DialectSql } from "./table-sql-dialect";
import { mysqlSql } from "./table-sql-mysql";
import { postgresSql } from "./table-sql-postgres";
import { columnTypesOf, type TableFacts } from "./tables";

export { snapshotSchema } from "./table-sql-dialect";

const dialects = { postgres: postgresSql, mysql: mysqlSql, clickhouse: clickhouseSql } as const satisfies Record<string, DialectSql>;

/** SQL as PostgreSQL, as MySQL (SingleStore, MariaDB) or as ClickHouse speaks it. */
export type SqlDialect = keyof typeof dialects;

/** A name as the dialect quotes it. Names are checked before; quoting keeps reserved words (`key`) apart. */
export function quoteName(dialect: SqlDialect, name: string): string {
  return dialects[dialect].quote(name);
}

/** Type of every column of a topic's table, as the dialect writes it. */
export function columnTypesSql(dialect: SqlDialect, table: TableFacts): Record<string, string> {
  return Object.fromEntries(Object.entries(columnTypesOf(table)).map(([name, type]) => [name, dialects[dialect].types[type]]));
}

/** Creates what is missing, one statement each; safe to run at any time and by several at once. */
export function createTablesSql(dialect: SqlDialect, tables: readonly TableFacts[]): string[] {
  return [...dialects[dialect].meshTables, ...tables.map((table) => dialects[dialect].topicTable(table))];
}

/** Where the rows of a table in a snapshot are read from, quoted: `"snap_20261121t0600z"."orders"`, on the MySQL wire `` `snap_20261121t0600z_orders` ``. */
export function snapshotView(dialect: SqlDialect, snapshot: string, table: TableFacts): string {
  return dialects[dialect].snapshotView(snapshot, table);
}

/**
 * The views of one snapshot: all rows below its cuts, topic by topic. They are there at once and empty; a shard comes in with its rows of `mesh_cuts`.
 *
 * Statements can be run again, except on the MySQL wire, where error 1050 (the view is there already) counts as done.
 *
 * @param tables topic → table
 */
export function createSnapshotViewsSql(
  dialect: SqlDialect,
  snapshot: string,
  tables: Readonly<Record<string, TableFacts>>,
  shardCount: number,
): string[] {
  return dialects[dialect].snapshotViews(snapshot, tables, shardCount);
}

/**
 * Takes the views of a snapshot away, then its cuts.
 *
 * @param tables whose views; on the MySQL wire they are dropped one by one, elsewhere all that there are
 */
export function dropSnapshotViewsSql(dialect: Exclude<SqlDialect, "mysql">, snapshot: string): string[];
export function dropSnapshotViewsSql(dialect: SqlDialect, snapshot: string, tables: readonly TableFacts[]): string[];
export function dropSnapshotViewsSql(dialect: SqlDialect, snapshot: string, tables: readonly TableFacts[] = []): string[] {
  return dialects[dialect].dropSnapshotViews(snapshot, tables);
}

/** Refuses tables whose names the dialect cannot keep together with those of their views; at `path.<topic>.table`. */
export function checkTableNames(problems: Problems, path: string, dialect: SqlDialect, tables: Readonly<Record<string, TableFacts>>): void {
  const longest = dialects[dialect].longestTableName;
  for (const [topic, { name }] of Object.entries(tables)) {
    if (name.length > longest) {
      const reason = `the views of snapshots have 20 characters more, and names of this engine 64 in all`;
      problems.add(joinPath(keyPath(path, topic), "table"), name, `at most ${longest} characters are allowed with this engine: ${reason}`);
    }
  }
}
