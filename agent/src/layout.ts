/**
 * Where things lie in the store, relative to the store's prefix:
 *
 *     <group>/<snapshot id>/shard-<n>.cut.json       created first, by whoever asks Kafka first
 *     <group>/<snapshot id>/shard-<n>.data           created once and whole, never changed
 *     <group>/<snapshot id>/shard-<n>.manifest.json  created last; without it the shard is not there
 *
 * Every object is created by a conditional put, so two writers never mix and no writer needs to know of the others.
 */
import { isSnapshotId } from "../../src/model/snapshot-id";

/** The three objects of one shard. */
export type ShardPart = "cut" | "data" | "manifest";

const suffixes: Record<ShardPart, string> = { cut: "cut.json", data: "data", manifest: "manifest.json" };

/** The key of one object of a shard. */
export function shardKey(group: string, snapshot: string, shard: number, part: ShardPart): string {
  return `${snapshotPrefix(group, snapshot)}shard-${shard}.${suffixes[part]}`;
}

/** What the keys of one snapshot begin with. */
export function snapshotPrefix(group: string, snapshot: string): string {
  return `${group}/${snapshot}/`;
}

/** The snapshot, shard and part of a key; undefined where it is none of ours. */
export function readKey(group: string, key: string): { snapshot: string; shard: number; part: ShardPart } | undefined {
  const match = /^([^/]+)\/shard-(0|[1-9]\d*)\.(cut\.json|data|manifest\.json)$/.exec(key.slice(group.length + 1));
  if (!key.startsWith(`${group}/`) || match === null || !isSnapshotId(match[1])) {
    return undefined;
  }
  const part = (Object.keys(suffixes) as ShardPart[]).find((name) => suffixes[name] === match[3]) as ShardPart;
  return { snapshot: match[1], shard: Number(match[2]), part };
}
