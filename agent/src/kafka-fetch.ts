/**
 * Reads the log of one partition as it is. kafkajs 2.2.4 has no consumer for given partitions without a group, and hands out records only, which
 * hide markers and batches that compaction has emptied; so its connections (with their TLS, SASL and metadata) are used with an own reader of
 * the Fetch answer, version 11 (Kafka 2.3 and later).
 */
import type { Kafka } from "kafkajs";
import { protocol } from "kafkajs/src/protocol/requests/fetch";
import { parseBatches, type RecordBatch } from "./kafka-records";

/** What kafkajs sends over a connection. */
export interface ProtocolRequest {
  request: { apiKey: number; apiVersion: number };
  response: { decode(bytes: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
  requestTimeout?: number;
}

interface KafkaBroker {
  connectionPool: { send(request: ProtocolRequest): Promise<unknown> };
}

/** What is used of kafkajs' inner `Cluster`. */
export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  fetchTopicsOffset(topics: object[]): Promise<{ partitions: { offset: string }[] }[]>;
  findBroker(node: { nodeId: string }): Promise<KafkaBroker>;
}

/** One answer. */
export interface FetchedLog {
  error: number;
  /** Everything below is decided: committed or aborted. */
  lastStableOffset: bigint;
  logStart: bigint;
  aborted: { producerId: bigint; firstOffset: bigint }[];
  batches: RecordBatch[];
}

/** A cluster connection of a client; the client keeps the way to make one private. */
export function clusterOf(kafka: Kafka): KafkaCluster {
  const symbols = Object.getOwnPropertySymbols(kafka);
  const create = symbols.find((symbol) => symbol.description === "private:Kafka:createCluster");
  const owner = kafka as unknown as Record<symbol, (options: object) => KafkaCluster>;
  if (create === undefined) {
    throw new Error("kafkajs is not version 2.2.4, whose inner cluster is used here");
  }
  return owner[create]({ metadataMaxAge: 60_000, allowAutoTopicCreation: false });
}

const errorNotLeader = 6;
const errorUnknownTopic = 3;
const leaderTries = 5;
const answerBytes = 1024 * 1024;

/** The log from an offset on, at most about 1 MiB. */
export async function fetchLog(cluster: KafkaCluster, topic: string, partition: number, offset: bigint): Promise<FetchedLog> {
  for (let tries = 1; ; tries++) {
    const answer = await fetchOnce(cluster, topic, partition, offset);
    if ((answer.error !== errorNotLeader && answer.error !== errorUnknownTopic) || tries === leaderTries) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 200 * tries));
    await cluster.refreshMetadata();
  }
}

async function fetchOnce(cluster: KafkaCluster, topic: string, partition: number, offset: bigint): Promise<FetchedLog> {
  await cluster.addTargetTopic(topic);
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (leader === undefined) {
    return { error: errorNotLeader, lastStableOffset: -1n, logStart: -1n, aborted: [], batches: [] };
  }
  const broker = await cluster.findBroker({ nodeId: leader });
  const request = protocol({ version: 11 })({
    isolationLevel: 1, // read_committed
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes: answerBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset.toString(), maxBytes: answerBytes }] }],
  }) as ProtocolRequest;
  const answer = await broker.connectionPool.send({
    ...request,
    response: { decode: (bytes) => Promise.resolve(decodeAnswer(bytes)), parse: (decoded) => Promise.resolve(decoded) },
    requestTimeout: 30_000,
  });
  return answer as FetchedLog;
}

/** One topic and one partition, as they were asked for. https://kafka.apache.org/protocol#The_Messages_Fetch */
function decodeAnswer(bytes: Buffer | { buffer: Buffer }): FetchedLog {
  const buffer = Buffer.isBuffer(bytes) ? bytes : bytes.buffer;
  let at = 4; // throttle time
  const topError = buffer.readInt16BE(at);
  at += 2 + 4; // session
  const topics = buffer.readInt32BE(at);
  at += 4;
  if (topError !== 0 || topics === 0) {
    return { error: topError, lastStableOffset: -1n, logStart: -1n, aborted: [], batches: [] };
  }
  at += 2 + buffer.readInt16BE(at); // name of the topic
  at += 4 + 4; // number of partitions, partition
  const error = buffer.readInt16BE(at);
  at += 2 + 8; // high watermark
  const lastStableOffset = buffer.readBigInt64BE(at);
  const logStart = buffer.readBigInt64BE(at + 8);
  at += 16;
  const aborted: FetchedLog["aborted"] = [];
  const count = buffer.readInt32BE(at);
  at += 4;
  for (let index = 0; index < count; index++, at += 16) {
    aborted.push({ producerId: buffer.readBigInt64BE(at), firstOffset: buffer.readBigInt64BE(at + 8) });
  }
  at += 4; // preferred replica
  const length = buffer.readInt32BE(at);
  at += 4;
  return { error, lastStableOffset, logStart, aborted, batches: length <= 0 ? [] : parseBatches(buffer.subarray(at, at + length)) };
}
