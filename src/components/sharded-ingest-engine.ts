/** The two programs that can ingest, and what each of them needs to be told. */
import { engineScript, offsetsScript } from "../ingest/scripts";
import type { IngestBatch } from "../ingest/settings";
import { defaultDatabaseClientImage, defaultStockProgram, renderIdleConfig, type StockEngineArgs, stockPrograms } from "../ingest/stock";
import { createStockTablesSql, startOffsetsSql, tableNames, tablesExistSql, type TopicTables } from "../ingest/tables";
import { checkConfigMapSize } from "../kubernetes/node-identity-plan";
import { checkInteger, checkKnownKeys, checkObject, checkOneOf, checkQuantity, exactlyOne, isObject } from "../model/checks";
import { joinPath, keyPath, type Problems } from "../model/errors";
import { formatBytes, readableBytes } from "../model/quantity";
import type { ShardPlan } from "../model/shards";
import type { TableFacts } from "../model/tables";
import { defaultIngestImage } from "./agent-image";
import type { IngestEngineArgs, MeshEngineArgs, ShardedIngestArgs } from "./sharded-ingest";
import { checkDeadLetterTopic, checkImage } from "./sharded-ingest-checks";

/** Our own image, normalised. */
export interface MeshEnginePlan {
  image: string;
  batch: IngestBatch;
  bufferBytes: number;
  /** For Go's garbage collector, which knows nothing of the container's limit. */
  memoryLimitBytes: number;
  awaitShards: boolean;
  maxLagRecords: number;
  deadLetterTopic?: string;
}

/** An unmodified image, normalised. */
export interface StockEnginePlan extends Required<StockEngineArgs> {
  tables: TopicTables;
  /** Settings that need nothing from other resources, file name → text. The engine's configuration comes on top, with the brokers. */
  files: Record<string, string>;
}

/** Exactly one of the two. */
export type IngestEnginePlan = { mesh: MeshEnginePlan; stock?: undefined } | { mesh?: undefined; stock: StockEnginePlan };

/** What has been found out already. */
interface Known {
  shards: ShardPlan;
  tables: Record<string, TableFacts>;
  /** Memory limit; undefined where it is wrong. */
  memoryBytes: number | undefined;
}

/** Args that only our own image understands. */
const meshOnly = ["deadLetterTopic", "maxLagRecords", "bufferMemory", "restoreFrom"] as const satisfies (keyof ShardedIngestArgs)[];
const useMesh = "use the engine mesh, which is the default";
const mebibyte = 1024 ** 2;
/** The program counts its buffer in 31 bits; more than a gibibyte only shifts waiting from Kafka to here. */
const maxBuffer = 2 ** 31 - 1;
const maxDefaultBuffer = 1024 * mebibyte;

/** Checks the choice of the engine and everything that depends on it. */
export function normalizeIngestEngine(problems: Problems, args: ShardedIngestArgs, known: Known): IngestEnginePlan {
  const engine: unknown = args.engine ?? { mesh: {} };
  const given: IngestEngineArgs = checkObject(problems, "engine", engine) ? engine : { mesh: {} };
  checkKnownKeys(problems, "engine", given, ["mesh", "stock"]);
  return exactlyOne(problems, "engine", given, ["mesh", "stock"]) === "stock"
    ? { stock: normalizeStock(problems, args, given.stock, known) }
    : { mesh: normalizeMesh(problems, args, given.mesh ?? {}, known) };
}

function normalizeMesh(problems: Problems, args: ShardedIngestArgs, engine: unknown, known: Known): MeshEnginePlan {
  const path = "engine.mesh";
  const given: MeshEngineArgs = checkObject(problems, path, engine) ? engine : {};
  checkKnownKeys(problems, path, given, ["image", "batchSize", "batchBytes", "batchPeriodMilliseconds"]);
  const { image = defaultIngestImage, batchSize = 5000, batchBytes = 8 * mebibyte, batchPeriodMilliseconds = 200 } = given;
  checkImage(problems, joinPath(path, "image"), image);
  checkBatch(problems, path, batchSize, batchPeriodMilliseconds);
  checkInteger(problems, joinPath(path, "batchBytes"), batchBytes, { min: 1024, max: 1024 * mebibyte });
  const { deadLetterTopic, maxLagRecords = 10_000, restoreFrom } = args;
  if (deadLetterTopic !== undefined) {
    checkDeadLetterTopic(problems, deadLetterTopic, known.shards);
  }
  checkInteger(problems, "maxLagRecords", maxLagRecords, { min: 0 });
  if (restoreFrom !== undefined && checkObject(problems, "restoreFrom", restoreFrom) && restoreFrom["tends"] !== true) {
    problems.add(
      "restoreFrom.tends",
      restoreFrom["tends"],
      `nobody would restore anything and every shard would wait for ever; set tendsShards of the group ${JSON.stringify(restoreFrom["name"])}`,
    );
  }
  const memoryBytes = known.memoryBytes ?? 512 * mebibyte;
  return {
    image,
    batch: { count: batchSize, bytes: batchBytes, periodMilliseconds: batchPeriodMilliseconds },
    bufferBytes: bufferBytesOf(problems, args.bufferMemory, memoryBytes),
    // A tenth is left for what the collector does not count: stacks, mapped files, the programs' own text.
    memoryLimitBytes: Math.floor(memoryBytes * 0.9),
    awaitShards: restoreFrom !== undefined,
    maxLagRecords,
    ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }),
  };
}

/** A quarter of the memory: what is held once as records is held again while it is written, and Kafka's client has its own. */
function bufferBytesOf(problems: Problems, given: string | undefined, memoryBytes: number): number {
  if (given === undefined) {
    return Math.min(Math.floor(memoryBytes / 4), maxDefaultBuffer);
  }
  const bytes = checkQuantity(problems, "bufferMemory", given, { min: mebibyte }) ?? 0;
  const most = Math.min(Math.floor(memoryBytes / 2), maxBuffer);
  if (bytes > most) {
    problems.add(
      "bufferMemory",
      given,
      `at most ${readableBytes(most)} is allowed: half of the memory of ${formatBytes(memoryBytes)}, and never 2 GiB`,
    );
  }
  return bytes;
}

function normalizeStock(problems: Problems, args: ShardedIngestArgs, engine: unknown, known: Known): StockEnginePlan {
  const path = "engine.stock";
  const given: StockEngineArgs = checkObject(problems, path, engine) ? engine : {};
  checkKnownKeys(problems, path, given, ["program", "image", "batchSize", "batchPeriodMilliseconds", "databaseClientImage"]);
  const { program = defaultStockProgram, batchSize = 5000, batchPeriodMilliseconds = 200 } = given;
  checkOneOf(problems, joinPath(path, "program"), program, Object.keys(stockPrograms));
  const { image = stockPrograms[program]?.image ?? "", databaseClientImage = defaultDatabaseClientImage } = given;
  if (given.image !== undefined) {
    checkImage(problems, joinPath(path, "image"), image);
  }
  checkImage(problems, joinPath(path, "databaseClientImage"), databaseClientImage);
  checkBatch(problems, path, batchSize, batchPeriodMilliseconds);
  checkStockLimits(problems, args, known.tables);
  const plan = { program, image, batchSize, batchPeriodMilliseconds, databaseClientImage, tables: tableNames(known.tables) };
  // SQL is made of names and numbers that have been found right only.
  return { ...plan, files: problems.any ? {} : stockFiles(problems, program, known) };
}

/** What only our own image can do. */
function checkStockLimits(problems: Problems, args: ShardedIngestArgs, tables: Record<string, TableFacts>): void {
  meshOnly
    .filter((key) => args[key] !== undefined)
    .forEach((key) => problems.add(key, isObject(args[key]) ? args[key].name : args[key], `the engine stock does not know it; ${useMesh}`));
  for (const [topic, table] of Object.entries(tables)) {
    if (table.columns.length > 0) {
      const columns = table.columns.map(({ name }) => name);
      problems.add(joinPath(keyPath("topics", topic), "columns"), columns, `the engine stock fills no typed columns; ${useMesh}`);
    }
  }
  const { engine, tls } = isObject(args.database) ? args.database : {};
  if (engine !== undefined && engine !== "postgres") {
    problems.add("database.engine", engine, `the engine stock writes to postgres only; ${useMesh}`);
  }
  if (tls !== undefined) {
    problems.add("database.tls", tls, `the engine stock connects without TLS; ${useMesh}`);
  }
}

function checkBatch(problems: Problems, path: string, batchSize: unknown, batchPeriodMilliseconds: unknown): void {
  checkInteger(problems, joinPath(path, "batchSize"), batchSize, { min: 1, max: 100_000 });
  checkInteger(problems, joinPath(path, "batchPeriodMilliseconds"), batchPeriodMilliseconds, { min: 1, max: 60_000 });
}

function stockFiles(problems: Problems, program: string, { shards, tables }: Known): Record<string, string> {
  const files = {
    "engine.sh": engineScript(stockPrograms[program].command),
    "exist.sql": tablesExistSql(tableNames(tables)),
    "idle.yaml": renderIdleConfig(),
    "offsets.sh": offsetsScript,
    "offsets.sql": startOffsetsSql(shards),
    "tables.sql": createStockTablesSql(tables),
  };
  checkConfigMapSize(problems, "topics", files, "fewer partitions per component are needed: split the topics over several components");
  return files;
}
