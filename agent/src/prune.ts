/** Removes the snapshots that retention does not keep: manifests first, so that no one takes a half-removed snapshot for a whole one. */
import { type SnapshotEntry, listSnapshots, stateOf } from "./catalog";
import { readKey, type ShardPart } from "./layout";
import { removeOldReports } from "./owners";
import type { Retention } from "./pod-files";
import { expired } from "./retention";
import type { AgentContext } from "./shard-snapshot";

const order: readonly ShardPart[] = ["manifest", "data", "cut"];

/**
 * @param expected see `stateOf`
 * @param held whether a snapshot stays although it is not pinned, for example because it was until a moment ago
 * @returns the ids that were removed, or that would be where `dryRun` is set
 */
export async function prune(
  context: AgentContext,
  retention: Retention,
  options: { now: Date; expected?: readonly number[]; dryRun?: boolean; held?: (id: string) => boolean },
): Promise<string[]> {
  const { settings, log } = context;
  const entries = await listSnapshots(context);
  const states = await Promise.all(entries.map((entry) => stateOf(context, entry, options.expected)));
  const workSeconds = settings.allowedLatenessSeconds + settings.timeoutSeconds;
  const { held = () => false } = options;
  // What a newer agent wrote looks incomplete to this one; only who can read it may judge it.
  const kept = states.filter(({ id, otherVersion }) => otherVersion || held(id)).map(({ id }) => id);
  const pinned = [...retention.pinned, ...kept];
  const ids = expired(states, { ...retention, pinned }, options.now, workSeconds);
  if (options.dryRun !== true) {
    for (const id of ids) {
      await remove(context, entries.find((entry) => entry.id === id) as SnapshotEntry);
      log("info", "removed a snapshot that retention does not keep", { snapshot: id });
    }
    await removeOldReports(context);
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
