/** The MySQL wire, on MariaDB: what the agent promises of every engine, and what is particular. */
import type { TypeCastField } from "mysql2";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { createTablesSql, snapshotView } from "../../src/model/table-sql";
import { columnNames } from "../../src/model/tables";
import { connectDatabase } from "../src/databases";
import type { DatabaseSettings } from "../src/databases/database";
import type { EngineUnderTest } from "./database-bench";
import { expectAdvice, promises, withServer } from "./database-promises";
import { mariadbProgram, noMariadb, startMariadb, writeCertificate } from "./database-servers";
import type { Server } from "./programs";
import { type Row, timeNames, timeText } from "./rows";
import { describeWhere, ordersTable, removeFolder, snapshotId, temporaryFolder } from "./support";

let server: Server;
let databases = 0;

async function ask(sql: string, values: unknown[] = [], database?: string): Promise<(string | null)[][]> {
  const connection = await createConnection({
    ...{ host: "127.0.0.1", port: server.port, user: "mesh", password: "secret", database, multipleStatements: true },
    ...{ rowsAsArray: true, timezone: "Z", typeCast: (field: TypeCastField) => field.string("utf8"), charset: "UTF8MB4_BIN" },
  });
  try {
    return (await connection.query<RowDataPacket[]>(sql, values))[0] as unknown as (string | null)[][];
  } finally {
    await connection.end();
  }
}

const inDatabase = ({ database }: DatabaseSettings, sql: string, values?: unknown[]): Promise<(string | null)[][]> =>
  ask(sql, values, database);

async function newDatabase(): Promise<DatabaseSettings> {
  const database = `mesh_${databases++}`;
  await ask(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  return { engine: "singlestore", host: "127.0.0.1", port: server.port, database };
}

const valueOf = (name: string, row: Row): unknown => {
  const value = { ...row.values, part: row.part, off: row.off, ts: row.ts, key: row.key }[name];
  return timeNames.includes(name) && typeof value === "number" ? timeText(value) : value;
};

const engine: EngineUnderTest = {
  engine: "singlestore",
  leavesRemnants: false,
  start: async () => {
    server = await startMariadb(mariadbProgram!);
  },
  stop: () => server.stop(),
  database: newDatabase,
  createTables: async (database, tables) => {
    for (const statement of createTablesSql("mysql", tables)) {
      await inDatabase(database, statement);
    }
  },
  ingest: async (database, topic, table, part, rows, next) => {
    const names = columnNames(table);
    const values = rows.map((row) => names.map((name) => valueOf(name, row)));
    await inDatabase(database, `INSERT INTO \`${table.name}\` (${names.map((name) => `\`${name}\``).join(", ")}) VALUES ?`, [values]);
    const sql =
      "INSERT INTO mesh_offsets (`topic`, `partition`, next_offset) VALUES (?) ON DUPLICATE KEY UPDATE next_offset = VALUES(next_offset)";
    await inDatabase(database, sql, [[topic, part, next]]);
  },
  content: async (database, table, where) => {
    const condition = where === undefined ? "" : `WHERE part = ${where.part} AND off < ${where.below}`;
    const rows = await inDatabase(database, `SELECT * FROM \`${table.name}\` ${condition} ORDER BY part, off`);
    return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  },
  shown: async (database, snapshot, _topic, table) => {
    const view = snapshotView("mysql", snapshot, table);
    const rows = await inDatabase(
      database,
      `SELECT shard, part, COUNT(*), MAX(off) FROM ${view} GROUP BY shard, part ORDER BY shard, part`,
    );
    return rows.map((row) => row.join("|")).join("\n");
  },
  changeColumns: async (database) => {
    await inDatabase(database, "ALTER TABLE trades DROP COLUMN more, ADD COLUMN extra longtext");
  },
};

promises(mariadbProgram !== undefined, noMariadb, engine);

describeWhere(mariadbProgram !== undefined, noMariadb)("the MySQL wire", () => {
  withServer(engine);
  afterEach(() => (process.env["DATABASE_PASSWORD"] = "secret"));

  it("tells what a person can mend", async () => {
    const database = await newDatabase();
    await expectAdvice(database);
    process.env["DATABASE_PASSWORD"] = "wrong";
    await expect(connectDatabase(database)).rejects.toThrow("correct user and password in the Secret of the database");
  });

  it("says the version of the server, and keeps views and databases that only look like ours", async () => {
    const database = await newDatabase();
    await inDatabase(
      database,
      "CREATE TABLE t (a int); CREATE VIEW snap_of_mine AS SELECT a FROM t; CREATE VIEW snap_20260101t0000z_t AS SELECT a FROM t",
    );
    const session = await connectDatabase(database);
    expect(await session.version()).toMatch(/^\d+\.\d+\.\d+$/);
    await session.prepare([ordersTable]);
    expect(await session.snapshots()).toEqual(["20260101t0000z"]);
    await session.dropViews("20260101t0000z", [ordersTable]);
    expect(await session.snapshots()).toEqual([]);
    await session.createViews(snapshotId, { orders: ordersTable }, 2);
    await session.close();
    expect(
      (await inDatabase(database, "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1")).flat(),
    ).toEqual([`snap_${snapshotId}_orders`, "snap_of_mine"]);
  });

  it("is encrypted and proves the server's certificate where the settings say so", async () => {
    const folder = temporaryFolder();
    const certificate = writeCertificate(folder);
    const secure = await startMariadb(mariadbProgram!, certificate);
    try {
      const database = { engine: "singlestore", host: "127.0.0.1", port: secure.port, database: "mysql" };
      const session = await connectDatabase({ ...database, tls: { caFile: certificate.certificate } });
      expect(await session.version()).toMatch(/^10\.|^11\./);
      await session.close();
      // The certificate is not of an authority that Node knows; and without encryption the server lets nobody in.
      await expect(connectDatabase({ ...database, tls: {} })).rejects.toThrow(
        "check the certificate of the database and database.tls.caFile",
      );
      await expect(connectDatabase(database)).rejects.toThrow("database mysql at 127.0.0.1");
    } finally {
      await secure.stop();
      removeFolder(folder);
    }
  }, 60_000);
});
