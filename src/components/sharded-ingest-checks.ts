/** Checks that the ingest shares with the snapshots: topics with their tables, the database, images. */
import { checkKnownKeys, checkObject, isObject } from "../model/checks";
import { checkDatabaseEngine, dialectOfEngine } from "../model/database-engines";
import { keyPath, type Problems } from "../model/errors";
import type { LocalDbFacts } from "../model/facts";
import { pinnedImageProblem } from "../model/images";
import { sortedEntries } from "../model/names";
import { checkShardPlan, checkTopicName, type ShardPlan } from "../model/shards";
import { checkTableNames } from "../model/table-sql";
import { normalizeTables, type TableArgs, type TableFacts } from "../model/tables";
import type { IngestTopicArgs } from "./sharded-ingest";

const topicKeys = ["partitions", "table", "columns", "document"] as const satisfies (keyof IngestTopicArgs)[];

/** Checks topics and their tables against the number of shards and, where it is given, the database. */
export function planTopics(
  problems: Problems,
  topics: Record<string, IngestTopicArgs>,
  shardCount: number,
  database?: LocalDbFacts,
): { shards: ShardPlan; tables: Record<string, TableFacts> } {
  if (!checkObject(problems, "topics", topics)) {
    return { shards: { shardCount, topics: {} }, tables: {} };
  }
  const given = sortedEntries<unknown>(topics);
  const objects = given.filter((entry): entry is [string, Record<string, unknown>] => isObject(entry[1]));
  objects.forEach(([topic, args]) => checkKnownKeys(problems, keyPath("topics", topic), args, topicKeys));
  // Wrong values go through as they are: the check of the plan names them.
  const facts = given.map(([topic, args]) => [topic, isObject(args) ? { partitions: args["partitions"] } : args]);
  const shards = { shardCount, topics: Object.fromEntries(facts) as ShardPlan["topics"] };
  checkShardPlan(problems, "", shards);
  const tables = normalizeTables(problems, "topics", Object.fromEntries<TableArgs>(objects));
  const dialect = isObject(database) ? dialectOfEngine(database.engine) : undefined;
  if (dialect !== undefined) {
    checkTableNames(problems, "topics", dialect, tables);
  }
  return { shards, tables };
}

/** Notes a database that neither ingest nor agents know. */
export function checkDatabase(problems: Problems, database: LocalDbFacts): void {
  if (checkObject(problems, "database", database)) {
    checkDatabaseEngine(problems, "database.engine", database["engine"]);
  }
}

/** Notes an image that does not say which one it is. */
export function checkImage(problems: Problems, path: string, image: unknown): void {
  const problem = pinnedImageProblem(image);
  if (problem !== undefined) {
    problems.add(path, image, problem);
  }
}

/** Of the ingest and of the groups that prove snapshots against Kafka. */
export function checkDeadLetterTopic(problems: Problems, topic: unknown, shards: ShardPlan): void {
  if (checkTopicName(problems, "deadLetterTopic", topic) && Object.hasOwn(shards.topics, topic)) {
    problems.add("deadLetterTopic", topic, "another topic is needed: this one is ingested, and every dead letter would come back");
  }
}
