/**
 * The SQL of ingest for PostgreSQL: one table per topic and one for the offsets, both changed by one statement.
 *
 * Offsets live beside the rows and nowhere else, so every consistent copy of the database carries its own exact cut.
 */
import { keyPath, joinPath, type Problems } from "../model/errors";
import { sortedEntries } from "../model/names";
import { partitionsOfShard, type ShardPlan } from "../model/shards";

/** Table with the next offset of every partition that the node has ingested. */
export const offsetsTable = "mesh_offsets";

/** Name of the constraint that refuses a batch behind a hole. Named in error messages of the database. */
export const gapConstraint = "mesh_offsets_no_gap";

const gapConstraintSql = `SELECT FROM pg_constraint WHERE conrelid = to_regclass('${offsetsTable}') AND conname = '${gapConstraint}'`;

/** Topic → its table. */
export type TopicTables = Record<string, string>;

/** PostgreSQL cuts longer names off (`NAMEDATALEN`). */
const identifier = /^[a-z_][a-z0-9_]{0,62}$/;

/** The table of each topic: the given one, or the topic's name in lower case with underscores for dots and hyphens. */
export function tablesOfTopics(topics: Record<string, { table?: string }>): TopicTables {
  return Object.fromEntries(sortedEntries(topics).map(([topic, { table }]) => [topic, table ?? topic.toLowerCase().replace(/[.-]/g, "_")]));
}

/** Notes tables that PostgreSQL would not take unquoted, that two topics share, or that ingest itself uses. */
export function checkTables(problems: Problems, path: string, tables: TopicTables): void {
  const owner = new Map<string, string>();
  for (const [topic, table] of Object.entries(tables)) {
    const tablePath = joinPath(keyPath(path, topic), "table");
    const other = owner.get(table);
    if (typeof table !== "string" || !identifier.test(table)) {
      problems.add(
        tablePath,
        table,
        "a table name is allowed: lower-case letters, digits and underscores, not starting with a digit, at most 63 characters",
      );
    } else if (table === offsetsTable) {
      problems.add(tablePath, table, "the offsets are kept in a table of this name; give the topic another one");
    } else if (other !== undefined) {
      problems.add(tablePath, table, `it is the table of topic "${other}" already; give one of them another one`);
    }
    owner.set(table, other ?? topic);
  }
}

/**
 * Creates what is missing. Columns of a topic's table: partition, offset, time of the record, key, document (null where the record was a
 * tombstone).
 */
export function createTablesSql(tables: TopicTables): string {
  return [
    `CREATE TABLE IF NOT EXISTS ${offsetsTable} (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);`,
    // On its own, because the database may have made the table already.
    `DO $$ BEGIN
  IF NOT EXISTS (${gapConstraintSql}) THEN
    ALTER TABLE ${offsetsTable} ADD CONSTRAINT ${gapConstraint} CHECK (next_offset >= 0);
  END IF;
END $$;`,
    ...Object.values(tables).map(
      (table) => `CREATE TABLE IF NOT EXISTS "${table}" (
  part int NOT NULL,
  off bigint NOT NULL,
  ts timestamptz NOT NULL,
  key text,
  doc jsonb,
  PRIMARY KEY (part, off)
);`,
    ),
    "",
  ].join("\n");
}

/** Whether everything of `createTablesSql` is there: `t` or `f`. */
export function tablesExistSql(tables: TopicTables): string {
  const names = [offsetsTable, ...Object.values(tables)].map((table) => `('${table}')`);
  return `SELECT EXISTS (${gapConstraintSql}) AND bool_and(to_regclass(name) IS NOT NULL) FROM (VALUES ${names.join(", ")}) AS needed (name);
`;
}

/**
 * Where to go on, as two lines: the partitions of the shards in the psql variable `shards` (`{0,5}`) as `topic:partition:offset,…`, and the sum of
 * their offsets, which never falls while the database is the same. A partition that was never ingested has no offset there: it starts at the
 * oldest record that Kafka has.
 */
export function startOffsetsSql(plan: ShardPlan): string {
  const rows = Array.from({ length: plan.shardCount }, (_unused, shard) =>
    Object.entries(partitionsOfShard(plan, shard)).flatMap(([topic, partitions]) =>
      partitions.map((partition) => `    ('${topic}', ${partition}, ${shard})`),
    ),
  ).flat();
  return `WITH owned (topic, partition, shard) AS (
  VALUES
${rows.join(",\n")}
), start AS (
  SELECT owned.topic, owned.partition, stored.next_offset
  FROM owned LEFT JOIN ${offsetsTable} stored ON stored.topic = owned.topic AND stored.partition = owned.partition
  WHERE owned.shard = ANY (:'shards'::int[])
)
SELECT coalesce(string_agg(topic || ':' || partition || coalesce(':' || next_offset, ''), ',' ORDER BY topic, partition), '')
  || E'\\n' || coalesce(sum(next_offset), 0)
FROM start;
`;
}

/**
 * Writes one batch of one partition and its offset: a single statement, hence a single transaction. First parameter: a JSON array of records with
 * topic n, partition p, offset o, time t in milliseconds, key k and document d. Second: where the engine began the partition, if the database had
 * no offset for it then, else null.
 *
 * A record that is there already is left alone. A batch that begins above the next offset would leave a hole, so its offset becomes -1, which the
 * constraint refuses, and the whole statement with it. A partition without an offset takes only the batch that the engine began with: a database
 * that came back empty under a running engine takes nothing from it. The constraint is checked on the proposed row, before ON CONFLICT decides (ExecInsert in
 * PostgreSQL's nodeModifyTable.c).
 */
export function writeBatchSql(tables: TopicTables): string {
  const inserts = Object.entries(tables).map(
    ([topic, table], index) => `, rows_${index} AS (
  INSERT INTO "${table}" (part, off, ts, key, doc)
  SELECT p, o, to_timestamp(t / 1000.0), k, d FROM batch WHERE n = '${topic}'
  ON CONFLICT (part, off) DO NOTHING
)`,
  );
  return `WITH batch AS (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS record (n text, p int, o bigint, t bigint, k text, d jsonb)
)${inserts.join("")}
INSERT INTO ${offsetsTable} AS stored (topic, partition, next_offset)
SELECT n, p, CASE
    WHEN bool_or(o IS NULL) THEN -1
    WHEN min(o) <= coalesce((SELECT next_offset FROM ${offsetsTable} seen WHERE seen.topic = n AND seen.partition = p), $2::bigint) THEN max(o) + 1
    ELSE -1
  END
FROM batch GROUP BY n, p
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(stored.next_offset, excluded.next_offset), updated = now()
`;
}
