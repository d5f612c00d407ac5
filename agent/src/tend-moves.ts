/** Hands over shards that have moved: reports those that this node has caught up with, and drops those that enough others have. */
import type { ShardManifest } from "../../src/model/manifest";
import type { ByPartition } from "../../src/model/offsets";
import { partitionsOfShard, shardOfPartition } from "../../src/model/shards";
import type { KafkaSource } from "./attempt";
import { listSnapshots } from "./catalog";
import { AgentError } from "./errors";
import { reportedOwners, reportOwner, withdrawOwner } from "./owners";
import { lagOf } from "./progress";
import { shardTables } from "./restore";
import { type AgentContext, readManifest } from "./shard-snapshot";
import { lazyKafka, type Say, type TendOptions, type TendStep } from "./tend-step";

/** A shard is caught up when each of its partitions is this close to the end of the log. */
const caughtUpRecords = 10_000n;

/** Agents of another version of the map may have removed a report; it is written again this often. */
const reportMilliseconds = 300_000;

/** A step that reports and drops. Where nodes do not see one store, nothing can be handed over: rows are kept, and that is said once. */
export function createMoves(context: AgentContext, options: TendOptions, say: Say): (step: TendStep) => Promise<void> {
  const { settings } = context;
  if (settings.store.directory?.shared === false) {
    say(
      "hand-over",
      "warning",
      "each node has a store of its own, so nodes cannot tell each other of shards that have moved: rows of moved shards are kept",
      {
        store: context.store.name,
      },
    );
    return () => Promise.resolve();
  }
  const reported = new Map<number, number>();
  return async (step) => {
    for (const shard of options.node.shards) {
      await report(context, options, say, step, shard, reported);
    }
    const foreign = foreignShards(context, options, step);
    options.health.gauge("compute_mesh_agent_shards_to_give", "Shards that this node still holds for their new owners.", foreign.length);
    const owners = foreign.length === 0 ? new Map<number, Set<string>>() : await reportedOwners(context);
    for (const shard of foreign) {
      await give(context, options, say, step, shard, owners.get(shard) ?? new Set());
    }
  };
}

async function report(
  context: AgentContext,
  { node, kafka }: TendOptions,
  say: Say,
  step: TendStep,
  shard: number,
  reported: Map<number, number>,
): Promise<void> {
  if (!step.state.shards.has(shard)) {
    reported.delete(shard);
    return;
  }
  const before = reported.get(shard);
  if (before !== undefined && Date.now() - before < reportMilliseconds) {
    return;
  }
  if (before === undefined) {
    const near: ByPartition<bigint> = {};
    for (const [topic, numbers] of Object.entries(partitionsOfShard(context.settings.plan, shard))) {
      const bounds = await (await kafka.get()).bounds(topic);
      const endOf = (partition: number): bigint => bounds.get(partition)?.end ?? 0n;
      near[topic] = Object.fromEntries(
        numbers.map((partition) => [partition, endOf(partition) > caughtUpRecords ? endOf(partition) - caughtUpRecords : 0n]),
      );
    }
    const [lag] = await lagOf({ snapshot: "", shard, offsets: near }, step.state.offsets, lazyKafka(kafka), () => undefined);
    if (lag !== undefined) {
      const { topic, partition, next, cut } = lag;
      say(`report of shard ${shard}`, "info", "waiting until ingest has caught up with a shard", {
        shard,
        topic,
        partition,
        next,
        near: cut,
      });
      return;
    }
  }
  await reportOwner(context, shard, node.node);
  if (before === undefined) {
    context.log("info", "holds a shard and has caught up with it", { shard, shardMap: context.settings.shardMap.version });
  }
  reported.set(shard, Date.now());
}

/** Shards that the database has and the node does not own: by mesh_shards, and by offsets that an ingest of the old map may have written after a drop. */
function foreignShards({ settings }: AgentContext, { node }: TendOptions, { state }: TendStep): number[] {
  const partitions = Object.entries(state.offsets)
    .filter(([topic]) => settings.tables[topic] !== undefined)
    .flatMap(([, offsets]) => Object.keys(offsets).map(Number));
  const there = [...state.shards.keys(), ...partitions.map((partition) => shardOfPartition(settings.plan, partition))];
  return [...new Set(there)].filter((shard) => !node.shards.includes(shard)).sort((a, b) => a - b);
}

async function give(
  context: AgentContext,
  { node, health, kafka }: TendOptions,
  say: Say,
  step: TendStep,
  shard: number,
  owners: ReadonlySet<string>,
): Promise<void> {
  const { version, replicas } = context.settings.shardMap;
  const others = [...owners].filter((name) => name !== node.node).sort();
  if (others.length < replicas) {
    say(`give shard ${shard}`, "info", "keeps a shard that has moved away until its owners report", {
      ...{ shard, shardMap: version, reported: others.join(", "), needed: replicas },
    });
    return;
  }
  const only = await onlyHere(context, kafka, step, shard);
  if (only !== undefined) {
    say(`give shard ${shard}`, "warning", "keeps a shard that has moved away: its oldest rows are nowhere else", { shard, rows: only });
    return;
  }
  // First, so that no older report of this node says that it holds what it is about to drop.
  await withdrawOwner(context, shard, node.node);
  const rows = await step.session.drop(shardTables(context, shard));
  context.log("info", "dropped a shard that its owners hold", { shard, rows, shardMap: version, owners: others.join(", ") });
  health.count("compute_mesh_agent_moves_total", "Shards that this node has gained or given away.", 1, 'direction="given"');
}

/**
 * Rows that neither Kafka nor the store has, as text: the new owners began without a snapshot, after Kafka had removed the records. What Kafka has today it had
 * when they began.
 */
async function onlyHere(context: AgentContext, kafka: KafkaSource, step: TendStep, shard: number): Promise<string | undefined> {
  const manifests = await manifestsOf(context, shard);
  for (const [topic, partitions] of Object.entries(await step.session.firstOffsets(shardTables(context, shard)))) {
    const bounds = await (await kafka.get()).bounds(topic);
    for (const [number, first] of Object.entries(partitions)) {
      const partition = Number(number);
      const start = bounds.get(partition)?.start ?? 0n;
      const stored = manifests.some(({ ranges }) => {
        const range = ranges[topic]?.[partition];
        return range !== undefined && range.from <= first && range.to >= start;
      });
      if (start > first && !stored) {
        return `partition ${partition} of ${topic} from offset ${first} to ${start - 1n}`;
      }
    }
  }
  return undefined;
}

async function manifestsOf(context: AgentContext, shard: number): Promise<ShardManifest[]> {
  const manifests: ShardManifest[] = [];
  for (const { id } of (await listSnapshots(context)).filter((entry) => entry.shards.has(shard))) {
    try {
      manifests.push(...[await readManifest(context.store, context.settings.name, id, shard)].filter((found) => found !== undefined));
    } catch (error) {
      // One that cannot be read proves nothing; another may.
      if (!(error instanceof AgentError) || error.kind !== "corrupted") {
        throw error;
      }
    }
  }
  return manifests;
}
