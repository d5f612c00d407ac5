/**
 * One mesh through everything that goes wrong around it, and through input that is wrong: it says so where people look, loses nothing, and is well again after.
 *
 * Records bear times of two hours ago, minute by minute, and snapshots of those minutes are taken by command: so no case waits for the clock.
 * Clocks of containers cannot be set apart without changing their images; what a skew of clocks does is told to Kafka by the times of the records instead.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatSnapshotId } from "../../src/model/snapshot-id";
import { type FaultProxy, startFaultProxy } from "../../tools/live/faults";
import { createTopics, type TopicSpec } from "../../tools/live/kafka";
import { kafkaPort, storePort } from "../../tools/live/mesh";
import type { Produced, ProduceOptions, Truth } from "../../tools/live/produce";
import { eventually } from "../support/cluster";
import { describeLongLive, isReady, liveMesh, type LiveMesh, liveMeshConfig, liveNodes, podsReady } from "../support/live";
import {
  agent,
  askPod,
  completeAnswer,
  copies,
  copiesOf,
  deadLetters,
  expectWholeLog,
  gatherers,
  ingestReport,
  ingestSays,
  kill,
  listSnapshots,
  logOf,
  podOn,
  snapshotFolder,
  totalOf,
  withKafkaAdmin,
} from "../support/live-questions";
import { succeeded } from "../support/pulumi-events";

jest.setTimeout(240_000);

const base = Math.floor(Date.now() / 60_000) * 60_000 - 2 * 3_600_000;
const minute = (number: number): Date => new Date(base + number * 60_000);
const id = (number: number): string => formatSnapshotId(minute(number));
const pinned = id(1);
/** Nobody ever takes it. */
const unknown = "20200101t0000z";
const nodes = liveNodes.map(({ name }) => name);

const deadLetterTopic: TopicSpec = { name: "orders-dead", partitions: 1, config: { "compression.type": "uncompressed" } };
const topics: TopicSpec[] = [
  { name: "orders", partitions: 16 },
  deadLetterTopic,
  {
    name: "settings",
    partitions: 16,
    config: { "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01" },
  },
];

let mesh: LiveMesh;
let proxy: FaultProxy;
/** Of the pinned snapshot. */
let truth: Truth;
let firstId = 0;

/** Writes records of one minute. */
function produce(number: number, options: Partial<ProduceOptions> = {}): Promise<Produced> {
  firstId += 1_000_000;
  const times = { startMilliseconds: minute(number).getTime(), spanMilliseconds: 50_000 };
  return mesh.produce({ messages: 2000, keys: 200, seed: number + 1, firstId, ...times, ...options });
}

/** Every node takes its shards of a snapshot; returns the exit codes. */
async function take(number: number, from = nodes, takeOverAfter = 30): Promise<number[]> {
  const words = ["snapshot", "--once", "--at", id(number), "--take-over-after", String(takeOverAfter)];
  return (await Promise.all(from.map((node) => agent(mesh, node, ...words)))).map(({ code }) => code);
}

/** Proves a snapshot, against Kafka as well, and that it holds every record below its time. */
async function prove(number: number, node = "n-1"): Promise<string> {
  const { code, output } = await agent(mesh, node, "verify", id(number), "--kafka");
  const [line] = output.split("\n").filter((text) => text.startsWith("snapshot "));
  expect({ code, line: line ?? output }).toEqual({ code: 0, line: expect.stringContaining(`snapshot ${id(number)}: 16 shards`) });
  return line;
}

/** Rows of `orders` and of `settings` below a time. */
async function rowsBelow(number: number): Promise<number> {
  const at = minute(number);
  return (await mesh.truth({ at })).total.count + (await mesh.truth({ at, topic: "settings" })).total.count;
}

/** The whole log in the databases, once; and the pinned snapshot is what it was. */
async function nothingIsLost(seconds = 150): Promise<void> {
  await expectWholeLog(mesh, await mesh.truth(), seconds);
  expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(truth));
}

async function shardsOf(node: string): Promise<{ shard: number; source: string }[]> {
  const found = await mesh.onDatabases<{ shard: number; source: string }>("SELECT shard, source FROM mesh_shards ORDER BY shard");
  return found.find((one) => one.node === node)?.rows ?? [];
}

/** A folder of this machine cannot be used: the database's data lie in a tmpfs of the node. */
async function onDisk(node: string, script: string): Promise<string> {
  const { metadata } = (await mesh.pods("compute-mesh.dev/part=database")).find(({ spec }) => spec.nodeName === node)!;
  const folder = `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/data`;
  const [program, ...args] = mesh.ground.cluster.onNode(node);
  return execFileSync(program, [...args, "sh", "-c", `cd ${folder} && { ${script}; }`], { encoding: "utf8", stdio: "pipe" });
}

describeLongLive("a mesh in trouble", () => {
  beforeAll(async () => {
    mesh = await liveMesh({ topics });
    const { address } = mesh.ground.cluster;
    proxy = await startFaultProxy({ ...mesh.ground.place, name: "store", target: { host: address, port: storePort }, protocol: "http" });
    // Few customers: most partitions stay empty.
    await produce(0, { messages: 600, keys: 3 });
    truth = await mesh.truth({ at: minute(1) });
    const config = liveMeshConfig([pinned, unknown]);
    config.services.prices.versions.v1.snapshots = [pinned];
    config.services.prices.versions.v2.snapshots = [unknown];
    delete config.routes;
    config.topics.settings = { partitions: 16, columns: { customer: { type: "text" }, amount: { type: "int64" } } };
    config.database.storage.memory.size = "256Mi";
    // By command alone.
    Object.assign(config.snapshots.minutely, {
      schedule: "@yearly",
      keep: { last: 50 },
      timeoutSeconds: 100,
      cpu: "500m",
      memory: "512Mi",
    });
    config.snapshots.minutely.store.s3.endpoint = `http://${proxy.at.host}:${proxy.at.port}`;
    const stack = await mesh.stack(config);
    const keys = mesh.ground.giveStoreKeys("mesh", 240);
    succeeded(await stack.up());
    await keys;
    await podsReady(mesh, "compute-mesh.dev/part=snapshot", 3, 240);
    await podsReady(mesh, "compute-mesh.dev/part=ingest", 3, 120);
  }, 720_000);

  afterAll(async () => {
    await mesh?.stop();
  }, 120_000);

  it("takes partitions without a record for what they are: empty and there", async () => {
    expect(Object.keys(truth.byPartition).length).toBeLessThanOrEqual(3);
    expect(await take(1)).toEqual([0, 0, 0]);
    expect(await prove(1)).toContain(`, ${truth.total.count} rows`);
    const { answer, missing } = await completeAnswer(mesh, "/total", "v1", pinned);
    expect({ answer, missing }).toEqual({ answer: expect.objectContaining(totalOf(truth)), missing: [] });
  });

  it("lets a service wait for a snapshot that nobody has taken, and says why", async () => {
    const pods = await mesh.pods(`compute-mesh.dev/part=v2-${unknown}`);
    expect(pods.map(isReady)).toEqual([false, false, false]);
    const log = await logOf(mesh, pods[0], "wait-for-snapshot");
    expect(log).toContain(unknown);
    expect(log).toMatch(/its cut is not taken yet|its views are not there/);
    const agentLog = await logOf(mesh, await podOn(mesh, "snapshot", "n-1"), "snapshot");
    expect(agentLog).toContain("waiting for the cut of a pinned snapshot: nobody has taken it yet");
    const [gatherer] = await gatherers(mesh, "v2", unknown);
    const answer = await askPod(mesh, gatherer, "/total").catch((error: Error) => error.message);
    expect(typeof answer === "string" ? { complete: false, missing: answer } : answer).toMatchObject({ complete: false });
    const { code, output } = await agent(mesh, "n-1", "verify", unknown);
    expect(output).toContain(`expected snapshot ${unknown}, found the snapshots`);
    expect(code).toBe(4);
  });

  it("sets poisoned records aside and goes on", async () => {
    const { poisoned } = await produce(2, { poison: 40 });
    expect(poisoned).toBe(50);
    await nothingIsLost();
    const letters = await deadLetters(mesh);
    expect(letters.size).toBe(poisoned);
    expect([...letters.values()].filter((reason) => !/amount|JSON/.test(reason))).toEqual([]);
  });

  it("stores committed transactions alone, and takes a snapshot behind an aborted end", async () => {
    // 40 transactions; the last one and every fourth are aborted.
    await produce(3, { transactions: 50, abortEvery: 4 });
    await nothingIsLost();
    expect(await take(4)).toEqual([0, 0, 0]);
    expect(await prove(4)).toContain(`, ${await rowsBelow(4)} rows`);
  });

  it("cuts at the right place where clocks of producers differ by 5 s and records come twice", async () => {
    const start = minute(6).getTime() - 25_000;
    await produce(5, { startMilliseconds: start, disorderMilliseconds: 5000, duplicates: 20 });
    await nothingIsLost();
    expect(await take(6)).toEqual([0, 0, 0]);
    const below = await rowsBelow(6);
    expect(below).toBeLessThan((await mesh.truth()).total.count);
    expect(await prove(6)).toContain(`, ${below} rows`);
  });

  it("goes on where a node is cut off from Kafka: others ingest, answer and take its snapshots", async () => {
    await mesh.ground.cluster.partition("n-2", [{ address: mesh.ground.cluster.address, port: kafkaPort }]);
    try {
      await produce(7);
      const expected = copiesOf(await mesh.truth());
      const cutOff = (await shardsOf("n-2")).map(({ shard }) => shard);
      await eventually(
        "the other nodes have everything",
        async () =>
          Object.entries(await copies(mesh)).every(([partition, texts]) => {
            const right = texts.filter((text) => text === expected[partition]?.[0]).length;
            return right >= (cutOff.includes(Number(partition)) ? 1 : 2);
          }),
        60,
      );
      expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(truth));
      expect(await take(8, ["n-1", "n-3"], 1)).toEqual([0, 0]);
      expect(await prove(8)).toContain(`, ${await rowsBelow(8)} rows`);
      expect(await copies(mesh)).not.toEqual(expected);
      await ingestSays(mesh, "n-2", /Kafka|dial|broker|offsets|deadline|timeout/i, 60);
    } finally {
      await mesh.ground.cluster.partition("n-2", []);
    }
    await nothingIsLost();
  });

  it("takes a snapshot into a slow store, and into one that fails half-way", async () => {
    await produce(8);
    await nothingIsLost();
    const before = await proxy.counts();
    try {
      await proxy.set({ bytesPerSecond: 40_000, delayMilliseconds: 40 });
      expect(await take(9)).toEqual([0, 0, 0]);
      // Errors of the store, more often than its client tries; then a connection that breaks in the midst of data.
      await proxy.set({ fail: { status: 500, match: "^PUT .*shard-\\d+\\.(data|manifest)", times: 15 }, resetAfterBytes: 30_000 });
      expect(await take(10)).toEqual([0, 0, 0]);
    } finally {
      await proxy.set({});
    }
    const after = await proxy.counts();
    expect({ failed: after.failed - before.failed, reset: after.reset - before.reset }).toEqual({ failed: 15, reset: 1 });
    expect(await prove(9)).toContain(`, ${await rowsBelow(9)} rows`);
    expect(await prove(10)).toContain(`, ${await rowsBelow(10)} rows`);
  });

  it("says that the store is out of reach, and takes the snapshot later", async () => {
    await proxy.set({ down: true });
    try {
      const { code, output } = await agent(mesh, "n-1", "snapshot", "--once", "--at", id(11));
      expect({ code, output }).toEqual({ code: 7, output: expect.stringContaining("s3 bucket mesh-snapshots at http://") });
    } finally {
      await proxy.set({});
    }
    expect(await take(11)).toEqual([0, 0, 0]);
    await prove(11);
  });

  it("waits where the database's disk is full, says so, and goes on when there is room", async () => {
    await onDisk("n-1", "dd if=/dev/zero of=junk bs=64k 2>/dev/null || true; dd if=/dev/zero bs=1 >> junk 2>/dev/null || true");
    await produce(12, { messages: 20_000 });
    const said = await ingestSays(mesh, "n-1", /No space left on device|the database .*(refused|starting up|recovery)/, 90);
    expect(said).not.toBe("");
    expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(truth));
    await onDisk("n-1", "rm junk");
    await nothingIsLost();
    await eventually(
      "ingest has nothing to complain of",
      async () => (await ingestReport(mesh, "n-1").catch(() => undefined))?.note === undefined,
      60,
    );
  });

  it("names the user that the database refuses, and nothing of the password", async () => {
    const secret = "/api/v1/namespaces/mesh/secrets/mesh-db-credentials";
    const { password } = ((await mesh.request("GET", secret)).body as { data: { password: string } }).data;
    const wrong = "a wrong password";
    await mesh.request("PATCH", secret, { data: { password: Buffer.from(wrong).toString("base64") } });
    try {
      // kubelet hears of the new Secret by its watch.
      await sleep(2000);
      await kill(mesh, "ingest", "n-2");
      await ingestSays(mesh, "n-2", /refuses user "/, 60);
      expect((await ingestReport(mesh, "n-2")).status).toBe(503);
      const log = await logOf(mesh, await podOn(mesh, "ingest", "n-2"), "ingest");
      expect(log).toMatch(/refuses user/);
      expect(log).not.toContain(wrong);
      await eventually("the pod is not ready", async () => !isReady(await podOn(mesh, "ingest", "n-2")), 60);
    } finally {
      await mesh.request("PATCH", secret, { data: { password } });
    }
    await produce(13);
    await sleep(2000);
    await kill(mesh, "ingest", "n-2");
    await nothingIsLost();
  });

  it("finds damaged, truncated and newer snapshots, and restores an older one in their place", async () => {
    const shards = (await shardsOf("n-3")).map(({ shard }) => shard);
    // One with rows, so that there is something to damage.
    const shard = shards.find((one) => truth.byPartition[one] !== undefined) ?? shards[0];
    const file = (number: number, suffix: string): string => path.join(snapshotFolder(mesh, id(number))!, `shard-${shard}.${suffix}`);
    const data = fs.readFileSync(file(11, "data"));
    data[data.length >> 1] ^= 1;
    fs.writeFileSync(file(11, "data"), data);
    fs.truncateSync(file(10, "data"), fs.statSync(file(10, "data")).size >> 1);
    const manifest = JSON.parse(fs.readFileSync(file(9, "manifest.json"), "utf8")) as { apiVersion: string };
    fs.writeFileSync(file(9, "manifest.json"), JSON.stringify({ ...manifest, apiVersion: "compute-mesh.dev/v9" }));
    for (const [number, suffix] of [
      [11, "data"],
      [10, "data"],
      [9, "manifest"],
    ] as const) {
      const { code, output } = await agent(mesh, "n-1", "verify", id(number));
      expect({ code, output }).toEqual({ code: 5, output: expect.stringContaining(`${id(number)}/shard-${shard}.${suffix}`) });
    }
    const listed = await listSnapshots(mesh, "n-1");
    const newer = listed.find((one) => one.id === id(9));
    expect(newer).toMatchObject({ complete: false, problems: [expect.stringContaining("compute-mesh.dev/v9")] });

    await mesh.ground.cluster.killNode("n-3");
    await mesh.ground.cluster.startNode("n-3");
    const sources = await eventually(
      "the database of the node that lost its memory holds its shards again",
      async () => {
        const held = await shardsOf("n-3").catch(() => []);
        return held.length === shards.length && Object.fromEntries(held.map((one) => [one.shard, one.source]));
      },
      180,
    );
    expect(sources).toEqual(Object.fromEntries(shards.map((one) => [one, id(one === shard ? 8 : 11)])));
    const log = await logOf(mesh, await podOn(mesh, "snapshot", "n-3"), "snapshot");
    expect(log.split("\n").filter((line) => line.includes("cannot be restored; an older one is tried"))).toHaveLength(3);
    await nothingIsLost();
  });

  it("follows a compacted topic over its gaps", async () => {
    const first = await produce(15, { topic: "settings", messages: 600, keys: 20 });
    await expectWholeLog(mesh, first, 90, "settings");
    // What a node has not read before it is compacted, it never sees.
    await mesh.ground.cluster.partition("n-1", [{ address: mesh.ground.cluster.address, port: kafkaPort }]);
    let written = first.total.count;
    try {
      for (const number of [16, 17, 18]) {
        written += (await produce(number, { topic: "settings", messages: 600, keys: 20 })).total.count;
      }
      await eventually("Kafka has compacted", async () => (await mesh.truth({ topic: "settings" })).total.count < written / 2, 60);
    } finally {
      await mesh.ground.cluster.partition("n-1", []);
    }
    type Row = { part: number; next: string; sum: string; customers: string };
    const perPartition = `SELECT o.partition AS part, o.next_offset AS next, sum(s.amount) AS sum, count(*) AS customers FROM mesh_offsets o
      JOIN (SELECT DISTINCT ON (part, customer) part, customer, amount FROM settings ORDER BY part, customer, off DESC) s ON s.part = o.partition
      WHERE o.topic = 'settings' GROUP BY 1, 2`;
    const ends = (await mesh.truth({ topic: "settings" })).cut;
    const found = await eventually(
      "every database is at the end of the log",
      async () => {
        const rows = (await mesh.onDatabases<Row>(perPartition).catch(() => [])).flatMap((one) => one.rows);
        return rows.length > 0 && rows.every(({ part, next }) => Number(next) === ends[part]) && rows;
      },
      120,
    );
    // The newest row of every customer is the same with both owners.
    const byPartition: Record<number, string[]> = {};
    for (const { part, sum, customers } of found) {
      (byPartition[part] ??= []).push(`${customers} ${sum}`);
    }
    expect(Object.values(byPartition).map((texts) => [texts.length, new Set(texts).size])).toEqual(
      Object.values(byPartition).map(() => [2, 1]),
    );
    expect(await take(19)).toEqual([0, 0, 0]);
    expect(await prove(19)).toMatch(/equal to Kafka up to the cut; Kafka has removed \d+ of the records since/);
  });

  it("names a topic that is missing, and goes on when it is there", async () => {
    // With the dead letters goes the knowledge of what was set aside: no snapshot is proven after this.
    await withKafkaAdmin(mesh, (admin) => admin.deleteTopics({ topics: [deadLetterTopic.name] }));
    await kill(mesh, "ingest", "n-3");
    await ingestSays(mesh, "n-3", /topic "orders-dead" does not exist/, 60);
    expect((await ingestReport(mesh, "n-3")).status).toBe(503);
    await produce(20);
    await createTopics(mesh.ground.kafka.hostBrokers, [deadLetterTopic]);
    await nothingIsLost();
    await podsReady(mesh, "compute-mesh.dev/part=ingest", 3, 90);
  });

  it("stops ingest where a topic gets more partitions, and keeps and answers what it has", async () => {
    await nothingIsLost();
    const before = await mesh.truth();
    await withKafkaAdmin(mesh, (admin) => admin.createPartitions({ topicPartitions: [{ topic: "orders", count: 20 }] }));
    for (const node of nodes) {
      await ingestSays(mesh, node, /topic "orders" has 20 partitions, and the settings say 16/, 120);
      expect((await ingestReport(mesh, node)).status).toBe(503);
      expect(await logOf(mesh, await podOn(mesh, "ingest", node), "ingest")).toContain('topic \\"orders\\" has 20 partitions');
    }
    const { code, output } = await agent(mesh, "n-1", "snapshot", "--once", "--at", id(22));
    expect({ code, output }).toEqual({ code: 6, output: expect.stringContaining("16 partitions, as the shards cover them") });
    await expectWholeLog(mesh, before, 10);
    expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(truth));
  });
});
