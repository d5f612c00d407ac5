/** The files that the agent finds in its pod: settings.json, retention.json and node.env. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkInteger, checkKnownKeys, checkList, checkObject, exactlyOne, isObject } from "../../src/model/checks";
import { parseDocument } from "../../src/model/documents";
import { joinPath, keyPath, Problems } from "../../src/model/errors";
import { checkSchedule } from "../../src/model/schedule";
import { checkShardPlan, type ShardPlan } from "../../src/model/shards";
import { isSnapshotId, snapshotIdRule } from "../../src/model/snapshot-id";
import { AgentError, messageOf, readingFrom } from "./errors";
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
  /** Topic → table. */
  tables: Record<string, string>;
  kafka: KafkaSettings;
  database: { host: string; port: number; database: string };
}

/** How to reach Kafka; user name and password are in the environment. */
export interface KafkaSettings {
  brokers: string[];
  tls?: { caFile?: string; certificateFile?: string; keyFile?: string };
  sasl?: { mechanism: string };
}

/** retention.json, checked. */
export interface Retention {
  keep: { last: number; hourly?: number; daily?: number; weekly?: number };
  /** Snapshot ids that stay whatever `keep` says. */
  pinned: string[];
}

/** node.env: the node and its shards. */
export interface NodeShards {
  node: string;
  /** All owned shards, ascending. */
  shards: number[];
  /** Those that this node owns first. */
  primary: number[];
}

const todo = "correct the SnapshotGroup; its settings come from there";

/** @throws AgentError with everything that is wrong */
export function readSettings(folder: string): Settings {
  const file = join(folder, "settings.json");
  return readingFrom("usage", file, todo, () => parseSettings(readFile(file)));
}

/** @throws MeshInputError with everything that is wrong */
export function parseSettings(text: string): Settings {
  const problems = new Problems("settings.json");
  const members = ["name", "schedule", "timeZone", "allowedLatenessSeconds", "timeoutSeconds", "store", "encryption", "shardMap"];
  const document = parseDocument(problems, text, "SnapshotGroupSettings", [...members, "topics", "kafka", "database"]);
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
  checkKafka(problems, document["kafka"]);
  const { database } = document;
  if (checkObject(problems, "database", database)) {
    checkKnownKeys(problems, "database", database, ["engine", "host", "port", "database"]);
    if (database["engine"] !== "postgres") {
      problems.add("database.engine", database["engine"], "the engine postgres is allowed");
    }
    checkText(problems, "database.host", database["host"]);
    checkText(problems, "database.database", database["database"]);
    checkInteger(problems, "database.port", database["port"], { min: 1, max: 65535 });
  }
  problems.throwIfAny();
  return { ...(document as unknown as Settings), plan, tables };
}

/** @throws AgentError with everything that is wrong */
export function readRetention(folder: string): Retention {
  const file = join(folder, "retention.json");
  return readingFrom("usage", file, todo, () => {
    const problems = new Problems("retention.json");
    const { keep, pinned } = parseDocument(problems, readFile(file), "SnapshotRetention", ["keep", "pinned"]);
    if (checkObject(problems, "keep", keep)) {
      checkKnownKeys(problems, "keep", keep, ["last", "hourly", "daily", "weekly"]);
      checkInteger(problems, "keep.last", keep["last"], { min: 1 });
      for (const key of ["hourly", "daily", "weekly"].filter((name) => keep[name] !== undefined)) {
        checkInteger(problems, joinPath("keep", key), keep[key], { min: 0 });
      }
    }
    if (checkList(problems, "pinned", pinned)) {
      pinned.forEach((id, index) => {
        if (!isSnapshotId(id)) {
          problems.add(joinPath("pinned", index), id, snapshotIdRule);
        }
      });
    }
    problems.throwIfAny();
    return { keep, pinned } as Retention;
  });
}

/** @throws AgentError where the file is missing (the node is not in the shard map) or wrong */
export function readNodeShards(file: string, shardCount: number): NodeShards {
  const values = Object.fromEntries(
    readFile(file, "the Kubernetes node of this pod may not be in the shard map")
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()]),
  );
  return readingFrom("usage", file, "roll the pods; the shard map writes this file", () => {
    const problems = new Problems("node file");
    const numbers = (name: string): number[] => {
      const text = values[name];
      if (text === undefined || !/^(\d+(,\d+)*)?$/.test(text)) {
        problems.add(name, text, "a comma list of shards is expected");
        return [];
      }
      const shards = text === "" ? [] : text.split(",").map(Number);
      shards.forEach((shard) => checkInteger(problems, name, shard, { min: 0, max: shardCount - 1 }));
      return shards;
    };
    checkText(problems, "MESH_NODE", values["MESH_NODE"]);
    const shards = numbers("MESH_SHARDS");
    const primary = numbers("MESH_PRIMARY_SHARDS");
    if (primary.some((shard) => !shards.includes(shard))) {
      problems.add("MESH_PRIMARY_SHARDS", primary, `only shards of MESH_SHARDS are allowed: ${shards.join(", ")}`);
    }
    problems.throwIfAny();
    return { node: values["MESH_NODE"], shards, primary };
  });
}

/** One variable of the environment that must be there. */
export function requiredVariable(name: string, purpose: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") {
    throw new AgentError({
      kind: "usage",
      what: `environment variable ${name}`,
      expected: purpose,
      found: "nothing",
      todo: "the SnapshotGroup sets it from a Secret; set it where the program is run by hand",
    });
  }
  return value;
}

function readFile(file: string, hint = "mount the settings ConfigMap of the SnapshotGroup, or name its folder by --settings"): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new AgentError({ kind: "usage", what: file, expected: "a readable file", found: messageOf(error), todo: hint, cause: error });
  }
}

function checkText(problems: Problems, path: string, value: unknown): void {
  if (typeof value !== "string" || value === "") {
    problems.add(path, value, "a text is needed");
  }
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

function checkTopics(problems: Problems, shardMap: unknown, topics: unknown): { plan: ShardPlan; tables: Record<string, string> } {
  const plan: ShardPlan = { shardCount: 0, topics: {} };
  const tables: Record<string, string> = {};
  if (checkObject(problems, "shardMap", shardMap)) {
    plan.shardCount = shardMap["shardCount"] as number;
  }
  if (checkObject(problems, "topics", topics)) {
    for (const [topic, facts] of Object.entries(topics)) {
      if (checkObject(problems, keyPath("topics", topic), facts)) {
        checkText(problems, joinPath(keyPath("topics", topic), "table"), facts["table"]);
        plan.topics[topic] = { partitions: facts["partitions"] as number };
        tables[topic] = facts["table"] as string;
      }
    }
  }
  checkShardPlan(problems, "", plan);
  return { plan, tables };
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
