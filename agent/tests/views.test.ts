/** The views of pinned snapshots in a real PostgreSQL, and the step that waits for them. */
import { fixCut } from "../src/cut";
import {
  createDatabase,
  describeWhere,
  type FakeKafka,
  fakeKafka,
  inDatabase,
  ingest,
  ingestAll,
  noPostgres,
  ordersTable,
  postgresBin,
  records,
  removeFolder,
  snapshotId,
  temporaryFolder,
  tradesTable,
  withPostgres,
} from "./support";
import { nodeWith, runWait, startAgent, type TestAgent } from "./tending";

// psql and the server share two cores with whatever else runs.
jest.setTimeout(60_000);

/** A minute before: a record of each second less. */
const olderId = "20261121t0559z";

describeWhere(postgresBin !== undefined, noPostgres)("the views of a snapshot", () => {
  const server = withPostgres();
  let folder: string;
  let kafka: FakeKafka;
  let database: ReturnType<typeof createDatabase>;
  let name: string;
  let databases = 0;
  let time = 0;

  beforeEach(() => {
    folder = temporaryFolder();
    name = `views_${databases++}`;
    database = createDatabase(server, name);
    time = 1_000_000;
    kafka = fakeKafka({ orders: [records(500, 20), records(300), records(90, 5), []], "trade.log": [records(130, 1), records(70)] });
  });
  afterEach(() => removeFolder(folder));

  const agent = (changes: Record<string, unknown> = {}): Promise<TestAgent> =>
    startAgent(folder, kafka, nodeWith("node-a", 0, 1), { database, unpinnedGraceSeconds: 600, ...changes }, () => time);
  const counts = (id: string, table = "orders"): string =>
    inDatabase(server, name, `SELECT shard, part, count(*), max(off) FROM snap_${id}.${table} GROUP BY 1, 2 ORDER BY 1, 2`);
  const schemas = (): string => inDatabase(server, name, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'snap%' ORDER BY 1");
  const cutAll = async (tending: TestAgent, ...ids: string[]): Promise<void> => {
    for (const id of ids) {
      for (const shard of [0, 1]) {
        await fixCut(tending.context.store, kafka, "hourly", id, shard, tending.context.settings.plan);
      }
    }
  };

  it("show a shard once ingest has passed its cut, with exactly the rows below it, while ingest goes on", async () => {
    const tending = await agent();
    await tending.settle();
    await cutAll(tending, snapshotId);
    tending.pinned.push(snapshotId);
    await tending.round();
    expect(counts(snapshotId)).toBe("");
    let next = 0;
    const lengths = [480, 300, 85];
    for (const to of [100, 299, 300, 479]) {
      for (const partition of [0, 1, 2]) {
        const length = kafka.logs["orders"][partition].length;
        if (next < length) {
          ingest(server, name, "orders", partition, Math.min(to, length), next);
        }
      }
      for (const partition of [0, 1]) {
        const length = kafka.logs["trade.log"][partition].length;
        if (next < length) {
          ingest(server, name, "trade.log", partition, Math.min(to, length), next);
        }
      }
      next = to;
      await tending.round();
      // Shard 1 is partitions 1 and 3 of orders; its cut is at 300.
      expect(counts(snapshotId)).toBe(to < 300 ? "" : `1|1|300|299`);
    }
    expect(tending.context.lines.join("\n")).toContain("the record at offset 100 is not ingested");
    ingest(server, name, "orders", 0, 500, 479);
    await tending.round();
    const whole = lengths
      .map((length, part) => `${part % 2}|${part}|${length}|${length - 1}`)
      .sort()
      .join("\n");
    expect(counts(snapshotId)).toBe(whole);
    expect(counts(snapshotId, "trades")).toBe("0|0|129|128\n1|1|70|69");
    for (let more = 500; more < 560; more += 20) {
      ingest(server, name, "orders", 0, more + 20, more);
      await tending.round();
      expect(counts(snapshotId)).toBe(whole);
    }
    expect(inDatabase(server, name, `SELECT * FROM snap_${snapshotId}.trades WHERE part = 1 ORDER BY off`)).toBe(
      inDatabase(server, name, "SELECT 1, * FROM trades WHERE part = 1 ORDER BY off"),
    );
  });

  it("stay for the grace after a snapshot was unpinned, and then go with its cuts; others stay", async () => {
    const tending = await agent();
    await tending.settle();
    ingestAll(server, name, kafka);
    await cutAll(tending, olderId, snapshotId);
    tending.pinned.push(olderId, snapshotId);
    await tending.round();
    await tending.round();
    const both = `snap_${olderId}\nsnap_${snapshotId}`;
    expect(schemas()).toBe(both);
    expect(counts(olderId)).toBe("0|0|420|419\n0|2|25|24\n1|1|240|239");
    tending.pinned.shift();
    time += 599_000;
    await tending.round();
    expect(schemas()).toBe(both);
    time += 2000;
    await tending.round();
    expect(schemas()).toBe(`snap_${snapshotId}`);
    expect(inDatabase(server, name, "SELECT DISTINCT snapshot FROM mesh_cuts")).toBe(snapshotId);
    expect(counts(snapshotId)).toContain("0|0|480|479");
  });

  it("of a snapshot that nobody knows go after the grace, also after a restart; what only looks like one stays", async () => {
    inDatabase(
      server,
      name,
      `CREATE SCHEMA snap_20200101t0000z; CREATE SCHEMA snap_of_mine; INSERT INTO mesh_cuts VALUES ('20200102t0000z', 'orders', 0, 5);`,
    );
    const tending = await agent();
    await tending.round();
    expect(schemas()).toContain("snap_20200101t0000z");
    time += 601_000;
    await tending.round();
    expect(schemas()).toBe("snap_of_mine");
    expect(inDatabase(server, name, "SELECT count(*) FROM mesh_cuts")).toBe("0");
  });

  it("are made anew where a table has got other columns, and after the database was replaced", async () => {
    const before = await agent();
    before.pinned.push(snapshotId);
    await before.settle();
    inDatabase(server, name, "ALTER TABLE trades DROP COLUMN more CASCADE; ALTER TABLE trades ADD COLUMN extra text");
    const columns = [{ name: "extra", type: "text", from: ["extra"], required: false }, ...tradesTable.columns.slice(0, -1)];
    const topics = { orders: { partitions: 4, table: ordersTable }, "trade.log": { partitions: 2, table: { ...tradesTable, columns } } };
    const after = await agent({ topics });
    after.pinned.push(snapshotId);
    await after.settle();
    expect(after.health.readyz().text).toBe("start: store, Kafka and database are not checked yet\n");
    expect(inDatabase(server, name, `SELECT extra, label FROM snap_${snapshotId}.trades`)).toBe("");
    inDatabase(server, name, `DROP SCHEMA snap_${snapshotId} CASCADE`);
    await after.round();
    expect(schemas()).toBe(`snap_${snapshotId}`);
  });

  it("need no Kafka where ingest has passed the cut by its offsets", async () => {
    ingestAll(server, name, kafka);
    const tending = await startAgent(
      folder,
      () => Promise.reject(new Error("nobody answers")),
      nodeWith("node-a", 0, 1),
      { database },
      () => time,
    );
    inDatabase(server, name, "INSERT INTO mesh_offsets VALUES ('orders', 3, 0)");
    tending.pinned.push(snapshotId);
    await cutAll(tending, snapshotId);
    await tending.settle();
    await tending.round();
    expect(counts(snapshotId)).toContain("1|1|300|299");
  });

  describe("wait", () => {
    const wait = (...words: string[]): ReturnType<typeof runWait> => runWait(database, ...words);

    it("comes back when every own shard is shown, and before that says which are not", async () => {
      expect(await wait(snapshotId, "--timeout", "0")).toMatchObject({
        code: 3,
        lines: expect.stringContaining("its views are not there: it is not pinned"),
      });
      const tending = await agent();
      tending.pinned.push(snapshotId);
      ingestAll(server, name, kafka);
      inDatabase(
        server,
        name,
        "DELETE FROM orders WHERE part = 1; UPDATE mesh_offsets SET next_offset = 0 WHERE topic = 'orders' AND partition = 1",
      );
      await tending.settle();
      await cutAll(tending, snapshotId);
      await tending.round();
      const early = await wait(snapshotId, "--timeout", "1");
      expect(early.code).toBe(3);
      expect(early.lines).toContain("shard 1 not shown: its cut is not taken yet, or ingest has not passed it");
      expect(early.lines).toMatch(/"since":"20\d\d-.*"seconds":0/);
      const waiting = wait(snapshotId);
      ingest(server, name, "orders", 1, 300);
      await tending.round();
      expect(await waiting).toMatchObject({ code: 0 });
    });

    it("says that shards are not in the database, or that the database does not answer", async () => {
      inDatabase(server, name, "DROP TABLE mesh_shards, mesh_cuts, mesh_offsets");
      expect((await wait(snapshotId, "--timeout", "0")).lines).toContain("shards 0, 1 not in the database");
      database = { ...database, database: "nowhere" };
      expect((await wait(snapshotId, "--timeout", "0")).lines).toContain(
        "correct the name of the database (it will not come by waiting alone)",
      );
    });

    it("refuses at once what is no snapshot id", async () => {
      for (const id of ["newest", "20261131t0600z", "v1"]) {
        const { code, lines } = await wait(id);
        expect(code).toBe(2);
        expect(lines).toContain("20261121t0600z");
      }
    });
  });
});
