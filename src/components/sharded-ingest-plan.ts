/** What a ShardedIngest will be, all of it known before deployment. */
import { checkKafka, type KafkaSecurity, kafkaSecurity } from "../ingest/kafka";
import { type NodeIdentityPlan, planNodeIdentity } from "../kubernetes/node-identity-plan";
import { checkBoolean, checkComponentName, checkKnownKeys, checkQuantity, isObject } from "../model/checks";
import { Problems } from "../model/errors";
import { dnsName } from "../model/names";
import type { ShardPlan } from "../model/shards";
import type { TableFacts } from "../model/tables";
import type { ShardedIngestArgs } from "./sharded-ingest";
import { checkDatabase, checkImage, planTopics } from "./sharded-ingest-checks";
import { type IngestEnginePlan, normalizeIngestEngine } from "./sharded-ingest-engine";

/** The normalised args. */
export interface ShardedIngestPlan {
  name: string;
  settingsName: string;
  identity: NodeIdentityPlan;
  security: KafkaSecurity;
  shards: ShardPlan;
  /** Topic → table. */
  tables: Record<string, TableFacts>;
  engine: IngestEnginePlan;
  cpu: string;
  memory: string;
  awaitReady: boolean;
}

const argsKeys = [
  ...["namespace", "nodes", "shardMap", "topics", "kafka", "database", "engine", "deadLetterTopic", "maxLagRecords", "bufferMemory"],
  ...["restoreFrom", "awaitReady", "nodeReaderImage", "cpu", "memory", "transforms"],
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
  const { shards, tables } = planTopics(problems, args.topics, args.shardMap.shardCount, args.database);
  if (isObject(args.topics) && Object.keys(shards.topics).length === 0) {
    problems.add("topics", args.topics, "at least one topic is needed");
  }
  checkKafka(problems, "kafka", args.kafka);
  checkDatabase(problems, args.database);
  const { cpu = "500m", memory = "512Mi", awaitReady = true } = args;
  checkQuantity(problems, "cpu", cpu);
  // Below it the engine cannot even hold one full batch twice, as records and as JSON.
  const memoryBytes = checkQuantity(problems, "memory", memory, { min: 128 * 1024 * 1024 });
  const engine = normalizeIngestEngine(problems, args, { shards, tables, memoryBytes });
  if (args.nodeReaderImage !== undefined) {
    checkImage(problems, "nodeReaderImage", args.nodeReaderImage);
  }
  checkBoolean(problems, "awaitReady", awaitReady);
  if (args.transforms !== undefined) {
    checkKnownKeys(problems, "transforms", args.transforms, transformKeys);
  }
  problems.throwIfAny();
  return {
    name,
    settingsName: dnsName(name, "settings"),
    identity,
    security: kafkaSecurity(args.kafka),
    shards,
    tables,
    engine,
    cpu,
    memory,
    awaitReady,
  };
}
