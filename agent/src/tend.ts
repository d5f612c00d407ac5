/**
 * Keeps the shards of a node: restores those that its database lacks, shows the rows of pinned snapshots there, and hands over shards that have moved.
 *
 * It works in rounds. Every step of a round looks at what is there and does what is missing, so a round after a kill goes on where the last one
 * stood, and two agents on one node do no harm. A step that fails is told once and tried again; it does not stop the others, nor the snapshots,
 * which run beside this.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "./databases";
import type { DatabaseSession } from "./databases/database";
import { messageOf } from "./errors";
import type { AgentContext } from "./shard-snapshot";
import { createMoves } from "./tend-moves";
import { createRestorer } from "./tend-restore";
import { createSay, type TendOptions, type TendStep } from "./tend-step";
import { createViewKeeper } from "./tend-views";

const roundMilliseconds = 3000;

/** Runs until the signal. It never fails: what goes wrong is told by log, readiness and metrics. */
export async function runTending(context: AgentContext, options: TendOptions): Promise<void> {
  const { health, signal, kafka } = options;
  const round = createTender(context, options);
  while (!signal.aborted) {
    const more = await round();
    health.alive();
    await sleep(more ? 0 : roundMilliseconds, undefined, { signal }).catch(() => undefined);
  }
  await kafka.failed();
}

/** One round, to be called again and again; it returns whether there is more to do at once. */
export function createTender(context: AgentContext, options: TendOptions): () => Promise<boolean> {
  const { settings } = context;
  const { health, node, kafka } = options;
  const say = createSay(context.log);
  const restorer = createRestorer(context, options, say);
  const views = createViewKeeper(context, options, say);
  const moves = createMoves(context, options, say);
  /** One subject of readiness for each step, so that one that works does not hide one that does not. */
  const guarded = async <T>(subject: string, run: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await run();
      health.report(subject, undefined);
      return result;
    } catch (error) {
      const message = messageOf(error);
      health.report(subject, message);
      say(subject, "error", `${subject} failed`, { error: message });
      await kafka.failed();
      return undefined;
    }
  };
  return async () => {
    let session: DatabaseSession | undefined;
    let more = false;
    await guarded("shards of the node", async () => {
      session = await connectDatabase(settings.database);
      await session.prepare(Object.values(settings.tables));
      const step: TendStep = { session, state: await session.state() };
      const own = node.shards.filter((shard) => step.state.shards.has(shard));
      health.gauge("compute_mesh_agent_shards_held", "Own shards that the database of this node holds.", own.length);
      health.gauge("compute_mesh_agent_shards_owned", "Shards that this node owns.", node.shards.length);
      // What is quick comes first: a restoration can take hours.
      await guarded("views of snapshots", () => views(step));
      await guarded("hand-over of shards", () => moves(step));
      more = (await guarded("restoring of shards", () => restorer(step))) ?? false;
    });
    await session?.close();
    return more;
  };
}
