/**
 * Where things lie in the store, relative to the store's prefix:
 *
 *     <group>/<snapshot id>/shard-<n>.cut.json       created first, by whoever asks Kafka first
 *     <group>/<snapshot id>/shard-<n>.data           created once and whole, never changed
 *     <group>/<snapshot id>/shard-<n>.manifest.json  created last; without it the shard is not there
 *     <group>/owners/<shard map version>/shard-<n>.<node>.json  a node reports that it holds the shard and has caught up
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

/** What the reports of owners begin with: all, or those of one version of the shard map. */
export function ownersPrefix(group: string, version?: string): string {
  return `${group}/owners/${version === undefined ? "" : `${version}/`}`;
}

/** The key of a node's report that it holds a shard. */
export function ownerKey(group: string, version: string, shard: number, node: string): string {
  return `${ownersPrefix(group, version)}shard-${shard}.${node}.json`;
}

/** Version, shard and node of a report's key; undefined where it is none. */
export function readOwnerKey(group: string, key: string): { version: string; shard: number; node: string } | undefined {
  const prefix = ownersPrefix(group);
  const match = /^([^/]+)\/shard-(0|[1-9]\d*)\.([^/]+)\.json$/.exec(key.slice(prefix.length));
  return !key.startsWith(prefix) || match === null ? undefined : { version: match[1], shard: Number(match[2]), node: match[3] };
}
