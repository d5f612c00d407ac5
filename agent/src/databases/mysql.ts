/**
 * SingleStore, and whatever else speaks MySQL's protocol as MariaDB does: one transaction for each thing that is done.
 *
 * A snapshot is read in a transaction with a consistent snapshot where the server has such (MariaDB, MySQL). SingleStore reads what is committed; there
 * `steadyView` proves that nothing went away meanwhile.
 */
import { setPartition } from "../../../src/model/cut";
import type { ByPartition } from "../../../src/model/offsets";
import { createTablesSql, quoteName } from "../../../src/model/table-sql";
import { cutsTable, offsetsTable, shardsTable, type TableFacts } from "../../../src/model/tables";
import type { DatabaseEngine, DatabaseSession, DatabaseState, RowWriter, ShardTables } from "./database";
import { connectMysql, errorNumberOf, type MysqlConnection } from "./mysql-connection";
import { dumpRows, rowWriter } from "./mysql-rows";
import { createViews, dropViews, snapshots } from "./mysql-views";
import { steadyView } from "./steady";

const dialect = "mysql";

/** https://mariadb.com/kb/en/mariadb-error-codes/ */
const tableExists = 1050;
const duplicateKey = 1062;
const noSuchTable = 1146;
const unknownVariable = 1193;

export const mysql: DatabaseEngine = {
  connect: async (settings) => {
    const connection = await connectMysql(settings);
    const session: DatabaseSession = {
      name: connection.name,
      version: () => version(connection),
      prepare: (tables) => prepare(connection, tables),
      state: () => stateOf(connection),
      view: async () => {
        await optional(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        if (!(await optional(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT"))) {
          await connection.run("START TRANSACTION");
        }
        return steadyView(connection, stateOf, dumpRows);
      },
      remainsOf: (shard) => remainsOf(connection, shard),
      restore: (shard, source, offsets, fill) => restore(connection, shard, source, offsets, fill),
      firstOffsets: (shard) => firstOffsets(connection, shard),
      hold: ({ shard }, source) => insertShard(connection, shard, source),
      drop: (shard) => drop(connection, shard),
      snapshots: async () => snapshots(connection, await orEmpty(connection.query(`SELECT DISTINCT \`snapshot\` AS id FROM ${cutsTable}`))),
      createViews: (snapshot, tables, shardCount) => createViews(connection, snapshot, tables, shardCount),
      dropViews: (snapshot, tables) => dropViews(connection, snapshot, tables),
      cuts: (snapshot) => readOffsets(connection, cutsTable, snapshot),
      addCuts: (snapshot, offsets) => addCuts(connection, snapshot, offsets),
      close: () => connection.close(),
    };
    return session;
  },
};

/** Runs what some servers do not know; whether this one does. */
async function optional(connection: MysqlConnection, statement: string): Promise<boolean> {
  try {
    await connection.run(statement);
    return true;
  } catch (error) {
    if (errorNumberOf(error) === undefined) {
      throw error;
    }
    return false;
  }
}

/** Nothing where the table is not there yet. */
async function orEmpty<T>(rows: Promise<T[]>): Promise<T[]> {
  return rows.catch((error: unknown) => {
    if (errorNumberOf(error) === noSuchTable) {
      return [];
    }
    throw error;
  });
}

/** SingleStore calls itself a MySQL in VERSION(). */
async function version(connection: MysqlConnection): Promise<string> {
  const ask = async (expression: string): Promise<string> =>
    ((await connection.query<{ version: string }>(`SELECT ${expression} AS version`))[0]?.version ?? "unknown").split("-")[0];
  return ask("@@memsql_version").catch((error: unknown) => {
    if (errorNumberOf(error) !== unknownVariable) {
      throw error;
    }
    return ask("VERSION()");
  });
}

async function prepare(connection: MysqlConnection, tables: readonly TableFacts[]): Promise<void> {
  const names = [offsetsTable, shardsTable, cutsTable, ...tables.map(({ name }) => name)];
  const sql = "SELECT COUNT(*) AS count FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?)";
  if (Number((await connection.query<{ count: string }>(sql, [names]))[0].count) === names.length) {
    return;
  }
  for (const statement of createTablesSql(dialect, tables)) {
    await connection.run(statement).catch((error: unknown) => {
      if (errorNumberOf(error) !== tableExists) {
        throw error;
      }
    });
  }
}

async function stateOf(connection: MysqlConnection): Promise<DatabaseState> {
  type Row = { shard: number; source: string; since: string };
  const rows = await orEmpty(connection.query<Row>(`SELECT shard, source, since FROM ${shardsTable}`));
  const shards = rows.map(({ shard, source, since }): [number, { source: string; since: string }] => [
    shard,
    { source, since: `${since.replace(" ", "T")}Z` },
  ]);
  return { offsets: await readOffsets(connection, offsetsTable), shards: new Map(shards) };
}

async function readOffsets(connection: MysqlConnection, table: string, snapshot?: string): Promise<ByPartition<bigint>> {
  type Row = { topic: string; number: number; next_offset: string };
  const sql = `SELECT \`topic\`, \`partition\` AS number, next_offset FROM ${table}${snapshot === undefined ? "" : " WHERE `snapshot` = ?"}`;
  const offsets: ByPartition<bigint> = {};
  for (const row of await orEmpty(connection.query<Row>(sql, snapshot === undefined ? [] : [snapshot]))) {
    setPartition(offsets, row.topic, row.number, BigInt(row.next_offset));
  }
  return offsets;
}

async function remainsOf(connection: MysqlConnection, { partitions, tables }: ShardTables): Promise<string | undefined> {
  for (const [topic, numbers] of Object.entries(partitions)) {
    const sql = `SELECT \`partition\` AS number, next_offset FROM ${offsetsTable} WHERE \`topic\` = ? AND \`partition\` IN (?) LIMIT 1`;
    const [offset] = await connection.query<{ number: number; next_offset: string }>(sql, [topic, numbers]);
    if (offset !== undefined) {
      return `next offset ${offset.next_offset} of partition ${offset.number} of ${topic}`;
    }
    const { name } = tables[topic];
    const [row] = await connection.query<{ part: number }>(`SELECT part FROM ${quoteName(dialect, name)} WHERE part IN (?) LIMIT 1`, [
      numbers,
    ]);
    if (row !== undefined) {
      return `rows of partition ${row.part} in table ${name}`;
    }
  }
  return undefined;
}

async function firstOffsets(connection: MysqlConnection, { partitions, tables }: ShardTables): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  for (const [topic, numbers] of Object.entries(partitions)) {
    for (const number of numbers) {
      const sql = `SELECT off FROM ${quoteName(dialect, tables[topic].name)} WHERE part = ? ORDER BY off LIMIT 1`;
      const [row] = await connection.query<{ off: string }>(sql, [number]);
      if (row !== undefined) {
        setPartition(offsets, topic, number, BigInt(row.off));
      }
    }
  }
  return offsets;
}

/** Not INSERT IGNORE, which would turn every other error into a warning. */
async function insertShard(connection: MysqlConnection, shard: number, source: string): Promise<boolean> {
  try {
    await connection.run(`INSERT INTO ${shardsTable} (shard, source) VALUES (?, ?)`, [shard, source]);
    return true;
  } catch (error) {
    if (errorNumberOf(error) !== duplicateKey) {
      throw error;
    }
    return false;
  }
}

/** The row of the shard and the offsets come first: whoever wants to write the same keys waits for the end of this transaction. */
async function restore(
  connection: MysqlConnection,
  { shard, ...held }: ShardTables,
  source: string,
  offsets: ByPartition<bigint>,
  fill: (writer: RowWriter) => Promise<void>,
): Promise<string | undefined> {
  await connection.run("START TRANSACTION");
  // A failure below leaves the transaction open: whoever called closes the connection, which rolls back.
  const remains = await remainsOf(connection, { shard, ...held });
  if (remains !== undefined || !(await insertShard(connection, shard, source))) {
    await connection.run("ROLLBACK");
    return remains ?? `a row of the shard in ${shardsTable}`;
  }
  const rows = Object.entries(offsets).flatMap(([topic, numbers]) =>
    Object.entries(numbers).map(([number, next]) => [topic, Number(number), String(next)]),
  );
  if (rows.length > 0) {
    await connection.run(`INSERT INTO ${offsetsTable} (\`topic\`, \`partition\`, next_offset) VALUES ?`, [rows]);
  }
  await fill(rowWriter(connection));
  await connection.run("COMMIT");
  return undefined;
}

async function drop(connection: MysqlConnection, { shard, partitions, tables }: ShardTables): Promise<number> {
  // Nothing should queue behind this for long.
  await optional(connection, "SET SESSION innodb_lock_wait_timeout = 5");
  await connection.run("START TRANSACTION");
  try {
    await connection.run(`DELETE FROM ${shardsTable} WHERE shard = ?`, [shard]);
    let rows = 0;
    for (const [topic, numbers] of Object.entries(partitions)) {
      for (const table of [cutsTable, offsetsTable]) {
        await connection.run(`DELETE FROM ${table} WHERE \`topic\` = ? AND \`partition\` IN (?)`, [topic, numbers]);
      }
      rows += await connection.run(`DELETE FROM ${quoteName(dialect, tables[topic].name)} WHERE part IN (?)`, [numbers]);
    }
    await connection.run("COMMIT");
    return rows;
  } catch (error) {
    await connection.run("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

/** One statement, so all or none; what is there stays, as a cut never changes. */
async function addCuts(connection: MysqlConnection, snapshot: string, offsets: ByPartition<bigint>): Promise<void> {
  const rows = Object.entries(offsets).flatMap(([topic, numbers]) =>
    Object.entries(numbers).map(([number, next]) => [snapshot, topic, Number(number), String(next)]),
  );
  if (rows.length > 0) {
    const sql = `INSERT INTO ${cutsTable} (\`snapshot\`, \`topic\`, \`partition\`, next_offset) VALUES ?`;
    await connection.run(`${sql} ON DUPLICATE KEY UPDATE next_offset = next_offset`, [rows]);
  }
}
