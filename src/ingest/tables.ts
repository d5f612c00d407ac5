/**
 * The SQL of the stock engine, for PostgreSQL: rows and offsets changed by one statement. The tables themselves are those of the model.
 *
 * Offsets live beside the rows and nowhere else, so every consistent copy of the database carries its own exact cut.
 */
import { partitionsOfShard, type ShardPlan } from "../model/shards";
import { createTablesSql } from "../model/table-sql";
import { offsetsTable, type TableFacts } from "../model/tables";

/** Name of the constraint that refuses a batch behind a hole. Named in error messages of the database. */
export const gapConstraint = "mesh_offsets_no_gap";

const gapConstraintSql = `SELECT FROM pg_constraint WHERE conrelid = to_regclass('${offsetsTable}') AND conname = '${gapConstraint}'`;

/** Kafka's name for the oldest offset that it has. */
export const oldestOffset = -2;

/** Topic → its table. */
export type TopicTables = Record<string, string>;

/** The names of the tables by topic. */
export function tableNames(tables: Readonly<Record<string, TableFacts>>): TopicTables {
  return Object.fromEntries(Object.entries(tables).map(([topic, { name }]) => [topic, name]));
}

/** Creates what is missing: the tables of the model, and the constraint that the statement of `writeBatchSql` relies on. */
export function createStockTablesSql(tables: Readonly<Record<string, TableFacts>>): string {
  return [
    ...createTablesSql("postgres", Object.values(tables)).map((statement) => `${statement};`),
    // On its own, because the database, or an agent, may have made the table already.
    `DO $$ BEGIN
  IF NOT EXISTS (${gapConstraintSql}) THEN
    ALTER TABLE ${offsetsTable} ADD CONSTRAINT ${gapConstraint} CHECK (next_offset >= 0);
  END IF;
END $$;`,
    "",
  ].join("\n");
}

/** Whether everything that the stock engine needs is there: `t` or `f`. */
export function tablesExistSql(tables: TopicTables): string {
  const names = [offsetsTable, ...Object.values(tables)].map((table) => `('${table}')`);
  return `SELECT EXISTS (${gapConstraintSql}) AND bool_and(to_regclass(name) IS NOT NULL) FROM (VALUES ${names.join(", ")}) AS needed (name);
`;
}

/**
 * Where to go on, as two lines: the partitions of the shards in the psql variable `shards` (`{0,5}`) as `topic:partition:offset,…`, and the sum of
 * their offsets, which never falls while the database is the same. A partition that was never ingested starts at the oldest record that Kafka has.
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
SELECT coalesce(string_agg(topic || ':' || partition || ':' || coalesce(next_offset, ${oldestOffset}), ',' ORDER BY topic, partition), '')
  || E'\\n' || coalesce(sum(next_offset), 0)
FROM start;
`;
}

/**
 * Writes one batch of one partition and its offset: a single statement, hence a single transaction. First parameter: a JSON array of records with
 * topic n, partition p, offset o, time t in milliseconds, key k and document d. Second: where the batch before it ended, or the engine began; null where
 * neither is known. Third: where the engine began the partition, if the database had no offset for it then, else null.
 *
 * The batch is all that the log has between the second parameter and its last record, whatever is missing in between. A record that is there already
 * is left alone. A batch that begins above the next offset would leave a hole, so its offset becomes -1, which the constraint refuses, and the whole
 * statement with it. An engine that connects anew reads again what it has read, so the batch may begin below the second parameter. A partition
 * without an offset takes only the batch that the engine began with: a database that came back empty under a running engine takes nothing from it.
 * The constraint is checked on the proposed row, before ON CONFLICT decides (ExecInsert in PostgreSQL's nodeModifyTable.c).
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
    WHEN least(min(o), $2::bigint)
      <= coalesce((SELECT next_offset FROM ${offsetsTable} seen WHERE seen.topic = n AND seen.partition = p), $3::bigint) THEN max(o) + 1
    ELSE -1
  END
FROM batch GROUP BY n, p
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(stored.next_offset, excluded.next_offset), updated = now()
`;
}
