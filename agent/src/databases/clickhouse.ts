/**
 * ClickHouse. It has no transactions: what readers go by, the next offsets and the row of `mesh_shards`, is written last and goes first, and what an attempt
 * that was killed has left (rows without either) is removed by the next one.
 *
 * Rows below a cut never change, so a dump needs no view of one moment; `steadyView` proves that nothing went away meanwhile. Two that restore the same
 * shard at once: the later ends the statements of the earlier one and begins anew; whoever does not find exactly the rows that it has written fails.
 */
import { setPartition } from "../../../src/model/cut";
import type { ByPartition } from "../../../src/model/offsets";
import { isSnapshotId } from "../../../src/model/snapshot-id";
import { createSnapshotViewsSql, createTablesSql, dropSnapshotViewsSql, quoteName, snapshotSchema } from "../../../src/model/table-sql";
import { cutsTable, offsetsTable, shardsTable, type TableFacts } from "../../../src/model/tables";
import { AgentError } from "../errors";
import { type ClickhouseConnection, clickhouseErrorOf, connectClickhouse } from "./clickhouse-connection";
import { dumpRows, rowWriter } from "./clickhouse-rows";
import type { DatabaseEngine, DatabaseSession, DatabaseState, RowWriter, ShardTables } from "./database";
import { steadyView } from "./steady";

const dialect = "clickhouse";

/** https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
const unknownTable = 60;

export const clickhouse: DatabaseEngine = {
  connect: async (settings) => {
    const connection = connectClickhouse(settings);
    // So that wrong credentials and a wrong name are told here, as with the other engines.
    await connection.rows("SELECT 1");
    const session: DatabaseSession = {
      name: connection.name,
      version: async () => (await connection.rows("SELECT version()"))[0][0],
      prepare: (tables) => prepare(connection, tables),
      state: () => stateOf(connection),
      view: () => steadyView(connection, stateOf, dumpRows),
      remainsOf: async (shard) => takenBy(await stateOf(connection), shard, false),
      restore: (shard, source, offsets, fill) => restore(connection, settings.database, shard, source, offsets, fill),
      firstOffsets: (shard) => firstOffsets(connection, shard),
      hold: async (shard, source) => {
        const state = await stateOf(connection);
        if (state.shards.has(shard.shard)) {
          return false;
        }
        if (takenBy(state, shard, true) === undefined) {
          await removeRows(connection, shard);
        }
        await insertShard(connection, shard.shard, source);
        return true;
      },
      drop: (shard) => drop(connection, shard),
      snapshots: () => snapshots(connection),
      createViews: (snapshot, tables, shardCount) => runAll(connection, createSnapshotViewsSql(dialect, snapshot, tables, shardCount)),
      dropViews: (snapshot) => runAll(connection, dropSnapshotViewsSql(dialect, snapshot)),
      cuts: (snapshot) => readOffsets(connection, cutsTable, snapshot),
      addCuts: (snapshot, offsets) => insertOffsets(connection, cutsTable, offsets, snapshot),
      close: () => Promise.resolve(),
    };
    return session;
  },
};

async function runAll(connection: ClickhouseConnection, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await connection.run(statement);
  }
}

async function prepare(connection: ClickhouseConnection, tables: readonly TableFacts[]): Promise<void> {
  const names = [offsetsTable, shardsTable, cutsTable, ...tables.map(({ name }) => name)].map((name) => `'${name}'`);
  const sql = `SELECT count() FROM system.tables WHERE database = currentDatabase() AND name IN (${names.join(", ")})`;
  if (Number((await connection.rows(sql))[0][0]) < names.length) {
    await runAll(connection, createTablesSql(dialect, tables));
  }
}

/** Nothing where the table is not there yet. */
async function orEmpty(rows: Promise<string[][]>): Promise<string[][]> {
  return rows.catch((error: unknown) => {
    if (clickhouseErrorOf(error) === unknownTable) {
      return [];
    }
    throw error;
  });
}

async function stateOf(connection: ClickhouseConnection): Promise<DatabaseState> {
  const rows = await orEmpty(connection.rows(`SELECT shard, source, toString(since) FROM ${shardsTable} FINAL`));
  const shards = rows.map(([shard, source, since]): [number, { source: string; since: string }] => [
    Number(shard),
    { source, since: `${since.replace(" ", "T")}Z` },
  ]);
  return { offsets: await readOffsets(connection, offsetsTable), shards: new Map(shards) };
}

/** These tables are logs of changes: the greatest offset counts. */
async function readOffsets(connection: ClickhouseConnection, table: string, snapshot?: string): Promise<ByPartition<bigint>> {
  const where = snapshot === undefined ? "" : " WHERE snapshot = {snapshot:String}";
  const sql = `SELECT topic, "partition", max(next_offset) FROM ${table}${where} GROUP BY topic, "partition"`;
  const offsets: ByPartition<bigint> = {};
  for (const [topic, partition, next] of await orEmpty(connection.rows(sql, snapshot === undefined ? {} : { param_snapshot: snapshot }))) {
    setPartition(offsets, topic, Number(partition), BigInt(next));
  }
  return offsets;
}

/** One insert of one block, so all or none. */
async function insertOffsets(
  connection: ClickhouseConnection,
  table: string,
  offsets: ByPartition<bigint>,
  snapshot?: string,
): Promise<void> {
  const columns = [...(snapshot === undefined ? [] : ["snapshot"]), "topic", '"partition"', "next_offset"];
  const rows = Object.entries(offsets).flatMap(([topic, numbers]) =>
    Object.entries(numbers).map(([number, next]) => `${[...(snapshot === undefined ? [] : [snapshot]), topic, number, next].join("\t")}\n`),
  );
  if (rows.length > 0) {
    await connection.run(
      `INSERT INTO ${table} (${columns.join(", ")}) FORMAT TabSeparated`,
      { async_insert: "0" },
      Buffer.from(rows.join("")),
    );
  }
}

async function insertShard(connection: ClickhouseConnection, shard: number, source: string): Promise<void> {
  await connection.run(`INSERT INTO ${shardsTable} (shard, source) SELECT {shard:Int32}, {source:String}`, {
    ...{ param_shard: String(shard), param_source: source, async_insert: "0" },
  });
}

/** What says that somebody holds the shard; undefined where only left-overs can be there. */
function takenBy(state: DatabaseState, { shard, partitions }: ShardTables, byRow: boolean): string | undefined {
  for (const [topic, numbers] of Object.entries(partitions)) {
    const partition = numbers.find((number) => state.offsets[topic]?.[number] !== undefined);
    if (partition !== undefined) {
      return `next offset ${state.offsets[topic][partition]} of partition ${partition} of ${topic}`;
    }
  }
  return byRow && state.shards.has(shard) ? `a row of the shard in ${shardsTable}` : undefined;
}

async function removeRows(connection: ClickhouseConnection, { partitions, tables }: ShardTables): Promise<void> {
  for (const [topic, numbers] of Object.entries(partitions)) {
    for (const number of numbers) {
      // Without a partition of this number this does nothing.
      await connection.run(`ALTER TABLE ${quoteName(dialect, tables[topic].name)} DROP PARTITION ${number}`);
    }
  }
}

async function countRows(connection: ClickhouseConnection, table: TableFacts, partitions: readonly number[]): Promise<number> {
  const sql = `SELECT count() FROM ${quoteName(dialect, table.name)} FINAL WHERE part IN (${partitions.join(", ")})`;
  return Number((await connection.rows(sql))[0][0]);
}

async function restore(
  connection: ClickhouseConnection,
  database: string,
  shard: ShardTables,
  source: string,
  offsets: ByPartition<bigint>,
  fill: (writer: RowWriter) => Promise<void>,
): Promise<string | undefined> {
  const occupied = takenBy(await stateOf(connection), shard, true);
  if (occupied !== undefined) {
    return occupied;
  }
  // A statement of an attempt that was killed may still be carried out.
  const statementId = `mesh-restore-${database}-${shard.shard}-`;
  await connection.run(`KILL QUERY WHERE startsWith(query_id, '${statementId}') SYNC`);
  await removeRows(connection, shard);
  const writer = rowWriter(connection, statementId);
  await fill(writer);
  for (const [topic, numbers] of Object.entries(shard.partitions)) {
    const table = shard.tables[topic];
    const written = writer.counts.filter((count) => count.table === table).reduce((sum, { rows }) => sum + rows, 0);
    const found = await countRows(connection, table, numbers);
    if (found !== written) {
      throw disturbed(
        `${connection.name}, table ${table.name}`,
        `the ${written} rows of shard ${shard.shard} that were written`,
        `${found}`,
      );
    }
  }
  const taken = takenBy(await stateOf(connection), shard, true);
  if (taken !== undefined) {
    throw disturbed(`${connection.name}, shard ${shard.shard}`, "nothing, as when its restoration began", taken);
  }
  await insertOffsets(connection, offsetsTable, offsets);
  await insertShard(connection, shard.shard, source);
  return undefined;
}

function disturbed(what: string, expected: string, found: string): AgentError {
  return new AgentError({
    kind: "incomplete",
    what,
    expected,
    found,
    todo: "another agent restores it too; the agent tries again",
    retry: true,
  });
}

async function firstOffsets(connection: ClickhouseConnection, { partitions, tables }: ShardTables): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  for (const [topic, numbers] of Object.entries(partitions)) {
    const sql = `SELECT part, min(off) FROM ${quoteName(dialect, tables[topic].name)} WHERE part IN (${numbers.join(", ")}) GROUP BY part`;
    for (const [number, first] of await connection.rows(sql)) {
      setPartition(offsets, topic, Number(number), BigInt(first));
    }
  }
  return offsets;
}

/** Rows go last: rows without offsets are removed whenever the shard comes back, offsets without rows would be taken for a whole shard. */
async function drop(connection: ClickhouseConnection, shard: ShardTables): Promise<number> {
  await connection.run(`ALTER TABLE ${shardsTable} DROP PARTITION ${shard.shard}`);
  let rows = 0;
  for (const [topic, numbers] of Object.entries(shard.partitions)) {
    rows += await countRows(connection, shard.tables[topic], numbers);
    for (const table of [cutsTable, offsetsTable]) {
      const sql = `DELETE FROM ${table} WHERE topic = {topic:String} AND "partition" IN (${numbers.join(", ")})`;
      await connection.run(sql, { param_topic: topic });
    }
  }
  await removeRows(connection, shard);
  return rows;
}

async function snapshots(connection: ClickhouseConnection): Promise<string[]> {
  const prefix = snapshotSchema("");
  const databases = await connection.rows("SELECT name FROM system.databases WHERE startsWith(name, {prefix:String})", {
    param_prefix: prefix,
  });
  const cuts = await orEmpty(connection.rows(`SELECT DISTINCT snapshot FROM ${cutsTable}`));
  // Databases that only look like ours stay.
  return [...new Set([...databases.map(([name]) => name.slice(prefix.length)), ...cuts.map(([id]) => id)])].filter(isSnapshotId).sort();
}
