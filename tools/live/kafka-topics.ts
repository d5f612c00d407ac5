/** Making topics, by the wire protocol: no Java is started for it. */
import { type Admin, Kafka, logLevel } from "kafkajs";

/** A topic to make. */
export interface TopicSpec {
  name: string;
  partitions: number;
  /** Copies of each partition. Default: what the brokers have as default. */
  replicas?: number;
  /** Settings of the topic, for example `{ "cleanup.policy": "compact" }`. Default: none. */
  config?: Readonly<Record<string, string>>;
}

/**
 * Makes the topics that are missing, and waits until every partition has a leader. Throws where a topic is there with another number of partitions.
 *
 * @param brokers `host:port`, as this process reaches them
 */
export async function createTopics(brokers: readonly string[], topics: readonly TopicSpec[]): Promise<void> {
  const kafka = new Kafka({ clientId: "compute-mesh-tools", brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 8 } });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const before = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !before.has(name));
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map(({ name, partitions, replicas, config }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: replicas ?? -1,
          configEntries: Object.entries(config ?? {}).map(([key, value]) => ({ name: key, value })),
        })),
      });
    }
    await checkPartitions(admin, topics);
  } finally {
    await admin.disconnect();
  }
}

async function checkPartitions(admin: Admin, topics: readonly TopicSpec[]): Promise<void> {
  if (topics.length === 0) return;
  const { topics: found } = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
  const wrong = topics.flatMap(({ name, partitions }) => {
    const count = found.find((topic) => topic.name === name)?.partitions.length ?? 0;
    return count === partitions ? [] : [`topic "${name}" has ${count} partitions, not ${partitions}`];
  });
  if (wrong.length > 0) throw new Error(`Kafka: ${wrong.join("; ")}`);
}
