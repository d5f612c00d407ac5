/** What a ShardedIngest will be, all of it known before deployment. */
import { bentoPort, type BentoArgs, defaultBentoImage, renderIdleConfig } from "../ingest/bento";
import { checkKafka, type KafkaSecurity, kafkaSecurity } from "../ingest/kafka";
import { engineScript, offsetsScript } from "../ingest/scripts";
import { checkTables, createTablesSql, startOffsetsSql, tablesExistSql, tablesOfTopics, type TopicTables } from "../ingest/tables";
import { checkConfigMapSize, type NodeIdentityPlan, planNodeIdentity } from "../kubernetes/node-identity-plan";
import { checkComponentName, checkInteger, checkKnownKeys, checkObject, checkQuantity, exactlyOne, isObject } from "../model/checks";
import { joinPath, keyPath, Problems } from "../model/errors";
import type { LocalDbFacts } from "../model/facts";
import { pinnedImageProblem } from "../model/images";
import { dnsName, sortedEntries } from "../model/names";
import { checkShardPlan, type ShardPlan } from "../model/shards";
import type { IngestTopicArgs, ShardedIngestArgs } from "./sharded-ingest";

/** Client programs of the database, `psql` and `pg_isready`. */
export const defaultDatabaseClientImage = "docker.io/library/postgres:17.6";

/** The normalised args. */
export interface ShardedIngestPlan {
  name: string;
  settingsName: string;
  identity: NodeIdentityPlan;
  security: KafkaSecurity;
  tables: TopicTables;
  engine: Required<BentoArgs>;
  databaseClientImage: string;
  port: number;
  cpu: string;
  memory: string;
  /** Settings that need nothing from other resources, file name → text. The engine's configuration comes on top, with the brokers. */
  files: Record<string, string>;
}

const argsKeys = [
  ...["namespace", "nodes", "shardMap", "topics", "kafka", "database", "engine"],
  ...["databaseClientImage", "nodeReaderImage", "cpu", "memory", "transforms"],
];
const transformKeys = ["shards", "serviceAccount", "nodeReaderRole", "nodeReaderBinding", "settings", "daemonSet"];

/**
 * Checks the args and fills in the defaults.
 *
 * @throws MeshInputError with every problem of the args
 */
export function normalizeShardedIngest(name: string, args: ShardedIngestArgs): ShardedIngestPlan {
  const problems = new Problems(`shardedIngest "${name}"`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  const identity = planNodeIdentity(problems, name, args.nodes, args.shardMap);
  const shards = shardPlanOf(problems, args.topics, args.shardMap.shardCount);
  if (Object.keys(shards.topics).length === 0) {
    problems.add("topics", args.topics, "at least one topic is needed");
  }
  const tables = tablesOfTopics(args.topics);
  checkTables(problems, "topics", tables);
  checkKafka(problems, "kafka", args.kafka);
  checkDatabase(problems, args.database);
  const engine = normalizeEngine(problems, args.engine ?? { bento: {} });
  const databaseClientImage = args.databaseClientImage ?? defaultDatabaseClientImage;
  checkImage(problems, "databaseClientImage", databaseClientImage);
  if (args.nodeReaderImage !== undefined) {
    checkImage(problems, "nodeReaderImage", args.nodeReaderImage);
  }
  const { cpu = "500m", memory = "512Mi" } = args;
  checkQuantity(problems, "cpu", cpu);
  // Below it the engine cannot even hold one full batch twice, as records and as JSON.
  checkQuantity(problems, "memory", memory, { min: 128 * 1024 * 1024 });
  if (args.transforms !== undefined) {
    checkKnownKeys(problems, "transforms", args.transforms, transformKeys);
  }
  problems.throwIfAny();
  const files = settingsFiles(problems, tables, shards);
  problems.throwIfAny();
  return {
    name,
    settingsName: dnsName(name, "settings"),
    identity,
    security: kafkaSecurity(args.kafka),
    tables,
    engine,
    databaseClientImage,
    port: bentoPort,
    cpu,
    memory,
    files,
  };
}

/** Checks topics, with their tables, against the number of shards. */
export function shardPlanOf(problems: Problems, topics: Record<string, IngestTopicArgs>, shardCount: number): ShardPlan {
  if (!checkObject(problems, "topics", topics)) {
    return { shardCount, topics: {} };
  }
  for (const [topic, args] of Object.entries(topics)) {
    if (isObject(args)) {
      checkKnownKeys(problems, keyPath("topics", topic), args, ["partitions", "table"]);
    }
  }
  // Wrong values go through as they are: the check of the plan names them.
  const partitions = Object.entries(topics).map(([topic, args]) => [topic, isObject(args) ? { partitions: args.partitions } : args]);
  const plan = { shardCount, topics: Object.fromEntries(partitions) as ShardPlan["topics"] };
  checkShardPlan(problems, "", plan);
  return { ...plan, topics: Object.fromEntries(sortedEntries(plan.topics)) };
}

/** Ingest and snapshots write SQL of one engine so far. */
export function checkDatabase(problems: Problems, database: LocalDbFacts): void {
  if (checkObject(problems, "database", database) && (database as unknown as LocalDbFacts).engine !== "postgres") {
    problems.add("database.engine", database["engine"], "the engine postgres is allowed");
  }
}

/** Notes an image that does not say which one it is. */
export function checkImage(problems: Problems, path: string, image: unknown): void {
  const problem = pinnedImageProblem(image);
  if (problem !== undefined) {
    problems.add(path, image, problem);
  }
}

function normalizeEngine(problems: Problems, engine: NonNullable<ShardedIngestArgs["engine"]>): Required<BentoArgs> {
  const path = "engine.bento";
  if (checkObject(problems, "engine", engine)) {
    checkKnownKeys(problems, "engine", engine, ["bento"]);
    exactlyOne(problems, "engine", engine, ["bento"]);
  }
  const bento: BentoArgs = isObject(engine) ? ((engine as { bento?: BentoArgs }).bento ?? {}) : {};
  if (!checkObject(problems, path, bento)) {
    return { image: defaultBentoImage, batchSize: 0, batchPeriodMilliseconds: 0 };
  }
  checkKnownKeys(problems, path, bento, ["image", "batchSize", "batchPeriodMilliseconds"]);
  const { image = defaultBentoImage, batchSize = 5000, batchPeriodMilliseconds = 200 } = bento as BentoArgs;
  checkImage(problems, joinPath(path, "image"), image);
  checkInteger(problems, joinPath(path, "batchSize"), batchSize, { min: 1, max: 100_000 });
  checkInteger(problems, joinPath(path, "batchPeriodMilliseconds"), batchPeriodMilliseconds, { min: 1, max: 60_000 });
  return { image, batchSize, batchPeriodMilliseconds };
}

function settingsFiles(problems: Problems, tables: TopicTables, shards: ShardPlan): Record<string, string> {
  const files = {
    "engine.sh": engineScript,
    "exist.sql": tablesExistSql(tables),
    "idle.yaml": renderIdleConfig(),
    "offsets.sh": offsetsScript,
    "offsets.sql": startOffsetsSql(shards),
    "tables.sql": createTablesSql(tables),
  };
  checkConfigMapSize(problems, "topics", files, "fewer partitions per component are needed: split the topics over several components");
  return files;
}
