/** Valkey (or Redis 7): what the agent promises of every engine, and what is particular. */
import { createClient } from "@redis/client";
import { connectDatabase } from "../src/databases";
import type { DatabaseSettings } from "../src/databases/database";
import type { EngineUnderTest } from "./database-bench";
import { promises, withServer } from "./database-promises";
import { noValkey, startValkey, valkeyProgram, writeCertificate } from "./database-servers";
import type { Server } from "./programs";
import { timeNames } from "./rows";
import { describeWhere, ordersTable, removeFolder, snapshotId, temporaryFolder } from "./support";

let server: Server;
let databases = 0;

type Word = string | Buffer;
type Reply = string | number | null | Reply[];

async function ask(database: DatabaseSettings, ...commands: Word[][]): Promise<Reply[]> {
  const client = createClient({
    ...{ socket: { host: "127.0.0.1", port: server.port }, username: "mesh", password: "secret", database: Number(database.database) },
    RESP: 2,
    commandOptions: { timeout: 0 },
  });
  await client.connect();
  try {
    return await Promise.all(commands.map((words) => client.sendCommand<Reply>(words)));
  } finally {
    client.destroy();
  }
}

function newDatabase(): Promise<DatabaseSettings> {
  return Promise.resolve({ engine: "valkey", host: "127.0.0.1", port: server.port, database: String(databases++) });
}

const stream = (table: string, part: number): string => `mesh:{${table}:${part}}`;

const engine: EngineUnderTest = {
  engine: "valkey",
  leavesRemnants: true,
  start: async () => {
    server = await startValkey(valkeyProgram!);
  },
  stop: () => server.stop(),
  database: newDatabase,
  createTables: () => Promise.resolve(),
  ingest: async (database, topic, table, part, rows, next) => {
    const entries = rows.map(({ off, ts, key, values }) => {
      const fields = Object.entries({ ts, key, ...values }).flatMap(([name, value]): [string, string][] => {
        const text = timeNames.includes(name) && value !== null ? new Date(value).toISOString().replace("Z", "000Z") : String(value);
        return value === null || value === undefined ? [] : [[name, text]];
      });
      return ["XADD", stream(table.name, part), `${off}-1`, ...fields.flat()];
    });
    await ask(database, ...entries, ["HSET", "mesh_offsets", `${topic}/${part}`, String(next)]);
  },
  content: async (database, table, where) => {
    const parts = where === undefined ? [0, 1, 2, 3] : [where.part];
    const end = where === undefined ? "+" : where.below === 0 ? "0-0" : `(${where.below}-0`;
    const all = await ask(database, ...parts.map((part) => ["XRANGE", stream(table.name, part), "-", end]));
    return (all as Reply[][])
      .map((entries, index) => entries.map((entry) => `${parts[index]} ${JSON.stringify(entry)}\n`).join(""))
      .join("");
  },
  // As a service reads: below the cuts that the hash says.
  shown: async (database, snapshot, topic, table) => {
    const [cuts] = (await ask(database, ["HGETALL", `mesh_cuts:${snapshot}`])) as string[][];
    const lines: string[] = [];
    for (let at = 0; at < cuts.length; at += 2) {
      const [name, part] = cuts[at].split("/");
      if (name === topic && cuts[at + 1] !== "0") {
        const [entries] = (await ask(database, ["XRANGE", stream(table.name, Number(part)), "-", `(${cuts[at + 1]}-0`])) as [
          string,
          unknown,
        ][][];
        lines.push(`${Number(part) % 2}|${part}|${entries.length}|${entries[entries.length - 1][0].split("-")[0]}`);
      }
    }
    return lines.sort().join("\n");
  },
};

promises(valkeyProgram !== undefined, noValkey, engine);

describeWhere(valkeyProgram !== undefined, noValkey)("Valkey", () => {
  withServer(engine);
  afterEach(() => (process.env["DATABASE_PASSWORD"] = "secret"));

  const shard = { shard: 0, partitions: { orders: [0] }, tables: { orders: ordersTable } };
  const line = (off: number): Buffer => Buffer.from(`0\t${off}\t2026-11-21 06:00:00+00\t\\N\t1\n`);

  it("tells what a person can mend", async () => {
    const database = await newDatabase();
    await expect(connectDatabase({ ...database, database: "mesh" })).rejects.toThrow("give the number of a database of Valkey");
    await expect(connectDatabase({ ...database, port: 1 })).rejects.toMatchObject({ kind: "unreachable", retry: true });
    process.env["DATABASE_PASSWORD"] = "wrong";
    await expect(connectDatabase(database)).rejects.toMatchObject({
      message: expect.stringContaining("correct user and password in the Secret of the database"),
      retry: false,
    });
  });

  it("lets the later of two that restore a shard go on alone", async () => {
    const database = await newDatabase();
    const [first, second] = [await connectDatabase(database), await connectDatabase(database)];
    const earlier = first.restore(shard, "early", { orders: { 0: 9n } }, async (writer) => {
      await writer.begin(ordersTable);
      await writer.rows(Buffer.concat([line(1), line(2)]));
      await writer.end();
      const later = await second.restore(shard, "late", { orders: { 0: 9n } }, async (other) => {
        await other.begin(ordersTable);
        await other.rows(Buffer.concat([line(1), line(2), line(5)]));
        await other.end();
      });
      expect(later).toBeUndefined();
      await writer.begin(ordersTable);
      await writer.rows(line(7));
      await writer.end();
    });
    await expect(earlier).rejects.toThrow("expected to be restored by this agent alone");
    expect((await second.state()).shards.get(0)?.source).toBe("late");
    const [entries] = (await ask(database, ["XRANGE", stream("orders", 0), "-", "+"])) as [string][][];
    expect(entries.map(([id]) => id)).toEqual(["1-1", "2-1", "5-1"]);
    expect(await ask(database, ["EXISTS", "mesh_restoring:0"])).toEqual([0]);
    await Promise.all([first.close(), second.close()]);
  });

  it("keeps every byte of what others have written, and goes on from page to page", async () => {
    const [source, target] = [await newDatabase(), await newDatabase()];
    const bytes = Buffer.from(Array.from({ length: 256 }, (_unused, byte) => byte));
    const entries = Array.from({ length: 1500 }, (_unused, off) => [
      "XADD",
      stream("orders", 0),
      `${off}-1`,
      "ts",
      "2026-11-21T06:00:00.000001Z",
      "doc",
      bytes,
    ]);
    await ask(source, ...entries);
    const [from, to] = [await connectDatabase(source), await connectDatabase(target)];
    const rows = (await from.view()).rows({ topic: "orders", partition: 0, table: "orders", to: 1400n }, ordersTable);
    await to.restore(shard, "s", { orders: { 0: 1400n } }, async (writer) => {
      await writer.begin(ordersTable);
      for await (const piece of rows) {
        await writer.rows(piece);
      }
      await writer.end();
    });
    const dump = "return redis.sha1hex(cjson.encode(redis.call('XRANGE', KEYS[1], '-', '1399-1')))";
    const [hash] = await ask(target, ["EVAL", dump, "1", stream("orders", 0)]);
    expect(hash).toBe((await ask(source, ["EVAL", dump, "1", stream("orders", 0)]))[0]);
    expect(await ask(target, ["XLEN", stream("orders", 0)])).toEqual([1400]);
    await Promise.all([from.close(), to.close()]);
  });

  it("says what it cannot read, and never shows a snapshot by a key that only looks like one", async () => {
    const database = await newDatabase();
    await ask(database, ["HSET", "mesh_shards", "0", "nonsense"], ["SADD", "mesh_snapshots", "mine", snapshotId]);
    const session = await connectDatabase(database);
    expect(await session.version()).toMatch(/^\d+\.\d+\.\d+$/);
    await expect(session.state()).rejects.toThrow("expected source and since of a shard, found 0: nonsense");
    expect(await session.snapshots()).toEqual([snapshotId]);
    await session.close();
  });

  it("is encrypted and proves the server's certificate where the settings say so", async () => {
    const folder = temporaryFolder();
    const certificate = writeCertificate(folder);
    const secure = await startValkey(valkeyProgram!, certificate);
    try {
      const database = { engine: "valkey", host: "127.0.0.1", port: secure.port, database: "0" };
      const session = await connectDatabase({ ...database, tls: { caFile: certificate.certificate } });
      expect(await session.snapshots()).toEqual([]);
      await session.close();
      await expect(connectDatabase({ ...database, tls: {} })).rejects.toThrow(
        "check the certificate of the database and database.tls.caFile",
      );
    } finally {
      await secure.stop();
      removeFolder(folder);
    }
  });
});
