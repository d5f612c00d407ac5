/**
 * The life of a mesh on real nodes with real data: answers for a snapshot equal what Kafka holds up to its cut, versions and snapshots come and go without
 * touching others, and a mesh of another size gives the same answers from the snapshot alone.
 */
import { findGatewayPrograms, type GatewayService, startGateway } from "../../tools/live/gateway";
import { get } from "../../tools/live/get";
import type { Truth } from "../../tools/live/produce";
import { eventually } from "../support/cluster";
import { describeLive, liveMesh, type LiveMesh, liveMeshConfig, type MeshConfig, nextSnapshot, podsReady } from "../support/live";
import { type Answer, askPod, type CustomerSums, forgetRecords, gatherers, sumsOfAnswer, sumsOfTruth } from "../support/live-questions";
import type { TestStack } from "../support/pulumi";
import { type Outcome, succeeded } from "../support/pulumi-events";

const minutes = 60_000;
const messages = 1_000_000;
/** So many are written while the snapshot's time passes. */
const crossing = 250_000;
const crossingRate = 12_500;

let mesh: LiveMesh;
let stack: TestStack;
let gateway: GatewayService | undefined;
let gatewayPort: number | undefined;
let other: TestStack;
let first: ReturnType<typeof nextSnapshot>;
let truth: Truth;

/** Asks through the gateway where there is one, else a gatherer of the version and snapshot. */
async function ask(path: string, version: string, snapshot: string): Promise<Answer> {
  if (gatewayPort === undefined) {
    const [pod] = (await gatherers(mesh, version, snapshot)).filter(({ status }) => status.podIP !== undefined);
    return askPod(mesh, pod, path);
  }
  const headers = { "x-mesh-version": version, "x-mesh-snapshot": snapshot, host: "mesh.example.test" };
  const { status, text } = await get(gatewayPort, path, headers);
  if (status !== 200) {
    throw new Error(`${path} of ${version} at ${snapshot}: ${status} ${text.slice(0, 300)}`);
  }
  return JSON.parse(text) as Answer;
}

/** The sums per customer of a whole answer. */
async function customers(version: string, snapshot: string): Promise<CustomerSums> {
  const { answer, complete, missing, ...from } = await ask("/customers", version, snapshot);
  expect({ complete, missing, from }).toEqual({ complete: true, missing: [], from: { snapshot, version, shards: 16 } });
  return sumsOfAnswer(answer);
}

/** Waits until answers are complete and stay so: gatherers look every two seconds, each for itself, and pods roll one after the other. */
async function complete(version: string, snapshot: string, seconds: number): Promise<void> {
  let inARow = 0;
  await eventually(
    `complete answers of ${version} at ${snapshot}`,
    async () => {
      const whole = await ask("/total", version, snapshot).then(
        (answer) => answer.complete,
        () => false,
      );
      inARow = whole ? inARow + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 500));
      return inARow === 12;
    },
    seconds,
  );
}

/** All messages; the last ones half before a time and half after it. */
async function produceAcross(time: Date): Promise<void> {
  await mesh.produce({ messages: messages - crossing, seed: 1 });
  const lead = (crossing / crossingRate / 2) * 1000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, time.getTime() - lead - Date.now())));
  await mesh.produce({ messages: crossing, seed: 2, rate: crossingRate });
}

describeLive("a mesh of real pods", () => {
  beforeAll(async () => {
    mesh = await liveMesh();
    first = nextSnapshot(90);
    stack = await mesh.stack(liveMeshConfig([first.id]));
    const written = produceAcross(first.time);
    const keys = mesh.ground.giveStoreKeys("mesh", 240);
    succeeded(await stack.up());
    await keys;
    if (findGatewayPrograms()) {
      gateway = await startGateway({
        ...mesh.ground.place,
        access: mesh.ground.cluster.access,
        gateway: { namespace: "mesh", name: "mesh-routes-gateway" },
      });
    }
    await written;
    truth = await mesh.truth({ at: first.time });
  }, 12 * minutes);

  afterAll(async () => {
    await mesh?.stop();
  }, 2 * minutes);

  it("has a snapshot in the midst of the stream", () => {
    expect(truth.total.count).toBeGreaterThan(messages - crossing);
    expect(truth.total.count).toBeLessThan(messages);
  });

  it(
    "answers for the snapshot what Kafka holds up to the cut, from either version",
    async () => {
      await complete("v1", first.id, 180);
      await complete("v2", first.id, 60);
      if (gateway) {
        await gateway.ready({ routes: 1 });
        gatewayPort = await mesh.ground.cluster.openDoor(`${mesh.ground.cluster.address}:8080`);
      }
      expect(await customers("v1", first.id)).toEqual(sumsOfTruth(truth));
      expect(await customers("v2", first.id)).toEqual(sumsOfTruth(truth));
      expect((await ask("/total", "v1", first.id)).answer).toMatchObject(truth.total);
      expect((await ask("/average", "v2", first.id)).answer.average).toBeCloseTo(truth.total.sum / truth.total.count, 9);
    },
    5 * minutes,
  );

  it("sends every record to the database of every owner once", async () => {
    const whole = await mesh.truth();
    expect(whole.total.count).toBe(messages);
    const expected = Object.fromEntries(Object.entries(whole.byPartition).map(([part, { count, sum }]) => [part, `${count} ${sum}`]));
    type Row = { part: number; rows: string; offsets: string; sum: string };
    const perNode = await eventually(
      "the whole log in every database",
      async () => {
        const found = await mesh.onDatabases<Row>(
          "SELECT part, count(*) AS rows, count(DISTINCT off) AS offsets, sum(amount) AS sum FROM orders GROUP BY part",
        );
        return found.reduce((sum, { rows }) => sum + rows.reduce((part, row) => part + Number(row.rows), 0), 0) >= 2 * messages && found;
      },
      120,
    );
    const copies = new Map<string, number>();
    for (const { part, rows, offsets, sum } of perNode.flatMap((one) => one.rows)) {
      expect({ part, rows, offsets, sums: `${rows} ${sum}` }).toEqual({ part, rows, offsets: rows, sums: expected[part] });
      copies.set(String(part), (copies.get(String(part)) ?? 0) + 1);
    }
    expect(Object.fromEntries(copies)).toEqual(Object.fromEntries(Object.keys(expected).map((part) => [part, 2])));
  }, 180_000);

  it("answers the same after later messages", async () => {
    const before = await ask("/customers", "v1", first.id);
    await mesh.produce({ messages: 50_000, seed: 3 });
    await eventually(
      "the later messages in the databases",
      async () => {
        const found = await mesh.onDatabases<{ rows: string }>("SELECT count(*) AS rows FROM orders");
        return found.reduce((sum, { rows }) => sum + Number(rows[0].rows), 0) === 2 * (messages + 50_000);
      },
      120,
    );
    expect(await ask("/customers", "v1", first.id)).toEqual(before);
  }, 180_000);

  it("proves the snapshot against Kafka from inside", async () => {
    const [agent] = await podsReady(mesh, "compute-mesh.dev/part=snapshot", 3, 60);
    const { code, output } = await mesh.exec(agent, "snapshot", ["compute-mesh-agent", "verify", first.id, "--kafka"]);
    expect(output).toContain(`snapshot ${first.id}: 16 shards, ${truth.total.count} rows`);
    expect(code).toBe(0);
  }, 180_000);

  it(
    "takes a second snapshot in without touching the first, and lets the first go: routes, services, data in this order",
    async () => {
      const second = nextSnapshot(75);
      const uids = async (): Promise<string[]> =>
        (await mesh.pods(`compute-mesh.dev/snapshot=${first.id}`)).map(({ metadata }) => metadata.uid).sort();
      const before = await uids();
      await setSnapshots([first.id, second.id]);
      expect(await uids()).toEqual(before);
      await complete("v1", second.id, 240);
      expect(await customers("v1", second.id)).toEqual(sumsOfTruth(await mesh.truth({ at: second.time })));
      expect(await customers("v1", first.id)).toEqual(sumsOfTruth(truth));

      const outcome = await setSnapshots([second.id]);
      const steps = outcome.steps.map(({ op, urn }) => `${op} ${urn}`);
      const position = (pattern: RegExp): number => steps.findIndex((step) => pattern.test(step));
      expect(position(/update .*HTTPRoute/)).toBeGreaterThanOrEqual(0);
      expect(position(new RegExp(`delete .*Service::.*v1-${first.id}`))).toBeGreaterThan(position(/update .*HTTPRoute/));
      expect(await customers("v2", second.id)).toEqual(sumsOfTruth(await mesh.truth({ at: second.time })));
      first = second;
      truth = await mesh.truth({ at: second.time });
    },
    8 * minutes,
  );

  it(
    "gives the same answers as a mesh of another size, restored from the snapshot alone",
    async () => {
      await eventually("a complete snapshot", () => snapshotIsComplete(first.id), 120);
      await stack.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack.stack);
      succeeded(await stack.destroy());
      await eventually("the namespace is gone", async () => (await mesh.request("GET", "/api/v1/namespaces/mesh")).status === 404, 120);
      // What comes back can only come from the snapshot.
      await forgetRecords(mesh, "orders", (await mesh.truth()).cut);
      await mesh.inPool("n-3", false);
      const smaller = smallerConfig();
      other = await mesh.stack(smaller, "smaller");
      const keys = mesh.ground.giveStoreKeys("mesh", 240);
      succeeded(await other.up());
      await keys;
      await complete("v1", first.id, 240);
      expect(await customers("v1", first.id)).toEqual(sumsOfTruth(truth));
      const sources = await mesh.onDatabases("SELECT DISTINCT source = 'kafka' AS kafka FROM mesh_shards");
      expect(sources.sort((a, b) => a.node.localeCompare(b.node))).toEqual([
        { node: "n-1", rows: [{ kafka: false }] },
        { node: "n-2", rows: [{ kafka: false }] },
      ]);
    },
    10 * minutes,
  );

  it(
    "moves shards to a node that joins: they are restored there, and dropped where they were, and the answers stay the same",
    async () => {
      await mesh.inPool("n-3", true);
      // The map does not name it yet: what runs there has no shards, and is well.
      for (const part of ["database", "ingest", "snapshot", `v1-${first.id}`]) {
        await podsReady(mesh, `compute-mesh.dev/part=${part}`, 3, 120);
      }
      const grown = smallerConfig();
      grown.nodes["n-3"] = liveMeshConfig([first.id]).nodes["n-3"];
      await mesh.setMesh(other, grown);
      succeeded(await other.up());
      const held = await eventually(
        "every shard in one database",
        async () => {
          const found = await mesh.onDatabases<{ shard: number }>("SELECT shard FROM mesh_shards ORDER BY shard");
          const shards = found.flatMap(({ rows }) => rows.map(({ shard }) => shard)).sort((a, b) => a - b);
          return JSON.stringify(shards) === JSON.stringify(Array.from({ length: 16 }, (_unused, shard) => shard)) && found;
        },
        240,
      );
      expect(held.map(({ rows }) => rows.length).sort()).toEqual([5, 5, 6]);
      await podsReady(mesh, `compute-mesh.dev/version=v1,compute-mesh.dev/part=v1-${first.id}`, 3, 240);
      await complete("v1", first.id, 240);
      expect(await customers("v1", first.id)).toEqual(sumsOfTruth(truth));
      const rows = await mesh.onDatabases<{ rows: string }>("SELECT count(*) AS rows FROM orders");
      expect(rows.reduce((sum, one) => sum + Number(one.rows[0].rows), 0)).toBe(messages + 50_000);
    },
    10 * minutes,
  );
});

/** Two nodes, and one owner for each shard. */
function smallerConfig(): MeshConfig {
  const smaller = liveMeshConfig([first.id]);
  delete smaller.nodes["n-3"];
  smaller.shards.replicas = 1;
  return smaller;
}

async function setSnapshots(ids: string[]): Promise<Outcome> {
  await mesh.setMesh(stack, liveMeshConfig(ids));
  return succeeded(await stack.up());
}

async function snapshotIsComplete(id: string): Promise<boolean> {
  const [agent] = await mesh.pods("compute-mesh.dev/part=snapshot");
  const { output } = await mesh.exec(agent, "snapshot", ["compute-mesh-agent", "list", "--json"]);
  return (JSON.parse(output.slice(output.indexOf("["))) as any[]).some((one) => one.id === id && one.complete === true);
}
