/** Snapshot manifests: what one shard of a snapshot holds. A snapshot is complete when every shard has one. */
import { checkInteger, checkKnownKeys, checkObject } from "./checks";
import { checkAgainstCut, checkShardOfSnapshot, setPartition, type ShardCut } from "./cut";
import { formatDocument, parseDocument } from "./documents";
import { joinPath, keyPath, Problems } from "./errors";
import { checkOffset, checkPartitions, mapPartitions, readOffset, visitPartitions, type ByPartition } from "./offsets";
import { partitionsOfShard, type ShardPlan } from "./shards";

/** Offsets of one partition that a snapshot holds: `from` is included, `to` is not. */
export interface OffsetRange {
  from: bigint;
  to: bigint;
}

/** What one shard of a snapshot holds. */
export interface ShardManifest {
  /** Snapshot id. */
  snapshot: string;
  shard: number;
  /** The offsets of every partition of the shard: topic → partition → range. */
  ranges: ByPartition<OffsetRange>;
  /** Number of rows. */
  rows: number;
  /** Size of the data in the store, in bytes. */
  bytes: number;
  /** Checksum of the data as `sha256:` and 64 hexadecimal digits. */
  checksum: string;
  /** Format of the data, for example `postgres-copy`. */
  format: string;
  /** The database that wrote it, for example `postgres`. */
  engine: string;
  /** Version of the database, which has to be able to read the format again. */
  engineVersion: string;
  /** Topic → columns of its table, in the order of the rows. Absent in manifests that were written before tables had typed columns. */
  columns?: Record<string, string[]>;
}

/** How much of a snapshot is there. */
export interface Completeness {
  complete: boolean;
  /** Shards without a manifest, in ascending order. */
  missing: number[];
  /** Manifests that contradict each other or belong to another snapshot, one line each. */
  conflicts: string[];
}

const members = ["snapshot", "shard", "ranges", "rows", "bytes", "checksum", "format", "engine", "engineVersion", "columns"] as const;

/**
 * Notes what is wrong in a manifest.
 *
 * @param plan where given, the manifest must have exactly the partitions of its shard
 * @param cut where given, every range must end at the cut of the shard
 */
export function checkManifest(problems: Problems, manifest: ShardManifest, plan?: ShardPlan, cut?: ShardCut): void {
  checkShardOfSnapshot(problems, manifest.snapshot, manifest.shard, plan);
  visitPartitions(problems, "ranges", manifest.ranges, (_topic, _partition, path, value) => {
    const { from, to } = value as OffsetRange;
    const usable = [checkOffset(problems, joinPath(path, "from"), from), checkOffset(problems, joinPath(path, "to"), to)].every(Boolean);
    if (usable && to < from) {
      problems.add(joinPath(path, "to"), to, `it must not be below from (${from})`);
    }
  });
  checkInteger(problems, "rows", manifest.rows, { min: 0 });
  checkInteger(problems, "bytes", manifest.bytes, { min: 0 });
  if (typeof manifest.checksum !== "string" || !/^sha256:[0-9a-f]{64}$/.test(manifest.checksum)) {
    problems.add("checksum", manifest.checksum, "sha256: and 64 lower-case hexadecimal digits are allowed");
  }
  for (const key of ["format", "engine", "engineVersion"] as const) {
    if (typeof manifest[key] !== "string" || manifest[key].trim() === "") {
      problems.add(key, manifest[key], "a text is needed, because whoever restores has to know it");
    }
  }
  checkColumns(problems, manifest);
  if (!problems.any) {
    if (plan !== undefined) {
      checkPartitions(problems, "ranges", manifest.ranges, partitionsOfShard(plan, manifest.shard));
    }
    if (cut !== undefined) {
      checkAgainstCut(
        problems,
        "ranges",
        mapPartitions(manifest.ranges, (range) => range.to),
        cut,
      );
    }
  }
}

function checkColumns(problems: Problems, { columns, ranges }: ShardManifest): void {
  if (columns === undefined || !checkObject(problems, "columns", columns)) {
    return;
  }
  checkKnownKeys(problems, "columns", columns, Object.keys(ranges));
  for (const topic of Object.keys(ranges)) {
    const names = (columns as Record<string, unknown>)[topic];
    if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== "string")) {
      problems.add(keyPath("columns", topic), names, "the names of the columns of the topic's table are needed");
    }
  }
}

/** The manifest as JSON text, offsets as decimal text. */
export function serializeManifest(manifest: ShardManifest): string {
  const document = Object.fromEntries(members.map((key) => [key, manifest[key]]));
  const ranges = mapPartitions(manifest.ranges, ({ from, to }) => ({ from: String(from), to: String(to) }));
  return formatDocument("ShardManifest", { ...document, ranges });
}

/**
 * Reads the text of `serializeManifest`.
 *
 * @throws MeshInputError with everything that is wrong
 */
export function parseManifest(text: string, plan?: ShardPlan, cut?: ShardCut): ShardManifest {
  const problems = new Problems("shardManifest");
  const document = parseDocument(problems, text, "ShardManifest", members);
  const ranges: ByPartition<OffsetRange> = {};
  visitPartitions(problems, "ranges", document["ranges"], (topic, partition, path, value) => {
    if (checkObject(problems, path, value)) {
      checkKnownKeys(problems, path, value, ["from", "to"]);
      const from = readOffset(problems, joinPath(path, "from"), value["from"]);
      const to = readOffset(problems, joinPath(path, "to"), value["to"]);
      // What could not be read is noted already; an empty range says nothing more about it.
      setPartition(ranges, topic, partition, from === undefined || to === undefined ? { from: 0n, to: 0n } : { from, to });
    }
  });
  const given = members.filter((key) => document[key] !== undefined).map((key) => [key, document[key]]);
  const manifest = { ...Object.fromEntries(given), ranges } as unknown as ShardManifest;
  checkManifest(problems, manifest, plan, cut);
  problems.throwIfAny();
  return manifest;
}

/** Whether every shard has a manifest, and all of them are of one snapshot. */
export function isComplete(manifests: readonly ShardManifest[], shardCount: number): boolean {
  return describeCompleteness(manifests, shardCount).complete;
}

/**
 * How much of a snapshot is there. Several manifests of one shard (its replicas) are allowed where they hold the same offsets.
 *
 * @param snapshot id of the snapshot, by default that of the first manifest
 */
export function describeCompleteness(
  manifests: readonly ShardManifest[],
  shardCount: number,
  snapshot = manifests[0]?.snapshot,
): Completeness {
  const conflicts: string[] = [];
  const first = new Map<number, ShardManifest>();
  for (const manifest of manifests) {
    const before = first.get(manifest.shard);
    if (manifest.snapshot !== snapshot) {
      conflicts.push(`shard ${manifest.shard}: the manifest is of snapshot ${manifest.snapshot}, not ${snapshot}`);
    } else if (!Number.isInteger(manifest.shard) || manifest.shard < 0 || manifest.shard >= shardCount) {
      conflicts.push(`shard ${manifest.shard}: there is no such shard, the last is ${shardCount - 1}`);
    } else if (before === undefined) {
      first.set(manifest.shard, manifest);
    } else if (rangesText(before) !== rangesText(manifest) || before.rows !== manifest.rows) {
      conflicts.push(`shard ${manifest.shard}: two manifests hold different offsets or rows`);
    }
  }
  const missing = Array.from({ length: shardCount }, (_unused, shard) => shard).filter((shard) => !first.has(shard));
  return { complete: missing.length === 0 && conflicts.length === 0, missing, conflicts };
}

/** The ranges as text that is equal for equal ranges. */
function rangesText(manifest: ShardManifest): string {
  return JSON.stringify(mapPartitions(manifest.ranges, ({ from, to }) => `${from}-${to}`));
}
