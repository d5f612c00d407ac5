/** The database engines that ingest and agents know, and the SQL that each speaks. The one place that says so. */
import { checkOneOf } from "./checks";
import type { Problems } from "./errors";
import type { SqlDialect } from "./table-sql";

/** The dialect of every engine; Valkey has no SQL: its tables are keys. */
const dialects = {
  postgres: "postgres",
  singlestore: "mysql",
  clickhouse: "clickhouse",
  valkey: undefined,
} as const satisfies Record<string, SqlDialect | undefined>;

/** Name of an engine, as in `LocalDbFacts.engine`. */
export type DatabaseEngineName = keyof typeof dialects;

/** The engines that ingest writes to and agents read from. */
export const databaseEngines = Object.keys(dialects) as readonly DatabaseEngineName[];

/** The SQL that an engine speaks; undefined where it speaks none, or is not known. */
export function dialectOfEngine(engine: string): SqlDialect | undefined {
  return Object.hasOwn(dialects, engine) ? dialects[engine as DatabaseEngineName] : undefined;
}

/** Whether `engine` is one of them. */
export function checkDatabaseEngine(problems: Problems, path: string, engine: unknown): engine is DatabaseEngineName {
  return checkOneOf(problems, path, engine, databaseEngines);
}
