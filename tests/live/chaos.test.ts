/**
 * Power failures and kills at random moments while records come in: nothing lost, nothing doubled, and no answer that calls itself complete is wrong.
 *
 * CHAOS_SEED repeats the choices of a run (moments still depend on the machine), CHAOS_ROUNDS makes it longer.
 */
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseSnapshotId } from "../../src/model/snapshot-id";
import type { Truth } from "../../tools/live/produce";
import { eventually } from "../support/cluster";
import {
  describeLongLive,
  isReady,
  liveMesh,
  type LiveMesh,
  liveMeshConfig,
  liveNodes,
  nextSnapshot,
  type Pod,
  podsReady,
} from "../support/live";
import {
  agent,
  askPod,
  completeAnswer,
  deadLetters,
  expectWholeLog,
  gatherers,
  kill,
  listSnapshots,
  podOn,
  snapshotFolder,
  sumsOfAnswer,
  sumsOfTruth,
  totalOf,
} from "../support/live-questions";
import { succeeded } from "../support/pulumi-events";

const minutes = 60_000;
const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env["CHAOS_ROUNDS"] ?? 20);
const rate = 400;

/** What is killed; every kind comes in twenty rounds. */
const kinds = [
  ...Array<string>(6).fill("ingest"),
  ...Array<string>(6).fill("database"),
  ...Array<string>(5).fill("snapshot"),
  ...Array<string>(3).fill("node"),
];

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomOf(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(seed);
const choose = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];

function shuffled<T>(list: readonly T[]): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0]);
}

let mesh: LiveMesh;
let pinned: ReturnType<typeof nextSnapshot>;
let truth: Truth;

/** Writes until it is told to stop; every second load is transactions, of which every third is aborted. */
function produceSteadily(): { stop(): Promise<void> } {
  let stopped = false;
  const writing = (async () => {
    for (let load = 1; !stopped; load += 1) {
      const transactional: Record<string, number> = load % 2 === 0 ? { transactions: 150, abortEvery: 3 } : {};
      await mesh.produce({ messages: 4 * rate, rate, keys: 500, seed: load, firstId: load * 1_000_000, poison: 97, ...transactional });
    }
  })();
  // A failure shows when it is waited for, not as an unhandled one before.
  writing.catch(() => undefined);
  return {
    stop: () => {
      stopped = true;
      return writing;
    },
  };
}

interface Tally {
  complete: number;
  incomplete: number;
  failed: number;
  /** Answers that claim more than they hold. */
  wrong: string[];
}

/** Asks one gatherer after the other, without a pause for long, and holds every answer against the truth. */
function askSteadily(): { tally: Tally; stop(): Promise<void> } {
  const tally: Tally = { complete: 0, incomplete: 0, failed: 0, wrong: [] };
  let stopped = false;
  const asking = (async () => {
    let pods: Pod[] = [];
    for (let count = 0; !stopped; count += 1) {
      if (count % 10 === 0) {
        pods = await gatherers(mesh, "v1", pinned.id).catch(() => pods);
      }
      const reachable = pods.filter(({ status }) => status.podIP !== undefined);
      const answer =
        reachable.length === 0 ? undefined : await askPod(mesh, reachable[count % reachable.length], "/total", 8000).catch(() => undefined);
      if (answer === undefined) {
        tally.failed += 1;
      } else {
        tally[answer.complete ? "complete" : "incomplete"] += 1;
        const problem = whatIsWrong(answer);
        if (problem !== undefined) {
          tally.wrong.push(`${problem}: ${JSON.stringify(answer)}`);
        }
      }
      await sleep(150);
    }
  })();
  return {
    tally,
    stop: () => {
      stopped = true;
      return asking;
    },
  };
}

/** A complete answer is the truth; an incomplete one names what is missing and is right about the rest. */
function whatIsWrong({ complete, missing, answer }: Awaited<ReturnType<typeof askPod>>): string | undefined {
  if (complete !== (missing.length === 0)) {
    return "complete and missing contradict each other";
  }
  const lacking = new Set(missing.map(({ shard }) => shard));
  // As many partitions as shards, so each is one.
  const there = Object.entries(truth.byPartition).filter(([partition]) => !lacking.has(Number(partition)));
  const expected = there.reduce((sums, [, { count, sum }]) => ({ count: sums.count + count, sum: sums.sum + sum }), { count: 0, sum: 0 });
  const { count = 0, sum = 0 } = (answer ?? {}) as { count?: number; sum?: number | null };
  return count === expected.count && (sum ?? 0) === expected.sum ? undefined : `expected ${JSON.stringify(expected)}`;
}

/** Kills agents at random moments while they take the snapshot of the minute. */
function killSnapshots(): { inProgress(): number; stop(): Promise<void> } {
  let stopped = false;
  let hits = 0;
  const until = async (condition: () => boolean): Promise<void> => {
    while (!stopped && !condition()) {
      await sleep(50);
    }
  };
  const killing = (async () => {
    while (!stopped) {
      const { id, time } = nextSnapshot(0);
      await until(() => Date.now() >= time.getTime());
      // The first object of a snapshot is the sign that it has begun; some seconds later it is over.
      await until(() => objects(id) > 0 || Date.now() > time.getTime() + 15_000);
      for (const pause of [800, 1500, 3000]) {
        const moment = Date.now() + random() * pause;
        await until(() => Date.now() >= moment);
        const node = choose(liveNodes).name;
        const pod = (await mesh.pods("compute-mesh.dev/part=snapshot").catch(() => [])).find(({ spec }) => spec.nodeName === node);
        const [begun, shards] = [objects(id), objects(id, ".manifest.json")];
        if (!stopped && pod !== undefined && mesh.killContainer(pod, "snapshot") && begun > 0 && shards < 16) {
          hits += 1;
          say(`kill -9 of snapshot on ${node} with ${shards} of 16 shards of ${id} in the store`);
        }
      }
    }
  })();
  killing.catch(() => undefined);
  return {
    inProgress: () => hits,
    stop: () => {
      stopped = true;
      return killing;
    },
  };
}

/** How many objects of a snapshot are in the store. */
function objects(id: string, suffix = ""): number {
  const folder = snapshotFolder(mesh, id);
  return folder === undefined ? 0 : fs.readdirSync(folder).filter((name) => name.endsWith(suffix)).length;
}

const began = Date.now();
/** Not by console.log, which jest keeps until the end. */
const say = (text: string): void => void process.stderr.write(`chaos ${((Date.now() - began) / 1000).toFixed(1)} s: ${text}\n`);

async function round(number: number, kind: string): Promise<void> {
  const { name } = choose(liveNodes);
  await sleep(500 + random() * 3500);
  say(`round ${number}: ${kind === "node" ? "power failure of" : `kill -9 of ${kind} on`} ${name}`);
  if (kind === "node") {
    await mesh.ground.cluster.killNode(name);
    await sleep(500 + random() * 3000);
    await mesh.ground.cluster.startNode(name);
  } else {
    await kill(mesh, kind, name);
  }
}

describeLongLive(`kills at random moments (CHAOS_SEED=${seed}, ${rounds} rounds)`, () => {
  beforeAll(async () => {
    say(`CHAOS_SEED=${seed}`);
    mesh = await liveMesh({
      topics: [
        { name: "orders", partitions: 16 },
        { name: "orders-dead", partitions: 1, config: { "compression.type": "uncompressed" } },
      ],
    });
    pinned = nextSnapshot(75);
    const config = liveMeshConfig([pinned.id]);
    delete config.services.prices.versions.v2;
    delete config.routes;
    Object.assign(config.snapshots.minutely, { keep: { last: 30 }, timeoutSeconds: 120, cpu: "500m", memory: "384Mi" });
    const stack = await mesh.stack(config);
    const early = mesh.produce({ messages: 20_000, keys: 500, poison: 997, rate: 2000 });
    const keys = mesh.ground.giveStoreKeys("mesh", 240);
    succeeded(await stack.up());
    await Promise.all([early, keys]);
    say("the mesh is up");
    await sleep(Math.max(0, pinned.time.getTime() - 2000 - Date.now()));
    await mesh.produce({ messages: 4000, keys: 500, seed: 2, rate: 1000 });
    await completeAnswer(mesh, "/total", "v1", pinned.id, 240);
    truth = await mesh.truth({ at: pinned.time });
    say("the services answer");
  }, 12 * minutes);

  afterAll(async () => {
    await mesh?.stop();
  }, 2 * minutes);

  it(
    "gives no wrong answer meanwhile",
    async () => {
      const producer = produceSteadily();
      const questions = askSteadily();
      const snapshots = killSnapshots();
      try {
        const all = Array.from({ length: Math.ceil(rounds / kinds.length) }, () => shuffled(kinds)).flat();
        for (const [index, kind] of all.slice(0, rounds).entries()) {
          await round(index + 1, kind);
        }
        await eventually("an agent was killed while it took a snapshot", () => snapshots.inProgress() > 0, 180);
      } finally {
        await snapshots.stop();
        await producer.stop();
        await questions.stop();
      }
      const { wrong, ...counts } = questions.tally;
      say(`answers: ${JSON.stringify(counts)}, ${snapshots.inProgress()} kills of snapshots in progress`);
      expect(wrong).toEqual([]);
      expect(counts.complete).toBeGreaterThan(0);
    },
    15 * minutes,
  );

  it(
    "has every record once in the databases of its two owners, and the poisoned ones as dead letters",
    async () => {
      await podsReady(mesh, "compute-mesh.dev/part=database", 3, 180);
      await podsReady(mesh, "compute-mesh.dev/part=ingest", 3, 180);
      const whole = await mesh.truth();
      expect(whole.total.count).toBeGreaterThan(truth.total.count);
      expect(whole.poisoned).toBeGreaterThan(10);
      await expectWholeLog(mesh, whole, 180);
      const letters = await deadLetters(mesh);
      expect(letters.size).toBe(whole.poisoned);
      say(`${whole.total.count} records, ${whole.poisoned} poisoned`);
    },
    8 * minutes,
  );

  it(
    "proves every snapshot that calls itself complete",
    async () => {
      const first = await eventually(
        "a snapshot of the time after the kills began is complete",
        async () => {
          const listed = await listSnapshots(mesh, "n-1").catch(() => []);
          return listed.some(({ id, complete }) => complete && id > pinned.id) && listed;
        },
        180,
      );
      const complete = first.filter((one) => one.complete);
      expect(complete.map(({ id }) => id)).toContain(pinned.id);
      say(`complete: ${complete.map(({ id }) => id).join(", ")} of ${first.length} snapshots`);
      await Promise.all(
        liveNodes.map(async ({ name }, index) => {
          await podOn(mesh, "snapshot", name);
          for (const { id } of complete.filter((_one, at) => at % liveNodes.length === index)) {
            const { code, output } = await agent(mesh, name, "verify", id, "--kafka");
            const { total } = await mesh.truth({ at: parseSnapshotId(id)! });
            expect(output).toContain(`snapshot ${id}: 16 shards, ${total.count} rows`);
            expect({ id, code }).toEqual({ id, code: 0 });
          }
        }),
      );
    },
    8 * minutes,
  );

  it("answers about the pinned snapshot as before", async () => {
    await eventually(
      "every service is ready again",
      async () => (await mesh.pods(`compute-mesh.dev/part=v1-${pinned.id}`)).filter(isReady).length === 3,
      180,
    );
    const { answer } = await completeAnswer(mesh, "/customers", "v1", pinned.id);
    expect(sumsOfAnswer(answer)).toEqual(sumsOfTruth(truth));
    expect((await completeAnswer(mesh, "/total", "v1", pinned.id)).answer).toMatchObject(totalOf(truth));
  }, 360_000);
});
