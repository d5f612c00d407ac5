/** What the agent promises of every database engine, run against a real server by one test file for each. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { partitionsOfShard } from "../../src/model/shards";
import type { TableFacts } from "../../src/model/tables";
import { fixCut } from "../src/cut";
import { connectDatabase } from "../src/databases";
import type { DatabaseSession, DatabaseSettings, ShardTables } from "../src/databases/database";
import { exitCodeOf } from "../src/errors";
import { run } from "../src/main";
import { restoreShard } from "../src/restore";
import { snapshotShard } from "../src/shard-snapshot";
import { compileAgent } from "./compiled-agent";
import { freePort } from "./programs";
import { type Row, rowOf } from "./rows";
import {
  contextWith,
  describeWhere,
  type FakeKafka,
  fakeKafka,
  ordersTable,
  records,
  removeFolder,
  snapshotId,
  temporaryFolder,
  tradesTable,
  writePodFiles,
} from "./support";
import { nodeWith, startAgent } from "./tending";

/** How a test handles one engine without the agent. */
export interface EngineUnderTest {
  engine: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A new database without anything in it. */
  database(): Promise<DatabaseSettings>;
  /** Makes the tables of ingest. */
  createTables(database: DatabaseSettings, tables: readonly TableFacts[]): Promise<void>;
  /** Writes rows of one partition and the offset behind them, as ingest does. */
  ingest(database: DatabaseSettings, topic: string, table: TableFacts, partition: number, rows: readonly Row[], next: number): Promise<void>;
  /** All rows of a table in order, as text; with `where.below` those of one partition below an offset. */
  content(database: DatabaseSettings, table: TableFacts, where?: { part: number; below: number }): Promise<string>;
  /** `shard|part|rows|last offset` of what a service reads of a snapshot. */
  shown(database: DatabaseSettings, snapshot: string, topic: string, table: TableFacts): Promise<string>;
  /** Gives the table `trades` the column `extra` and takes `more` away; where columns are nothing that a database knows, it is missing. */
  changeColumns?(database: DatabaseSettings): Promise<void>;
  /** Whether what a killed restoration has written may be there until the next one. */
  leavesRemnants: boolean;
}

const tables: Record<string, TableFacts> = { orders: ordersTable, "trade.log": tradesTable };
const plan = { shardCount: 2, topics: { orders: { partitions: 4 }, "trade.log": { partitions: 2 } } };
const shardOf = (shard: number): ShardTables => ({ shard, partitions: partitionsOfShard(plan, shard), tables });

export function promises(there: boolean, missing: string, given: EngineUnderTest): void {
  jest.setTimeout(60_000);
  describeWhere(there, missing)(`${given.engine}: the agent`, () => {
    let folder: string;
    let kafka: FakeKafka;

    beforeAll(async () => {
      process.env["DATABASE_USER"] = "mesh";
      process.env["DATABASE_PASSWORD"] = "secret";
      await given.start();
    }, 120_000);
    afterAll(() => given.stop());
    beforeEach(() => {
      folder = temporaryFolder();
      kafka = fakeKafka({ orders: [records(500, 20), records(300), records(90, 5), []], "trade.log": [records(130, 1), records(70)] });
    });
    afterEach(() => removeFolder(folder));

    const ingest = (database: DatabaseSettings, topic: string, partition: number, to: number, from = 0): Promise<void> => {
      const rows = Array.from({ length: to - from }, (_unused, index) => rowOf(topic, partition, from + index));
      return given.ingest(database, topic, tables[topic], partition, rows, to);
    };
    const withTables = async (): Promise<DatabaseSettings> => {
      const database = await given.database();
      await given.createTables(database, Object.values(tables));
      return database;
    };
    const ingested = async (): Promise<DatabaseSettings> => {
      const database = await withTables();
      for (const [topic, logs] of Object.entries(kafka.logs)) {
        for (const [partition, log] of logs.entries()) {
          if (log.length > 0) {
            await ingest(database, topic, partition, log.length);
          }
        }
      }
      return database;
    };
    const session = async <T>(database: DatabaseSettings, work: (session: DatabaseSession) => Promise<T>): Promise<T> => {
      const opened = await connectDatabase(database);
      try {
        return await work(opened);
      } finally {
        await opened.close();
      }
    };
    const context = (database: DatabaseSettings): ReturnType<typeof contextWith> =>
      contextWith({ directory: { path: folder, shared: true } }, { database });
    const take = async (database: DatabaseSettings): Promise<void> => {
      const taking = await context(database);
      for (const shard of [0, 1]) {
        expect(await snapshotShard(taking, kafka, snapshotId, shard)).toMatchObject({ done: true, written: true });
      }
    };
    const state = async (database: DatabaseSettings): Promise<{ held: string; offsets: unknown }> => {
      const { shards, offsets } = await session(database, (opened) => opened.state());
      const held = [...shards].sort().map(([shard, { source }]) => `${shard}:${source}`);
      const sorted = Object.entries(offsets).map(([topic, next]) => `${topic} ${Object.values(next).join(" ")}`);
      return { held: held.join(" "), offsets: sorted.sort().join(", ") };
    };
    const allBelow = async (database: DatabaseSettings, parts: readonly [string, number, number][]): Promise<string> =>
      (await Promise.all(parts.map(([topic, part, below]) => given.content(database, tables[topic], { part, below })))).join("");
    /** What a snapshot of `kafka` has of each shard. */
    const cuts: readonly (readonly [string, number, number][])[] = [
      [["orders", 0, 480], ["orders", 2, 85], ["trade.log", 0, 129]],
      [["orders", 1, 300], ["orders", 3, 0], ["trade.log", 1, 70]],
    ];
    const everything = cuts.flat();
    const whole: readonly (readonly [string, number, number])[] = everything.map(([topic, part]) => [topic, part, 1_000_000]);
    const found = (database: DatabaseSettings): Promise<string> => allBelow(database, whole as [string, number, number][]);

    it("writes rows as COPY text that PostgreSQL would read as well", async () => {
      const database = await ingested();
      const text = await session(database, async (opened) => {
        const view = await opened.view();
        const pieces: Buffer[] = [];
        for await (const piece of view.rows({ topic: "trade.log", partition: 1, table: "trades", to: 8n }, tradesTable)) {
          pieces.push(piece);
        }
        return Buffer.concat(pieces).toString("utf8");
      });
      // ClickHouse writes an apostrophe with a backslash, which means the same.
      const lines = text.replaceAll("\\'", "'").split("\n");
      expect(lines).toHaveLength(9);
      expect(lines.slice(0, 4)).toEqual([
        '1\t0\t2026-09-21 14:13:20+00\t\\N\t\\N\t0\t0\t0\t0.000000000\tt\t1970-01-01 00:00:00+00\t\\N',
        '1\t1\t2026-09-21 14:13:20.001+00\t\\\\.\t\\\\N\t1\t1000000007\t0.3333333333333333\t0.125000000\tf\t1970-01-01 00:00:00.001+00\t{"a": [1, "\\\\\\\\n"]}',
        `1\t2\t2026-09-21 14:13:20.002+00\ttab\\t line\\n back\\\\ é 'quoted'\ta\\tb\\nc\\\\\t2\t2000000014\t0.6666666666666666\t0.250000000\tt\t1970-01-01 00:00:00.002+00\t{"a": [1, "\\\\\\\\n"]}`,
        '1\t3\t2026-09-21 14:13:20.003+00\tk3\\r\t\\N\t3\t3000000021\t1\t0.375000000\tf\t1970-01-01 00:00:00.003+00\t{"a": [1, "\\\\\\\\n"]}',
      ]);
    });

    it("restores elsewhere what it has taken: rows, offsets and where they came from", async () => {
      const source = await ingested();
      await take(source);
      const target = await given.database();
      const tending = await startAgent(folder, kafka, nodeWith("node-a", 0, 1), { database: target });
      await tending.settle();
      expect(tending.context.lines.filter((line) => !line.includes('"level":"info"'))).toEqual([]);
      expect(await found(target)).toBe(await allBelow(source, everything));
      expect(await state(target)).toEqual({ held: `0:${snapshotId} 1:${snapshotId}`, offsets: "orders 480 300 85 0, trade.log 129 70" });
      // And ingest goes on behind them.
      await ingest(target, "orders", 0, 500, 480);
      expect(await given.content(target, ordersTable, { part: 0, below: 500 })).toBe(
        await given.content(source, ordersTable, { part: 0, below: 500 }),
      );
    });

    it("refuses to restore over anything", async () => {
      const source = await ingested();
      await take(source);
      const before = await found(source);
      const occupied = await restoreShard(await context(source), snapshotId, 0);
      expect(occupied).toEqual({ occupied: expect.stringMatching(/^next offset 500 of (partition 0 of orders|orders\/0)$/) });
      const held = await withTables();
      expect(await session(held, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
      expect(await session(held, (opened) => opened.hold(shardOf(0), "again"))).toBe(false);
      expect(await restoreShard(await context(held), snapshotId, 0)).toEqual({ occupied: "a row of the shard in mesh_shards" });
      expect((await found(source)) === before && (await found(held)) === "").toBe(true);
      expect(await state(held)).toEqual({ held: "0:kafka", offsets: "" });
    });

    it("leaves nothing that counts of a restoration that fails, and then restores all of it", async () => {
      const source = await ingested();
      await take(source);
      const target = await withTables();
      for (const pieces of [1, 2, 3]) {
        let left = pieces;
        const failing = restoreShard(await context(target), snapshotId, 0, () => {
          if (--left <= 0) {
            throw new Error("the end");
          }
        });
        await expect(failing).rejects.toThrow("the end");
        expect(await state(target)).toEqual({ held: "", offsets: "" });
        expect(await session(target, (opened) => opened.remainsOf(shardOf(0)))).toBeUndefined();
        if (!given.leavesRemnants) {
          expect(await found(target)).toBe("");
        }
      }
      expect(await restoreShard(await context(target), snapshotId, 0)).toMatchObject({ rows: 480 + 85 + 129 });
      expect(await found(target)).toBe(await allBelow(source, cuts[0]));
    });

    it("leaves a shard to Kafka without what a failed restoration has written", async () => {
      await take(await ingested());
      const target = await withTables();
      let pieces = 0;
      const failing = restoreShard(await context(target), snapshotId, 0, () => {
        if (++pieces === 3) {
          throw new Error("the end");
        }
      });
      await expect(failing).rejects.toThrow("the end");
      expect(await session(target, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
      expect(await found(target)).toBe("");
      expect(await state(target)).toEqual({ held: "0:kafka", offsets: "" });
      await ingest(target, "orders", 0, 10);
      // With rows that count, nothing goes.
      const taken = await withTables();
      await ingest(taken, "orders", 0, 10);
      expect(await session(taken, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
      expect(await found(taken)).toBe(await found(target));
    });

    it("shows exactly the rows below the cuts of a snapshot, while rows are added", async () => {
      const database = await withTables();
      const tending = await startAgent(folder, kafka, nodeWith("node-a", 0, 1), { database, unpinnedGraceSeconds: 0 });
      await tending.settle();
      for (const shard of [0, 1]) {
        await fixCut(tending.context.store, kafka, "hourly", snapshotId, shard, tending.context.settings.plan);
      }
      tending.pinned.push(snapshotId);
      await tending.round();
      const shown = (topic: string): Promise<string> => given.shown(database, snapshotId, topic, tables[topic]);
      expect(await shown("orders")).toBe("");
      expect(await session(database, (opened) => opened.snapshots())).toEqual([snapshotId]);
      for (const [from, to] of [[0, 200], [200, 480], [480, 500]]) {
        for (const [topic, logs] of Object.entries(kafka.logs)) {
          for (const [partition, log] of logs.entries()) {
            if (from < log.length) {
              await ingest(database, topic, partition, Math.min(to, log.length), from);
            }
          }
        }
        await tending.round();
        expect(await shown("orders")).toBe(to < 480 ? "" : "0|0|480|479\n0|2|85|84\n1|1|300|299");
        expect(await shown("trade.log")).toBe(to < 480 ? "" : "0|0|129|128\n1|1|70|69");
      }
      expect(tending.context.lines.filter((line) => line.includes("made the views"))).toHaveLength(1);
      expect(tending.context.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
      tending.pinned.pop();
      await tending.round();
      await tending.round();
      expect(await session(database, async (opened) => [await opened.snapshots(), await opened.cuts(snapshotId)])).toEqual([[], {}]);
    });

    it("makes the views anew where a table has got other columns", async () => {
      const database = await withTables();
      await session(database, (opened) => opened.createViews(snapshotId, tables, 2));
      await given.changeColumns?.(database);
      const columns = [{ ...tradesTable.columns[0], name: "extra" }, ...tradesTable.columns.slice(0, -1)];
      const changed = { ...tables, "trade.log": { ...tradesTable, columns } };
      await session(database, async (opened) => {
        await opened.createViews(snapshotId, changed, 2);
        await opened.addCuts(snapshotId, { "trade.log": { 0: 1n } });
        // A cut never changes.
        await opened.addCuts(snapshotId, { "trade.log": { 0: 1n } });
        expect(await opened.cuts(snapshotId)).toEqual({ "trade.log": { 0: 1n } });
      });
      await given.ingest(database, "trade.log", changed["trade.log"], 0, [rowOf("trade.log", 0, 0), rowOf("trade.log", 0, 1)], 2);
      expect(await given.shown(database, snapshotId, "trade.log", changed["trade.log"])).toBe("0|0|1|0");
      await session(database, (opened) => opened.dropViews(snapshotId, Object.values(changed)));
      expect(await session(database, (opened) => opened.snapshots())).toEqual([]);
    });

    it("drops a shard with its offsets and cuts, and nothing of another", async () => {
      const database = await ingested();
      await session(database, async (opened) => {
        await opened.hold(shardOf(0), "kafka");
        await opened.hold(shardOf(1), "kafka");
        await opened.createViews(snapshotId, tables, 2);
        await opened.addCuts(snapshotId, { orders: { 0: 480n, 1: 300n } });
        expect(await opened.firstOffsets(shardOf(0))).toEqual({ orders: { 0: 0n, 2: 0n }, "trade.log": { 0: 0n } });
        expect(await opened.drop(shardOf(0))).toBe(500 + 90 + 130);
        expect(await opened.cuts(snapshotId)).toEqual({ orders: { 1: 300n } });
        expect(await opened.remainsOf(shardOf(0))).toBeUndefined();
        expect(await opened.firstOffsets(shardOf(0))).toEqual({});
        expect(await opened.drop(shardOf(0))).toBe(0);
      });
      expect(await given.shown(database, snapshotId, "orders", ordersTable)).toBe("1|1|300|299");
      expect(await state(database)).toEqual({ held: "1:kafka", offsets: "orders 300, trade.log 70" });
      expect(await found(database)).toBe(await allBelow(database, cuts[1]));
      await session(database, (opened) => opened.dropViews(snapshotId, Object.values(tables)));
    });

    it("takes no snapshot of rows that are dropped while it reads them", async () => {
      const database = await ingested();
      await session(database, async (opened) => {
        await opened.hold(shardOf(0), "kafka");
        const view = await opened.view();
        const read = async (): Promise<number> => {
          let bytes = 0;
          for await (const piece of view.rows({ topic: "orders", partition: 0, table: "orders", to: 480n }, ordersTable)) {
            bytes += piece.length;
          }
          return bytes;
        };
        const before = await read();
        await session(database, (other) => other.drop(shardOf(0)));
        // Where there is a view of one moment, the rows are still in it; elsewhere it fails.
        expect(await read().catch((error: Error) => error.message)).toEqual(
          given.leavesRemnants ? expect.stringContaining("rows went away while they were read; the agent tries again") : before,
        );
      });
    });

    it("waits for a snapshot in a service's pod", async () => {
      const database = await given.database();
      const wait = async (...words: string[]): Promise<{ code: number; lines: string }> => {
        const files = temporaryFolder();
        const where = writePodFiles(files, {}).slice(2);
        const { host, port } = database;
        const variables = { ENGINE: given.engine, HOST: host, PORT: String(port), NAME: database.database };
        Object.entries(variables).forEach(([name, value]) => (process.env[`DATABASE_${name}`] = value));
        const lines: string[] = [];
        const written = jest.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
        const code = await run(["wait", ...words, ...where], new AbortController().signal, () => undefined).catch((error: unknown) => {
          lines.push((error as Error).message);
          return exitCodeOf(error);
        });
        written.mockRestore();
        removeFolder(files);
        return { code, lines: lines.join("\n") };
      };
      const early = await wait(snapshotId, "--timeout", "0");
      expect(early).toEqual({ code: 3, lines: expect.stringContaining("shards 0, 1 not in the database") });
      expect(early.lines).toContain("its views are not there");
      const tending = await startAgent(folder, kafka, nodeWith("node-a", 0, 1), { database });
      tending.pinned.push(snapshotId);
      await tending.settle();
      for (const [topic, logs] of Object.entries(kafka.logs)) {
        for (const [partition, log] of logs.entries()) {
          if (log.length > 0 && partition !== 1) {
            await ingest(database, topic, partition, log.length);
          }
        }
      }
      for (const shard of [0, 1]) {
        await fixCut(tending.context.store, kafka, "hourly", snapshotId, shard, tending.context.settings.plan);
      }
      await tending.round();
      const half = await wait(snapshotId, "--timeout", "0");
      expect(half.lines).toContain("shard 1 not shown: its cut is not taken yet, or ingest has not passed it");
      expect(half.lines).not.toContain("views are not there");
      const waiting = wait(snapshotId);
      await ingest(database, "orders", 1, 300);
      await ingest(database, "trade.log", 1, 70);
      await tending.round();
      expect(await waiting).toMatchObject({ code: 0 });
      await session(database, (opened) => opened.dropViews(snapshotId, Object.values(tables)));
    });

    it("restores each shard whole or not at all, though it is killed again and again", async () => {
      const source = await ingested();
      // Enough that a restoration lasts longer than the steps of the kills.
      const more = 60_000;
      for (let from = 300; from < more; from += 10_000) {
        await ingest(source, "orders", 1, Math.min(from + 10_000, more), from);
      }
      kafka.logs["orders"][1] = kafka.logs["orders"][1].concat(Array.from({ length: more - 300 }, () => ({ time: 0 })));
      await take(source);
      const target = await withTables();
      const files = temporaryFolder();
      const where = writePodFiles(files, {
        ...{ store: { directory: { path: folder, shared: true } }, database: target, tends: true },
        // Nobody listens there: a restoration from the store needs no Kafka.
        kafka: { brokers: [`127.0.0.1:${await freePort()}`] },
      });
      const agent = compileAgent();
      const start = async (): Promise<() => Promise<unknown>> => {
        const args = [agent.program, "snapshot", "--port", String(await freePort()), ...where];
        const child = spawn(process.execPath, args, { stdio: "ignore", env: { ...process.env, ...agent.env } });
        const exit = new Promise((resolve) => child.once("exit", resolve));
        return () => (child.kill("SIGKILL"), exit);
      };
      const heldShards = async (): Promise<string> => (await state(target)).held;
      const wanted = [`0:${snapshotId}`, `1:${snapshotId}`];
      const sums = [await allBelow(source, cuts[0]), await allBelow(source, [["orders", 1, more], ["trade.log", 1, 70]])];
      let cut = 0;
      for (let round = 0; round < 30 && (await heldShards()) !== wanted.join(" "); round++) {
        const kill = await start();
        const began = Date.now();
        for (let seen = false; !seen && Date.now() - began < 10_000; ) {
          seen = given.leavesRemnants ? (await given.content(target, ordersTable, { part: 1, below: 1 })) !== "" : Date.now() - began > 600;
          seen ||= (await heldShards()) === wanted.join(" ");
        }
        await new Promise((resolve) => setTimeout(resolve, round * 60));
        await kill();
        const { held, offsets } = await state(target);
        cut += held.includes("1:") ? 0 : 1;
        // The row of a shard never comes without its offsets and rows.
        for (const shard of [0, 1].filter((number) => held.includes(`${number}:`))) {
          const parts = shard === 0 ? cuts[0] : ([["orders", 1, 1_000_000], ["trade.log", 1, 1000]] as [string, number, number][]);
          expect((await allBelow(target, parts)) === sums[shard]).toBe(true);
          expect(String(offsets)).toMatch(shard === 0 ? /^orders 480 .*trade.log 129/ : /orders .*60000.*trade.log .*70$/);
        }
      }
      expect(await heldShards()).toBe(wanted.join(" "));
      expect(cut).toBeGreaterThan(0);
      removeFolder(files);
      agent.remove();
    }, 240_000);
  });
}

