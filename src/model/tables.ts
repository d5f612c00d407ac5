/**
 * The table that a topic's records go into: four fixed columns, typed columns from the record's JSON document, and the document itself.
 *
 * Plain values that ingest, agent and components share. The SQL of each engine is in table-sql.ts.
 */
import { checkBoolean, checkKnownKeys, checkObject, checkOneOf } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import { sortedEntries } from "./names";

/** Table with the next offset of every partition that the node has ingested. */
export const offsetsTable = "mesh_offsets";
/** Table with the shards that the node holds, and where their rows began. */
export const shardsTable = "mesh_shards";
/** Table with the cuts of the snapshots that services can read from this database. */
export const cutsTable = "mesh_cuts";

/** The columns that every table begins with: partition, offset, time of the record, its key (null where it has none). */
export const fixedColumns = ["part", "off", "ts", "key"] as const;
const fixedTypes: Record<(typeof fixedColumns)[number], ColumnType> = { part: "int32", off: "int64", ts: "timestamp", key: "text" };
/** The column of the whole document, null where the record was a tombstone. */
export const documentColumn = "doc";

/** Types of columns, the same for every engine: whole numbers, IEEE doubles, decimals of 38 digits with 9 behind the point, times in RFC 3339 or milliseconds. */
export const columnTypes = ["text", "int32", "int64", "float64", "decimal", "boolean", "timestamp", "json"] as const;
export type ColumnType = (typeof columnTypes)[number];

/** A typed column, filled from the record's JSON document. */
export interface ColumnArgs {
  /** `text`, `int32`, `int64`, `float64`, `decimal`, `boolean`, `timestamp` or `json`. */
  type: string;
  /** Where the value is in the document, members joined by dots, for example `customer.id`. Default: the column's name. */
  from?: string;
  /** A record without the value goes to the dead letters. Default: false, the column is null there. */
  required?: boolean;
}

/** The table of one topic as a user writes it. */
export interface TableArgs {
  /** Default: the topic's name in lower case with underscores for dots and hyphens. */
  table?: string;
  /** Typed columns by name, beside partition, offset, time and key. Default: none. */
  columns?: Record<string, ColumnArgs>;
  /** Whether the whole document is kept, in the column `doc`. Default: true without `columns`, else false. */
  document?: boolean;
}

/** A column, normalised. */
export interface ColumnFacts {
  name: string;
  type: ColumnType;
  /** Members on the way to the value. */
  from: string[];
  required: boolean;
}

/** A table, normalised. */
export interface TableFacts {
  name: string;
  columns: ColumnFacts[];
  document: boolean;
}

/** PostgreSQL cuts longer names off (`NAMEDATALEN`); the other engines take at least these. */
const identifier = /^[a-z_][a-z0-9_]{0,62}$/;
const identifierRule = "lower-case letters, digits and underscores, not starting with a digit, at most 63 characters";

const ownTables: readonly string[] = [offsetsTable, shardsTable, cutsTable];
/** `shard` is a column of the views of a snapshot. */
const ownColumns: readonly string[] = [...fixedColumns, documentColumn, "shard"];

/**
 * The tables of all topics, by topic in ascending order; what is wrong is noted at `path.<topic>.…`.
 *
 * Names that no engine would take unquoted, that two topics share, or that ingest itself uses are refused; so are topics that keep nothing of a record.
 */
export function normalizeTables(problems: Problems, path: string, topics: Record<string, TableArgs>): Record<string, TableFacts> {
  const tables: Record<string, TableFacts> = {};
  const owner = new Map<string, string>();
  for (const [topic, args] of sortedEntries(topics)) {
    const topicPath = keyPath(path, topic);
    const name = args.table ?? topic.toLowerCase().replace(/[.-]/g, "_");
    const columns = normalizeColumns(problems, joinPath(topicPath, "columns"), args.columns ?? {});
    const document = args.document ?? columns.length === 0;
    if (checkBoolean(problems, joinPath(topicPath, "document"), document) && !document && columns.length === 0) {
      problems.add(
        joinPath(topicPath, "document"),
        document,
        "without columns the document is all there is of a record; keep it or name columns",
      );
    }
    checkTableName(problems, joinPath(topicPath, "table"), name, owner.get(name));
    owner.set(name, owner.get(name) ?? topic);
    tables[topic] = { name, columns, document };
  }
  return tables;
}

/** All columns of a table in the order in which snapshots write them. */
export function columnNames(table: TableFacts): string[] {
  return Object.keys(columnTypesOf(table));
}

/** All columns of a table with their types, in the same order. */
export function columnTypesOf(table: TableFacts): Record<string, ColumnType> {
  return Object.fromEntries<ColumnType>([
    ...fixedColumns.map((name): [string, ColumnType] => [name, fixedTypes[name]]),
    ...table.columns.map(({ name, type }): [string, ColumnType] => [name, type]),
    ...(table.document ? ([[documentColumn, "json"]] as const) : []),
  ]);
}

function checkTableName(problems: Problems, path: string, name: unknown, other: string | undefined): void {
  if (typeof name !== "string" || !identifier.test(name)) {
    problems.add(path, name, `a table name is allowed: ${identifierRule}`);
  } else if (ownTables.includes(name)) {
    problems.add(path, name, "the mesh itself keeps a table of this name; give the topic another one");
  } else if (other !== undefined) {
    problems.add(path, name, `it is the table of topic "${other}" already; give one of them another one`);
  }
}

function normalizeColumns(problems: Problems, path: string, columns: Record<string, ColumnArgs>): ColumnFacts[] {
  if (!checkObject(problems, path, columns)) {
    return [];
  }
  return Object.entries(columns).map(([name, args]) => normalizeColumn(problems, keyPath(path, name), name, args));
}

function normalizeColumn(problems: Problems, path: string, name: string, args: ColumnArgs): ColumnFacts {
  if (!identifier.test(name)) {
    problems.add(path, name, `a column name is allowed: ${identifierRule}`);
  } else if (ownColumns.includes(name)) {
    problems.add(path, name, `every table has a column of this name; the names ${ownColumns.join(", ")} are taken`);
  }
  if (!checkObject(problems, path, args)) {
    return { name, type: "text", from: [name], required: false };
  }
  const { type, from = name, required = false } = args as unknown as ColumnArgs;
  checkKnownKeys(problems, path, args, ["type", "from", "required"]);
  checkOneOf(problems, joinPath(path, "type"), type, columnTypes);
  const members = typeof from === "string" ? from.split(".") : [];
  if (members.length === 0 || members.includes("")) {
    problems.add(joinPath(path, "from"), from, "members of the document joined by single dots are allowed, for example customer.id");
  }
  checkBoolean(problems, joinPath(path, "required"), required);
  return { name, type: type as ColumnType, from: members, required };
}
