/** ClickHouse, its engine behind HTTP: what the agent promises of every engine, and what is particular. */
import { createTablesSql, snapshotView } from "../../src/model/table-sql";
import { columnNames } from "../../src/model/tables";
import { connectDatabase } from "../src/databases";
import type { DatabaseSettings } from "../src/databases/database";
import type { EngineUnderTest } from "./database-bench";
import { expectAdvice, promises, withServer } from "./database-promises";
import { chdbSite, noChdb, startChdb } from "./database-servers";
import type { Server } from "./programs";
import { timeNames, timeText } from "./rows";
import { describeWhere, ordersTable, tradesTable } from "./support";

let server: Server;
let databases = 0;

async function ask(database: string, statement: string, data?: string): Promise<string> {
  const query = new URLSearchParams({ database, ...(data === undefined ? {} : { query: statement }) });
  const response = await fetch(`http://127.0.0.1:${server.port}/?${query.toString()}`, { method: "POST", body: data ?? statement });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${statement.slice(0, 200)}: ${text}`);
  }
  return text.trimEnd();
}

async function newDatabase(): Promise<DatabaseSettings> {
  const database = `mesh_${databases++}`;
  await ask("default", `CREATE DATABASE ${database}`);
  return { engine: "clickhouse", host: "127.0.0.1", port: server.port, database };
}

const engine: EngineUnderTest = {
  engine: "clickhouse",
  leavesRemnants: true,
  start: async () => {
    server = await startChdb(chdbSite!);
  },
  stop: () => server.stop(),
  database: newDatabase,
  createTables: async ({ database }, tables) => {
    for (const statement of createTablesSql("clickhouse", tables)) {
      await ask(database, statement);
    }
  },
  ingest: async ({ database }, topic, table, part, rows, next) => {
    const lines = rows.map(({ off, ts, key, values }) => {
      const given = { part, off, ts, key, ...values };
      const times = Object.entries(given).map(([name, value]) => [
        name,
        timeNames.includes(name) && typeof value === "number" ? timeText(value) : value,
      ]);
      return JSON.stringify(Object.fromEntries(times));
    });
    const names = columnNames(table).map((name) => `"${name}"`);
    if (lines.length > 0) {
      await ask(database, `INSERT INTO "${table.name}" (${names.join(", ")}) FORMAT JSONEachRow`, `${lines.join("\n")}\n`);
    }
    await ask(database, `INSERT INTO mesh_offsets (topic, "partition", next_offset) FORMAT TabSeparated`, `${topic}\t${part}\t${next}\n`);
  },
  content: ({ database }, table, where) => {
    const condition = where === undefined ? "" : `WHERE part = ${where.part} AND off < ${where.below}`;
    return ask(database, `SELECT * FROM "${table.name}" FINAL ${condition} ORDER BY part, off FORMAT TabSeparated`);
  },
  shown: async ({ database }, snapshot, _topic, table) => {
    const view = snapshotView("clickhouse", snapshot, table);
    const text = await ask(database, `SELECT shard, part, count(), max(off) FROM ${view} GROUP BY shard, part ORDER BY shard, part`);
    return text.replaceAll("\t", "|");
  },
  changeColumns: async ({ database }) => {
    await ask(database, "ALTER TABLE trades DROP COLUMN more, ADD COLUMN extra Nullable(String)");
  },
};

promises(chdbSite !== undefined, noChdb, engine);

describeWhere(chdbSite !== undefined, noChdb)("ClickHouse", () => {
  withServer(engine);

  const prepared = async (): Promise<DatabaseSettings> => {
    const database = await newDatabase();
    for (const statement of createTablesSql("clickhouse", [ordersTable, tradesTable])) {
      await ask(database.database, statement);
    }
    return database;
  };

  it("tells what a person can mend", async () => {
    await expectAdvice(await newDatabase());
  });

  it("reads rows that were inserted twice once, and goes on from page to page", async () => {
    const database = await prepared();
    const rows = Array.from({ length: 2500 }, (_unused, off) =>
      JSON.stringify({ part: 0, off, ts: "2026-11-21 06:00:00", key: "k", doc: "1" }),
    );
    for (let times = 0; times < 2; times++) {
      await ask(database.database, "INSERT INTO orders (part, off, ts, key, doc) FORMAT JSONEachRow", rows.slice(times).join("\n"));
    }
    const session = await connectDatabase(database);
    const view = await session.view();
    const offsets: number[] = [];
    for await (const piece of view.rows({ topic: "orders", partition: 0, table: "orders", to: 2400n }, ordersTable)) {
      offsets.push(
        ...piece
          .toString()
          .trimEnd()
          .split("\n")
          .map((line) => Number(line.split("\t")[1])),
      );
    }
    expect(offsets).toEqual(Array.from({ length: 2400 }, (_unused, off) => off));
  });

  it("keeps the last bit of a number", async () => {
    const [source, target] = [await prepared(), await prepared()];
    const rates = [5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3, 123456789.12345679, -0, 2.2250738585072014e-308, 1e23, 8.41e21];
    const rows = rates.map((rate, off) => ({ part: 0, off, ts: "2026-11-21 06:00:00", number: off, rate: String(rate) }));
    await ask(
      source.database,
      "INSERT INTO trades (part, off, ts, number, rate) FORMAT JSONEachRow",
      rows.map((row) => JSON.stringify(row)).join("\n"),
    );
    const from = await connectDatabase(source);
    const to = await connectDatabase(target);
    const pieces = (await from.view()).rows({ topic: "trade.log", partition: 0, table: "trades", to: 100n }, tradesTable);
    const shard = { shard: 0, partitions: { "trade.log": [0] }, tables: { "trade.log": tradesTable } };
    await to.restore(shard, "kafka", {}, async (writer) => {
      await writer.begin(tradesTable);
      for await (const piece of pieces) {
        await writer.rows(piece);
      }
      await writer.end();
    });
    const bits = "SELECT hex(rate) FROM trades ORDER BY off";
    expect(await ask(target.database, bits)).toBe(await ask(source.database, bits));
  });

  it("does not call a shard restored where another has removed or added rows meanwhile", async () => {
    const database = await prepared();
    const shard = { shard: 0, partitions: { orders: [0] }, tables: { orders: ordersTable } };
    const attempt = async (meanwhile: () => Promise<unknown>): Promise<unknown> => {
      const session = await connectDatabase(database);
      return session.restore(shard, "s", { orders: { 0: 9n } }, async (writer) => {
        await writer.begin(ordersTable);
        await writer.rows(Buffer.from("0\t1\t2026-11-21 06:00:00+00\t\\N\t1\n0\t3\t2026-11-21 06:00:00.5+00\t\\N\t1\n"));
        await writer.end();
        await meanwhile();
      });
    };
    const disturbed = "another agent restores it too; the agent tries again";
    await expect(attempt(() => ask(database.database, "ALTER TABLE orders DROP PARTITION 0"))).rejects.toThrow(disturbed);
    const other = JSON.stringify({ part: 0, off: 5, ts: "2026-11-21 06:00:00", doc: "1" });
    await expect(attempt(() => ask(database.database, "INSERT INTO orders FORMAT JSONEachRow", other))).rejects.toThrow(disturbed);
    await expect(attempt(() => attempt(() => Promise.resolve()))).rejects.toThrow(disturbed);
    expect(await ask(database.database, "SELECT shard, source FROM mesh_shards")).toBe("0\ts");
    expect(await ask(database.database, "SELECT off FROM orders FINAL ORDER BY off")).toBe("1\n3");
  });

  it("cannot lose rows by a token that the server has seen: a shard that comes back is whole", async () => {
    const database = await prepared();
    const session = await connectDatabase(database);
    const shard = { shard: 0, partitions: { orders: [0] }, tables: { orders: ordersTable } };
    const line = Buffer.from("0\t1\t2026-11-21 06:00:00+00\t\\N\t1\n");
    for (let times = 0; times < 3; times++) {
      const done = await session.restore(shard, "s", { orders: { 0: 2n } }, async (writer) => {
        await writer.begin(ordersTable);
        await writer.rows(line);
        await writer.end();
      });
      expect(done).toBeUndefined();
      expect(await session.drop(shard)).toBe(1);
    }
  });
});
