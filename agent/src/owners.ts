/**
 * Reports of owners: each node says in the store which shards of the current shard map it holds and has caught up with. A node that has rows of a
 * shard that it does not own any more keeps them until as many nodes have reported as the shard has owners.
 *
 * A report that is missing only keeps rows longer; one that is wrong would lose them. So a node withdraws its reports before it restores or drops
 * a shard, and anybody may remove those of other versions of the map: they are written again where they still hold.
 */
import { formatDocument } from "../../src/model/documents";
import { ownerKey, ownersPrefix, readOwnerKey } from "./layout";
import type { AgentContext } from "./shard-snapshot";

/** Says that a node holds a shard; nothing happens where it has said so already. */
export async function reportOwner({ settings, store }: AgentContext, shard: number, node: string): Promise<void> {
  const { version } = settings.shardMap;
  const text = formatDocument("ShardOwner", { shardMap: version, shard, node, since: new Date().toISOString() });
  await store.putIfAbsent(ownerKey(settings.name, version, shard, node), text);
}

/** Takes back what a node has said about a shard, under whatever version of the map. */
export async function withdrawOwner({ settings, store }: AgentContext, shard: number, node: string): Promise<void> {
  for await (const { key } of store.list(ownersPrefix(settings.name))) {
    const report = readOwnerKey(settings.name, key);
    if (report?.shard === shard && report.node === node) {
      await store.delete(key);
    }
  }
}

/** Shard → the nodes that have reported it under the current version of the map. */
export async function reportedOwners({ settings, store }: AgentContext): Promise<Map<number, Set<string>>> {
  const owners = new Map<number, Set<string>>();
  for await (const { key } of store.list(ownersPrefix(settings.name, settings.shardMap.version))) {
    const report = readOwnerKey(settings.name, key);
    if (report !== undefined) {
      owners.set(report.shard, (owners.get(report.shard) ?? new Set()).add(report.node));
    }
  }
  return owners;
}

/** Removes the reports of other versions of the map. */
export async function removeOldReports({ settings, store }: AgentContext): Promise<number> {
  const old: string[] = [];
  for await (const { key } of store.list(ownersPrefix(settings.name))) {
    const report = readOwnerKey(settings.name, key);
    if (report !== undefined && report.version !== settings.shardMap.version) {
      old.push(key);
    }
  }
  for (const key of old) {
    await store.delete(key);
  }
  return old.length;
}
