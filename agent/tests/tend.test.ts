/** Tending of a real PostgreSQL: restoring what it lacks, from whatever the store still has. */
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { restoreShard } from "../src/restore";
import { type AgentContext, snapshotShard } from "../src/shard-snapshot";
import { freePort } from "./programs";
import {
  contentOf,
  contextWith,
  createDatabase,
  describeWhere,
  type FakeKafka,
  fakeKafka,
  inDatabase,
  ingest,
  ingestAll,
  noPostgres,
  offsetsOf,
  ordersTable,
  postgresBin,
  records,
  removeFolder,
  snapshotId,
  takeSnapshots,
  temporaryFolder,
  tradesTable,
  withPostgres,
  writePodFiles,
} from "./support";
import { nodeWith, startAgent, type TestAgent } from "./tending";

// psql and the server share two cores with whatever else runs.
jest.setTimeout(60_000);

/** A minute before. */
const olderId = "20261121t0559z";

describeWhere(postgresBin !== undefined, noPostgres)("tending restores", () => {
  const server = withPostgres();
  let folder: string;
  let kafka: FakeKafka;
  let source: string;
  let context: AgentContext;
  let target: { engine: string; host: string; port: number; database: string };
  let databases = 0;

  beforeEach(async () => {
    folder = temporaryFolder();
    source = `source_${databases}`;
    kafka = fakeKafka({ orders: [records(500, 20), records(300), records(90, 5), []], "trade.log": [records(130, 1), records(7)] });
    context = await contextWith({ directory: { path: folder, shared: true } }, { database: createDatabase(server, source) });
    ingestAll(server, source, kafka);
    await takeSnapshots(context, kafka, olderId, snapshotId);
    // Without tables: the database of a node that has just started.
    server.psql(`CREATE DATABASE target_${databases};`);
    target = { engine: "postgres", host: "127.0.0.1", port: Number(server.env["PGPORT"]), database: `target_${databases++}` };
  });
  afterEach(() => removeFolder(folder));

  const data = (id: string, shard: number): string => join(folder, "hourly", id, `shard-${shard}.data`);
  const agent = (changes: Record<string, unknown> = {}, log = kafka): Promise<TestAgent> =>
    startAgent(folder, log, nodeWith("node-a", 0, 1), { database: target, ...changes });
  const held = (): string => inDatabase(server, target.database, "SELECT shard, source FROM mesh_shards ORDER BY 1");
  /** What a database must have that was restored from the cuts of `snapshot`. */
  const belowCuts = (part: number, cuts: { orders: number; trades?: number }): string =>
    inDatabase(
      server,
      source,
      `SELECT orders.* FROM orders WHERE part = ${part} AND off < ${cuts.orders} ORDER BY off; SELECT trades.* FROM trades WHERE part = ${part} AND off < ${cuts.trades ?? 0} ORDER BY off`,
    );
  const found = (part: number): string =>
    inDatabase(
      server,
      target.database,
      `SELECT * FROM orders WHERE part = ${part} ORDER BY off; SELECT * FROM trades WHERE part = ${part} ORDER BY off`,
    );

  it("an empty database from the newest snapshot, and leaves the rest to ingest", async () => {
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`0|${snapshotId}\n1|${snapshotId}`);
    expect(found(0)).toBe(belowCuts(0, { orders: 480, trades: 129 }));
    expect(found(1)).toBe(belowCuts(1, { orders: 300, trades: 7 }));
    expect(offsetsOf(server, target.database)).toBe("orders|0|480\norders|1|300\norders|2|85\norders|3|0\ntrade.log|0|129\ntrade.log|1|7");
    const before = contentOf(server, target.database);
    await tending.round();
    expect(contentOf(server, target.database)).toBe(before);
    expect(tending.health.metrics()).toContain("compute_mesh_agent_shards_held 2\n");
    expect(tending.health.metrics()).toContain(`compute_mesh_agent_restored_rows_total ${480 + 300 + 85 + 129 + 7}\n`);
    expect(tending.health.metrics()).toContain('compute_mesh_agent_moves_total{direction="gained"} 2\n');
  });

  it("again after the database was replaced by an empty one", async () => {
    const tending = await agent();
    await tending.settle();
    inDatabase(server, target.database, "DROP TABLE orders, trades, mesh_offsets, mesh_shards, mesh_cuts");
    await tending.settle();
    expect(held()).toBe(`0|${snapshotId}\n1|${snapshotId}`);
    expect(found(0)).toBe(belowCuts(0, { orders: 480, trades: 129 }));
  });

  it.each<[string, (file: string) => void]>([
    ["truncated", (file) => truncateSync(file, 900)],
    ["missing", (file) => rmSync(file)],
    [
      "changed in one bit",
      (file) => {
        const bytes = readFileSync(file);
        bytes[Math.floor(bytes.length / 2)] ^= 4;
        writeFileSync(file, bytes);
      },
    ],
  ])("an older snapshot where the data of the newest are %s, and says so", async (_what, damage) => {
    damage(data(snapshotId, 0));
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`0|${olderId}\n1|${snapshotId}`);
    expect(found(0)).toBe(belowCuts(0, { orders: 420, trades: 69 }));
    const errors = tending.context.lines.filter((line) => line.includes('"level":"error"'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("a snapshot of a shard cannot be restored; an older one is tried");
    expect(errors[0]).toContain(`hourly/${snapshotId}/shard-0.data`);
  });

  it("nothing of a manifest that a newer version wrote, but the older snapshot", async () => {
    const file = join(folder, "hourly", snapshotId, "shard-1.manifest.json");
    writeFileSync(file, readFileSync(file, "utf8").replace("v1alpha1", "v2"));
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`0|${snapshotId}\n1|${olderId}`);
    expect(tending.context.lines.join()).toContain("use the version of the agent that wrote it, or a newer one");
    expect(readFileSync(file, "utf8")).toContain("v2");
  });

  it("no shard where no snapshot can be used and Kafka lacks records: it waits, not ready, and the other shard is there", async () => {
    [snapshotId, olderId].forEach((id) => truncateSync(data(id, 0), 100));
    kafka.starts = { orders: { 0: 10 } };
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`1|${snapshotId}`);
    expect(tending.health.readyz().text).toContain("and Kafka lacks offsets 0 to 9 of partition 0 of orders");
    expect(found(0)).toBe("");
    // The snapshot of such a shard must not be taken: it would be empty.
    const later = "20261121t0601z";
    expect(await snapshotShard(tending.context, kafka, later, 0)).toEqual({ done: false, lags: [] });
  });

  it("from Kafka's start where no snapshot can be used and Kafka has everything", async () => {
    [snapshotId, olderId].forEach((id) => truncateSync(data(id, 0), 100));
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`0|kafka\n1|${snapshotId}`);
  });

  it("from Kafka where the store has no snapshot, with a warning of what Kafka lacks", async () => {
    removeFolder(join(folder, "hourly"));
    kafka.starts = { orders: { 1: 100 } };
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe("0|kafka\n1|kafka");
    const warnings = tending.context.lines.filter((line) => line.includes('"level":"warning"'));
    expect(warnings).toEqual([expect.stringContaining('"shard":1,"gone":"offsets 0 to 99 of partition 1 of orders"')]);
  });

  it("nothing where the store cannot be reached: Kafka is no substitute for snapshots that may be there", async () => {
    const tending = await agent();
    removeFolder(folder);
    await tending.round();
    await tending.round();
    expect(held()).toBe("");
    expect(tending.health.readyz().text).toContain(`directory ${folder}`);
  });

  it("says which records lie in a hole between the restored snapshot and Kafka", async () => {
    rmSync(join(folder, "hourly", snapshotId), { recursive: true });
    kafka.starts = { orders: { 0: 450 } };
    const tending = await agent();
    await tending.settle();
    expect(tending.context.lines.join("\n")).toContain("offsets 420 to 449 of partition 0 of orders");
  });

  it("no rows of other columns, by name and order, and changes nothing", async () => {
    kafka.starts = { orders: { 0: 1, 1: 1 } };
    const columns = [tradesTable.columns[1], tradesTable.columns[0], ...tradesTable.columns.slice(2)];
    const topics = { orders: { partitions: 4, table: ordersTable }, "trade.log": { partitions: 2, table: { ...tradesTable, columns } } };
    const tending = await agent({ topics });
    await tending.settle();
    expect(held()).toBe("");
    const text = tending.health.readyz().text;
    expect(text).toContain(
      `the rows of topic trade.log in shard 0 of ${snapshotId}: expected the columns part, off, ts, key, lot, label, number`,
    );
    expect(text).toContain("found the columns part, off, ts, key, label, lot, number");
    expect(found(0) + offsetsOf(server, target.database)).toBe("");
  });

  it("data that name no columns, as those of an untyped table", async () => {
    const topics = { orders: { partitions: 4, table: ordersTable } };
    const old = temporaryFolder();
    const untyped = await contextWith({ directory: { path: old, shared: true } }, { database: { ...target, database: source }, topics });
    // As it was written before heads and manifests named columns.
    await snapshotShard(untyped, kafka, snapshotId, 0);
    const file = join(old, "hourly", snapshotId, "shard-0.manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    expect(manifest["columns"]).toEqual({ orders: ["part", "off", "ts", "key", "doc"] });
    delete manifest["columns"];
    writeFileSync(file, JSON.stringify(manifest));
    const tending = await startAgent(old, kafka, nodeWith("node-a", 0), { database: target, topics });
    await tending.settle();
    expect(held()).toBe(`0|${snapshotId}`);
    removeFolder(old);
  });

  it("takes up rows whose ingest did not keep mesh_shards yet, and touches nothing of them", async () => {
    createTablesIn(target.database);
    ingest(server, target.database, "orders", 0, 480);
    const tending = await agent();
    await tending.settle();
    expect(held()).toBe(`0|kafka\n1|${snapshotId}`);
    expect(inDatabase(server, target.database, "SELECT count(*) FROM orders WHERE part = 0")).toBe("480");
  });

  it("while ingest writes other partitions", async () => {
    const other = await contextWith({ directory: { path: folder, shared: true } }, { database: target });
    createTablesIn(target.database);
    let pieces = 0;
    const writing = (): void => {
      // Its own process and transaction: it would hang here if the restoration kept the tables to itself.
      ingest(server, target.database, "orders", 1, pieces + 1, pieces++);
    };
    expect(await restoreShard(other, snapshotId, 0, writing)).toMatchObject({ rows: 480 + 85 + 129 });
    expect(pieces).toBeGreaterThan(1);
    expect(inDatabase(server, target.database, "SELECT count(*) FROM orders WHERE part = 1")).toBe(String(pieces));
  });

  const createTablesIn = (name: string): void => {
    const tables = ["orders", "trades", "mesh_offsets", "mesh_shards", "mesh_cuts"];
    const dump = execFileSync("pg_dump", ["-s", ...tables.flatMap((table) => ["-t", table]), source], {
      env: server.env,
      encoding: "utf8",
    });
    inDatabase(server, name, dump);
  };

  it("each shard whole or not at all, though it is killed again and again, and comes to an end", async () => {
    const program = join(__dirname, "..", "dist", "agent", "src", "main.js");
    execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", join(__dirname, "..", "tsconfig.json")], {
      stdio: "inherit",
    });
    // Enough that a restoration lasts longer than the steps of the kills.
    ingest(server, source, "orders", 1, 200_000, 300);
    kafka.logs["orders"][1] = kafka.logs["orders"][1].concat(Array.from({ length: 199_700 }, () => ({ time: 0 })));
    const newest = "20261121t0602z";
    await takeSnapshots(context, kafka, newest);
    const files = temporaryFolder();
    // Nobody listens there: a restoration from the store needs no Kafka.
    const where = writePodFiles(files, {
      ...{ store: { directory: { path: folder, shared: true } }, database: target, tends: true },
      kafka: { brokers: [`127.0.0.1:${await freePort()}`] },
    });
    const rows = (): string =>
      inDatabase(
        server,
        target.database,
        `SELECT s, coalesce((SELECT source FROM mesh_shards WHERE shard = s), '-'), (SELECT count(*) FROM orders WHERE part % 2 = s), (SELECT count(*) FROM mesh_offsets WHERE partition % 2 = s) FROM generate_series(0, 1) s`,
      );
    const whole = [`0|${newest}|590|3`, `1|${newest}|200000|3`];
    createTablesIn(target.database);
    const start = async (): Promise<() => Promise<unknown>> => {
      const child = spawn(process.execPath, [program, "snapshot", "--port", String(await freePort()), ...where], {
        stdio: "ignore",
        env: process.env,
      });
      const exit = new Promise((resolve) => child.once("exit", resolve));
      return () => (child.kill("SIGKILL"), exit);
    };
    const until = async (condition: () => boolean): Promise<void> => {
      for (let tries = 0; tries < 1000 && !condition(); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const backends = (which: string): number =>
      Number(
        server.psql(
          `SELECT count(*) FROM pg_stat_activity WHERE datname = '${target.database}' AND application_name = 'compute-mesh-agent' ${which};`,
        ),
      );
    let cut = 0;
    for (let round = 0; round < 6 && rows() !== whole.join("\n"); round++) {
      const kill = await start();
      await until(() => backends("AND query LIKE 'COPY%orders%'") > 0);
      await new Promise((resolve) => setTimeout(resolve, round * 40));
      await kill();
      await until(() => backends("") === 0);
      const [first, second] = rows().split("\n");
      expect(["0|-|0|0", whole[0]]).toContain(first);
      expect(["1|-|0|0", whole[1]]).toContain(second);
      cut += second === whole[1] ? 0 : 1;
    }
    const kill = await start();
    await until(() => rows() === whole.join("\n"));
    await kill();
    expect(rows()).toBe(whole.join("\n"));
    expect(cut).toBeGreaterThan(0);
    const sum = "SELECT md5(string_agg(orders::text, '' ORDER BY off)) FROM orders WHERE part = 1";
    expect(inDatabase(server, target.database, sum)).toBe(inDatabase(server, source, sum));
    expect(readdirSync(join(folder, "hourly", newest))).toHaveLength(6);
    removeFolder(files);
  }, 180_000);
});
