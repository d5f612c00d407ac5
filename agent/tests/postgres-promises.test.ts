/** PostgreSQL keeps what the agent promises of every engine. */
import pg from "pg";
import { type PostgresServer, startPostgres } from "../../tests/unit/ingest/postgres-server";
import { createTablesSql, snapshotView } from "../../src/model/table-sql";
import { columnNames } from "../../src/model/tables";
import type { DatabaseSettings } from "../src/databases/database";
import { promises } from "./database-promises";
import { timeText } from "./rows";
import { inDatabase, noPostgres, postgresBin } from "./support";

let server: PostgresServer;
let databases = 0;

const psql = (database: DatabaseSettings, sql: string): string => inDatabase(server, database.database, sql);

promises(postgresBin !== undefined, noPostgres, {
  engine: "postgres",
  leavesRemnants: false,
  start: async () => {
    server = await startPostgres(postgresBin as string);
  },
  stop: () => Promise.resolve(server.stop()),
  database: () => {
    const database = `promises_${databases++}`;
    server.psql(`CREATE DATABASE ${database};`);
    return Promise.resolve({ engine: "postgres", host: "127.0.0.1", port: Number(server.env["PGPORT"]), database });
  },
  createTables: (database, tables) => Promise.resolve(void psql(database, `${createTablesSql("postgres", tables).join(";\n")};`)),
  ingest: async ({ host, port, database }, topic, table, part, rows, next) => {
    const client = new pg.Client({ host, port, database, user: "mesh" });
    await client.connect();
    const given = rows.map(({ off, ts, key, values }) => ({
      ...{ ...values, ...(values["at"] === undefined ? {} : { at: `${timeText(Number(values["at"]))}Z` }) },
      ...{ part, off, ts: `${timeText(ts)}Z`, key, ...jsonOf(values) },
    }));
    const names = columnNames(table).map((name) => `"${name}"`);
    await client.query(
      `INSERT INTO "${table.name}" (${names.join(", ")}) SELECT ${names.join(", ")} FROM jsonb_populate_recordset(NULL::"${table.name}", $1)`,
      [JSON.stringify(given)],
    );
    await client.query(
      "INSERT INTO mesh_offsets VALUES ($1, $2, $3) ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
      [topic, part, next],
    );
    await client.end();
  },
  content: async ({ host, port, database }, table, where) => {
    const condition = where === undefined ? "" : `WHERE part = ${where.part} AND off < ${where.below}`;
    const client = new pg.Client({ host, port, database, user: "mesh" });
    await client.connect();
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM "${table.name}" t ${condition} ORDER BY part, off`);
    await client.end();
    return rows.map(({ row }) => row).join("\n");
  },
  shown: (database, snapshot, _topic, table) =>
    Promise.resolve(
      psql(
        database,
        `SELECT shard, part, count(*), max(off) FROM ${snapshotView("postgres", snapshot, table)} GROUP BY 1, 2 ORDER BY 1, 2;`,
      ),
    ),
  changeColumns: (database) =>
    Promise.resolve(void psql(database, "ALTER TABLE trades DROP COLUMN more CASCADE; ALTER TABLE trades ADD COLUMN extra text;")),
});

/** Documents as such, not as texts. */
function jsonOf(values: Record<string, unknown>): Record<string, unknown> {
  const documents = Object.entries(values).filter(([name]) => name === "doc" || name === "more");
  return Object.fromEntries(documents.map(([name, text]) => [name, text === null ? null : (JSON.parse(text as string) as unknown)]));
}
