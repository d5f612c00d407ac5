/** Cache entries of earlier sources: every change of the agent makes a new one, and without this they would fill the disk. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { cachedEntry, cacheFolder } from "../../cache";

/** How many stay beside the current one, for other checkouts and for going back. */
const keptVersions = 2;

/** Removes the oldest entries whose names begin with `prefix`, but never `current` and what others are just making. */
export function removeOldVersions(prefix: string, current: string): void {
  const entries = join(cacheFolder(), "entries");
  const others = readdirSync(entries)
    .filter((entry) => entry.startsWith(prefix) && entry !== current && cachedEntry(entry) !== undefined)
    .map((entry) => ({ path: join(entries, entry), time: statSync(join(entries, entry)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of others.slice(keptVersions)) rmSync(path, { recursive: true, force: true });
}
