/** The tables that ingest writes. Its own statements are in src/ingest/tables.ts of the component library; a test compares the two. */

/** Table with the next offset of every partition. */
export const offsetsTable = "mesh_offsets";

/** The columns of a topic's table, in the order of the data. */
export const columnsSql = '"part", "off", "ts", "key", "doc"';

/** Creates what is missing, so that a restore can come before the first ingest. */
export function createTablesSql(tables: readonly string[]): string {
  return [
    `CREATE TABLE IF NOT EXISTS ${offsetsTable} (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);`,
    ...tables.map(
      (table) => `CREATE TABLE IF NOT EXISTS "${table}" (
  part int NOT NULL,
  off bigint NOT NULL,
  ts timestamptz NOT NULL,
  key text,
  doc jsonb,
  PRIMARY KEY (part, off)
);`,
    ),
  ].join("\n");
}
