/** Removes the snapshots that retention does not keep: manifests first, so that no one takes a half-removed snapshot for a whole one. */
import { type SnapshotEntry, listSnapshots, stateOf } from "./catalog";
import { readKey, type ShardPart } from "./layout";
import { expired } from "./retention";
import type { Retention } from "./settings";
import type { AgentContext } from "./shard-snapshot";

const order: readonly ShardPart[] = ["manifest", "data", "cut"];

/**
 * @param expected see `stateOf`
 * @returns the ids that were removed, or that would be where `dryRun` is set
 */
export async function prune(
  context: AgentContext,
  retention: Retention,
  options: { now: Date; expected?: readonly number[]; dryRun?: boolean },
): Promise<string[]> {
  const { settings, log } = context;
  const entries = await listSnapshots(context);
  const states = await Promise.all(
    entries.map(async (entry) => ({ id: entry.id, complete: (await stateOf(context, entry, options.expected)).complete })),
  );
  const workSeconds = settings.allowedLatenessSeconds + settings.timeoutSeconds;
  const ids = expired(states, retention, options.now, workSeconds);
  if (options.dryRun !== true) {
    for (const id of ids) {
      await remove(context, entries.find((entry) => entry.id === id) as SnapshotEntry);
      log("info", "removed a snapshot that retention does not keep", { snapshot: id });
    }
  }
  return ids;
}

async function remove({ settings, store }: AgentContext, entry: SnapshotEntry): Promise<void> {
  for (const part of order) {
    const keys = entry.keys.filter((key) => readKey(settings.name, key)?.part === part);
    for (let at = 0; at < keys.length; at += 16) {
      await Promise.all(keys.slice(at, at + 16).map((key) => store.delete(key)));
    }
  }
}
