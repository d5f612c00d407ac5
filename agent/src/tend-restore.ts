/** Restores the shards that the node owns and its database lacks, one at a time; those that no snapshot holds are left to Kafka. */
import type { ByPartition } from "../../src/model/offsets";
import { partitionsOfShard } from "../../src/model/shards";
import { listSnapshots } from "./catalog";
import { AgentError, canRetry, messageOf } from "./errors";
import { withdrawOwner } from "./owners";
import { restoreShard, shardTables } from "./restore";
import type { AgentContext } from "./shard-snapshot";
import type { Say, TendOptions, TendStep } from "./tend-step";

const retryMilliseconds = { soon: 5000, late: 60_000 };

/** A step that brings one shard in; it returns whether there is more to do at once. */
export function createRestorer(context: AgentContext, options: TendOptions, say: Say): (step: TendStep) => Promise<boolean> {
  const { node, health, signal } = options;
  const failures = new Map<number, { message: string; retryAt: number }>();
  return async (step) => {
    const lacking = node.shards.filter((shard) => !step.state.shards.has(shard));
    [...failures.keys()].filter((shard) => !lacking.includes(shard)).forEach((shard) => failures.delete(shard));
    // Services ask the primary first, so its shards come first. One that failed must not keep the others waiting.
    const [shard, ...others] = lacking
      .filter((candidate) => Date.now() >= (failures.get(candidate)?.retryAt ?? 0))
      .sort((a, b) => Number(node.primary.includes(b)) - Number(node.primary.includes(a)) || a - b);
    let gained = false;
    if (shard !== undefined) {
      try {
        await gain(context, options, say, step, shard);
        failures.delete(shard);
        gained = true;
      } catch (error) {
        const message = messageOf(error);
        failures.set(shard, { message, retryAt: Date.now() + (canRetry(error) ? retryMilliseconds.soon : retryMilliseconds.late) });
        say(`shard ${shard}`, "error", "a shard could not be restored", { shard, error: message });
        health.count("compute_mesh_agent_restore_failures_total", "Failed tries to restore a shard of this node.", 1);
        await options.kafka.failed();
      }
    }
    const problems = [...failures].map(([failed, { message }]) => `shard ${failed}: ${message}`);
    health.report("shards that cannot be restored", problems.length === 0 ? undefined : problems.join("; "));
    return (gained || others.length > 0) && !signal.aborted;
  };
}

async function gain(context: AgentContext, options: TendOptions, say: Say, step: TendStep, shard: number): Promise<void> {
  const { node, health, signal } = options;
  const { log } = context;
  if (context.settings.store.directory?.shared !== false) {
    await withdrawOwner(context, shard, node.node);
  }
  const covered = Object.entries(partitionsOfShard(context.settings.plan, shard));
  // Ingest of a mesh that did not keep mesh_shards yet: rows and offsets were written together, so they are whole.
  if (covered.some(([topic, numbers]) => numbers.some((number) => step.state.offsets[topic]?.[number] !== undefined))) {
    await step.session.hold(shardTables(context, shard), "kafka");
    log("info", "took up a shard whose rows and offsets are in the database already", { shard });
    return;
  }
  const remains = await step.session.remainsOf(shardTables(context, shard));
  if (remains !== undefined) {
    throw new AgentError({
      kind: "refused",
      what: `shard ${shard} in the database of this node`,
      expected: "nothing, or rows with their offsets",
      found: `${remains} without offsets`,
      todo: "look for what wrote them; remove them, and the agent restores the shard",
    });
  }
  const entries = (await listSnapshots(context)).filter((entry) => entry.shards.has(shard)).reverse();
  const failures: AgentError[] = [];
  for (const { id } of entries) {
    const began = Date.now();
    try {
      const done = await restoreShard(context, id, shard, () => {
        health.alive();
        if (signal.aborted) {
          throw new AgentError({
            kind: "incomplete",
            what: `shard ${shard}`,
            expected: "time",
            found: "the end",
            todo: "the next start restores it",
          });
        }
      });
      if ("occupied" in done) {
        say(`shard ${shard}`, "info", "another agent has taken up the shard", { shard, found: done.occupied });
        return;
      }
      const seconds = (Date.now() - began) / 1000;
      log("info", "restored a shard", { snapshot: id, shard, rows: done.rows, seconds });
      health.count("compute_mesh_agent_restored_rows_total", "Rows that this agent restored.", done.rows);
      health.count("compute_mesh_agent_moves_total", "Shards that this node has gained or given away.", 1, 'direction="gained"');
      await sayWhatKafkaLacks(options, say, shard, done.cut.offsets, `the snapshot ${id} that was restored`);
      return;
    } catch (error) {
      if (!(error instanceof AgentError) || !["corrupted", "refused"].includes(error.kind)) {
        throw error;
      }
      failures.push(error);
      const message = "a snapshot of a shard cannot be restored; an older one is tried";
      say(`shard ${shard} of ${id}`, "error", message, { snapshot: id, shard, error: error.message });
      health.count("compute_mesh_agent_unusable_snapshots_total", "Snapshots of a shard that could not be restored.", 1);
    }
  }
  await leaveToKafka(context, options, step, shard, failures);
}

/** Only Kafka is left. Where the store has something that cannot be used, this is right only if Kafka still has everything. */
async function leaveToKafka(
  context: AgentContext,
  options: TendOptions,
  step: TendStep,
  shard: number,
  failures: readonly AgentError[],
): Promise<void> {
  const start: ByPartition<bigint> = {};
  for (const [topic, numbers] of Object.entries(partitionsOfShard(context.settings.plan, shard))) {
    start[topic] = Object.fromEntries(numbers.map((number) => [number, 0n]));
  }
  const gone = await goneFromKafka(options, start);
  if (failures.length > 0 && gone.length > 0) {
    throw new AgentError({
      kind: failures[0].kind,
      what: `shard ${shard}`,
      expected: "a snapshot in the store that can be restored, or every record in Kafka",
      found: `${failures.length} snapshots that cannot be restored, the newest because of: ${failures[0].message}; and Kafka lacks ${gone.join(", ")}`,
      todo: `mend the store or the settings; to go on with what Kafka has, insert the shard with the source kafka into mesh_shards of this node`,
      cause: failures[0],
    });
  }
  if (await step.session.hold(shardTables(context, shard), "kafka")) {
    context.log("info", "the store has no snapshot of a shard; ingest reads it from the start of Kafka's log", { shard });
    if (gone.length > 0) {
      const message = "Kafka has removed records of a shard that no snapshot holds; they are lost to this node";
      context.log("warning", message, { shard, gone: gone.join(", ") });
    }
    options.health.count("compute_mesh_agent_moves_total", "Shards that this node has gained or given away.", 1, 'direction="gained"');
  }
}

/** A hole between a restored snapshot and the start of Kafka's log stays; whoever reads the log must learn of it. */
async function sayWhatKafkaLacks(options: TendOptions, say: Say, shard: number, from: ByPartition<bigint>, what: string): Promise<void> {
  try {
    const gone = await goneFromKafka(options, from);
    if (gone.length > 0) {
      const message = `Kafka has removed records after ${what}; they are lost to this node`;
      say(`hole of shard ${shard}`, "error", message, { shard, gone: gone.join(", ") });
    }
  } catch (error) {
    // The shard is there all the same; ingest, too, needs Kafka and finds the same hole.
    say(`hole of shard ${shard}`, "warning", "Kafka could not be asked whether it has what follows the restored snapshot", {
      shard,
      error: messageOf(error),
    });
    await options.kafka.failed();
  }
}

/** The offsets from `from` on that Kafka does not have any more, as text. */
async function goneFromKafka({ kafka }: TendOptions, from: ByPartition<bigint>): Promise<string[]> {
  const gone: string[] = [];
  for (const [topic, partitions] of Object.entries(from)) {
    const bounds = await (await kafka.get()).bounds(topic);
    for (const [partition, first] of Object.entries(partitions)) {
      const start = bounds.get(Number(partition))?.start ?? 0n;
      if (start > first) {
        gone.push(`offsets ${first} to ${start - 1n} of partition ${partition} of ${topic}`);
      }
    }
  }
  return gone;
}
