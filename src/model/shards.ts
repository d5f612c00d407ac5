/**
 * Shards: units of data and of work. A shard covers fixed partitions of every topic, so the number of shards and the partitions of a topic
 * stay as they were created; what would move rows between shards without moving their data is refused here.
 */
import { checkInteger, checkObject, checkKnownKeys } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import type { TopicFacts } from "./facts";

/** Most shards of one mesh. Above it the shard map would come close to the 1 MiB that a ConfigMap may have. */
export const maxShardCount = 65536;

/** Kafka's rule for topic names (`org.apache.kafka.common.internals.Topic`). */
const topicName = /^[a-zA-Z0-9._-]{1,249}$/;

/** How many shards there are and what they cover. */
export interface ShardPlan {
  /** Number of shards, fixed at creation. */
  shardCount: number;
  /** The ingested topics by name. */
  topics: Record<string, TopicFacts>;
}

/**
 * The partitions that a shard covers, topic → partitions in ascending order.
 * Partition p of every topic belongs to shard p mod shardCount; so topics with the same number of partitions and the same key meet in one shard.
 */
export function partitionsOfShard(plan: ShardPlan, shard: number): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(plan.topics).map(([topic, { partitions }]) => {
      const covered: number[] = [];
      for (let partition = shard; partition < partitions; partition += plan.shardCount) {
        covered.push(partition);
      }
      return [topic, covered];
    }),
  );
}

/** The shard that a partition of any topic belongs to. */
export function shardOfPartition(plan: ShardPlan, partition: number): number {
  return partition % plan.shardCount;
}

/** Whether `name` can name a Kafka topic. */
export function checkTopicName(problems: Problems, path: string, name: unknown): name is string {
  if (typeof name === "string" && topicName.test(name) && name !== "." && name !== "..") {
    return true;
  }
  problems.add(path, name, "a Kafka topic name is allowed: letters, digits, dots, underscores and hyphens, at most 249 characters");
  return false;
}

/** Notes what is wrong in a plan: the number of shards, names of topics, and topics with too few partitions for every shard to have one. */
export function checkShardPlan(problems: Problems, path: string, plan: ShardPlan): void {
  const counted = checkInteger(problems, joinPath(path, "shardCount"), plan.shardCount, { min: 1, max: maxShardCount });
  const topicsPath = joinPath(path, "topics");
  if (!checkObject(problems, topicsPath, plan.topics)) {
    return;
  }
  for (const [topic, facts] of Object.entries(plan.topics)) {
    const topicPath = keyPath(topicsPath, topic);
    checkTopicName(problems, topicPath, topic);
    if (!checkObject(problems, topicPath, facts)) {
      continue;
    }
    checkKnownKeys(problems, topicPath, facts, ["partitions"]);
    const partitionsPath = joinPath(topicPath, "partitions");
    if (checkInteger(problems, partitionsPath, facts.partitions, { min: 1 }) && counted && facts.partitions < plan.shardCount) {
      const without = plan.shardCount - facts.partitions;
      problems.add(
        partitionsPath,
        facts.partitions,
        `at least one partition for each of the ${plan.shardCount} shards is needed, else ${without === 1 ? "1 shard covers" : `${without} shards cover`} nothing of the topic`,
      );
    }
  }
}

/**
 * Notes what would silently re-shard data that is there already: another number of shards, or other partitions of an existing topic.
 * New topics are allowed, and so is a topic that is no longer ingested.
 */
export function checkReshard(problems: Problems, path: string, previous: ShardPlan, next: ShardPlan): void {
  if (previous.shardCount !== next.shardCount) {
    problems.add(
      joinPath(path, "shardCount"),
      next.shardCount,
      `the mesh was created with ${previous.shardCount} shards, and another number would cut all its data anew; ` +
        `create a second mesh with ${next.shardCount} shards, move the data by restoring a snapshot into it, then remove this mesh`,
    );
  }
  for (const [topic, { partitions }] of Object.entries(previous.topics)) {
    const now = next.topics[topic];
    if (now !== undefined && now.partitions !== partitions) {
      problems.add(
        joinPath(keyPath(joinPath(path, "topics"), topic), "partitions"),
        now.partitions,
        `the topic was ingested with ${partitions} partitions, and with another number Kafka's partitioner sends the rows of a key to another shard; ` +
          `create a new topic with ${now.partitions} partitions, fill it from the old one, and ingest it beside or instead of "${topic}"`,
      );
    }
  }
}
