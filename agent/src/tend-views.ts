/** Shows the rows of pinned snapshots: views as soon as a snapshot is pinned, a shard in them once its cut is passed, and nothing of either when it is unpinned. */
import type { ShardCut } from "../../src/model/cut";
import type { ByPartition } from "../../src/model/offsets";
import { shardOfPartition } from "../../src/model/shards";
import { readCut } from "./cut";
import { messageOf } from "./errors";
import { lagOf } from "./progress";
import type { AgentContext } from "./shard-snapshot";
import { lazyKafka, type Say, type TendOptions, type TendStep } from "./tend-step";

/** A step that brings views and cuts to what is pinned. */
export function createViewKeeper(context: AgentContext, options: TendOptions, say: Say): (step: TendStep) => Promise<void> {
  const { settings, log } = context;
  const { retention } = options;
  /** Snapshots whose views fit the settings of this start. */
  const made = new Set<string>();
  return async (step) => {
    const { session } = step;
    const { pinned } = retention.read();
    const there = await session.snapshots();
    for (const id of pinned) {
      if (!made.has(id) || !there.includes(id)) {
        await session.createViews(id, settings.tables, settings.plan.shardCount);
        made.add(id);
        log("info", "made the views of a snapshot", { snapshot: id });
      }
    }
    // One that cannot be read must not hide the others.
    let failure: unknown;
    for (const id of pinned) {
      await addShards(context, options, say, step, id).catch((error: unknown) => (failure ??= error));
    }
    for (const id of there.filter((candidate) => !pinned.includes(candidate))) {
      if (retention.released(id)) {
        await session.dropViews(id, Object.values(settings.tables));
        made.delete(id);
        log("info", "removed the views of a snapshot that is not pinned", { snapshot: id });
      } else {
        say(`views of ${id}`, "info", "a snapshot is not pinned any more; its views go after the grace", { snapshot: id });
      }
    }
    if (failure !== undefined) {
      throw failure instanceof Error ? failure : new Error(messageOf(failure));
    }
  };
}

async function addShards(context: AgentContext, options: TendOptions, say: Say, step: TendStep, id: string): Promise<void> {
  const { settings, store, log } = context;
  const shown = shardsIn(context, await step.session.cuts(id));
  for (const shard of options.node.shards.filter((own) => step.state.shards.has(own) && !shown.has(own))) {
    const subject = `shard ${shard} of ${id}`;
    const cut = await readCut(store, settings.name, id, shard);
    if (cut === undefined) {
      say(subject, "info", "waiting for the cut of a pinned snapshot: nobody has taken it yet", { snapshot: id, shard });
      continue;
    }
    const offsets = ingested(context, cut);
    const [lag] = await lagOf({ ...cut, offsets }, step.state.offsets, lazyKafka(options.kafka), () => undefined);
    if (lag === undefined) {
      await step.session.addCuts(id, offsets);
      log("info", "a shard of a snapshot can be read", { snapshot: id, shard });
    } else {
      const { topic, partition, next, reason } = lag;
      say(subject, "info", "waiting until ingest has passed the cut of a pinned snapshot", {
        ...{ snapshot: id, shard, topic, partition, next, cut: lag.cut, reason },
      });
    }
  }
}

/** A topic that is not ingested any more has no table to show. */
function ingested({ settings }: AgentContext, cut: ShardCut): ByPartition<bigint> {
  return Object.fromEntries(Object.entries(cut.offsets).filter(([topic]) => settings.tables[topic] !== undefined));
}

/** The shards whose cuts are there; those of one shard come together. */
function shardsIn({ settings }: AgentContext, cuts: ByPartition<bigint>): Set<number> {
  const partitions = Object.values(cuts).flatMap((offsets) => Object.keys(offsets).map(Number));
  return new Set(partitions.map((partition) => shardOfPartition(settings.plan, partition)));
}
