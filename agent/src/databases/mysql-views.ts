/** The views of snapshots on the MySQL wire: `snap_<id>_<table>` beside the tables. */
import { isSnapshotId } from "../../../src/model/snapshot-id";
import { createSnapshotViewsSql, dropSnapshotViewsSql, quoteName, snapshotSchema } from "../../../src/model/table-sql";
import type { TableFacts } from "../../../src/model/tables";
import { errorNumberOf, type MysqlConnection } from "./mysql-connection";

const dialect = "mysql";

/** https://mariadb.com/kb/en/mariadb-error-codes/ */
const tableExists = 1050;

/** Ids of the snapshots that have views, or are among `cuts`. */
export async function snapshots(connection: MysqlConnection, cuts: readonly { id: string }[]): Promise<string[]> {
  const prefix = snapshotSchema("");
  const ids = (await viewsLike(connection, prefix)).map((name) => name.slice(prefix.length).split("_")[0]);
  // Views that only look like ours stay.
  return [...new Set([...ids, ...cuts.map(({ id }) => id)])].filter(isSnapshotId).sort();
}

/** Nobody has both `CREATE VIEW IF NOT EXISTS` and `CREATE OR REPLACE VIEW`: what is there is replaced by a view that fits the tables of today. */
export async function createViews(
  connection: MysqlConnection,
  snapshot: string,
  tables: Readonly<Record<string, TableFacts>>,
  shardCount: number,
): Promise<void> {
  await waitShortly(connection);
  for (const statement of createSnapshotViewsSql(dialect, snapshot, tables, shardCount)) {
    try {
      await connection.run(statement);
    } catch (error) {
      if (errorNumberOf(error) !== tableExists) {
        throw error;
      }
      await connection.run(statement.replace(/^CREATE VIEW/, "ALTER VIEW"));
    }
  }
}

/** Also the views of tables that are not in the settings any more. */
export async function dropViews(connection: MysqlConnection, snapshot: string, tables: readonly TableFacts[]): Promise<void> {
  await waitShortly(connection);
  for (const name of await viewsLike(connection, `${snapshotSchema(snapshot)}_`)) {
    await connection.run(`DROP VIEW IF EXISTS ${quoteName(dialect, name)}`);
  }
  for (const statement of dropSnapshotViewsSql(dialect, snapshot, tables)) {
    await connection.run(statement);
  }
}

async function viewsLike(connection: MysqlConnection, prefix: string): Promise<string[]> {
  const sql = "SELECT table_name AS name FROM information_schema.views WHERE table_schema = DATABASE() AND LEFT(table_name, ?) = ?";
  return (await connection.query<{ name: string }>(sql, [prefix.length, prefix])).map(({ name }) => name);
}

/** Whoever reads a view holds it; nothing should queue behind this for long. A server without the setting does without. */
async function waitShortly(connection: MysqlConnection): Promise<void> {
  await connection.run("SET SESSION lock_wait_timeout = 5").catch((error: unknown) => {
    if (errorNumberOf(error) === undefined) {
      throw error;
    }
  });
}
