/** A real broker: cuts by time, transactions, compaction, compression; and the whole program with a real database. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Admin, Kafka, logLevel, type Producer } from "kafkajs";
import { type PostgresServer, startPostgres } from "../../tests/unit/ingest/postgres-server";
import { connectKafka, type KafkaLog, type LogEnd } from "../src/kafka";
import { lagOf } from "../src/progress";
import { findKafka, freePort, type KafkaServer, noKafka, startKafka } from "./programs";
import {
  createDatabase,
  describeWhere,
  inDatabase,
  noPostgres,
  ordersTable,
  postgresBin,
  removeFolder,
  snapshotId,
  snapshotTime,
  temporaryFolder,
  writePodFiles,
} from "./support";

const libs = findKafka();

describeWhere(libs !== undefined, noKafka)("kafka", () => {
  let server: KafkaServer;
  let kafka: Kafka;
  let admin: Admin;
  let producer: Producer;
  let log: KafkaLog;

  beforeAll(async () => {
    server = await startKafka(libs as string);
    kafka = new Kafka({ brokers: [`127.0.0.1:${server.port}`], logLevel: logLevel.NOTHING, retry: { retries: 10 } });
    admin = kafka.admin();
    await admin.connect();
    producer = kafka.producer();
    await producer.connect();
    log = await connectKafka({ brokers: [`127.0.0.1:${server.port}`] });
  }, 90_000);
  afterAll(async () => {
    await log?.close();
    await producer?.disconnect();
    await admin?.disconnect();
    await server?.stop();
  });

  const create = async (topic: string, numPartitions = 1, config: Record<string, string> = {}): Promise<void> => {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] });
  };
  const committed = async (topic: string, partition: number, from: number, to: number): Promise<{ offsets: number[]; end: LogEnd }> => {
    const offsets: number[] = [];
    const look = log.committed(topic, partition, BigInt(from), BigInt(to));
    for (;;) {
      const { value, done } = await look.next();
      if (done) {
        return { offsets, end: value };
      }
      offsets.push(...value.map(Number));
    }
  };
  /** The broker writes the marker of a transaction after it has answered. */
  const decided = async (topic: string, end: bigint): Promise<void> => {
    for (let tries = 0; tries < 100 && (await committed(topic, 0, Number(end), Number(end))).end.decided < end; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const noLog = (): void => undefined;

  it("finds the first record at or after a time, or the end of the log", async () => {
    await create("times", 3);
    const messages = [-2000, -1000, 0, 1000].map((ms) => ({ value: "v", timestamp: String(snapshotTime + ms), partition: 0 }));
    await producer.send({ topic: "times", messages: [...messages, { value: "v", timestamp: String(snapshotTime - 5), partition: 1 }] });
    expect([...(await log.offsetsForTime("times", new Date(snapshotTime)))].sort()).toEqual([
      [0, 2n],
      [1, 1n],
      [2, 0n],
    ]);
    expect(await log.partitionsOf("times")).toBe(3);
  });

  it("sees what is committed, and that markers and aborted records are nothing to wait for", async () => {
    await create("transactions");
    const transactional = kafka.producer({ transactionalId: "t", idempotent: true, maxInFlightRequests: 1 });
    await transactional.connect();
    const send = async (count: number, end: "commit" | "abort"): Promise<void> => {
      const transaction = await transactional.transaction();
      await transaction.send({ topic: "transactions", messages: Array.from({ length: count }, () => ({ value: "v" })) });
      await transaction[end]();
    };
    await send(2, "commit"); // 0, 1, marker 2
    await send(3, "abort"); // 3, 4, 5, marker 6
    await decided("transactions", 7n);
    await producer.send({ topic: "transactions", messages: [{ value: "v" }] }); // 7
    await send(1, "commit"); // 8, marker 9
    expect(await committed("transactions", 0, 0, 10)).toEqual({ offsets: [0, 1, 7, 8], end: { decided: 10n, logStart: 0n } });
    expect(await committed("transactions", 0, 2, 7)).toMatchObject({ offsets: [], end: { decided: 7n } });
    const cut = { snapshot: snapshotId, shard: 0, offsets: { transactions: { 0: 10n } } };
    expect(await lagOf(cut, { transactions: { 0: 9n } }, log, noLog)).toEqual([]);
    expect(await lagOf(cut, { transactions: { 0: 8n } }, log, noLog)).toMatchObject([{ reason: "the record at offset 8 is not ingested" }]);
    const open = await transactional.transaction();
    await open.send({ topic: "transactions", messages: [{ value: "v" }] }); // 10, open
    await producer.send({ topic: "transactions", messages: [{ value: "v" }] }); // 11
    expect(await committed("transactions", 0, 9, 12)).toMatchObject({ offsets: [], end: { decided: 10n } });
    await open.abort();
    await decided("transactions", 12n);
    expect(await committed("transactions", 0, 9, 12)).toMatchObject({ offsets: [11], end: { decided: 12n } });
    await transactional.disconnect();
  }, 30_000);

  it.each(["none", "gzip", "snappy", "lz4", "zstd"])(
    "reads what compaction has left of batches compressed by %s",
    async (compression) => {
      const topic = `compacted-${compression}`;
      await create(topic, 1, {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "0",
      });
      const lines = Array.from({ length: 40 }, (_unused, index) => `k${index % 2 === 0 ? index : index % 10}:value of record ${index}`);
      server.produce(topic, compression, lines);
      // A newer segment lets the first be compacted. Of the odd keys 1, 3, 5, 7, 9 only the last record stays.
      const kept = [...Array.from({ length: 20 }, (_unused, index) => index * 2), 31, 33, 35, 37, 39].sort((a, b) => a - b);
      let found: number[] = [];
      for (let tries = 0; tries < 60 && found.length !== kept.length; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await producer.send({ topic, messages: [{ key: "newer", value: String(tries) }] });
        found = (await committed(topic, 0, 0, 40)).offsets;
      }
      expect(found).toEqual(kept);
      const cut = (to: bigint): Parameters<typeof lagOf>[0] => ({ snapshot: snapshotId, shard: 0, offsets: { [topic]: { 0: to } } });
      expect(await lagOf(cut(30n), { [topic]: { 0: 29n } }, log, noLog)).toEqual([]);
      expect(await lagOf(cut(31n), { [topic]: { 0: 29n } }, log, noLog)).toMatchObject([
        { reason: "the record at offset 30 is not ingested" },
      ]);
    },
    60_000,
  );

  it("starts where the log starts after records were removed", async () => {
    await create("removed");
    await producer.send({ topic: "removed", messages: Array.from({ length: 10 }, () => ({ value: "v" })) });
    server.removeBelow("removed", 6);
    expect(await committed("removed", 0, 0, 10)).toEqual({ offsets: [6, 7, 8, 9], end: { decided: 10n, logStart: 6n } });
    expect(await committed("removed", 0, 2, 6)).toMatchObject({ offsets: [] });
    const said: string[] = [];
    const cut = { snapshot: snapshotId, shard: 0, offsets: { removed: { 0: 6n } } };
    expect(await lagOf(cut, { removed: { 0: 2n } }, log, (_level, message) => said.push(message))).toEqual([]);
    expect(said).toEqual(["Kafka has removed offsets that this node had not passed; records there, if any, are in no snapshot"]);
  });

  it("says that a topic is missing, and does not create it", async () => {
    await expect(log.partitionsOf("nowhere")).rejects.toThrow("create the topic, or take it out of the topics");
    await expect(log.offsetsForTime("nowhere", new Date(0))).rejects.toThrow("create the topic");
    expect(await admin.listTopics()).not.toContain("nowhere");
  }, 30_000);

  it("says that nobody answers", async () => {
    const port = await freePort();
    await expect(connectKafka({ brokers: [`127.0.0.1:${port}`] })).rejects.toThrow(`kafka at 127.0.0.1:${port}: expected an answer`);
  }, 30_000);

  describeWhere(postgresBin !== undefined, noPostgres)("with the program and a database", () => {
    let database: PostgresServer;
    let folder: string;
    let where: string[];
    const program = join(__dirname, "..", "dist", "agent", "src", "main.js");

    beforeAll(async () => {
      database = await startPostgres(postgresBin as string);
      execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", join(__dirname, "..", "tsconfig.json")], {
        stdio: "inherit",
      });
      await create("orders", 2);
      const old = (partition: number): object[] =>
        Array.from({ length: 2000 }, (_unused, index) => ({
          partition,
          key: `k${index}`,
          value: `{"n":${index}}`,
          timestamp: String(snapshotTime - 5000 + index),
        }));
      for (const partition of [0, 1]) {
        await producer.send({ topic: "orders", messages: old(partition) as { value: string }[] });
        await producer.send({ topic: "orders", messages: [{ partition, value: "{}", timestamp: String(snapshotTime + 1) }] });
      }
    }, 120_000);
    afterAll(() => database?.stop());

    let number = 0;
    let name: string;
    beforeEach(() => {
      folder = temporaryFolder();
      name = `live_${number++}`;
      const store = { directory: { path: folder, shared: true } };
      const facts = createDatabase(database, name);
      where = writePodFiles(folder, {
        store,
        database: facts,
        timeoutSeconds: 8,
        topics: { orders: { partitions: 2, table: ordersTable } },
        kafka: { brokers: [`127.0.0.1:${server.port}`] },
      });
    });
    afterEach(() => removeFolder(folder));

    const ingest = (to: number): void =>
      void inDatabase(
        database,
        name,
        `INSERT INTO orders SELECT p, o, now(), 'k' || o, jsonb_build_object('n', o) FROM generate_series(0, 1) p, generate_series(0, ${to - 1}) o;
         INSERT INTO mesh_offsets SELECT 'orders', p, ${to} FROM generate_series(0, 1) p;`,
      );
    const start = (...words: string[]): { ended: Promise<{ code: number | null; output: string }>; kill: () => void } => {
      const child = spawn(process.execPath, [program, ...words, ...where], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_NO_WARNINGS: "1" },
      });
      let output = "";
      child.stdout.on("data", (chunk) => (output += chunk));
      child.stderr.on("data", (chunk) => (output += chunk));
      return {
        ended: new Promise((resolve) => child.once("exit", (code) => resolve({ code, output }))),
        kill: () => child.kill("SIGKILL"),
      };
    };

    it("takes a snapshot, proves it against Kafka, restores it", async () => {
      ingest(2001);
      expect(await start("snapshot", "--once", "--at", snapshotId).ended).toMatchObject({ code: 0 });
      const proven = await start("verify", "newest", "--kafka").ended;
      expect(proven).toMatchObject({ code: 0, output: expect.stringContaining("2 shards, 4000 rows") });
      expect(proven.output).toContain("equal to Kafka up to the cut");
      const facts = createDatabase(database, `${name}_copy`);
      where = writePodFiles(folder, {
        store: { directory: { path: folder, shared: true } },
        database: facts,
        topics: { orders: { partitions: 2, table: ordersTable } },
      });
      expect(await start("restore", "newest").ended).toMatchObject({
        code: 0,
        output: expect.stringContaining("restored 2 shards with 4000 rows"),
      });
      const rows = "SELECT * FROM orders WHERE off < 2000 ORDER BY part, off; ";
      expect(inDatabase(database, `${name}_copy`, rows)).toBe(inDatabase(database, name, rows));
    }, 60_000);

    it("gives up in time where ingest does not come, and says what is missing", async () => {
      ingest(1500);
      const { code, output } = await start("snapshot", "--once", "--at", snapshotId).ended;
      expect(code).toBe(3);
      expect(output).toContain("partition 0 of orders: the record at offset 1500 is not ingested (next offset 1500, cut 2000)");
    }, 60_000);

    it("comes to one whole snapshot, though it is killed again and again at any moment", async () => {
      ingest(2001);
      for (let round = 0; round < 12; round++) {
        const attempt = start("snapshot", "--once", "--at", snapshotId);
        const timer = setTimeout(attempt.kill, 250 + round * 40);
        await attempt.ended;
        clearTimeout(timer);
      }
      expect(await start("snapshot", "--once", "--at", snapshotId).ended).toMatchObject({ code: 0 });
      expect(await start("verify", snapshotId, "--kafka").ended).toMatchObject({ code: 0 });
      const group = join(folder, "hourly", snapshotId);
      expect(existsSync(group) && readdirSync(group).filter((file) => !file.startsWith(".tmp-"))).toHaveLength(6);
    }, 120_000);

    it("tends an empty database until a service that waits for a pinned snapshot can start", async () => {
      ingest(2001);
      expect(await start("snapshot", "--once", "--at", snapshotId).ended).toMatchObject({ code: 0 });
      const facts = createDatabase(database, `${name}_tended`);
      where = writePodFiles(
        folder,
        {
          ...{ store: { directory: { path: folder, shared: true } }, database: facts, tends: true, schedule: "0 0 1 1 *" },
          topics: { orders: { partitions: 2, table: ordersTable } },
          kafka: { brokers: [`127.0.0.1:${server.port}`] },
        },
        undefined,
        [snapshotId],
      );
      Object.assign(process.env, { DATABASE_HOST: facts.host, DATABASE_PORT: String(facts.port), DATABASE_NAME: facts.database });
      const port = await freePort();
      const waiting = spawn(process.execPath, [program, "wait", snapshotId, "--timeout", "50", ...where], {
        stdio: "ignore",
        env: process.env,
      });
      const waited = new Promise((resolve) => waiting.once("exit", resolve));
      const agent = spawn(process.execPath, [program, "snapshot", "--port", String(port), ...where], { stdio: "ignore", env: process.env });
      const ended = new Promise((resolve) => agent.once("exit", resolve));
      try {
        expect(await waited).toBe(0);
        const rows = (table: string): string => `SELECT part, off, key, doc FROM ${table} WHERE off < 2000 ORDER BY 1, 2`;
        const shown = inDatabase(database, facts.database, `SET search_path = snap_${snapshotId}; ${rows("orders")}`);
        expect(shown.split("\n")).toHaveLength(4000);
        expect(shown).toBe(inDatabase(database, name, rows("orders")));
        const reports = join(folder, "hourly", "owners", "v");
        for (let tries = 0; tries < 100 && !(existsSync(reports) && readdirSync(reports).length === 2); tries++) {
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        expect(readdirSync(reports).sort()).toEqual(["shard-0.node-a.json", "shard-1.node-a.json"]);
        const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
        expect(await ready.text()).toBe("ready\n");
      } finally {
        agent.kill("SIGTERM");
        waiting.kill("SIGKILL");
      }
      expect(await ended).toBe(0);
    }, 90_000);

    it("runs on a schedule, is ready when all is well, and stops on SIGTERM", async () => {
      ingest(2001);
      const port = await freePort();
      const facts = { engine: "postgres", host: "127.0.0.1", port: Number(database.env["PGPORT"]), database: name };
      const settings = { schedule: "* * * * *", timeoutSeconds: 120, database: facts };
      where = writePodFiles(folder, {
        ...settings,
        store: { directory: { path: folder, shared: true } },
        topics: { orders: { partitions: 2, table: ordersTable } },
        kafka: { brokers: [`127.0.0.1:${server.port}`] },
      });
      const child = spawn(process.execPath, [program, "snapshot", "--port", String(port), ...where], { stdio: "ignore", env: process.env });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const get = async (path: string): Promise<string> =>
        fetch(`http://127.0.0.1:${port}${path}`)
          .then(async (answer) => `${answer.status} ${await answer.text()}`)
          .catch(() => "");
      for (let tries = 0; tries < 100 && !(await get("/metrics")).includes('snapshots_total{result="complete"} 1'); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const [ready, healthy, metrics] = [await get("/readyz"), await get("/healthz"), await get("/metrics")];
      child.kill("SIGTERM");
      expect(ready).toBe("200 ready\n");
      expect(healthy).toBe("200 ok\n");
      expect(metrics).toContain("compute_mesh_agent_shards_total 2\n");
      expect(await ended).toBe(0);
    }, 60_000);
  });
});
