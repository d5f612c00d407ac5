/**
 * Cuts: for the time T of a snapshot the first offset at or after T in every partition of one shard.
 * The first node to ask fixes the cut of a shard in the store; every owner of the shard reads it from there.
 */
import { checkInteger } from "./checks";
import { formatDocument, parseDocument } from "./documents";
import { keyPath, Problems } from "./errors";
import { checkOffset, checkPartitions, mapPartitions, readOffset, visitPartitions, type ByPartition } from "./offsets";
import { maxShardCount, partitionsOfShard, type ShardPlan } from "./shards";
import { isSnapshotId, snapshotIdRule } from "./snapshot-id";

/** The cut of one shard. */
export interface ShardCut {
  /** Snapshot id. */
  snapshot: string;
  shard: number;
  /** The first offset that is no longer in the snapshot: topic → partition → offset. */
  offsets: ByPartition<bigint>;
}

/**
 * Notes what is wrong in a cut.
 *
 * @param plan where given, the cut must have exactly the partitions of its shard
 */
export function checkCut(problems: Problems, cut: ShardCut, plan?: ShardPlan): void {
  checkShardOfSnapshot(problems, cut.snapshot, cut.shard, plan);
  visitPartitions(problems, "offsets", cut.offsets, (_topic, _partition, path, offset) => checkOffset(problems, path, offset));
  if (plan !== undefined && !problems.any) {
    checkPartitions(problems, "offsets", cut.offsets, partitionsOfShard(plan, cut.shard));
  }
}

/** The cut as JSON text, offsets as decimal text. */
export function serializeCut(cut: ShardCut): string {
  return formatDocument("ShardCut", { snapshot: cut.snapshot, shard: cut.shard, offsets: mapPartitions(cut.offsets, String) });
}

/**
 * Reads the text of `serializeCut`.
 *
 * @throws MeshInputError with everything that is wrong
 */
export function parseCut(text: string, plan?: ShardPlan): ShardCut {
  const problems = new Problems("shardCut");
  const { snapshot, shard, offsets } = parseDocument(problems, text, "ShardCut", ["snapshot", "shard", "offsets"]);
  const cut: ShardCut = { snapshot: snapshot as string, shard: shard as number, offsets: {} };
  visitPartitions(problems, "offsets", offsets, (topic, partition, path, value) => {
    setPartition(cut.offsets, topic, partition, readOffset(problems, path, value) ?? 0n);
  });
  checkCut(problems, cut, plan);
  problems.throwIfAny();
  return cut;
}

/** Notes where `snapshot` is no snapshot id or `shard` no shard of the plan. */
export function checkShardOfSnapshot(problems: Problems, snapshot: unknown, shard: unknown, plan?: ShardPlan): void {
  if (!isSnapshotId(snapshot)) {
    problems.add("snapshot", snapshot, snapshotIdRule);
  }
  checkInteger(problems, "shard", shard, { min: 0, max: (plan?.shardCount ?? maxShardCount) - 1 });
}

/** Sets the value of one partition. */
export function setPartition<T>(values: ByPartition<T>, topic: string, partition: number, value: T): void {
  // A plain assignment would lose a topic called __proto__, which Kafka allows.
  if (!Object.hasOwn(values, topic)) {
    Object.defineProperty(values, topic, { value: {}, enumerable: true, configurable: true, writable: true });
  }
  values[topic][partition] = value;
}

/** Notes every partition where an upper bound is not the offset of the cut: the snapshot would hold other rows than it says. */
export function checkAgainstCut(problems: Problems, path: string, upper: ByPartition<bigint>, cut: ShardCut): void {
  for (const [topic, partitions] of Object.entries(cut.offsets)) {
    for (const [partition, offset] of Object.entries(partitions)) {
      const given = upper[topic]?.[Number(partition)];
      if (given !== offset) {
        problems.add(keyPath(keyPath(path, topic), partition), given, `the cut of the shard is at offset ${offset}`);
      }
    }
  }
}
