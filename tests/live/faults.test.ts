/**
 * One mesh through everything that goes wrong around it, on nodes whose clocks are 5 s apart: it says so where people look, loses nothing, and is well again
 * after. Wrong input is in bad-input.test.ts.
 */
import { execFileSync } from "node:child_process";
import { type FaultProxy, startFaultProxy } from "../../tools/live/faults";
import { kafkaPort, storePort } from "../../tools/live/mesh";
import { eventually } from "../support/cluster";
import { describeLongLive, type LiveMesh, liveNodes, nextSnapshot } from "../support/live";
import { idOf, minuteOf, type Minutes, pinned, startMinutes } from "../support/live-minutes";
import {
  agent,
  completeAnswer,
  copies,
  copiesOf,
  deadLetters,
  expectWholeLog,
  ingestReport,
  ingestSays,
  podOn,
  totalOf,
} from "../support/live-questions";

jest.setTimeout(240_000);

/** Of n-1, n-2 and n-3, in seconds, as its containers see it: agents, databases and services, but not ingest, which is a static program. */
const clockOffsets = [-2, 0, 3];
const compacted = { "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01" };

let mesh: LiveMesh;
let minutes: Minutes;
let proxy: FaultProxy;

/** A folder of this machine cannot be used: the database's data lie in a tmpfs of the node. */
async function onDisk(node: string, script: string): Promise<string> {
  const { metadata } = (await mesh.pods("compute-mesh.dev/part=database")).find(({ spec }) => spec.nodeName === node)!;
  const folder = `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/data`;
  const [program, ...args] = mesh.ground.cluster.onNode(node);
  return execFileSync(program, [...args, "sh", "-c", `cd ${folder} && { ${script}; }`], { encoding: "utf8", stdio: "pipe" });
}

describeLongLive("a mesh in trouble", () => {
  beforeAll(async () => {
    const edit = async (config: any): Promise<void> => {
      const { address } = mesh.ground.cluster;
      proxy = await startFaultProxy({ ...mesh.ground.place, name: "store", target: { host: address, port: storePort }, protocol: "http" });
      config.topics.settings = { partitions: 16, columns: { customer: { type: "text" }, amount: { type: "int64" } } };
      config.database.storage.memory.size = "256Mi";
      // More than the clocks differ.
      config.snapshots.minutely.allowedLatenessSeconds = 6;
      config.snapshots.minutely.store.s3.endpoint = `http://${proxy.at.host}:${proxy.at.port}`;
    };
    const nodes = liveNodes.map((node, index) => ({ ...node, clockOffsetSeconds: clockOffsets[index] }));
    const topics = [{ name: "settings", partitions: 16, config: compacted }];
    minutes = await startMinutes({ nodes, topics, edit }, (started) => (mesh = started));
  }, 720_000);

  afterAll(async () => {
    await mesh?.stop();
  }, 120_000);

  it("takes partitions without a record for what they are: empty and there", async () => {
    expect(Object.keys(minutes.truth.byPartition).length).toBeLessThanOrEqual(3);
    expect(await minutes.take(idOf(1))).toEqual([0, 0, 0]);
    expect(await minutes.prove(idOf(1))).toContain(`, ${minutes.truth.total.count} rows`);
    const { answer, missing } = await completeAnswer(mesh, "/total", "v1", pinned);
    expect({ answer, missing }).toEqual({ answer: expect.objectContaining(totalOf(minutes.truth)), missing: [] });
  });

  it("sets poisoned records aside and goes on", async () => {
    const { poisoned } = await minutes.produce(2, { poison: 40 });
    expect(poisoned).toBe(50);
    await minutes.nothingIsLost();
    const letters = await deadLetters(mesh);
    expect(letters.size).toBe(poisoned);
    expect([...letters.values()].filter((reason) => !/amount|JSON/.test(reason))).toEqual([]);
  });

  it("stores committed transactions alone, and takes a snapshot behind an aborted end", async () => {
    // 40 transactions; the last one and every fourth are aborted.
    await minutes.produce(3, { transactions: 50, abortEvery: 4 });
    await minutes.nothingIsLost();
    expect(await minutes.take(idOf(4))).toEqual([0, 0, 0]);
    await minutes.prove(idOf(4), await minutes.rowsBelow(minuteOf(4)));
  });

  it("cuts at the right place where clocks of producers differ by 5 s and records come twice", async () => {
    const start = minuteOf(6).getTime() - 25_000;
    await minutes.produce(5, { startMilliseconds: start, disorderMilliseconds: 5000, duplicates: 20 });
    await minutes.nothingIsLost();
    expect(await minutes.take(idOf(6))).toEqual([0, 0, 0]);
    const below = await minutes.rowsBelow(minuteOf(6));
    expect(below).toBeLessThan((await mesh.truth()).total.count);
    expect(await minutes.prove(idOf(6))).toContain(`, ${below} rows`);
  });

  it("goes on where a node is cut off from Kafka: others ingest, answer and take its snapshots", async () => {
    await mesh.ground.cluster.partition("n-2", [{ address: mesh.ground.cluster.address, port: kafkaPort }]);
    try {
      await minutes.produce(7);
      const expected = copiesOf(await mesh.truth());
      const cutOff = (await minutes.shardsOf("n-2")).map(({ shard }) => shard);
      await eventually(
        "the other nodes have everything",
        async () =>
          Object.entries(await copies(mesh)).every(([partition, texts]) => {
            const right = texts.filter((text) => text === expected[partition]?.[0]).length;
            return right >= (cutOff.includes(Number(partition)) ? 1 : 2);
          }),
        60,
      );
      expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(minutes.truth));
      expect(await minutes.take(idOf(8), ["n-1", "n-3"], 1)).toEqual([0, 0]);
      await minutes.prove(idOf(8), await minutes.rowsBelow(minuteOf(8)));
      expect(await copies(mesh)).not.toEqual(expected);
      await ingestSays(mesh, "n-2", /Kafka|dial|broker|offsets|deadline|timeout/i, 60);
    } finally {
      await mesh.ground.cluster.partition("n-2", []);
    }
    await minutes.nothingIsLost();
  });

  it("takes a snapshot into a slow store, and into one that fails half-way", async () => {
    await minutes.produce(8);
    await minutes.nothingIsLost();
    const before = await proxy.counts();
    try {
      await proxy.set({ bytesPerSecond: 40_000, delayMilliseconds: 40 });
      expect(await minutes.take(idOf(9))).toEqual([0, 0, 0]);
      // Errors of the store, more often than its client tries; then a connection that breaks in the midst of data.
      await proxy.set({ fail: { status: 500, match: "^PUT .*shard-\\d+\\.(data|manifest)", times: 15 }, resetAfterBytes: 30_000 });
      expect(await minutes.take(idOf(10))).toEqual([0, 0, 0]);
    } finally {
      await proxy.set({});
    }
    const after = await proxy.counts();
    expect({ failed: after.failed - before.failed, reset: after.reset - before.reset }).toEqual({ failed: 15, reset: 1 });
    await minutes.prove(idOf(9), await minutes.rowsBelow(minuteOf(9)));
    await minutes.prove(idOf(10), await minutes.rowsBelow(minuteOf(10)));
  });

  it("says that the store is out of reach, and takes the snapshot later", async () => {
    await proxy.set({ down: true });
    try {
      const { code, output } = await agent(mesh, "n-1", "snapshot", "--once", "--at", idOf(11));
      expect({ code, output }).toEqual({ code: 7, output: expect.stringContaining("s3 bucket mesh-snapshots at http://") });
    } finally {
      await proxy.set({});
    }
    expect(await minutes.take(idOf(11))).toEqual([0, 0, 0]);
    await minutes.prove(idOf(11));
  });

  it("waits where the database's disk is full, says so, and goes on when there is room", async () => {
    await onDisk("n-1", "dd if=/dev/zero of=junk bs=64k 2>/dev/null || true; dd if=/dev/zero bs=1 >> junk 2>/dev/null || true");
    await minutes.produce(12, { messages: 20_000 });
    const said = await ingestSays(mesh, "n-1", /No space left on device|the database .*(refused|starting up|recovery)/, 90);
    expect(said).not.toBe("");
    expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(minutes.truth));
    await onDisk("n-1", "rm junk");
    await minutes.nothingIsLost();
    await eventually(
      "ingest has nothing to complain of",
      async () => (await ingestReport(mesh, "n-1").catch(() => undefined))?.note === undefined,
      60,
    );
  });

  it("takes a snapshot of a minute of today at the nodes' own clocks, and every node finds the same cut", async () => {
    const askClock = "SELECT extract(epoch FROM clock_timestamp()) AS seconds";
    const found = await mesh.onDatabases<{ seconds: string }>(askClock);
    const asked = Date.now() / 1000;
    for (const { node, rows } of found) {
      const database = Number(rows[0].seconds) - asked;
      const { output } = await mesh.exec(await podOn(mesh, "snapshot", node), "snapshot", ["node", "-p", "Date.now()"]);
      const agentClock = (Number(output) - Date.now()) / 1000;
      const offset = clockOffsets[liveNodes.findIndex(({ name }) => name === node)];
      // What was asked one after the other is a little older.
      expect([database, agentClock].filter((one) => Math.abs(one - offset) > 1)).toEqual([]);
    }
    const { id, time } = nextSnapshot(10);
    // Records bear the times of their writing, from before the minute until every node has asked Kafka.
    const seconds = Math.ceil((time.getTime() - Date.now()) / 1000) + 12;
    const [codes, produced] = await Promise.all([
      minutes.take(id),
      mesh.produce({ messages: seconds * 100, rate: 100, keys: 200, firstId: 900_000_000 }),
    ]);
    expect(codes).toEqual([0, 0, 0]);
    await minutes.nothingIsLost();
    const below = await minutes.rowsBelow(time);
    const all = await minutes.rowsBelow(new Date(Date.now() + 60_000));
    expect(all - below).toBeGreaterThan(500);
    expect(all - below).toBeLessThan(produced.total.count);
    await minutes.prove(id, below);
  });

  it("follows a compacted topic over its gaps", async () => {
    const first = await minutes.produce(15, { topic: "settings", messages: 600, keys: 20 });
    await expectWholeLog(mesh, first, 90, "settings");
    // What a node has not read before it is compacted, it never sees.
    await mesh.ground.cluster.partition("n-1", [{ address: mesh.ground.cluster.address, port: kafkaPort }]);
    let written = first.total.count;
    try {
      for (const number of [16, 17, 18]) {
        written += (await minutes.produce(number, { topic: "settings", messages: 600, keys: 20 })).total.count;
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
    expect(await minutes.take(idOf(19))).toEqual([0, 0, 0]);
    expect(await minutes.prove(idOf(19))).toMatch(/equal to Kafka up to the cut; Kafka has removed \d+ of the records since/);
  });
});
