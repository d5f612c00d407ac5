/** settings.json, the larger of the files that the agent finds in its pod. */
import { join } from "node:path";
import { checkBoolean, checkInteger, checkKnownKeys, checkObject, checkOneOf, exactlyOne, isObject } from "../../src/model/checks";
import { parseDocument } from "../../src/model/documents";
import { joinPath, keyPath, Problems } from "../../src/model/errors";
import { checkSchedule } from "../../src/model/schedule";
import { checkShardPlan, type ShardPlan } from "../../src/model/shards";
import type { TableFacts } from "../../src/model/tables";
import { engineNames } from "./databases";
import type { DatabaseSettings } from "./databases/database";
import { readingFrom } from "./errors";
import { checkText, groupTodo, readFile } from "./pod-files";
import { checkTables } from "./settings-tables";
import type { StoreSettings } from "./stores/open";

/** Default places; each can be another by option. */
export const defaultPaths = { settings: "/etc/compute-mesh-settings", node: "/etc/compute-mesh/node.env" };

/** settings.json, checked. */
export interface Settings {
  /** Name of the SnapshotGroup. */
  name: string;
  schedule: string;
  allowedLatenessSeconds: number;
  timeoutSeconds: number;
  store: StoreSettings;
  encryption?: { keyFile: string };
  plan: ShardPlan;
  /** What the reports of owners go by: the version of the map, and how many owners a shard has. */
  shardMap: { version: string; replicas: number };
  /** Topic → table. */
  tables: Record<string, TableFacts>;
  kafka: KafkaSettings;
  database: DatabaseSettings;
  /** Where ingest puts records that can never be stored; they need no row. */
  deadLetterTopic?: string;
  /** Whether this group's agents keep the shards of the node: restore them, show pinned snapshots, hand moved ones over. Default: false. */
  tends: boolean;
  /** How long a snapshot that is not pinned any more keeps its views and data, in seconds. Default: 600. */
  unpinnedGraceSeconds: number;
}

/** How to reach Kafka; user name and password are in the environment. */
export interface KafkaSettings {
  brokers: string[];
  tls?: { caFile?: string; certificateFile?: string; keyFile?: string };
  sasl?: { mechanism: string };
}

const defaultGraceSeconds = 600;

const members = [
  ...["name", "schedule", "timeZone", "allowedLatenessSeconds", "timeoutSeconds", "store", "encryption", "shardMap", "topics"],
  ...["kafka", "database", "deadLetterTopic", "tends", "unpinnedGraceSeconds"],
];

/** @throws AgentError with everything that is wrong */
export function readSettings(folder: string): Settings {
  const file = join(folder, "settings.json");
  return readingFrom("usage", file, groupTodo, () => parseSettings(readFile(file)));
}

/** @throws MeshInputError with everything that is wrong */
export function parseSettings(text: string): Settings {
  const problems = new Problems("settings.json");
  const document = parseDocument(problems, text, "SnapshotGroupSettings", members);
  checkText(problems, "name", document["name"]);
  checkSchedule(problems, "schedule", document["schedule"]);
  if (document["timeZone"] !== "UTC") {
    problems.add("timeZone", document["timeZone"], "UTC is the only one, so that all nodes agree");
  }
  checkInteger(problems, "allowedLatenessSeconds", document["allowedLatenessSeconds"], { min: 0 });
  checkInteger(problems, "timeoutSeconds", document["timeoutSeconds"], { min: 1 });
  checkStore(problems, document["store"]);
  const { encryption } = document;
  if (encryption !== undefined && checkObject(problems, "encryption", encryption)) {
    checkText(problems, "encryption.keyFile", encryption["keyFile"]);
  }
  const { plan, tables } = checkTopics(problems, document["shardMap"], document["topics"]);
  const { tends = false, unpinnedGraceSeconds = defaultGraceSeconds } = document;
  checkBoolean(problems, "tends", tends);
  checkInteger(problems, "unpinnedGraceSeconds", unpinnedGraceSeconds, { min: 0 });
  checkKafka(problems, document["kafka"]);
  if (document["deadLetterTopic"] !== undefined) {
    checkText(problems, "deadLetterTopic", document["deadLetterTopic"]);
  }
  checkDatabase(problems, document["database"]);
  problems.throwIfAny();
  return {
    ...(document as unknown as Settings),
    plan,
    tables,
    tends: tends as boolean,
    unpinnedGraceSeconds: unpinnedGraceSeconds as number,
  };
}

const storeMembers: Record<string, { required: string[]; optional: string[] }> = {
  s3: { required: ["bucket"], optional: ["region", "endpoint", "prefix"] },
  gcs: { required: ["bucket"], optional: ["prefix"] },
  azureBlob: { required: ["account", "container"], optional: ["prefix"] },
  directory: { required: ["path"], optional: ["shared"] },
};

function checkStore(problems: Problems, store: unknown): void {
  if (!checkObject(problems, "store", store)) {
    return;
  }
  checkKnownKeys(problems, "store", store, Object.keys(storeMembers));
  const kind = exactlyOne(problems, "store", store, Object.keys(storeMembers));
  const path = joinPath("store", kind ?? "");
  const given = kind === undefined ? undefined : store[kind];
  if (kind === undefined || !checkObject(problems, path, given)) {
    return;
  }
  const { required, optional } = storeMembers[kind];
  checkKnownKeys(problems, path, given, [...required, ...optional]);
  required.forEach((key) => checkText(problems, joinPath(path, key), given[key]));
}

function checkTopics(problems: Problems, shardMap: unknown, topics: unknown): { plan: ShardPlan; tables: Record<string, TableFacts> } {
  const plan: ShardPlan = { shardCount: 0, topics: {} };
  if (checkObject(problems, "shardMap", shardMap)) {
    checkKnownKeys(problems, "shardMap", shardMap, ["version", "shardCount", "replicas"]);
    // It is part of keys in the store.
    if (typeof shardMap["version"] !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(shardMap["version"])) {
      problems.add("shardMap.version", shardMap["version"], "the version of the shard map is needed");
    }
    checkInteger(problems, "shardMap.replicas", shardMap["replicas"], { min: 1 });
    plan.shardCount = shardMap["shardCount"] as number;
  }
  if (checkObject(problems, "topics", topics)) {
    for (const [topic, facts] of Object.entries(topics)) {
      if (checkObject(problems, keyPath("topics", topic), facts)) {
        checkKnownKeys(problems, keyPath("topics", topic), facts, ["partitions", "table"]);
        plan.topics[topic] = { partitions: facts["partitions"] as number };
      }
    }
  }
  checkShardPlan(problems, "", plan);
  return { plan, tables: checkTables(problems, topics) };
}

function checkDatabase(problems: Problems, database: unknown): void {
  if (!checkObject(problems, "database", database)) {
    return;
  }
  checkKnownKeys(problems, "database", database, ["engine", "host", "port", "database", "tls"]);
  checkOneOf(problems, "database.engine", database["engine"], engineNames);
  checkText(problems, "database.host", database["host"]);
  checkText(problems, "database.database", database["database"]);
  checkInteger(problems, "database.port", database["port"], { min: 1, max: 65535 });
  const { tls } = database;
  if (tls !== undefined && checkObject(problems, "database.tls", tls)) {
    checkKnownKeys(problems, "database.tls", tls, ["caFile"]);
    if (tls["caFile"] !== undefined) {
      checkText(problems, "database.tls.caFile", tls["caFile"]);
    }
  }
}

function checkKafka(problems: Problems, kafka: unknown): void {
  if (!checkObject(problems, "kafka", kafka)) {
    return;
  }
  checkKnownKeys(problems, "kafka", kafka, ["brokers", "tls", "sasl"]);
  const { brokers, sasl } = kafka;
  if (!Array.isArray(brokers) || brokers.length === 0 || brokers.some((broker) => typeof broker !== "string")) {
    problems.add("kafka.brokers", brokers, 'a list of "host:port" is needed');
  }
  const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
  if (sasl !== undefined && !(isObject(sasl) && mechanisms.includes(sasl["mechanism"] as string))) {
    problems.add("kafka.sasl.mechanism", isObject(sasl) ? sasl["mechanism"] : sasl, `${mechanisms.join(", ")} are allowed`);
  }
}
