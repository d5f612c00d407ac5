/** The cut of a shard: fixed once in the store by whoever asks first, read from there by everyone after. */
import { type ShardCut, parseCut, serializeCut, setPartition } from "../../src/model/cut";
import { partitionsOfShard, type ShardPlan } from "../../src/model/shards";
import { parseSnapshotId } from "../../src/model/snapshot-id";
import { AgentError, readingFrom } from "./errors";
import type { KafkaLog } from "./kafka";
import { shardKey } from "./layout";
import { getText, type ObjectStore } from "./stores/store";

/** The cut in the store; undefined where nobody has fixed it yet. */
export async function readCut(
  store: ObjectStore,
  group: string,
  snapshot: string,
  shard: number,
  plan?: ShardPlan,
): Promise<ShardCut | undefined> {
  const key = shardKey(group, snapshot, shard, "cut");
  const text = await getText(store, key);
  const todo =
    plan === undefined
      ? "use the version of the agent that wrote it, or a newer one"
      : "the topics were changed while the snapshot was taken, or an agent of another version wrote it; the next snapshot is taken as the settings say";
  return text === undefined ? undefined : readingFrom("corrupted", `${key} in ${store.name}`, todo, () => parseCut(text, plan));
}

/** Fixes the cut, or reads the one that another node has fixed meanwhile. Call it only after the allowed lateness. */
export async function fixCut(
  store: ObjectStore,
  kafka: KafkaLog,
  group: string,
  snapshot: string,
  shard: number,
  plan: ShardPlan,
): Promise<ShardCut> {
  const before = await readCut(store, group, snapshot, shard, plan);
  if (before !== undefined) {
    return before;
  }
  const cut: ShardCut = { snapshot, shard, offsets: {} };
  for (const [topic, partitions] of Object.entries(partitionsOfShard(plan, shard))) {
    const found = await kafka.offsetsForTime(topic, parseSnapshotId(snapshot) as Date);
    checkPartitionCount(topic, plan.topics[topic]?.partitions ?? 0, found.size);
    for (const partition of partitions) {
      setPartition(cut.offsets, topic, partition, found.get(partition) as bigint);
    }
  }
  if (await store.putIfAbsent(shardKey(group, snapshot, shard, "cut"), serializeCut(cut))) {
    return cut;
  }
  return (await readCut(store, group, snapshot, shard, plan)) ?? fixCut(store, kafka, group, snapshot, shard, plan);
}

/** Whether Kafka has the topics as the shards cover them. */
export async function checkTopics(kafka: KafkaLog, plan: ShardPlan): Promise<void> {
  for (const [topic, { partitions }] of Object.entries(plan.topics)) {
    checkPartitionCount(topic, partitions, await kafka.partitionsOf(topic));
  }
}

function checkPartitionCount(topic: string, expected: number, found: number): void {
  if (expected !== found) {
    throw new AgentError({
      kind: "refused",
      what: `topic ${topic}`,
      expected: `${expected} partitions, as the shards cover them`,
      found: `${found} partitions`,
      todo: `rows in other partitions would be in no shard; create a new topic with ${found} partitions, fill it from this one and ingest that, or set the partitions of the topic right before anything is ingested`,
    });
  }
}
