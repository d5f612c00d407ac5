/** The cache of built and downloaded tools, outside the checkout, shared by every checkout of one user. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { readJson, writeAtomic } from "./files";
import { type LockOptions, withLock } from "./lock";
import { projectRoot } from "./paths";
import type { Platform, ToolPin } from "./pins";

/** `$COMPUTE_MESH_CACHE`, else `$XDG_CACHE_HOME/compute-mesh`, else `~/.cache/compute-mesh`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.COMPUTE_MESH_CACHE) {
    if (!isAbsolute(env.COMPUTE_MESH_CACHE))
      throw new Error(`COMPUTE_MESH_CACHE: ${env.COMPUTE_MESH_CACHE} is not allowed: it must be an absolute path`);
    return env.COMPUTE_MESH_CACHE;
  }
  // The XDG specification: a relative path is invalid and to be ignored.
  const base = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : join(homedir(), ".cache");
  return join(base, "compute-mesh");
}

/** Name of a tool's cache entry: tool, version, platform, and a hash of everything that decides what is built. */
export function cacheKey(pin: ToolPin, platform: Platform, root: string = projectRoot): string {
  const hash = createHash("sha256");
  for (const file of ["go.mod", "go.sum", ...(pin.go.sources ?? [])])
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, pin.go.folder, file)))
      .update("\0");
  hash.update(JSON.stringify([pin.binaries, pin.go.packages, pin.go.ldflags, pin.go.tags ?? ""]));
  return `${pin.name}-${pin.version}-${platform.os}-${platform.arch}-${hash.digest("hex").slice(0, 12)}`;
}

/** What an entry says about itself. */
export interface CacheEntry {
  origin: "download" | "built";
  /** ISO time. */
  madeAt: string;
  /** Files that must be there for the entry to count. */
  files: string[];
}

const entryFile = "entry.json";

/** The folder of a complete entry; undefined where there is none or files of it are missing. */
export function cachedEntry(key: string, env: NodeJS.ProcessEnv = process.env): { dir: string; entry: CacheEntry } | undefined {
  const dir = join(cacheFolder(env), "entries", key);
  const entry = readJson<CacheEntry>(join(dir, entryFile));
  return entry && entry.files.every((file) => existsSync(join(dir, file))) ? { dir, entry } : undefined;
}

/** True where nothing is cached but something could be: used to say how much work lies ahead. */
export function isCached(key: string, env: NodeJS.ProcessEnv = process.env): boolean {
  return cachedEntry(key, env) !== undefined;
}

/**
 * The folder of an entry, made by `make` where it is missing. `make` fills a temporary folder beside the entry, which is then renamed, so a
 * killed run leaves no half entry. Two runs do not make the same entry twice: the second waits and takes the first one's.
 */
export async function cacheEntry(
  key: string,
  make: (folder: string) => Promise<{ origin: "download" | "built"; files: string[] }>,
  options: LockOptions = {},
): Promise<{ dir: string; entry: CacheEntry; made: boolean }> {
  const before = cachedEntry(key);
  if (before) return { ...before, made: false };
  const entries = join(cacheFolder(), "entries");
  mkdirSync(entries, { recursive: true, mode: 0o755 });
  return withLock(
    join(cacheFolder(), "locks", `${key}.lock`),
    async () => {
      const meanwhile = cachedEntry(key);
      if (meanwhile) return { ...meanwhile, made: false };
      removeLeftovers(entries, key);
      const temporary = join(entries, `.${key}.${randomBytes(4).toString("hex")}`);
      mkdirSync(temporary, { mode: 0o755 });
      try {
        const made = await make(temporary);
        const entry: CacheEntry = { ...made, madeAt: new Date().toISOString() };
        writeAtomic(join(temporary, entryFile), JSON.stringify(entry, undefined, 2), 0o644);
        const dir = join(entries, key);
        // Somebody may have deleted single files of it: an incomplete entry gives way.
        rmSync(dir, { recursive: true, force: true });
        renameSync(temporary, dir);
        return { dir, entry, made: true };
      } catch (error) {
        rmSync(temporary, { recursive: true, force: true });
        throw error;
      }
    },
    options,
  );
}

/** Temporary folders of runs that were killed; safe because the caller holds the lock of `key`. */
function removeLeftovers(entries: string, key: string): void {
  for (const name of readdirSync(entries)) if (name.startsWith(`.${key}.`)) rmSync(join(entries, name), { recursive: true, force: true });
}

/** How long something took, and how many steps it had. */
export interface Duration {
  seconds: number;
  /** The most packages that a build of it has compiled. */
  steps?: number;
}

const durationsFile = (): string => join(cacheFolder(), "durations.json");

/** How long `what` took the last time; undefined where it never ran here. */
export function lastDuration(what: string): Duration | undefined {
  return readJson<Record<string, Duration>>(durationsFile())?.[what];
}

/** Remembers how long `what` took, for the next progress text. */
export function recordDuration(what: string, duration: Duration): void {
  mkdirSync(cacheFolder(), { recursive: true });
  const all = readJson<Record<string, Duration>>(durationsFile()) ?? {};
  // A build with a warm Go cache compiles few packages; the full number is the useful one.
  const steps = Math.max(duration.steps ?? 0, all[what]?.steps ?? 0);
  all[what] = { seconds: Math.round(duration.seconds * 10) / 10, ...(steps > 0 ? { steps } : {}) };
  writeAtomic(durationsFile(), `${JSON.stringify(all, undefined, 2)}\n`, 0o644);
}

/** Bytes of a file, 0 where it is missing. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
