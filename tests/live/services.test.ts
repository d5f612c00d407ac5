/** Kafka, the object store and the faults in front of them, as real processes; and that two independent counts of one topic agree. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { startWatchdog } from "../../tools/cluster-run";
import { startFaultProxy } from "../../tools/live/faults";
import { createTopics, findKafka, type KafkaService, startKafka } from "../../tools/live/kafka";
import { findVersitygw, type ObjectStoreService, startObjectStore } from "../../tools/live/object-store";
import { findLoad, produce, type Produced, readTruth, type Totals } from "../../tools/live/produce";
import { stopServices, type Target } from "../../tools/live/services";
import { isAlive } from "../../tools/processes";
import { forwarder, type Forwarder } from "../support/kafka-door";

jest.setTimeout(180_000);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-services-"));
  startWatchdog(folder);
});
afterAll(async () => {
  await stopServices(folder, 0);
  rmSync(folder, { recursive: true, force: true });
});

function describeWith(title: string, missing: string | undefined, body: () => void): void {
  (missing === undefined ? describe : describe.skip)(missing === undefined ? title : `${title} (${missing})`, body);
}

const sums = ({ total, byPartition, byKey, byTime, poisoned, tombstones }: Totals): Omit<Totals, "topic" | "seconds"> => ({
  total,
  byPartition,
  byKey,
  byTime,
  poisoned,
  tombstones,
});

const kafkaMissing =
  findKafka() === undefined || findLoad() === undefined ? "Kafka or mesh-load is not cached: npm run test:all gets them" : undefined;

describeWith("Kafka", kafkaMissing, () => {
  const doors: Forwarder[] = [];
  let kafka: KafkaService;

  beforeAll(async () => {
    const openDoor = async (target: Target): Promise<number> => {
      const door = await forwarder(target);
      doors.push(door);
      return door.port;
    };
    kafka = await startKafka({ folder, openDoor });
    await createTopics(kafka.hostBrokers, [
      { name: "orders", partitions: 16 },
      { name: "transactions", partitions: 4 },
      {
        name: "compacted",
        partitions: 1,
        config: { "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01" },
      },
    ]);
  });
  afterAll(async () => {
    await kafka?.stop();
    for (const door of doors) await door.close();
  });

  it("tells clients on this machine the port of the door, which was open before it started", () => {
    expect(kafka.hostBrokers).toEqual([`127.0.0.1:${doors[0].port}`]);
    expect(kafka.brokers).not.toEqual(kafka.hostBrokers);
    // Making the topics went through it.
    expect(doors[0].connections()).toBeGreaterThan(0);
  });

  it("takes many records, and two counts that know nothing of each other agree on every sum", async () => {
    const written = await produce(kafka.brokers, { topic: "orders", messages: 100_000, keys: 500, seed: 7 });
    expect(written.total.count).toBe(100_000);
    expect(Object.keys(written.byPartition)).toHaveLength(16);
    expect(Object.keys(written.byKey)).toHaveLength(500);
    const read = await readTruth(kafka.hostBrokers, { topic: "orders" });
    expect(sums(read)).toEqual(sums(written));
    expect(read.cut).toEqual(written.nextOffsets);
  });

  it("later records change nothing below a cut", async () => {
    const before = await readTruth(kafka.brokers, { topic: "orders" });
    await produce(kafka.brokers, { topic: "orders", messages: 5000, seed: 8 });
    const again = await readTruth(kafka.brokers, { topic: "orders", cut: before.cut });
    expect(sums(again)).toEqual(sums(before));
    expect((await readTruth(kafka.brokers, { topic: "orders" })).total.count).toBe(before.total.count + 5000);
  });

  it("counts aborted transactions, poison, tombstones and duplicates apart, and reads past an aborted end", async () => {
    const start = Date.UTC(2026, 10, 21, 6);
    const written: Produced = await produce(kafka.brokers, {
      topic: "transactions",
      messages: 4000,
      transactions: 500,
      abortEvery: 4,
      duplicates: 100,
      poison: 50,
      tombstones: 77,
      startMilliseconds: start,
      spanMilliseconds: 20_000,
      disorderMilliseconds: 5000,
      bucketMilliseconds: 1000,
    });
    const { total, poisoned, tombstones, duplicates, aborted } = written;
    expect(duplicates).toBe(40);
    // Two of eight transactions, each with five records written twice.
    expect(aborted).toBe(2 * 505);
    expect(total.count + poisoned + tombstones).toBe(6 * 505);

    const read = await readTruth(kafka.brokers, { topic: "transactions", bucketMilliseconds: 1000 });
    expect(sums(read)).toEqual(sums(written));
    // The last transaction was aborted: what ends the log is its marker, which no client is shown.
    const ends = Object.entries(written.nextOffsets);
    for (const [partition, offset] of ends) expect(read.cut[partition]).toBe(offset + 1);
    const everything = await readTruth(kafka.brokers, { topic: "transactions", uncommitted: true });
    expect(everything.total.count + everything.poisoned + everything.tombstones).toBe(8 * 505);

    // By time: up to the first record of that time or later, as consumers ask for it, although times are out of order.
    const half = await readTruth(kafka.brokers, { topic: "transactions", atMilliseconds: start + 10_000 });
    expect(half.total.count).toBeGreaterThan(0);
    expect(half.total.count).toBeLessThan(total.count);
    expect(sums(await readTruth(kafka.brokers, { topic: "transactions", cut: half.cut }))).toEqual(sums(half));
  });

  it("reads a compacted topic to its end", async () => {
    for (const seed of [1, 2, 3]) await produce(kafka.brokers, { topic: "compacted", messages: 2000, keys: 20, seed });
    const read = await readTruth(kafka.brokers, { topic: "compacted" });
    expect(read.cut).toEqual({ "0": 6000 });
    expect(Object.keys(read.byKey)).toHaveLength(20);
  });

  it("says what is wrong with a topic", async () => {
    await expect(createTopics(kafka.hostBrokers, [{ name: "orders", partitions: 8 }])).rejects.toThrow(
      'Kafka: topic "orders" has 16 partitions, not 8',
    );
    await expect(readTruth(kafka.brokers, { topic: "nowhere" })).rejects.toThrow('topic "nowhere"');
    await expect(produce(kafka.brokers, { topic: "nowhere", messages: 1 })).rejects.toThrow("UNKNOWN_TOPIC_OR_PARTITION");
    await expect(startKafka({ folder, brokers: 0 })).rejects.toThrow("Kafka: brokers: 0 is not allowed");
  });

  it("keeps its records when it is killed and started again", async () => {
    const before = await readTruth(kafka.brokers, { topic: "orders" });
    const [process] = kafka.processes;
    await kafka.endBroker(1);
    expect(isAlive(process)).toBe(false);
    await expect(kafka.endBroker(2)).rejects.toThrow("there is no broker 2");
    await kafka.startBroker(1);
    expect(sums(await readTruth(kafka.hostBrokers, { topic: "orders", cut: before.cut }))).toEqual(sums(before));
  });
});

const storeMissing = findVersitygw() === undefined ? "versitygw is not cached: npm run test:all gets it" : undefined;

describeWith("the object store", storeMissing, () => {
  let store: ObjectStoreService;
  const clients: S3Client[] = [];
  beforeAll(async () => {
    store = await startObjectStore({ folder });
  });
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await store?.stop();
  });

  function clientOf(endpoint: string, secret = store.keys.secretKey): S3Client {
    const credentials = { accessKeyId: store.keys.accessKey, secretAccessKey: secret };
    const client = new S3Client({ endpoint, region: store.region, forcePathStyle: true, maxAttempts: 1, credentials });
    clients.push(client);
    return client;
  }
  const Bucket = "mesh-snapshots";
  const put = (client: S3Client, Key: string, Body: string | Buffer): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket, Key, Body }));
  const get = async (client: S3Client, Key: string): Promise<string> =>
    (await client.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString();

  it("has its bucket, and lets nobody in without its keys", async () => {
    const client = clientOf(store.hostEndpoint);
    expect((await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([Bucket]);
    await put(client, "a/b.txt", "hello");
    expect(await get(client, "a/b.txt")).toBe("hello");
    await expect(put(clientOf(store.hostEndpoint, "wrong"), "x", "y")).rejects.toMatchObject({ name: "SignatureDoesNotMatch" });
  });

  it("keeps objects and keys over a restart", async () => {
    const { keys } = store;
    await store.stop();
    store = await startObjectStore({ folder });
    expect(store.keys).toEqual(keys);
    expect(await get(clientOf(store.endpoint), "a/b.txt")).toBe("hello");
  });

  it("fails behind a proxy as the proxy is told to, and is well again after", async () => {
    const target = { host: "127.0.0.1", port: Number(new URL(store.endpoint).port) };
    const proxy = await startFaultProxy({ folder, name: "store", target, protocol: "http" });
    try {
      const client = clientOf(`http://127.0.0.1:${proxy.at.port}`);
      const large = Buffer.alloc(400_000, "x");
      await put(client, "large", large);

      await proxy.set({ fail: { status: 500, match: "^PUT /mesh-snapshots/f", times: 1 } });
      await expect(put(client, "f", "1")).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
      await put(client, "f", "2");

      await proxy.set({ resetAfterBytes: 100_000 });
      await expect(put(client, "half", large)).rejects.toThrow();
      await expect(get(client, "half")).rejects.toMatchObject({ name: "NoSuchKey" });

      await proxy.set({ bytesPerSecond: 400_000 });
      const began = Date.now();
      expect(await get(client, "large")).toHaveLength(400_000);
      expect(Date.now() - began).toBeGreaterThan(800);

      await proxy.set({ down: true });
      await expect(put(client, "g", "1")).rejects.toThrow();
      await proxy.set({});
      await put(client, "g", "1");
      expect(await proxy.counts()).toMatchObject({ failed: 1, reset: 1 });
      await client.send(new CreateBucketCommand({ Bucket: "second" }));
    } finally {
      await proxy.stop();
    }
  });
});
