/** What the promises of every database engine are tested with: the engine without the agent, and the agent's steps on it. */
import { partitionsOfShard } from "../../src/model/shards";
import type { TableFacts } from "../../src/model/tables";
import { fixCut } from "../src/cut";
import { connectDatabase } from "../src/databases";
import type { DatabaseSession, DatabaseSettings, ShardTables } from "../src/databases/database";
import type { AgentContext } from "../src/shard-snapshot";
import { snapshotShard } from "../src/shard-snapshot";
import { type Row, rowOf } from "./rows";
import { contextWith, type FakeKafka, ordersTable, snapshotId, tradesTable } from "./support";

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
  ingest(
    database: DatabaseSettings,
    topic: string,
    table: TableFacts,
    partition: number,
    rows: readonly Row[],
    next: number,
  ): Promise<void>;
  /** All rows of a table in order, as text; with `where.below` those of one partition below an offset. */
  content(database: DatabaseSettings, table: TableFacts, where?: { part: number; below: number }): Promise<string>;
  /** `shard|part|rows|last offset` of what a service reads of a snapshot. */
  shown(database: DatabaseSettings, snapshot: string, topic: string, table: TableFacts): Promise<string>;
  /** Gives the table `trades` the column `extra` and takes `more` away; where columns are nothing that a database knows, it is missing. */
  changeColumns?(database: DatabaseSettings): Promise<void>;
  /** Whether what a killed restoration has written may be there until the next one. */
  leavesRemnants: boolean;
}

/** Topic → table of the tests' settings. */
export const tables: Record<string, TableFacts> = { orders: ordersTable, "trade.log": tradesTable };

const plan = { shardCount: 2, topics: { orders: { partitions: 4 }, "trade.log": { partitions: 2 } } };

export function shardOf(shard: number): ShardTables {
  return { shard, partitions: partitionsOfShard(plan, shard), tables };
}

/** Topic, partition, and an offset that ends what is meant. */
export type Part = readonly [string, number, number];

/** What a snapshot of the tests' Kafka has of each shard. */
export const cuts: readonly (readonly Part[])[] = [
  [
    ["orders", 0, 480],
    ["orders", 2, 85],
    ["trade.log", 0, 129],
  ],
  [
    ["orders", 1, 300],
    ["orders", 3, 0],
    ["trade.log", 1, 70],
  ],
];

/** The agent's steps on one engine. */
export interface Bench {
  given: EngineUnderTest;
  /** The store; another one for each test. */
  folder: string;
  /** Another one for each test. */
  kafka: FakeKafka;
  ingest(database: DatabaseSettings, topic: string, partition: number, to: number, from?: number): Promise<void>;
  /** All records between two offsets that the log has, of all partitions but some of orders. */
  ingestAll(database: DatabaseSettings, from?: number, to?: number, without?: number): Promise<void>;
  /** A database with the tables of ingest. */
  withTables(): Promise<DatabaseSettings>;
  /** One with all rows of the log. */
  ingested(): Promise<DatabaseSettings>;
  session<T>(database: DatabaseSettings, work: (session: DatabaseSession) => Promise<T>): Promise<T>;
  context(database: DatabaseSettings): Promise<AgentContext>;
  /** Takes the snapshot of both shards. */
  take(database: DatabaseSettings): Promise<void>;
  /** Fixes the cuts of both shards. */
  cutAll(context: AgentContext): Promise<void>;
  /** Shards with their sources, and topics with their offsets, as text. */
  state(database: DatabaseSettings): Promise<{ held: string; offsets: string }>;
  /** The rows of some parts. */
  below(database: DatabaseSettings, parts: readonly Part[]): Promise<string>;
  /** All rows. */
  found(database: DatabaseSettings): Promise<string>;
}

export function createBench(given: EngineUnderTest): Bench {
  const bench: Bench = {
    given,
    folder: "",
    kafka: undefined as unknown as FakeKafka,
    ingest: (database, topic, partition, to, from = 0) => {
      const rows = Array.from({ length: to - from }, (_unused, index) => rowOf(topic, partition, from + index));
      return given.ingest(database, topic, tables[topic], partition, rows, to);
    },
    ingestAll: async (database, from = 0, to = Infinity, without = -1) => {
      for (const [topic, logs] of Object.entries(bench.kafka.logs)) {
        for (const [partition, log] of logs.entries()) {
          if (from < log.length && partition !== without) {
            await bench.ingest(database, topic, partition, Math.min(to, log.length), from);
          }
        }
      }
    },
    withTables: async () => {
      const database = await given.database();
      await given.createTables(database, Object.values(tables));
      return database;
    },
    ingested: async () => {
      const database = await bench.withTables();
      await bench.ingestAll(database);
      return database;
    },
    session: async (database, work) => {
      const opened = await connectDatabase(database);
      try {
        return await work(opened);
      } finally {
        await opened.close();
      }
    },
    context: (database) => contextWith({ directory: { path: bench.folder, shared: true } }, { database }),
    take: async (database) => {
      const context = await bench.context(database);
      for (const shard of [0, 1]) {
        expect(await snapshotShard(context, bench.kafka, snapshotId, shard)).toMatchObject({ done: true, written: true });
      }
    },
    cutAll: async ({ store, settings }) => {
      for (const shard of [0, 1]) {
        await fixCut(store, bench.kafka, settings.name, snapshotId, shard, settings.plan);
      }
    },
    state: async (database) => {
      const { shards, offsets } = await bench.session(database, (opened) => opened.state());
      const held = [...shards].sort().map(([shard, { source }]) => `${shard}:${source}`);
      const sorted = Object.entries(offsets).map(([topic, next]) => `${topic} ${Object.values(next).join(" ")}`);
      return { held: held.join(" "), offsets: sorted.sort().join(", ") };
    },
    below: async (database, parts) => {
      const pieces: string[] = [];
      for (const [topic, part, below] of parts) {
        pieces.push(await given.content(database, tables[topic], { part, below }));
      }
      return pieces.filter((piece) => piece !== "").join("\n");
    },
    found: (database) =>
      bench.below(
        database,
        cuts.flat().map(([topic, part]): Part => [topic, part, 1_000_000]),
      ),
  };
  return bench;
}
