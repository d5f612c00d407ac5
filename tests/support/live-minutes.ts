/**
 * A mesh whose records bear times of two hours ago, minute by minute, and whose snapshots of those minutes are taken by command: so no case waits for
 * the clock.
 */
import { formatSnapshotId } from "../../src/model/snapshot-id";
import type { TopicSpec } from "../../tools/live/kafka";
import type { Produced, ProduceOptions, Truth } from "../../tools/live/produce";
import type { LiveNodeSpec } from "../../tools/live/state";
import { liveMesh, type LiveMesh, liveMeshConfig, liveNodes, type MeshConfig, podsReady } from "./live";
import { agent, completeAnswer, expectWholeLog, totalOf } from "./live-questions";
import { succeeded } from "./pulumi-events";

const base = Math.floor(Date.now() / 60_000) * 60_000 - 2 * 3_600_000;

export const minuteOf = (number: number): Date => new Date(base + number * 60_000);
export const idOf = (number: number): string => formatSnapshotId(minuteOf(number));

/** The snapshot that the services are bound to; its records are those of minute 0. */
export const pinned = idOf(1);
export const nodeNames: readonly string[] = liveNodes.map(({ name }) => name);

export const deadLetterTopic: TopicSpec = { name: "orders-dead", partitions: 1 };

/** How the mesh is to be. */
export interface MinutesOptions {
  /** Beside `orders` and its dead letters. Default: none. */
  topics?: TopicSpec[];
  nodes?: readonly LiveNodeSpec[];
  /** Changes the mesh before it is brought up. */
  edit?: (config: MeshConfig, mesh: LiveMesh) => void | Promise<void>;
}

/** The mesh, and what tests do with it. */
export interface Minutes {
  mesh: LiveMesh;
  /** What the log has of the pinned snapshot. */
  truth: Truth;
  /** Writes records of one minute. */
  produce(number: number, options?: Partial<ProduceOptions>): Promise<Produced>;
  /** Nodes take their shards of a snapshot; returns the exit codes. */
  take(id: string, from?: readonly string[], takeOverAfter?: number): Promise<number[]>;
  /** Proves a snapshot, against Kafka as well, and that it has that many rows. */
  prove(id: string, rows?: number): Promise<string>;
  /** Rows of `orders` and of the further topics below a time. */
  rowsBelow(time: Date): Promise<number>;
  /** The whole log is in the databases, once; and the pinned snapshot is what it was. */
  nothingIsLost(seconds?: number): Promise<void>;
  shardsOf(node: string): Promise<{ shard: number; source: string }[]>;
}

/** Boots everything. Call in `beforeAll` with a time-out of twelve minutes, and `mesh.stop()` in `afterAll`, also where this fails. */
export async function startMinutes(options: MinutesOptions, started: (mesh: LiveMesh) => void): Promise<Minutes> {
  const further = options.topics ?? [];
  const topics = [{ name: "orders", partitions: 16 }, deadLetterTopic, ...further];
  const mesh = await liveMesh({ topics, ...(options.nodes && { nodes: options.nodes }) });
  started(mesh);
  let firstId = 0;
  const produce: Minutes["produce"] = (number, more = {}) => {
    firstId += 1_000_000;
    const times = { startMilliseconds: minuteOf(number).getTime(), spanMilliseconds: 50_000 };
    return mesh.produce({ messages: 2000, keys: 200, seed: number + 1, firstId, ...times, ...more });
  };
  // Few customers: most partitions stay empty.
  await produce(0, { messages: 600, keys: 3 });
  const truth = await mesh.truth({ at: minuteOf(1) });
  const config = liveMeshConfig([pinned]);
  delete config.routes;
  // By command alone.
  Object.assign(config.snapshots.minutely, {
    schedule: "@yearly",
    keep: { last: 50 },
    timeoutSeconds: 100,
    cpu: "500m",
    memory: "512Mi",
  });
  await options.edit?.(config, mesh);
  const stack = await mesh.stack(config);
  const keys = mesh.ground.giveStoreKeys("mesh", 240);
  succeeded(await stack.up());
  await keys;
  await podsReady(mesh, "compute-mesh.dev/part=snapshot", nodeNames.length, 240);
  await podsReady(mesh, "compute-mesh.dev/part=ingest", nodeNames.length, 120);
  return {
    mesh,
    truth,
    produce,
    take: async (id, from = nodeNames, takeOverAfter = 30) => {
      const words = ["snapshot", "--once", "--at", id, "--take-over-after", String(takeOverAfter)];
      return (await Promise.all(from.map((node) => agent(mesh, node, ...words)))).map(({ code }) => code);
    },
    prove: async (id, rows) => {
      const { code, output } = await agent(mesh, "n-1", "verify", id, "--kafka");
      const [line] = output.split("\n").filter((text) => text.startsWith("snapshot "));
      const expected = `snapshot ${id}: 16 shards${rows === undefined ? "" : `, ${rows} rows`}`;
      expect({ code, line: line ?? output }).toEqual({ code: 0, line: expect.stringContaining(expected) });
      return line;
    },
    rowsBelow: async (at) => {
      const truths = await Promise.all(["orders", ...further.map(({ name }) => name)].map((topic) => mesh.truth({ at, topic })));
      return truths.reduce((sum, { total }) => sum + total.count, 0);
    },
    nothingIsLost: async (seconds = 150) => {
      await expectWholeLog(mesh, await mesh.truth(), seconds);
      expect((await completeAnswer(mesh, "/total", "v1", pinned)).answer).toMatchObject(totalOf(truth));
    },
    shardsOf: async (node) => {
      const found = await mesh.onDatabases<{ shard: number; source: string }>("SELECT shard, source FROM mesh_shards ORDER BY shard");
      return found.find((one) => one.node === node)?.rows ?? [];
    },
  };
}
