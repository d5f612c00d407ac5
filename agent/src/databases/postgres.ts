/** PostgreSQL: one transaction for each thing that is done. */
import { setPartition } from "../../../src/model/cut";
import type { ByPartition } from "../../../src/model/offsets";
import { isSnapshotId } from "../../../src/model/snapshot-id";
import { createSnapshotViewsSql, createTablesSql, dropSnapshotViewsSql, quoteName, snapshotSchema } from "../../../src/model/table-sql";
import { columnNames, cutsTable, offsetsTable, shardsTable, type TableFacts } from "../../../src/model/tables";
import type { PartitionBlock } from "../data-lines";
import type { DatabaseEngine, DatabaseSession, DatabaseState, RowWriter, ShardTables } from "./database";
import { checkTables } from "./postgres-tables";
import { connectPostgres, type PostgresConnection, sqlStateOf } from "./postgres-connection";

const dialect = "postgres";

/** Locks that a removal waits for at most, so that nothing queues behind it for long. */
const lockTimeout = "SET LOCAL lock_timeout = '5s'";

/** Two that make the same table or schema at once: the second gets one of these although IF NOT EXISTS is said. */
const racing = ["23505", "42P07", "42P06"];
const raceTries = 3;

/** Columns of a view can be added at its end only; everything else is this. */
const invalidTableDefinition = "42P16";

export const postgres: DatabaseEngine = {
  connect: async (settings) => {
    const connection = await connectPostgres(settings);
    const session: DatabaseSession = {
      name: connection.name,
      version: async () =>
        ((await connection.query<{ server_version: string }>("SHOW server_version"))[0]?.server_version ?? "unknown").split(" ")[0],
      prepare: async (tables) => {
        await prepare(connection, tables);
        await checkTables(connection, tables);
      },
      state: () => stateOf(connection),
      view: async () => {
        await connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        return { ...(await stateOf(connection)), rows: (block, table) => rowsOf(connection, block, table) };
      },
      remainsOf: (shard) => remainsOf(connection, shard),
      restore: (shard, source, offsets, fill) => restore(connection, shard, source, offsets, fill),
      firstOffsets: (shard) => firstOffsets(connection, shard),
      hold: async ({ shard }, source) => (await insertShard(connection, shard, source)) !== undefined,
      drop: (shard) => drop(connection, shard),
      snapshots: () => snapshots(connection),
      createViews: (snapshot, tables, shardCount) => createViews(connection, snapshot, tables, shardCount),
      dropViews: (snapshot, tables) => inTransaction(connection, [lockTimeout, ...dropSnapshotViewsSql(dialect, snapshot, tables)]),
      cuts: (snapshot) => readOffsets(connection, cutsTable, snapshot),
      addCuts: (snapshot, offsets) => addCuts(connection, snapshot, offsets),
      close: () => connection.close(),
    };
    return session;
  },
};

/** By the primary key, so in its order; offsets in order let every reader prove that no row is there twice. */
function dumpSql(table: TableFacts, partition: number, to: bigint): string {
  return `COPY (SELECT ${columnList(table)} FROM ${quoted(table.name)} WHERE part = ${partition} AND off < ${to} ORDER BY off) TO STDOUT`;
}

/** Values of a column of another type would be written as they are, and nobody could tell. */
async function* rowsOf(connection: PostgresConnection, { partition, to }: PartitionBlock, table: TableFacts): AsyncGenerator<Buffer> {
  await checkTables(connection, [table]);
  yield* connection.copyOut(dumpSql(table, partition, to));
}

function quoted(name: string): string {
  return quoteName(dialect, name);
}

function columnList(table: TableFacts): string {
  return columnNames(table).map(quoted).join(", ");
}

async function inTransaction(connection: PostgresConnection, statements: readonly string[]): Promise<void> {
  await connection.query("BEGIN");
  try {
    for (const statement of statements) {
      await connection.query(statement);
    }
    await connection.query("COMMIT");
  } catch (error) {
    await connection.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

async function prepare(connection: PostgresConnection, tables: readonly TableFacts[]): Promise<void> {
  const names = [offsetsTable, shardsTable, cutsTable, ...tables.map(({ name }) => name)];
  const missing = "SELECT name FROM unnest($1::text[]) name WHERE to_regclass(quote_ident(name)) IS NULL";
  for (let tries = 1; (await connection.query(missing, [names])).length > 0; tries++) {
    try {
      await inTransaction(connection, createTablesSql(dialect, tables));
    } catch (error) {
      if (!racing.includes(sqlStateOf(error) ?? "") || tries === raceTries) {
        throw error;
      }
    }
  }
}

async function exists(connection: PostgresConnection, table: string): Promise<boolean> {
  const [row] = await connection.query<{ there: boolean }>("SELECT to_regclass($1) IS NOT NULL AS there", [table]);
  return row?.there === true;
}

async function stateOf(connection: PostgresConnection): Promise<DatabaseState> {
  const shards: DatabaseState["shards"] = new Map();
  if (await exists(connection, shardsTable)) {
    type Row = { shard: number; source: string; since: Date };
    for (const { shard, source, since } of await connection.query<Row>(`SELECT shard, source, since FROM ${shardsTable}`)) {
      shards.set(shard, { source, since: since.toISOString() });
    }
  }
  return { offsets: await readOffsets(connection, offsetsTable), shards };
}

async function readOffsets(connection: PostgresConnection, table: string, snapshot?: string): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  if (await exists(connection, table)) {
    type Row = { topic: string; partition: number; next_offset: string };
    const sql = `SELECT topic, partition, next_offset FROM ${table}${snapshot === undefined ? "" : " WHERE snapshot = $1"}`;
    for (const row of await connection.query<Row>(sql, snapshot === undefined ? [] : [snapshot])) {
      setPartition(offsets, row.topic, row.partition, BigInt(row.next_offset));
    }
  }
  return offsets;
}

async function remainsOf(connection: PostgresConnection, { partitions, tables }: ShardTables): Promise<string | undefined> {
  for (const [topic, numbers] of Object.entries(partitions)) {
    const sql = `SELECT partition, next_offset FROM ${offsetsTable} WHERE topic = $1 AND partition = ANY ($2::int[]) LIMIT 1`;
    const [offset] = await connection.query<{ partition: number; next_offset: string }>(sql, [topic, numbers]);
    if (offset !== undefined) {
      return `next offset ${offset.next_offset} of partition ${offset.partition} of ${topic}`;
    }
    const table = tables[topic];
    const [row] = await connection.query<{ part: number }>(`SELECT part FROM ${quoted(table.name)} WHERE part = ANY ($1::int[]) LIMIT 1`, [
      numbers,
    ]);
    if (row !== undefined) {
      return `rows of partition ${row.part} in table ${table.name}`;
    }
  }
  return undefined;
}

async function firstOffsets(connection: PostgresConnection, { partitions, tables }: ShardTables): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  for (const [topic, numbers] of Object.entries(partitions)) {
    // One look at the primary key for each partition.
    const sql = `SELECT number, (SELECT min(off) FROM ${quoted(tables[topic].name)} WHERE part = number) AS first FROM unnest($1::int[]) number`;
    for (const { number, first } of await connection.query<{ number: number; first: string | null }>(sql, [numbers])) {
      if (first !== null) {
        setPartition(offsets, topic, number, BigInt(first));
      }
    }
  }
  return offsets;
}

async function insertShard(connection: PostgresConnection, shard: number, source: string): Promise<unknown> {
  const sql = `INSERT INTO ${shardsTable} (shard, source) VALUES ($1, $2) ON CONFLICT (shard) DO NOTHING RETURNING shard`;
  return (await connection.query(sql, [shard, source]))[0];
}

/** The row of the shard and the offsets come first: whoever wants to write the same keys waits for the end of this transaction. */
async function restore(
  connection: PostgresConnection,
  shard: ShardTables,
  source: string,
  offsets: ByPartition<bigint>,
  fill: (writer: RowWriter) => Promise<void>,
): Promise<string | undefined> {
  await connection.query("BEGIN");
  // A failure below leaves the transaction open: whoever called closes the connection, which rolls back.
  const remains = await remainsOf(connection, shard);
  if (remains !== undefined || (await insertShard(connection, shard.shard, source)) === undefined) {
    await connection.query("ROLLBACK");
    return remains ?? `a row of the shard in ${shardsTable}`;
  }
  for (const [topic, partitions] of Object.entries(offsets)) {
    const sql = `INSERT INTO ${offsetsTable} (topic, partition, next_offset) SELECT $1, * FROM unnest($2::int[], $3::bigint[])`;
    await connection.query(sql, [topic, Object.keys(partitions), Object.values(partitions).map(String)]);
  }
  let copy: ReturnType<PostgresConnection["copyIn"]> | undefined;
  await fill({
    begin: (table) => {
      copy = connection.copyIn(`COPY ${quoted(table.name)} (${columnList(table)}) FROM STDIN`);
    },
    rows: async (bytes) => copy?.write(bytes),
    end: async () => copy?.finish(),
  });
  await connection.query("COMMIT");
  return undefined;
}

async function drop(connection: PostgresConnection, { shard, partitions, tables }: ShardTables): Promise<number> {
  await connection.query("BEGIN");
  try {
    await connection.query(lockTimeout);
    await connection.query(`DELETE FROM ${shardsTable} WHERE shard = $1`, [shard]);
    let rows = 0;
    for (const [topic, numbers] of Object.entries(partitions)) {
      for (const table of [cutsTable, offsetsTable]) {
        await connection.query(`DELETE FROM ${table} WHERE topic = $1 AND partition = ANY ($2::int[])`, [topic, numbers]);
      }
      const sql = `WITH gone AS (DELETE FROM ${quoted(tables[topic].name)} WHERE part = ANY ($1::int[]) RETURNING 1) SELECT count(*) AS count FROM gone`;
      rows += Number((await connection.query<{ count: string }>(sql, [numbers]))[0]?.count);
    }
    await connection.query("COMMIT");
    return rows;
  } catch (error) {
    await connection.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

async function snapshots(connection: PostgresConnection): Promise<string[]> {
  const prefix = snapshotSchema("");
  const schemas = await connection.query<{ id: string }>(
    "SELECT substr(nspname, $2) AS id FROM pg_namespace WHERE starts_with(nspname, $1)",
    [prefix, prefix.length + 1],
  );
  const cuts = (await exists(connection, cutsTable))
    ? await connection.query<{ id: string }>(`SELECT DISTINCT snapshot AS id FROM ${cutsTable}`)
    : [];
  // Schemas that only look like ours stay.
  return [...new Set([...schemas, ...cuts].map(({ id }) => id))].filter(isSnapshotId).sort();
}

async function createViews(
  connection: PostgresConnection,
  snapshot: string,
  tables: Readonly<Record<string, TableFacts>>,
  shardCount: number,
): Promise<void> {
  const statements = createSnapshotViewsSql(dialect, snapshot, tables, shardCount);
  try {
    await inTransaction(connection, [lockTimeout, ...statements]);
  } catch (error) {
    if (sqlStateOf(error) !== invalidTableDefinition) {
      throw error;
    }
    const names = Object.values(tables).map(({ name }) => `DROP VIEW IF EXISTS ${quoted(snapshotSchema(snapshot))}.${quoted(name)}`);
    await inTransaction(connection, [lockTimeout, ...names, ...statements]);
  }
}

/** One statement, so all or none; what is there stays, as a cut never changes. */
async function addCuts(connection: PostgresConnection, snapshot: string, offsets: ByPartition<bigint>): Promise<void> {
  const rows = Object.entries(offsets).flatMap(([topic, partitions]) =>
    Object.entries(partitions).map(([partition, next]) => ({ topic, partition, next_offset: String(next) })),
  );
  const sql = `INSERT INTO ${cutsTable} (snapshot, topic, partition, next_offset)
SELECT $1, topic, partition, next_offset FROM jsonb_to_recordset($2::jsonb) AS given (topic text, partition int, next_offset bigint)
ON CONFLICT (snapshot, topic, partition) DO NOTHING`;
  await connection.query(sql, [snapshot, JSON.stringify(rows)]);
}
