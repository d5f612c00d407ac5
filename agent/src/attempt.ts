/** One snapshot as this node works on it: its shards, until all are in the store or the time is up. */
import { canRetry, messageOf } from "./errors";
import type { Health } from "./health";
import type { KafkaLog } from "./kafka";
import type { NodeShards } from "./pod-files";
import { type AgentContext, readManifest, snapshotShard } from "./shard-snapshot";

/** Gives the connection to Kafka, made where there is none; `failed` forgets it, so that the next one is new. */
export interface KafkaSource {
  get(): Promise<KafkaLog>;
  failed(): Promise<void>;
}

/** A snapshot in progress. */
export interface Attempt {
  snapshot: string;
  /** When Kafka may be asked: the time of the snapshot and the allowed lateness. */
  begin: number;
  /** When this node gives up. */
  deadline: number;
  /** When this node also does the shards that another one owns first. */
  takeOver: number;
  pending: Set<number>;
  /** Shard → why it is pending. */
  reasons: Map<number, string>;
  /** Shard → when it is tried again after a failure. */
  retryAt: Map<number, number>;
}

/** How long the primary of a shard has before its replicas do it: a quarter of the time, at least 1 and at most 10 minutes; never all of the time. */
export function takeOverSeconds(timeoutSeconds: number): number {
  return Math.min(Math.max(60, Math.min(600, timeoutSeconds / 4)), timeoutSeconds / 2);
}

/** @param takeOverAfter seconds; default `takeOverSeconds` of the settings' time-out */
export function createAttempt(
  { settings }: AgentContext,
  node: NodeShards,
  snapshot: string,
  time: Date,
  options: { from?: number; takeOverAfter?: number } = {},
): Attempt {
  const begin = time.getTime() + settings.allowedLatenessSeconds * 1000;
  const started = Math.max(begin, options.from ?? begin);
  return {
    snapshot,
    begin,
    deadline: started + settings.timeoutSeconds * 1000,
    takeOver: started + (options.takeOverAfter ?? takeOverSeconds(settings.timeoutSeconds)) * 1000,
    pending: new Set(node.shards),
    reasons: new Map(node.shards.map((shard) => [shard, "not tried yet"])),
    retryAt: new Map(),
  };
}

const retryMilliseconds = { soon: 2000, late: 30_000 };

/**
 * Tries every shard that is due once, the node's own first.
 *
 * @param stopping ends the round before the next shard
 * @returns failures that no second try can cure
 */
export async function runRound(
  context: AgentContext,
  node: NodeShards,
  attempt: Attempt,
  kafka: KafkaSource,
  health: Health,
  stopping: () => boolean = () => false,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const primaryFirst = [...attempt.pending].sort((a, b) => Number(node.primary.includes(b)) - Number(node.primary.includes(a)) || a - b);
  for (const shard of primaryFirst) {
    const now = Date.now();
    const due = now >= (attempt.retryAt.get(shard) ?? 0) && (node.primary.includes(shard) || now >= attempt.takeOver);
    if (stopping() || now >= attempt.deadline) {
      break;
    }
    health.alive();
    if (due) {
      try {
        await tryShard(context, attempt, shard, await kafka.get(), health);
      } catch (error) {
        await kafka.failed();
        const retry = canRetry(error);
        note(context, attempt, shard, messageOf(error), "error");
        attempt.retryAt.set(shard, Date.now() + (retry ? retryMilliseconds.soon : retryMilliseconds.late));
        health.count("compute_mesh_agent_failures_total", "Failed tries to take a shard.", 1);
        if (!retry) {
          failures.push(error);
        }
      }
    } else if (!node.primary.includes(shard) && now < attempt.takeOver) {
      await lookWhetherDone(context, attempt, shard);
    }
  }
  return failures;
}

async function tryShard(context: AgentContext, attempt: Attempt, shard: number, kafka: KafkaLog, health: Health): Promise<void> {
  const began = Date.now();
  const outcome = await snapshotShard(context, kafka, attempt.snapshot, shard);
  if (!outcome.done) {
    const [lag] = outcome.lags;
    if (lag === undefined) {
      note(context, attempt, shard, "waiting until the database of this node holds the shard", "info");
      return;
    }
    const more = outcome.lags.length > 1 ? `, and ${outcome.lags.length - 1} more partitions` : "";
    const at = `next offset ${lag.next ?? "none"}, cut ${lag.cut}`;
    note(context, attempt, shard, `waiting for ingest: partition ${lag.partition} of ${lag.topic}: ${lag.reason} (${at})${more}`, "info");
    return;
  }
  attempt.pending.delete(shard);
  attempt.reasons.delete(shard);
  if (outcome.written) {
    const { rows, bytes } = outcome.manifest;
    const seconds = (Date.now() - began) / 1000;
    context.log("info", "took a shard", { snapshot: attempt.snapshot, shard, rows, bytes, seconds });
    health.count("compute_mesh_agent_shards_total", "Shards that this agent took.", 1);
    health.count("compute_mesh_agent_rows_total", "Rows that this agent wrote to the store.", rows);
    health.count("compute_mesh_agent_bytes_total", "Bytes that this agent wrote to the store.", bytes);
    health.count("compute_mesh_agent_busy_seconds_total", "Time that taking shards took.", seconds);
  }
}

/** A replica waits for the primary, and only looks. */
async function lookWhetherDone({ settings, store }: AgentContext, attempt: Attempt, shard: number): Promise<void> {
  try {
    if ((await readManifest(store, settings.name, attempt.snapshot, shard)) !== undefined) {
      attempt.pending.delete(shard);
      attempt.reasons.delete(shard);
    } else {
      attempt.reasons.set(shard, "waiting for the node that owns it first");
    }
  } catch (error) {
    attempt.reasons.set(shard, messageOf(error));
  }
  // Many replicas that look every second are a load for the store.
  attempt.retryAt.set(shard, Math.min(attempt.takeOver, Date.now() + 10_000));
}

/** Logs a reason once, not every second. */
function note({ log }: AgentContext, attempt: Attempt, shard: number, reason: string, level: "info" | "error"): void {
  const said = attempt.reasons.get(shard)?.replace(/\d+/g, "#");
  attempt.reasons.set(shard, reason);
  if (said !== reason.replace(/\d+/g, "#")) {
    log(level, level === "info" ? "a shard is not ready yet" : "a shard failed", { snapshot: attempt.snapshot, shard, reason });
  }
}
