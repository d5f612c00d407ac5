/** The agent as it runs in the mesh: takes the snapshots of the schedule, and after each removes what retention does not keep. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseSchedule } from "../../src/model/schedule";
import { formatSnapshotId, parseSnapshotId } from "../../src/model/snapshot-id";
import { type Attempt, createAttempt, type KafkaSource, runRound } from "./attempt";
import { checkTopics } from "./cut";
import { connectDatabase } from "./databases";
import { AgentError, messageOf } from "./errors";
import type { Health } from "./health";
import { connectKafka, type KafkaLog } from "./kafka";
import { prune } from "./prune";
import type { NodeShards, Retention } from "./pod-files";
import { type RetentionWatch, watchRetention } from "./retention-watch";
import type { AgentContext } from "./shard-snapshot";
import { checkConditionalPut } from "./stores/store";
import { runTending } from "./tend";

const roundMilliseconds = 1000;
/** Further back no missed snapshot is looked for. */
const longestLookBack = 7 * 86_400_000;

/** What the long-running agent is told besides its files. */
export interface RunOptions {
  node: NodeShards;
  health: Health;
  retention: () => Retention;
  signal: AbortSignal;
  /** Seconds; default: see `takeOverSeconds`. */
  takeOverAfter?: number;
}

/** The newest time of the schedule up to now, not older than `oldest`; undefined where there is none. Times in milliseconds. */
export function latestTime(schedule: string, now: number, oldest: number): Date | undefined {
  const times = parseSchedule(schedule);
  let latest: Date | undefined;
  for (let time = times.next(new Date(oldest - 1)); time.getTime() <= now; time = times.next(time)) {
    latest = time;
  }
  return latest;
}

/** Runs until the signal: snapshots by the schedule, and beside them, where the group tends, the shards of the node. */
export async function runSchedule(context: AgentContext, options: RunOptions): Promise<void> {
  const { settings, log } = context;
  const retention = watchRetention(options.retention, settings.unpinnedGraceSeconds);
  const { node, health, signal } = options;
  log("info", "started", {
    ...{ group: settings.name, node: node.node, shards: node.shards, primary: node.primary },
    ...{ schedule: settings.schedule, shardMap: settings.shardMap.version, tends: settings.tends },
  });
  await Promise.all([
    takeSnapshots(context, options, retention),
    // A connection of its own: a failure of one side closes it.
    settings.tends ? runTending(context, { node, health, signal, retention, kafka: kafkaSource(context) }) : undefined,
  ]);
}

async function takeSnapshots(context: AgentContext, options: RunOptions, retention: RetentionWatch): Promise<void> {
  const { node, health, signal } = options;
  const { settings } = context;
  let pruneAt: number | undefined;
  const kafka = kafkaSource(context);
  const open = new Map<string, Attempt>();
  const patience = (settings.allowedLatenessSeconds + settings.timeoutSeconds) * 1000;
  const times = parseSchedule(settings.schedule);
  await untilChecked(context, options, kafka);
  // What was missed while the agent was away is made up for, the newest only.
  const started = Date.now();
  let due = latestTime(settings.schedule, started, started - Math.min(patience, longestLookBack));
  let upcoming = times.next(new Date(started));
  while (!signal.aborted) {
    health.alive();
    const now = Date.now();
    for (; upcoming.getTime() <= now; upcoming = times.next(upcoming)) {
      due = upcoming;
    }
    if (due !== undefined) {
      const id = formatSnapshotId(due);
      open.set(
        id,
        createAttempt(context, node, id, due, options.takeOverAfter === undefined ? {} : { takeOverAfter: options.takeOverAfter }),
      );
      due = undefined;
    }
    for (const attempt of open.values()) {
      if (now >= attempt.begin) {
        await runRound(context, node, attempt, kafka, health, () => signal.aborted);
      }
      if (attempt.pending.size === 0 || Date.now() >= attempt.deadline) {
        open.delete(attempt.snapshot);
        if (finish(context, options, attempt)) {
          pruneAt = now;
        }
      }
    }
    if (pruneAt !== undefined && Date.now() >= pruneAt) {
      await removeOld(context, options, retention);
      // What stays for the grace alone goes at its end, not only after the next snapshot.
      pruneAt = retention.nextRelease();
    }
    health.gauge("compute_mesh_agent_pending_shards", "Shards of open snapshots that this node still has to take.", pendingOf(open));
    await sleep(roundMilliseconds, undefined, { signal }).catch(() => undefined);
  }
  await kafka.failed();
}

/**
 * Takes the node's shards of one snapshot and returns when they are in the store.
 *
 * @throws AgentError of kind `incomplete` when the time is up, or the failure that no second try can cure
 */
export async function runOnce(context: AgentContext, id: string, options: Omit<RunOptions, "retention">): Promise<void> {
  const { node, health, signal } = options;
  const kafka = kafkaSource(context);
  const { takeOverAfter } = options;
  const attempt = createAttempt(context, node, id, parseSnapshotId(id) as Date, {
    from: Date.now(),
    ...(takeOverAfter === undefined ? {} : { takeOverAfter }),
  });
  try {
    await checkConditionalPut(context.store, context.settings.name);
    const early = attempt.begin - Date.now();
    if (early > 0) {
      context.log("info", "waiting for the time of the snapshot and the allowed lateness", {
        snapshot: id,
        seconds: Math.ceil(early / 1000),
      });
      await sleep(early, undefined, { signal }).catch(() => undefined);
    }
    while (attempt.pending.size > 0 && !signal.aborted && Date.now() < attempt.deadline) {
      const [failure] = await runRound(context, node, attempt, kafka, health, () => signal.aborted);
      if (failure !== undefined) {
        throw failure instanceof Error ? failure : new Error(messageOf(failure));
      }
      if (attempt.pending.size > 0) {
        await sleep(roundMilliseconds, undefined, { signal }).catch(() => undefined);
      }
    }
  } finally {
    await kafka.failed();
  }
  if (attempt.pending.size > 0) {
    throw givenUp(context, attempt);
  }
}

/** Store, Kafka and database, until each has answered once as it must; readiness tells what is missing. */
async function untilChecked(context: AgentContext, { health, signal }: RunOptions, kafka: KafkaSource): Promise<void> {
  const { settings, store, log } = context;
  const checks: [string, () => Promise<void>][] = [
    ["store", () => checkConditionalPut(store, settings.name)],
    ["kafka", async () => checkTopics(await kafka.get(), settings.plan)],
    ["database", async () => (await connectDatabase(settings.database)).close()],
  ];
  const told = new Map<string, string>();
  checks.forEach(([subject]) => health.report(subject, "not checked yet"));
  health.report("start", undefined);
  while (checks.length > 0 && !signal.aborted) {
    health.alive();
    for (const check of [...checks]) {
      const [subject, run] = check;
      try {
        await run();
        health.report(subject, undefined);
        checks.splice(checks.indexOf(check), 1);
      } catch (error) {
        const message = messageOf(error);
        if (told.get(subject) !== message) {
          log("error", `the ${subject} is not as it must be`, { error: message });
        }
        told.set(subject, message);
        health.report(subject, message);
        await kafka.failed();
      }
    }
    // A check that has passed is not made again.
    await sleep(checks.length === 0 ? 0 : 5 * roundMilliseconds, undefined, { signal }).catch(() => undefined);
  }
}

/** Tells what became of a snapshot; returns whether all shards of the node are in the store. */
function finish(context: AgentContext, options: RunOptions, attempt: Attempt): boolean {
  const { health, node } = options;
  const { log } = context;
  const result = attempt.pending.size === 0 ? "complete" : "incomplete";
  health.count("compute_mesh_agent_snapshots_total", "Snapshots that this node is done with.", 1, `result="${result}"`);
  if (attempt.pending.size > 0) {
    const message = givenUp(context, attempt).message;
    health.report("snapshot", message);
    log("error", "gave a snapshot up", { snapshot: attempt.snapshot, error: message });
    return false;
  }
  health.report("snapshot", undefined);
  const seconds = (parseSnapshotId(attempt.snapshot) as Date).getTime() / 1000;
  health.gauge(
    "compute_mesh_agent_last_snapshot_seconds",
    "Time of the newest snapshot whose shards of this node are in the store.",
    seconds,
  );
  log("info", "all shards of this node are in the store", { snapshot: attempt.snapshot, shards: node.shards.length });
  return true;
}

async function removeOld(context: AgentContext, { health, node }: RunOptions, retention: RetentionWatch): Promise<void> {
  const { settings, log } = context;
  try {
    await prune(context, retention.read(), {
      now: new Date(),
      held: (id) => !retention.released(id),
      ...(settings.store.directory?.shared === false ? { expected: node.shards } : {}),
    });
    health.report("retention", undefined);
  } catch (error) {
    health.report("retention", messageOf(error));
    log("error", "could not remove old snapshots", { error: messageOf(error) });
  }
}

function givenUp({ settings }: AgentContext, attempt: Attempt): AgentError {
  const reasons = [...attempt.pending].sort((a, b) => a - b).map((shard) => `shard ${shard}: ${attempt.reasons.get(shard) ?? ""}`);
  return new AgentError({
    kind: "incomplete",
    what: `snapshot ${attempt.snapshot}`,
    expected: `all shards of this node within ${settings.timeoutSeconds} seconds`,
    found: reasons.slice(0, 5).join("; ") + (reasons.length > 5 ? ` and ${reasons.length - 5} more shards` : ""),
    todo: "the snapshot is visibly incomplete; what is in the store stays valid, and `compute-mesh-agent snapshot --once --at <id>` goes on from there",
  });
}

function kafkaSource({ settings }: AgentContext): KafkaSource {
  let connection: KafkaLog | undefined;
  return {
    get: async () => (connection ??= await connectKafka(settings.kafka)),
    failed: async () => {
      const broken = connection;
      connection = undefined;
      await broken?.close();
    },
  };
}

function pendingOf(open: ReadonlyMap<string, Attempt>): number {
  return [...open.values()].reduce((sum, attempt) => sum + attempt.pending.size, 0);
}
