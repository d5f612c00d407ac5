/** What the agent asks Kafka: the cut of a time, and which records lie between two offsets. */
import { readFileSync } from "node:fs";
import { type Admin, Kafka, logLevel, type SASLOptions } from "kafkajs";
import { AgentError, messageOf } from "./errors";
import { clusterOf, type FetchedLog, fetchLog, type KafkaCluster } from "./kafka-fetch";
import type { RecordBatch } from "./kafka-records";
import { requiredVariable } from "./environment";
import type { KafkaSettings } from "./settings";

/** The log of Kafka, as snapshots need it. */
export interface KafkaLog {
  /** Number of partitions of a topic. */
  partitionsOf(topic: string): Promise<number>;
  /** For every partition the first offset at or after a time; where there is none yet, the end of the log. */
  offsetsForTime(topic: string, time: Date): Promise<Map<number, bigint>>;
  /**
   * The offsets of the committed records from `from` to before `to`, in runs. Ends early where the log is not decided or not written up to `to`,
   * which `end` tells.
   */
  committed(topic: string, partition: number, from: bigint, to: bigint): AsyncGenerator<bigint[], LogEnd>;
  /** For every partition the first offset that Kafka still has, and the end of the log. */
  bounds(topic: string): Promise<Map<number, { start: bigint; end: bigint }>>;
  /** What a dead-letter topic of ingest holds copies of. */
  setAside(deadLetterTopic: string): Promise<SetAside>;
  close(): Promise<void>;
}

/** Offsets of records that are in no table because they can never be stored, by `<topic>/<partition>`. */
export type SetAside = ReadonlyMap<string, ReadonlySet<bigint>>;

/** How far a look into the log came. */
export interface LogEnd {
  /** Everything below is decided; not above the `to` that was asked for. */
  decided: bigint;
  /** First offset that Kafka still has. */
  logStart: bigint;
}

/** Errors of the protocol that mean: the agent may not, or the topic is not there. */
const authorizationErrors = new Set(["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "SASL_AUTHENTICATION_FAILED"]);

/** Connects; user name and password are in `KAFKA_USERNAME` and `KAFKA_PASSWORD` where SASL is on. */
export async function connectKafka(settings: KafkaSettings): Promise<KafkaLog> {
  const name = `kafka at ${settings.brokers.join(",")}`;
  const kafka = new Kafka({
    clientId: "compute-mesh-agent",
    brokers: settings.brokers,
    ...security(settings),
    connectionTimeout: 10_000,
    requestTimeout: 30_000,
    retry: { retries: 3, initialRetryTime: 200 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  const cluster = clusterOf(kafka);
  const close = async (): Promise<void> => {
    await Promise.allSettled([admin.disconnect(), cluster.disconnect()]);
  };
  try {
    await Promise.all([admin.connect(), cluster.connect()]);
  } catch (error) {
    await close();
    throw failure(name, error);
  }
  return {
    partitionsOf: (topic) => telling(`${name}, topic ${topic}`, async () => (await topicOffsets(admin, topic)).length),
    offsetsForTime: (topic, time) =>
      telling(`${name}, topic ${topic}`, async () => {
        const found = await admin.fetchTopicOffsetsByTimestamp(topic, time.getTime());
        return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]));
      }),
    bounds: (topic) =>
      telling(`${name}, topic ${topic}`, async () => {
        const found = await topicOffsets(admin, topic);
        return new Map(found.map(({ partition, low, high }) => [partition, { start: BigInt(low), end: BigInt(high) }]));
      }),
    committed: (topic, partition, from, to) => committedOffsets(cluster, name, topic, partition, from, to),
    setAside: (topic) =>
      telling(`${name}, topic ${topic}`, async () => {
        const found = new Map<string, Set<bigint>>();
        for (const { partition, low, high } of await topicOffsets(admin, topic)) {
          await readSetAside(cluster, name, { topic, partition, from: BigInt(low), to: BigInt(high) }, found);
        }
        return found;
      }),
    close,
  };
}

function topicOffsets(admin: Admin, topic: string): ReturnType<Admin["fetchTopicOffsets"]> {
  return admin.fetchTopicOffsets(topic);
}

const errorOutOfRange = 1;

/**
 * The filter of a read_committed consumer (KIP-98): a batch of a transaction counts unless its producer is in the list of aborted transactions
 * that the broker sends along, from their first offset to their marker.
 */
async function* committedOffsets(
  cluster: KafkaCluster,
  name: string,
  topic: string,
  partition: number,
  from: bigint,
  to: bigint,
): AsyncGenerator<bigint[], LogEnd> {
  const place = `${name}, partition ${partition} of ${topic}`;
  const fetch = (offset: bigint): Promise<FetchedLog> => telling(place, () => fetchLog(cluster, topic, partition, offset));
  let at = from;
  let logStart = 0n;
  for (;;) {
    const answer = await fetch(at);
    if (answer.error === errorOutOfRange) {
      // Below the start of the log, where retention has removed records, or above its end.
      const start = await startOfLog(cluster, place, topic, partition);
      if (at >= start) {
        return { decided: at < to ? at : to, logStart: start };
      }
      at = start;
      continue;
    }
    if (answer.error !== 0) {
      throw failure(place, new Error(`error ${answer.error} of the protocol`));
    }
    logStart = answer.logStart;
    const aborted = [...answer.aborted].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
    const inAborted = new Set<bigint>();
    let next = at;
    for (const batch of answer.batches) {
      if (batch.baseOffset >= answer.lastStableOffset) {
        break;
      }
      while (aborted[0] !== undefined && aborted[0].firstOffset <= batch.lastOffset) {
        inAborted.add((aborted.shift() as { producerId: bigint }).producerId);
      }
      next = batch.lastOffset + 1n;
      const offsets = committedOf(batch, inAborted).filter((offset) => offset >= at && offset < to);
      if (offsets.length > 0) {
        yield offsets;
      }
      if (next >= to) {
        return { decided: to, logStart };
      }
    }
    if (next === at) {
      // Nothing more up to the last stable offset: what was there, compaction has removed.
      const decided = answer.lastStableOffset > at ? answer.lastStableOffset : at;
      return { decided: decided < to ? decided : to, logStart };
    }
    at = next;
  }
}

/** Ingest writes where a record was into the headers of its copy. */
async function readSetAside(
  cluster: KafkaCluster,
  name: string,
  { topic, partition, from, to }: { topic: string; partition: number; from: bigint; to: bigint },
  found: Map<string, Set<bigint>>,
): Promise<void> {
  for (let at = from; at < to;) {
    const { error, batches } = await fetchLog(cluster, topic, partition, at);
    if (error !== 0) {
      throw failure(`${name}, partition ${partition} of ${topic}`, new Error(`error ${error} of the protocol`));
    }
    for (const headers of batches.flatMap((batch) => (batch.marker === undefined ? batch.headers() : []))) {
      const [source, number, offset] = ["mesh_topic", "mesh_partition", "mesh_offset"].map((header) => headers.get(header));
      if (source !== undefined && number !== undefined && /^\d+$/.test(offset ?? "")) {
        const place = `${source}/${number}`;
        found.set(place, (found.get(place) ?? new Set()).add(BigInt(offset as string)));
      }
    }
    const last = batches[batches.length - 1];
    if (last === undefined) {
      return;
    }
    at = last.lastOffset + 1n;
  }
}

function committedOf(batch: RecordBatch, inAborted: Set<bigint>): bigint[] {
  if (batch.marker !== undefined) {
    if (batch.marker === "abort") {
      inAborted.delete(batch.producerId);
    }
    return [];
  }
  return batch.records === 0 || (batch.transactional && inAborted.has(batch.producerId)) ? [] : batch.offsets();
}

async function startOfLog(cluster: KafkaCluster, place: string, topic: string, partition: number): Promise<bigint> {
  return telling(place, async () => {
    const [found] = await cluster.fetchTopicsOffset([{ topic, fromBeginning: true, partitions: [{ partition }] }]);
    return BigInt(found?.partitions[0]?.offset ?? "0");
  });
}

function security({ tls, sasl }: KafkaSettings): { ssl?: object; sasl?: SASLOptions } {
  const file = (path: string | undefined): Buffer | undefined => (path === undefined ? undefined : readFileSync(path));
  return {
    ...(tls === undefined ? {} : { ssl: { ca: file(tls.caFile), cert: file(tls.certificateFile), key: file(tls.keyFile) } }),
    ...(sasl === undefined
      ? {}
      : {
          sasl: {
            mechanism: sasl.mechanism.toLowerCase() as "plain",
            username: requiredVariable("KAFKA_USERNAME", "the user name for Kafka"),
            password: requiredVariable("KAFKA_PASSWORD", "the password for Kafka"),
          },
        }),
  };
}

async function telling<T>(place: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw failure(place, error);
  }
}

function failure(place: string, error: unknown): AgentError {
  if (error instanceof AgentError) {
    return error;
  }
  const { name, type, cause } = error as { name?: string; type?: string; cause?: { type?: string } };
  const kind = type ?? cause?.type ?? "";
  const todo =
    kind === "UNKNOWN_TOPIC_OR_PARTITION"
      ? "create the topic, or take it out of the topics of ingest and snapshots"
      : authorizationErrors.has(kind) || name === "KafkaJSSASLAuthenticationError"
        ? "check user name and password in the Secret, and that the user may read and describe the topic"
        : undefined;
  return new AgentError({
    kind: "unreachable",
    what: place,
    expected: "an answer",
    found: messageOf(error),
    todo: todo ?? "check that the brokers are reachable; the agent tries again",
    retry: todo === undefined,
    cause: error,
  });
}
