import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { meshOffsetsSql } from "../../../src/engines/postgres";
import { engineScript, livenessScript, offsetsScript } from "../../../src/ingest/scripts";
import { stockPrograms } from "../../../src/ingest/stock";
import { createStockTablesSql, startOffsetsSql, tableNames, tablesExistSql, writeBatchSql } from "../../../src/ingest/tables";
import { Problems } from "../../../src/model/errors";
import { partitionsOfShard } from "../../../src/model/shards";
import { normalizeTables } from "../../../src/model/tables";
import { findPostgres, type PostgresServer, startPostgres } from "./postgres-server";

const plan = { shardCount: 3, topics: { orders: { partitions: 6 }, "trade.log": { partitions: 4 } } };
const tableFacts = normalizeTables(new Problems("topics"), "topics", { orders: {}, "trade.log": { table: "trades" } });
const tables = tableNames(tableFacts);

describe("the scripts of the ingest pod", () => {
  it("are valid shell", () => {
    for (const script of [offsetsScript, engineScript("/bento run"), livenessScript(4195)]) {
      execFileSync("sh", ["-n"], { input: script });
    }
  });

  it("start the engine with the newest offsets, or idle without shards", () => {
    const run = mkdtempSync(join(tmpdir(), "engine-"));
    writeFileSync(join(run, "engine"), '#!/bin/sh\nprintf "%s\\n" "$*"\n', { mode: 0o755 });
    const start = (env: string, program = "bento"): string => {
      writeFileSync(join(run, "env"), env);
      writeFileSync(join(run, "restart"), "");
      return execFileSync("sh", ["-s"], {
        input: engineScript(stockPrograms[program].command),
        encoding: "utf8",
        env: { ...process.env, INGEST_RUN: run, ENGINE: join(run, "engine") },
      });
    };
    expect(start("KAFKA_TOPICS=orders:0:5\n")).toBe(`run -e ${run}/env /etc/ingest/config.yaml\n`);
    expect(existsSync(join(run, "restart"))).toBe(false);
    expect(start("KAFKA_TOPICS=\n")).toBe(`run -e ${run}/env /etc/ingest/idle.yaml\n`);
    expect(start("KAFKA_TOPICS=orders:0:5\n", "connect")).toBe(`run --disable-telemetry -e ${run}/env /etc/ingest/config.yaml\n`);
    rmSync(run, { recursive: true });
  });
});

const bin = findPostgres();
// A skipped suite is reported as such; it needs /usr/lib/postgresql/*/bin.
const withPostgres = bin === undefined ? describe.skip : describe;

withPostgres("on a real PostgreSQL", () => {
  let server: PostgresServer;
  let folder: string;

  beforeAll(async () => {
    server = await startPostgres(bin ?? "");
    folder = mkdtempSync(join(tmpdir(), "ingest-"));
    mkdirSync(join(folder, "run"));
    writeFileSync(join(folder, "tables.sql"), createStockTablesSql(tableFacts));
    writeFileSync(join(folder, "offsets.sql"), startOffsetsSql(plan));
    writeFileSync(join(folder, "exist.sql"), tablesExistSql(tables));
    writeFileSync(join(folder, "offsets.sh"), offsetsScript);
    writeFileSync(join(folder, "node.env"), "MESH_NODE=node-a\nMESH_SHARDS=0,2\nMESH_PRIMARY_SHARDS=0\n");
  }, 60_000);
  afterAll(() => {
    server.stop();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    server.psql("DROP TABLE IF EXISTS orders, trades, mesh_offsets, mesh_shards, mesh_cuts;");
    server.psql(createStockTablesSql(tableFacts));
  });

  const environment = (more: Record<string, string> = {}): Record<string, string> => ({
    ...server.env,
    ...{ INGEST_SETTINGS: folder, INGEST_RUN: join(folder, "run"), NODE_FILE: join(folder, "node.env") },
    ...more,
  });
  const prepare = (more?: Record<string, string>): { status: number | null; stdout: string; stderr: string } =>
    spawnSync("sh", [join(folder, "offsets.sh"), "prepare"], { env: environment(more), encoding: "utf8" });
  const writtenTopics = (): string => readFileSync(join(folder, "run/env"), "utf8");
  const batch = (topic: string, partition: number, from: number, to: number): object[] =>
    Array.from({ length: to - from }, (_unused, index) => ({
      n: topic,
      p: partition,
      o: from + index,
      t: 1_700_000_000_123,
      k: "k",
      d: { at: from + index },
    }));
  const write = (records: object[], firstOffset: number | null = 0, previous: number | null = null): string =>
    // A prepared statement, as the driver sends it; dollar quotes because JSON has all the others.
    server.psql(
      `PREPARE write (text, bigint, bigint) AS ${writeBatchSql(tables)};
EXECUTE write ($json$${JSON.stringify(records)}$json$, ${String(previous)}, ${String(firstOffset)});`,
    );
  const offsets = (): string => server.psql("SELECT topic, partition, next_offset FROM mesh_offsets ORDER BY 1, 2;");

  it("moves rows and offsets together, each topic into its table", () => {
    write(batch("orders", 0, 0, 3));
    write(batch("orders", 0, 3, 5), null);
    write(batch("trade.log", 1, 100, 102), 100);
    expect(offsets()).toBe("orders|0|5\ntrade.log|1|102");
    expect(server.psql("SELECT string_agg(off::text, ',' ORDER BY off) FROM orders;")).toBe("0,1,2,3,4");
    expect(server.psql("SELECT part, off, extract(epoch FROM ts), key, doc FROM trades ORDER BY off LIMIT 1;")).toBe(
      '1|100|1700000000.123000|k|{"at": 100}',
    );
  });

  it("refuses a batch behind a hole, rows included", () => {
    write(batch("orders", 0, 0, 3));
    expect(() => write(batch("orders", 0, 5, 8))).toThrow(/mesh_offsets_no_gap/);
    expect(offsets()).toBe("orders|0|3");
    expect(server.psql("SELECT count(*) FROM orders;")).toBe("3");
    write(batch("orders", 0, 3, 5));
    write(batch("orders", 0, 5, 8));
    expect(offsets()).toBe("orders|0|8");
  });

  it("passes over offsets that the log does not have, and still refuses a batch that overtook the one before it", () => {
    write(batch("orders", 0, 0, 3));
    expect(() => write(batch("orders", 0, 12, 15), null, 10)).toThrow(/mesh_offsets_no_gap/);
    write(batch("orders", 0, 7, 10), null, 3);
    write(batch("orders", 0, 12, 15), null, 10);
    // Read again after a new connection: it begins below where the batch before it ended.
    write(batch("orders", 0, 7, 10), null, 15);
    expect(offsets()).toBe("orders|0|15");
    expect(server.psql("SELECT string_agg(off::text, ',' ORDER BY off) FROM orders;")).toBe("0,1,2,7,8,9,12,13,14");
  });

  it("takes a partition without an offset only from where the engine began it, so that an emptied database is not filled from the middle", () => {
    expect(() => write(batch("orders", 0, 105, 108), 100)).toThrow(/mesh_offsets_no_gap/);
    expect(() => write(batch("orders", 0, 100, 105), null)).toThrow(/mesh_offsets_no_gap|null value/);
    expect(server.psql("SELECT count(*) FROM orders;")).toBe("0");
    write(batch("orders", 0, 100, 105), 100);
    write(batch("orders", 0, 105, 108), 100);
    expect(offsets()).toBe("orders|0|108");
  });

  it("does not double a replay, nor go back", () => {
    write(batch("orders", 0, 0, 8));
    write(batch("orders", 0, 2, 5));
    write(batch("orders", 0, 6, 10));
    expect(offsets()).toBe("orders|0|10");
    expect(server.psql("SELECT count(*), count(DISTINCT off) FROM orders;")).toBe("10|10");
  });

  it("keeps tombstones as rows without a document, and refuses a record without an offset", () => {
    write([{ n: "orders", p: 0, o: 0, t: 0, k: null, d: null }]);
    expect(server.psql("SELECT doc IS NULL, key IS NULL FROM orders;")).toBe("t|t");
    expect(() => write([{ n: "orders", p: 0, o: null, t: 0, k: "k", d: {} }])).toThrow(/null value|mesh_offsets_no_gap/);
    expect(offsets()).toBe("orders|0|1");
  });

  it("reads the start offsets of exactly the partitions of the node's shards", () => {
    write(batch("orders", 3, 0, 7));
    write(batch("orders", 1, 0, 9));
    const [topics, sum] = server.psql(startOffsetsSql(plan), { shards: "{0,2}" }).split("\n");
    const owned = [0, 2].flatMap((shard) =>
      Object.entries(partitionsOfShard(plan, shard)).flatMap(([topic, parts]) => parts.map((part) => `${topic}:${part}`)),
    );
    expect(topics?.split(",").map((entry) => entry.split(":").slice(0, 2).join(":"))).toEqual(owned.sort());
    expect(topics).toBe("orders:0:-2,orders:2:-2,orders:3:7,orders:5:-2,trade.log:0:-2,trade.log:2:-2,trade.log:3:-2");
    expect(sum).toBe("7");
    expect(server.psql(startOffsetsSql(plan), { shards: "{}" })).toBe("\n0");
  });

  it("creates missing tables, twice without complaint, and writes the topics for the engine", () => {
    server.psql("DROP TABLE orders, trades, mesh_offsets;");
    expect(prepare()).toMatchObject({ status: 0, stderr: "" });
    write(batch("orders", 0, 0, 4));
    expect(prepare()).toMatchObject({ status: 0, stderr: "" });
    expect(writtenTopics()).toBe(
      "KAFKA_TOPICS=orders:0:4,orders:2:-2,orders:3:-2,orders:5:-2,trade.log:0:-2,trade.log:2:-2,trade.log:3:-2\n",
    );
  });

  it("refuses holes in a table of offsets that the database brought along, too", () => {
    server.psql(`DROP TABLE orders, trades, mesh_offsets;\n${meshOffsetsSql}`);
    expect(server.psql(tablesExistSql(tables))).toBe("f");
    expect(prepare()).toMatchObject({ status: 0, stderr: "" });
    expect(server.psql(tablesExistSql(tables))).toBe("t");
    write(batch("orders", 0, 0, 3));
    expect(() => write(batch("orders", 0, 5, 8))).toThrow(/mesh_offsets_no_gap/);
  });

  it("waits for the database no longer than it is told to", () => {
    expect(prepare({ PGPORT: "1", WAIT_SECONDS: "0" })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("the database at 127.0.0.1:1 is not ready after 0 seconds"),
    });
  });

  it("has nothing to ingest where the shard map does not name the node", () => {
    const { status, stdout } = prepare({ NODE_FILE: join(folder, "run"), NODE_NAME: "k-9" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("mesh node k-9, shards none: KAFKA_TOPICS=\n") });
  });

  it("keeps the offsets fresh and asks for a new engine where the database comes back empty", async () => {
    write(batch("orders", 0, 0, 4));
    prepare();
    const watch: ChildProcess = spawn("sh", [join(folder, "offsets.sh"), "watch"], {
      env: environment({ WATCH_SECONDS: "0.1" }),
      stdio: "ignore",
    });
    try {
      write(batch("orders", 0, 4, 6));
      await until(() => writtenTopics().includes("orders:0:6,"));
      expect(existsSync(join(folder, "run/restart"))).toBe(false);
      server.psql("DROP TABLE orders, trades, mesh_offsets;");
      await until(() => existsSync(join(folder, "run/restart")));
      expect(writtenTopics()).toContain("KAFKA_TOPICS=orders:0:-2,orders:2:-2,");
      rmSync(join(folder, "run/restart"));
      write(batch("orders", 0, 0, 4));
      await until(() => writtenTopics().includes("orders:0:4,"));
      server.psql("UPDATE mesh_offsets SET next_offset = 2;");
      await until(() => existsSync(join(folder, "run/restart")));
      expect(writtenTopics()).toContain("orders:0:2,");
    } finally {
      watch.kill("SIGTERM");
    }
    expect(await new Promise((resolve) => watch.once("exit", resolve))).toBe(0);
  }, 30_000);
});

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 200) {
      throw new Error("it did not happen within 20 seconds");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
