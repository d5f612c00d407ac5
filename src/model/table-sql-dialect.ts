/** What one dialect of SQL says differently. Plain text in, plain text out. */
import type { ColumnFacts, ColumnType, TableFacts } from "./tables";

/** Schema, or database where the engine calls it so, or beginning of the name of the views of one snapshot. */
export function snapshotSchema(snapshot: string): string {
  return `snap_${snapshot}`;
}

/** One dialect; its statements are run by ingest and by the agent, so each must be harmless where it was run before. */
export interface DialectSql {
  /** A name as the dialect quotes it. */
  quote(name: string): string;
  /** Types of columns, without what says whether they may be null. */
  types: Readonly<Record<ColumnType, string>>;
  /** Longest name of a topic's table in bytes. */
  longestTableName: number;
  /** Creates the three tables of the mesh. */
  meshTables: readonly string[];
  /** Creates a topic's table. */
  topicTable(table: TableFacts): string;
  /** Where the rows of a topic's table in a snapshot are read from, quoted. */
  snapshotView(snapshot: string, table: TableFacts): string;
  /** Creates the views of one snapshot, topic → table. */
  snapshotViews(snapshot: string, tables: Readonly<Record<string, TableFacts>>, shardCount: number): string[];
  /** Takes the views of a snapshot away, then its cuts. */
  dropSnapshotViews(snapshot: string, tables: readonly TableFacts[]): string[];
}

/** The definitions of the typed columns, one line each. */
export function columnLines(columns: readonly ColumnFacts[], definition: (column: ColumnFacts) => string): string {
  return columns.map((column) => `  ${definition(column)},\n`).join("");
}

/** Columns of a joined table, for the list of a SELECT. */
export function columnsOf(alias: string, names: readonly string[], quote: (name: string) => string): string {
  return names.map((name) => `${alias}.${quote(name)}`).join(", ");
}
