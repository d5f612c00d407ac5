/** What the tests share: settings, a Kafka of records in memory, rows in a database. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatDocument } from "../../src/model/documents";
import { createTablesSql } from "../../src/model/table-sql";
import type { ColumnFacts, TableFacts } from "../../src/model/tables";
import type { LogEnd, KafkaLog } from "../src/kafka";
import { parseSettings } from "../src/settings";
import { type AgentContext, snapshotShard } from "../src/shard-snapshot";
import { openStore, type StoreSettings } from "../src/stores/open";
import { findPostgres, type PostgresServer, startPostgres } from "../../tests/unit/ingest/postgres-server";

export const snapshotId = "20261121t0600z";
export const snapshotTime = Date.parse("2026-11-21T06:00:00Z");

/** Keeps the document alone. */
export const ordersTable: TableFacts = { name: "orders", columns: [], document: true };

const column = (name: string, type: ColumnFacts["type"], required = false): ColumnFacts => ({ name, type, from: ["some", name], required });

/** One column of every type, and no document. */
export const tradesTable: TableFacts = {
  name: "trades",
  columns: [
    ...[column("label", "text"), column("lot", "int32"), column("number", "int64", true), column("rate", "float64")],
    ...[column("price", "decimal"), column("done", "boolean"), column("at", "timestamp"), column("more", "json")],
  ],
  document: false,
};

/** `describe`, or a visible skip with the reason. */
export function describeWhere(there: boolean, missing: string): jest.Describe {
  if (!there) {
    process.stderr.write(`skipped: ${missing}\n`);
  }
  return there ? describe : describe.skip;
}

export const postgresBin = findPostgres();
export const noPostgres = "no PostgreSQL below /usr/lib/postgresql";

/** A PostgreSQL server for the tests of a `describe`: there once they run, and before what their own `beforeAll` does. */
export function withPostgres(): PostgresServer {
  const server = {} as PostgresServer;
  beforeAll(async () => {
    Object.assign(server, await startPostgres(postgresBin as string));
  }, 60_000);
  afterAll(() => server.stop());
  return server;
}

/** The error of something that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: Error) => error,
  );
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "mesh-agent-"));
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

export function settingsText(changes: Record<string, unknown> = {}): string {
  return formatDocument("SnapshotGroupSettings", {
    name: "hourly",
    schedule: "0 * * * *",
    timeZone: "UTC",
    allowedLatenessSeconds: 0,
    timeoutSeconds: 5,
    store: { directory: { path: "/nowhere", shared: true } },
    shardMap: { version: "v", shardCount: 2, replicas: 1 },
    topics: { orders: { partitions: 4, table: ordersTable }, "trade.log": { partitions: 2, table: tradesTable } },
    kafka: { brokers: ["127.0.0.1:1"] },
    database: { engine: "postgres", host: "127.0.0.1", port: 1, database: "none" },
    ...changes,
  });
}

export async function contextWith(
  store: StoreSettings,
  changes: Record<string, unknown> = {},
): Promise<AgentContext & { lines: string[] }> {
  const lines: string[] = [];
  const settings = parseSettings(settingsText({ store, ...changes }));
  const log: AgentContext["log"] = (level, message, fields) =>
    void lines.push(JSON.stringify({ level, message, ...fields }, (_k, v) => (typeof v === "bigint" ? String(v) : v)));
  return { settings, store: await openStore(settings.store), log, lines };
}

/** Settings, retention and node file as a pod has them. */
export function writePodFiles(
  folder: string,
  settings: Record<string, unknown>,
  node = { shards: "0,1", primary: "0,1" },
  pinned: string[] = [],
): string[] {
  writeFileSync(join(folder, "settings.json"), settingsText(settings));
  writeFileSync(join(folder, "retention.json"), formatDocument("SnapshotRetention", { keep: { last: 2 }, pinned }));
  writeFileSync(join(folder, "node.env"), `MESH_NODE=node-a\nMESH_SHARDS=${node.shards}\nMESH_PRIMARY_SHARDS=${node.primary}\n`);
  return ["--settings", folder, "--node-file", join(folder, "node.env")];
}

/** One offset of a log: a record with a time, or something that no consumer sees. */
export interface FakeEntry {
  time: number;
  kind?: "record" | "marker" | "aborted" | "gone" | "open";
}

export interface FakeKafka extends KafkaLog {
  logs: Record<string, FakeEntry[][]>;
  /** Topic → partition → first offset that is still there; 0 where nothing is said. */
  starts: Record<string, Record<number, number>>;
  /** How often a time was asked for. */
  asked: number;
  /** What every dead-letter topic holds copies of. */
  dead: Map<string, Set<bigint>>;
}

export function fakeKafka(logs: Record<string, FakeEntry[][]>): FakeKafka {
  const kafka: FakeKafka = {
    logs,
    starts: {},
    asked: 0,
    dead: new Map(),
    setAside: () => Promise.resolve(kafka.dead),
    bounds: (topic) => {
      const found = (logs[topic] ?? []).map((log, partition): [number, { start: bigint; end: bigint }] => [
        partition,
        { start: BigInt(kafka.starts[topic]?.[partition] ?? 0), end: BigInt(log.length) },
      ]);
      return Promise.resolve(new Map(found));
    },
    partitionsOf: (topic) => Promise.resolve(logs[topic]?.length ?? 0),
    offsetsForTime: (topic, time) => {
      kafka.asked++;
      const found = (logs[topic] ?? []).map((log, partition): [number, bigint] => {
        const index = log.findIndex((entry) => entry.time >= time.getTime());
        return [partition, BigInt(index < 0 ? log.length : index)];
      });
      return Promise.resolve(new Map(found));
    },
    // eslint-disable-next-line @typescript-eslint/require-await
    committed: async function* (topic, partition, from, to): AsyncGenerator<bigint[], LogEnd> {
      const log = logs[topic]?.[partition] ?? [];
      const logStart = BigInt(kafka.starts[topic]?.[partition] ?? 0);
      for (let at = Math.max(Number(from), Number(logStart)); at < Number(to) && at < log.length; at++) {
        const kind = log[at]?.kind ?? "record";
        if (kind === "open") {
          return { decided: BigInt(at), logStart };
        }
        if (kind === "record") {
          yield [BigInt(at)];
        }
      }
      return { decided: BigInt(Math.min(Number(to), log.length)), logStart };
    },
    close: () => Promise.resolve(),
  };
  return kafka;
}

/** `count` records a second apart, the last `late` of them at or after the time of the snapshot. */
export function records(count: number, late = 0): FakeEntry[] {
  return Array.from({ length: count }, (_unused, index) => ({ time: snapshotTime + (index - count + late) * 1000 }));
}

/** A database with the tables of ingest; returns what the settings say of it. */
export function createDatabase(server: PostgresServer, name: string): { engine: string; host: string; port: number; database: string } {
  server.psql(`CREATE DATABASE ${name};`);
  process.env["DATABASE_USER"] = "mesh";
  process.env["DATABASE_PASSWORD"] = "unused";
  inDatabase(server, name, `${createTablesSql("postgres", [ordersTable, tradesTable]).join(";\n")};`);
  return { engine: "postgres", host: "127.0.0.1", port: Number(server.env["PGPORT"]), database: name };
}

export function inDatabase(server: PostgresServer, name: string, sql: string): string {
  return server.psql(`\\connect ${name}\n${sql}`);
}

/** Ingests the records of a log from `from` to before `to`, with values that COPY has to escape. */
export function ingest(server: PostgresServer, name: string, topic: string, partition: number, to: number, from = 0): void {
  const values =
    topic === "orders"
      ? `CASE WHEN o % 5 = 0 THEN NULL ELSE jsonb_build_object('o', o, 'text', E'"\\\\N\\n\\t') END`
      : `CASE o % 3 WHEN 0 THEN NULL WHEN 1 THEN E'\\\\N' ELSE E'a\\tb\\nc\\\\' END, o % 7, o * 1000000007::bigint, CASE o % 6 WHEN 0 THEN 'NaN'::float8 ELSE o / 3.0 END,
         o / 8.0, o % 2 = 0, to_timestamp(o / 1000.0), CASE WHEN o % 4 = 0 THEN NULL ELSE E'{"a": [1, "\\\\n"]}'::jsonb END`;
  inDatabase(
    server,
    name,
    `INSERT INTO "${topic === "orders" ? "orders" : "trades"}" SELECT ${partition}, o, to_timestamp(1790000000 + o / 1000.0), CASE o % 4 WHEN 0 THEN NULL WHEN 1 THEN E'\\\\.' WHEN 2 THEN E'tab\\t line\\n back\\\\ é' ELSE 'k' || o END,
       ${values} FROM generate_series(${from}, ${to - 1}) o;
     INSERT INTO mesh_offsets VALUES ('${topic}', ${partition}, ${to}) ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset;`,
  );
}

/** Ingests every log to its end. */
export function ingestAll(server: PostgresServer, name: string, { logs }: FakeKafka): void {
  for (const [topic, partitions] of Object.entries(logs)) {
    partitions.forEach((log, partition) => log.length > 0 && ingest(server, name, topic, partition, log.length));
  }
}

/** Takes snapshots of the shards 0 and 1, which must be done at once. */
export async function takeSnapshots(context: AgentContext, kafka: KafkaLog, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    for (const shard of [0, 1]) {
      expect(await snapshotShard(context, kafka, id, shard)).toMatchObject({ done: true });
    }
  }
}

/** Everything in the tables, to compare two databases. */
export function contentOf(server: PostgresServer, name: string, where = "true"): string {
  return inDatabase(
    server,
    name,
    `SELECT 'o', orders.* FROM orders WHERE ${where} ORDER BY 2, 3;
     SELECT 't', trades.* FROM trades WHERE ${where} ORDER BY 2, 3;`,
  );
}

export function offsetsOf(server: PostgresServer, name: string): string {
  return inDatabase(server, name, "SELECT topic, partition, next_offset FROM mesh_offsets ORDER BY 1, 2;");
}
