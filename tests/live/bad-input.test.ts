/**
 * One mesh and input that is wrong: each is a clear error in the pod's log, in what Kubernetes shows of the pod and in its readiness, and nothing is lost.
 *
 * What Kubernetes shows is an Event of the kubelet where a probe fails, and the last words of a container where one ends.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTopics } from "../../tools/live/kafka";
import type { Truth } from "../../tools/live/produce";
import { eventually } from "../support/cluster";
import { describeLongLive, isReady, type LiveMesh, podsReady } from "../support/live";
import { expectAgentSays, expectIngestSays, plain, replacePod } from "../support/live-events";
import { deadLetterTopic, idOf, type Minutes, minuteOf, nodeNames, pinned, startMinutes } from "../support/live-minutes";
import {
  agent,
  askPod,
  completeAnswer,
  expectWholeLog,
  forgetRecords,
  gatherers,
  listSnapshots,
  logOf,
  podOn,
  snapshotFolder,
  totalOf,
  withKafkaAdmin,
} from "../support/live-questions";

jest.setTimeout(240_000);

/** Nobody ever takes it. */
const unknown = "20200101t0000z";

let mesh: LiveMesh;
let minutes: Minutes;
/** What the log had before the test removed a part of it. */
let whole: Truth;

const allReady = async (): Promise<void> => {
  await podsReady(mesh, "compute-mesh.dev/part=ingest", nodeNames.length, 120);
  await podsReady(mesh, "compute-mesh.dev/part=snapshot", nodeNames.length, 120);
  // The next case takes one owner away: nothing of the others may be left from this one.
  await podsReady(mesh, `compute-mesh.dev/part=v1-${pinned}`, nodeNames.length, 120);
};

const fileOf = (id: string, shard: number, suffix: string): string => path.join(snapshotFolder(mesh, id)!, `shard-${shard}.${suffix}`);

/** Changes one bit in the midst of a file; returns what it was. */
function damage(file: string): Buffer {
  const before = fs.readFileSync(file);
  const data = Buffer.from(before);
  data[data.length >> 1] ^= 1;
  fs.writeFileSync(file, data);
  return before;
}

describeLongLive("a mesh with wrong input", () => {
  beforeAll(async () => {
    const edit = (config: any): void => {
      config.snapshots.minutely.snapshots = [pinned, unknown];
      config.services.prices.versions.v2.snapshots = [unknown];
    };
    minutes = await startMinutes({ edit }, (started) => (mesh = started));
    expect(await minutes.take(pinned)).toEqual([0, 0, 0]);
    await minutes.prove(pinned, minutes.truth.total.count);
  }, 720_000);

  afterAll(async () => {
    await mesh?.stop();
  }, 120_000);

  it("lets a service wait for a snapshot that nobody has taken, and says why", async () => {
    const part = `compute-mesh.dev/part=v2-${unknown}`;
    const pods = await mesh.pods(part);
    expect(pods.map(isReady)).toEqual([false, false, false]);
    const reason = /its cut is not taken yet|its views are not there/;
    const log = await logOf(mesh, pods[0], "wait-for-snapshot");
    expect(log).toContain(unknown);
    expect(log).toMatch(reason);
    const agentLog = await logOf(mesh, await podOn(mesh, "snapshot", "n-1"), "snapshot");
    expect(agentLog).toContain("waiting for the cut of a pinned snapshot: nobody has taken it yet");
    const [gatherer] = await gatherers(mesh, "v2", unknown);
    const answer = await askPod(mesh, gatherer, "/total").catch((error: Error) => error.message);
    expect(typeof answer === "string" ? { complete: false, missing: answer } : answer).toMatchObject({ complete: false });
    const { code, output } = await agent(mesh, "n-1", "verify", unknown);
    expect(output).toContain(`expected snapshot ${unknown}, found the snapshots`);
    expect(code).toBe(4);

    // From time to time the step ends by itself; here it is told to.
    const ended = await eventually(
      "the step has ended, and waits again",
      async () => {
        const { status } = (await mesh.pods(part)).find(({ metadata: { uid } }) => uid === pods[0].metadata.uid)!;
        const [step] = (status.initContainerStatuses ?? []).filter(({ name }) => name === "wait-for-snapshot");
        if (step.restartCount === 0) {
          await mesh.exec(pods[0], step.name, ["sh", "-c", "kill -TERM 1"]).catch(() => undefined);
        }
        return step.restartCount === 1 && step.state["running"] !== undefined && step.lastState.terminated;
      },
      60,
    );
    expect(ended).toMatchObject({ exitCode: 3, message: expect.stringContaining(`snapshot ${unknown} on node `) });
    expect(ended.message).toMatch(reason);
  });

  it("names the user that the database refuses, and nothing of the password", async () => {
    const secret = "/api/v1/namespaces/mesh/secrets/mesh-db-credentials";
    const { password } = ((await mesh.request("GET", secret)).body as { data: { password: string } }).data;
    const wrong = "a wrong password";
    await mesh.request("PATCH", secret, { data: { password: Buffer.from(wrong).toString("base64") } });
    try {
      // kubelet hears of the new Secret by its watch.
      await sleep(2000);
      await Promise.all(["ingest", "snapshot"].map((part) => replacePod(mesh, part, "n-2")));
      const { log, event, report } = await expectIngestSays(mesh, "n-2", /the database postgres .* refuses user "/);
      const agentEvent = await expectAgentSays(
        mesh,
        "n-2",
        /password authentication failed for user "[^"]+"; correct the password in the Secret/,
      );
      expect([log, event, report, agentEvent].filter((text) => text.includes(wrong))).toEqual([]);
    } finally {
      await mesh.request("PATCH", secret, { data: { password } });
    }
    await minutes.produce(2);
    await sleep(2000);
    await Promise.all(["ingest", "snapshot"].map((part) => replacePod(mesh, part, "n-2")));
    await minutes.nothingIsLost();
    await allReady();
  });

  it("names the columns of a table that does not fit, and leaves its shards to the other owners until it does", async () => {
    const onNode = async (sql: string): Promise<void> => {
      const other = "SELECT 1 WHERE false";
      await mesh.onDatabases((node) => (node === "n-3" ? sql : other));
    };
    await onNode("ALTER TABLE orders RENAME COLUMN amount TO total; ALTER TABLE orders ADD COLUMN amount text");
    try {
      await minutes.produce(3);
      const ingest = await expectIngestSays(
        mesh,
        "n-3",
        /table "orders" does not fit the settings: column "amount": text found, bigint expected/,
      );
      expect(ingest.event).toContain('"total": bigint NOT NULL without a default found, no such column expected');
      await expectAgentSays(mesh, "n-3", /table orders of .*expected column "amount": bigint, found column "amount": text/);
      // Its rows of an earlier minute are there, and look like others.
      const { code, output } = await agent(mesh, "n-3", "snapshot", "--once", "--at", idOf(2));
      expect({ code, output: plain(output) }).toEqual({ code: 6, output: expect.stringContaining('found column "amount": text') });
      expect(await minutes.take(idOf(3), ["n-1", "n-2"], 1)).toEqual([0, 0]);
      await minutes.prove(idOf(3), await minutes.rowsBelow(minuteOf(3)));
    } finally {
      await onNode("ALTER TABLE orders DROP COLUMN amount; ALTER TABLE orders RENAME COLUMN total TO amount");
    }
    await minutes.nothingIsLost();
    await allReady();
  });

  it("finds damaged, truncated and newer snapshots, and restores an older one in their place", async () => {
    const [older, newer, cutShort, damaged] = [3, 4, 5, 6].map(idOf);
    for (const id of [newer, cutShort, damaged]) {
      expect(await minutes.take(id)).toEqual([0, 0, 0]);
    }
    const shards = (await minutes.shardsOf("n-3")).map(({ shard }) => shard);
    // One with rows, so that there is something to damage.
    const shard = shards.find((one) => minutes.truth.byPartition[one] !== undefined) ?? shards[0];
    damage(fileOf(damaged, shard, "data"));
    fs.truncateSync(fileOf(cutShort, shard, "data"), fs.statSync(fileOf(cutShort, shard, "data")).size >> 1);
    const manifest = JSON.parse(fs.readFileSync(fileOf(newer, shard, "manifest.json"), "utf8")) as { apiVersion: string };
    fs.writeFileSync(fileOf(newer, shard, "manifest.json"), JSON.stringify({ ...manifest, apiVersion: "compute-mesh.dev/v9" }));
    for (const [id, suffix] of [
      [damaged, "data"],
      [cutShort, "data"],
      [newer, "manifest"],
    ] as const) {
      const { code, output } = await agent(mesh, "n-1", "verify", id);
      expect({ code, output }).toEqual({ code: 5, output: expect.stringContaining(`${id}/shard-${shard}.${suffix}`) });
    }
    const listed = (await listSnapshots(mesh, "n-1")).find((one) => one.id === newer);
    expect(listed).toMatchObject({ complete: false, problems: [expect.stringContaining("compute-mesh.dev/v9")] });

    await mesh.ground.cluster.killNode("n-3");
    await mesh.ground.cluster.startNode("n-3");
    const sources = await eventually(
      "the database of the node that lost its memory holds its shards again",
      async () => {
        const held = await minutes.shardsOf("n-3").catch(() => []);
        return held.length === shards.length && Object.fromEntries(held.map((one) => [one.shard, one.source]));
      },
      180,
    );
    expect(sources).toEqual(Object.fromEntries(shards.map((one) => [one, one === shard ? older : damaged])));
    const log = await logOf(mesh, await podOn(mesh, "snapshot", "n-3"), "snapshot");
    expect(log.split("\n").filter((line) => line.includes("cannot be restored; an older one is tried"))).toHaveLength(3);
    await minutes.nothingIsLost();
  });

  it("names a topic that is missing, and goes on when it is there", async () => {
    // With the dead letters goes the knowledge of what was set aside: no snapshot is proven after this.
    await withKafkaAdmin(mesh, (admin) => admin.deleteTopics({ topics: [deadLetterTopic.name] }));
    await replacePod(mesh, "ingest", "n-1");
    await expectIngestSays(mesh, "n-1", /topic "orders-dead" does not exist/);
    await minutes.produce(7);
    await createTopics(mesh.ground.kafka.hostBrokers, [deadLetterTopic]);
    await minutes.nothingIsLost();
    await allReady();
  });

  it("keeps a shard out where every snapshot of it is damaged and Kafka has forgotten its records, and takes it in when one is whole again", async () => {
    whole = await mesh.truth();
    const shards = (await minutes.shardsOf("n-3")).map(({ shard }) => shard);
    const shard = shards.find((one) => minutes.truth.byPartition[one] !== undefined) ?? shards[0];
    const [kept] = [pinned, idOf(3)].map((id) => ({ file: fileOf(id, shard, "data"), before: damage(fileOf(id, shard, "data")) }));
    await forgetRecords(mesh, "orders", { [shard]: minutes.truth.cut[shard] });
    await replacePod(mesh, "snapshot", "n-3");
    await replacePod(mesh, "database", "n-3");
    const event = await expectAgentSays(
      mesh,
      "n-3",
      /expected a snapshot in the store that can be restored, or every record in Kafka, found \d+ snapshots that cannot/,
    );
    expect(event).toContain(`shard ${shard}`);
    expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(minutes.truth));
    fs.writeFileSync(kept.file, kept.before);
    await expectWholeLog(mesh, whole, 200);
    expect((await minutes.shardsOf("n-3")).find((one) => one.shard === shard)?.source).toBe(pinned);
    await allReady();
  }, 480_000);

  it("stops ingest where a topic gets more partitions, and keeps and answers what it has", async () => {
    await Promise.all(nodeNames.map((node) => replacePod(mesh, "ingest", node)));
    await podsReady(mesh, "compute-mesh.dev/part=ingest", nodeNames.length, 120);
    await withKafkaAdmin(mesh, (admin) => admin.createPartitions({ topicPartitions: [{ topic: "orders", count: 20 }] }));
    for (const node of nodeNames) {
      await expectIngestSays(mesh, node, /topic "orders" has 20 partitions, and the settings say 16/, 120);
    }
    const { code, output } = await agent(mesh, "n-1", "snapshot", "--once", "--at", idOf(9));
    const expected = /16 partitions, as the shards cover them/;
    expect({ code, output }).toEqual({ code: 6, output: expect.stringMatching(expected) });
    await replacePod(mesh, "snapshot", "n-1");
    await expectAgentSays(mesh, "n-1", expected);
    await expectWholeLog(mesh, whole, 10);
    expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(minutes.truth));
  });
});
