/** Three nodes with a database each and one store: shards move from node to node, and their rows are never nowhere. */
import { join } from "node:path";
import { ownersPrefix } from "../src/layout";
import { prune } from "../src/prune";
import { snapshotShard } from "../src/shard-snapshot";
import {
  createDatabase,
  describeWhere,
  type FakeKafka,
  fakeKafka,
  inDatabase,
  ingest,
  noPostgres,
  postgresBin,
  records,
  removeFolder,
  snapshotId,
  takeSnapshots,
  temporaryFolder,
  withPostgres,
} from "./support";
import { nodeWith, startAgent, type TestAgent } from "./tending";

// psql and the server share two cores with whatever else runs.
jest.setTimeout(60_000);

type Node = "a" | "b" | "c";
const nodes: readonly Node[] = ["a", "b", "c"];
type ShardMap = Record<Node, number[]>;

describeWhere(postgresBin !== undefined, noPostgres)("a shard that moves", () => {
  const server = withPostgres();
  let folder: string;
  let kafka: FakeKafka;
  let databases: Record<Node, ReturnType<typeof createDatabase>>;
  let number = 0;

  beforeEach(() => {
    folder = temporaryFolder();
    const run = number++;
    databases = Object.fromEntries(nodes.map((node) => [node, createDatabase(server, `${node}_${run}`)])) as typeof databases;
    kafka = fakeKafka({ orders: [records(50), records(30), records(9), []], "trade.log": [records(13), records(7)] });
  });
  afterEach(() => removeFolder(folder));

  const agents = async (map: ShardMap, version: string): Promise<Record<Node, TestAgent>> =>
    Object.fromEntries(
      await Promise.all(
        nodes.map(async (node) => {
          const changes = { database: databases[node], shardMap: { version, shardCount: 2, replicas: 2 } };
          return [node, await startAgent(folder, kafka, nodeWith(node, ...map[node]), changes)];
        }),
      ),
    ) as Record<Node, TestAgent>;
  /** What ingest does: reads on from the offsets of the shards that the database holds and the node owns. */
  const ingestOn = (node: Node, map: ShardMap): void => {
    const { database } = databases[node];
    const held = inDatabase(server, database, "SELECT shard FROM mesh_shards").split("\n").filter(Boolean).map(Number);
    const offsets = inDatabase(server, database, "SELECT topic || partition, next_offset FROM mesh_offsets").split("\n");
    const known = new Map(offsets.map((line) => line.split("|") as [string, string]));
    for (const [topic, logs] of Object.entries(kafka.logs)) {
      logs.forEach((log, partition) => {
        const shard = partition % 2;
        const next = Number(known.get(`${topic}${partition}`) ?? 0);
        if (held.includes(shard) && map[node].includes(shard) && next < log.length) {
          ingest(server, database, topic, partition, log.length, next);
        }
      });
    }
  };
  /** Nodes that have every row of a shard. */
  const placesOf = (shard: number): Node[] =>
    nodes.filter(
      (node) =>
        inDatabase(server, databases[node].database, `SELECT count(*) FROM orders WHERE part % 2 = ${shard}`) === ["59", "30"][shard],
    );
  const rowsOf = (node: Node, shard: number): string =>
    inDatabase(
      server,
      databases[node].database,
      `SELECT (SELECT count(*) FROM orders WHERE part % 2 = ${shard}), (SELECT count(*) FROM trades WHERE part % 2 = ${shard}),
         (SELECT count(*) FROM mesh_offsets WHERE partition % 2 = ${shard}), (SELECT count(*) FROM mesh_shards WHERE shard = ${shard})`,
    );
  const reports = async (agent: TestAgent): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of agent.context.store.list(ownersPrefix("hourly"))) {
      keys.push(key.slice("hourly/owners/".length));
    }
    return keys;
  };
  const first: ShardMap = { a: [0, 1], b: [0, 1], c: [] };
  const second: ShardMap = { a: [1], b: [0, 1], c: [0] };
  const start = async (): Promise<Record<Node, TestAgent>> => {
    const tending = await agents(first, "one");
    for (const node of nodes) {
      await tending[node].settle();
      ingestOn(node, first);
      await tending[node].round();
    }
    await takeSnapshots(tending.a.context, kafka, snapshotId);
    return tending;
  };
  /** All rows of shard 0: partitions 0 and 2 of orders, 0 of trade.log. */
  const full = "59|13|3|1";
  const none = "0|0|0|0";
  /** All rows of shard 1. Its partition 3 is empty: an offset for it comes with a restoration only. */
  const one = /^30\|7\|[23]\|1$/;

  it("is kept until as many nodes have reported as it has owners, and is then dropped whole", async () => {
    expect(await reports((await start()).a)).toEqual([
      "one/shard-0.a.json",
      "one/shard-0.b.json",
      "one/shard-1.a.json",
      "one/shard-1.b.json",
    ]);
    const tending = await agents(second, "two");
    await tending.a.settle();
    expect(rowsOf("a", 0)).toBe(full);
    expect(tending.a.context.lines.join("\n")).toContain('"reported":"","needed":2');
    await tending.b.settle();
    await tending.a.settle();
    expect(rowsOf("a", 0)).toBe(full);
    await tending.c.settle();
    expect(rowsOf("c", 0)).toBe(full);
    await tending.a.settle();
    expect(rowsOf("a", 0)).toBe(none);
    expect(rowsOf("a", 1)).toMatch(one);
    expect(await reports(tending.a)).toEqual([
      "one/shard-0.b.json",
      "one/shard-1.a.json",
      "one/shard-1.b.json",
      "two/shard-0.b.json",
      "two/shard-0.c.json",
      "two/shard-1.a.json",
      "two/shard-1.b.json",
    ]);
    expect(tending.a.health.metrics()).toContain('compute_mesh_agent_moves_total{direction="given"} 1\n');
    await prune(tending.a.context, { keep: { last: 1 }, pinned: [] }, { now: new Date() });
    expect((await reports(tending.a)).filter((key) => !key.startsWith("two/"))).toEqual([]);
  });

  it("is not reported before ingest has caught up with it", async () => {
    await start();
    const log = kafka.logs["orders"][0];
    log.push(...Array.from({ length: 20_000 }, () => ({ time: Date.now() })));
    const tending = await agents(second, "two");
    ingest(server, databases.b.database, "orders", 0, log.length, 50);
    for (const node of ["b", "c", "a"] as const) {
      await tending[node].settle();
      await tending[node].round();
    }
    expect(rowsOf("a", 0)).toBe(full);
    expect(tending.c.context.lines.join("\n")).toContain("waiting until ingest has caught up with a shard");
    ingest(server, databases.c.database, "orders", 0, 10_050, 50);
    await tending.c.round();
    await tending.a.round();
    expect(rowsOf("a", 0)).toBe(none);
  });

  it("is never nowhere, in whatever order the nodes come by, there and back again", async () => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
    process.stderr.write(`seed ${seed}\n`);
    let state = seed;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((state / 2_147_483_648) * below);
    };
    let tending = await start();
    const maps: [ShardMap, string][] = [
      [second, "two"],
      [first, "one"],
      [{ a: [0], b: [1], c: [0, 1] }, "three"],
    ];
    for (const [map, version] of maps) {
      // Each node learns of the new map at a moment of its own.
      const next = await agents(map, version);
      const behind = new Set<Node>(nodes);
      for (let step = 0; step < 24; step++) {
        const node = nodes[random(3)];
        if (behind.has(node) && random(2) === 0) {
          behind.delete(node);
          tending = { ...tending, [node]: next[node] };
        }
        await tending[node].round();
        if (random(2) === 0) {
          ingestOn(node, behind.has(node) ? first : map);
        }
        for (const shard of [0, 1]) {
          expect({ seed, version, step, shard, nowhere: placesOf(shard).length === 0 }).toMatchObject({ nowhere: false });
        }
      }
      tending = next;
      for (let turn = 0; turn < 3; turn++) {
        for (const node of nodes) {
          await tending[node].settle();
          ingestOn(node, map);
        }
      }
      for (const node of nodes) {
        expect({ node, version, zero: rowsOf(node, 0) }).toEqual({ node, version, zero: map[node].includes(0) ? full : none });
        const expected = map[node].includes(1) ? expect.stringMatching(one) : none;
        expect({ node, version, one: rowsOf(node, 1) }).toEqual({ node, version, one: expected });
      }
    }
  }, 120_000);

  it("takes its old report back before it is restored, so that nobody drops rows for it", async () => {
    await start();
    const tending = await agents(first, "one");
    inDatabase(server, databases.a.database, "DELETE FROM mesh_shards; DELETE FROM mesh_offsets; TRUNCATE orders, trades");
    removeFolder(join(folder, "hourly", snapshotId));
    // No snapshot and no Kafka: nothing can be decided, but the report must be gone.
    const broken = await startAgent(folder, () => Promise.reject(new Error("nobody answers")), nodeWith("a", 0, 1), {
      database: databases.a,
      shardMap: { version: "one", shardCount: 2, replicas: 2 },
    });
    await broken.settle();
    expect(await reports(tending.b)).toEqual(["one/shard-0.b.json", "one/shard-1.b.json"]);
  });

  it("stays where its oldest rows are neither in Kafka nor in the store", async () => {
    await start();
    removeFolder(join(folder, "hourly", snapshotId));
    kafka.starts = { orders: { 0: 20 } };
    const tending = await agents(second, "two");
    for (const node of ["b", "c"] as const) {
      await tending[node].settle();
    }
    ingest(server, databases.c.database, "orders", 0, 50, 20);
    await tending.c.round();
    await tending.a.settle();
    expect((await reports(tending.a)).filter((key) => key.startsWith("two/shard-0."))).toHaveLength(2);
    expect(rowsOf("a", 0)).toBe(full);
    expect(tending.a.context.lines.join("\n")).toContain("partition 0 of orders from offset 0 to 19");
    // With a snapshot of the whole shard in the store they are elsewhere.
    expect(await snapshotShard(tending.b.context, kafka, snapshotId, 0)).toMatchObject({ done: true });
    await tending.a.round();
    expect(rowsOf("a", 0)).toBe(none);
  });

  it("is kept, and that is said at the start, where each node has a store of its own", async () => {
    await start();
    const own = temporaryFolder();
    const changes = {
      database: databases.a,
      shardMap: { version: "two", shardCount: 2, replicas: 2 },
      store: { directory: { path: own, shared: false } },
    };
    const alone = await startAgent(own, kafka, nodeWith("a", 1), changes);
    expect(alone.context.lines.join()).toContain("rows of moved shards are kept");
    await alone.settle();
    expect(rowsOf("a", 0)).toBe(full);
    removeFolder(own);
  });
});
