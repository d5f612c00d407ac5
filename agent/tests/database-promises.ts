/** What the agent promises of every database engine, run against a real server by one test file for each. */
import { connectDatabase } from "../src/databases";
import type { DatabaseSettings } from "../src/databases/database";
import { restoreShard } from "../src/restore";
import { createBench, cuts, type Bench, type EngineUnderTest, shardOf } from "./database-bench";
import { killPromise } from "./database-kills";
import { viewPromises } from "./database-views";
import { describeWhere, fakeKafka, ordersTable, records, removeFolder, snapshotId, temporaryFolder, tradesTable } from "./support";
import { nodeWith, startAgent } from "./tending";

export function promises(there: boolean, missing: string, given: EngineUnderTest): void {
  jest.setTimeout(60_000);
  describeWhere(there, missing)(`${given.engine}: the agent`, () => {
    const bench = createBench(given);
    withServer(given);
    beforeEach(() => {
      bench.folder = temporaryFolder();
      bench.kafka = fakeKafka({
        orders: [records(500, 20), records(300), records(90, 5), []],
        "trade.log": [records(130, 1), records(70)],
      });
    });
    afterEach(() => removeFolder(bench.folder));

    restorePromises(bench);
    viewPromises(bench);
    killPromise(bench);
  });
}

/** The engine's server for the tests of a `describe`, and the credentials that the agent comes with. */
export function withServer({ start, stop }: Pick<EngineUnderTest, "start" | "stop">): void {
  beforeAll(async () => {
    process.env["DATABASE_USER"] = "mesh";
    process.env["DATABASE_PASSWORD"] = "secret";
    await start();
  }, 120_000);
  afterAll(stop);
}

/** A wrong name is for a person to mend; a server that is away may come back by itself. */
export async function expectAdvice(database: DatabaseSettings): Promise<void> {
  await expect(connectDatabase({ ...database, database: "nowhere" })).rejects.toMatchObject({
    message: expect.stringContaining("correct the name of the database"),
    retry: false,
  });
  await expect(connectDatabase({ ...database, port: 1 })).rejects.toMatchObject({ kind: "unreachable", retry: true });
}

function restorePromises(bench: Bench): void {
  it("writes rows as COPY text that PostgreSQL would read as well", async () => {
    const database = await bench.ingested();
    const text = await bench.session(database, async (opened) => {
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
      "1\t0\t2026-09-21 14:13:20+00\t\\N\t\\N\t0\t0\t0\t0.000000000\tt\t1970-01-01 00:00:00+00\t\\N",
      '1\t1\t2026-09-21 14:13:20.001+00\t\\\\.\t\\\\N\t1\t1000000007\t0.3333333333333333\t0.125000000\tf\t1970-01-01 00:00:00.001+00\t{"a": [1, "\\\\\\\\n"]}',
      `1\t2\t2026-09-21 14:13:20.002+00\ttab\\t line\\n back\\\\ é 'quoted'\ta\\tb\\nc\\\\\t2\t2000000014\t0.6666666666666666\t0.250000000\tt\t1970-01-01 00:00:00.002+00\t{"a": [1, "\\\\\\\\n"]}`,
      '1\t3\t2026-09-21 14:13:20.003+00\tk3\\r\t\\N\t3\t3000000021\t1\t0.375000000\tf\t1970-01-01 00:00:00.003+00\t{"a": [1, "\\\\\\\\n"]}',
    ]);
  });

  it("restores elsewhere what it has taken: rows, offsets and where they came from", async () => {
    const source = await bench.ingested();
    await bench.take(source);
    const target = await bench.given.database();
    const tending = await startAgent(bench.folder, bench.kafka, nodeWith("node-a", 0, 1), { database: target });
    await tending.settle();
    expect(tending.context.lines.filter((line) => !line.includes('"level":"info"'))).toEqual([]);
    expect(await bench.found(target)).toBe(await bench.below(source, cuts.flat()));
    expect(await bench.state(target)).toEqual({
      held: `0:${snapshotId} 1:${snapshotId}`,
      offsets: "orders 480 300 85 0, trade.log 129 70",
    });
    // And ingest goes on behind them.
    await bench.ingest(target, "orders", 0, 500, 480);
    expect(await bench.given.content(target, ordersTable, { part: 0, below: 500 })).toBe(
      await bench.given.content(source, ordersTable, { part: 0, below: 500 }),
    );
  });

  it("refuses to restore over anything", async () => {
    const source = await bench.ingested();
    await bench.take(source);
    const before = await bench.found(source);
    const occupied = await restoreShard(await bench.context(source), snapshotId, 0);
    expect(occupied).toEqual({ occupied: expect.stringMatching(/^next offset 500 of (partition 0 of orders|orders\/0)$/) });
    const held = await bench.withTables();
    expect(await bench.session(held, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
    expect(await bench.session(held, (opened) => opened.hold(shardOf(0), "again"))).toBe(false);
    expect(await restoreShard(await bench.context(held), snapshotId, 0)).toEqual({ occupied: "a row of the shard in mesh_shards" });
    expect((await bench.found(source)) === before && (await bench.found(held)) === "").toBe(true);
    expect(await bench.state(held)).toEqual({ held: "0:kafka", offsets: "" });
  });

  it("leaves nothing that counts of a restoration that fails, and then restores all of it", async () => {
    const source = await bench.ingested();
    await bench.take(source);
    const target = await bench.withTables();
    for (const pieces of [1, 2, 3]) {
      let left = pieces;
      const failing = restoreShard(await bench.context(target), snapshotId, 0, () => {
        if (--left <= 0) {
          throw new Error("the end");
        }
      });
      await expect(failing).rejects.toThrow("the end");
      expect(await bench.state(target)).toEqual({ held: "", offsets: "" });
      expect(await bench.session(target, (opened) => opened.remainsOf(shardOf(0)))).toBeUndefined();
      if (!bench.given.leavesRemnants) {
        expect(await bench.found(target)).toBe("");
      }
    }
    expect(await restoreShard(await bench.context(target), snapshotId, 0)).toMatchObject({ rows: 480 + 85 + 129 });
    expect(await bench.found(target)).toBe(await bench.below(source, cuts[0]));
  });

  it("leaves a shard to Kafka without what a failed restoration has written", async () => {
    await bench.take(await bench.ingested());
    const target = await bench.withTables();
    let pieces = 0;
    const failing = restoreShard(await bench.context(target), snapshotId, 0, () => {
      if (++pieces === 3) {
        throw new Error("the end");
      }
    });
    await expect(failing).rejects.toThrow("the end");
    expect(await bench.session(target, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
    expect(await bench.found(target)).toBe("");
    expect(await bench.state(target)).toEqual({ held: "0:kafka", offsets: "" });
    await bench.ingest(target, "orders", 0, 10);
    // With rows that count, nothing goes.
    const taken = await bench.withTables();
    await bench.ingest(taken, "orders", 0, 10);
    expect(await bench.session(taken, (opened) => opened.hold(shardOf(0), "kafka"))).toBe(true);
    expect(await bench.found(taken)).toBe(await bench.found(target));
  });
}
