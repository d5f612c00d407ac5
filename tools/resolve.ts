/** Finding each tool: on PATH in the pinned version, in the cache, as an official download, or built from its pinned Go module. */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cachedEntry, cacheEntry, cacheKey, lastDuration, recordDuration } from "./cache";
import { download, downloadsOff, verifyChecksum } from "./download";
import { messageOf } from "./files";
import { goBuild } from "./go-build";
import { binaryHasVersion, findOnPath } from "./path-lookup";
import { currentPlatform, type DownloadPin, pins, type ToolName, type ToolPin } from "./pins";
import { type Progress, startProgress } from "./progress";

/** A tool that can be run. */
export interface ResolvedTool {
  name: ToolName;
  /** Folder of the first binary. */
  dir: string;
  /** Binary name → path. */
  binaries: Record<string, string>;
  /** `cache`: made by an earlier run, either way. */
  origin: "path" | "download" | "built" | "cache";
}

/** How tools are resolved. */
export interface ResolveOptions {
  /** Default: a progress line on stderr. */
  progress?: (what: string, lastSeconds?: number) => Progress;
  /** Said after the tool in progress texts, for example "2 of 4". */
  position?: string;
}

const resolved = new Map<ToolName, ResolvedTool>();

/** Forgets what this process has resolved; for tests. */
export function forgetResolvedTools(): void {
  resolved.clear();
}

/** The tool from PATH; undefined where a binary of it is missing there or has another version. */
export async function toolOnPath(pin: ToolPin, env: NodeJS.ProcessEnv = process.env): Promise<ResolvedTool | undefined> {
  const found = pin.binaries.map((binary) => [binary, findOnPath(binary, env)] as const);
  if (found.some(([, file]) => file === undefined)) return undefined;
  const right = await Promise.all(found.map(([, file]) => binaryHasVersion(file!, pin.versionArgs, pin.version)));
  if (right.includes(false)) return undefined;
  return { name: pin.name, dir: dirname(found[0][1]!), binaries: Object.fromEntries(found) as Record<string, string>, origin: "path" };
}

function inFolder(pin: ToolPin, dir: string, origin: ResolvedTool["origin"]): ResolvedTool {
  return { name: pin.name, dir, binaries: Object.fromEntries(pin.binaries.map((binary) => [binary, join(dir, binary)])), origin };
}

/**
 * Finds one tool, in this order: on PATH in the pinned version, cache, official download, Go build. Long work shows its progress.
 * Throws with everything that was tried where none of these works.
 */
export async function resolveTool(name: ToolName, options: ResolveOptions = {}): Promise<ResolvedTool> {
  const before = resolved.get(name);
  if (before && Object.values(before.binaries).every((file) => existsSync(file))) return before;
  const tool = await resolvePin(pins[name], options);
  resolved.set(name, tool);
  return tool;
}

/** Finds one tool by its pin; `resolveTool` without the memory of this process. */
export async function resolvePin(pin: ToolPin, options: ResolveOptions = {}): Promise<ResolvedTool> {
  const onPath = await toolOnPath(pin);
  if (onPath) return onPath;
  const key = cacheKey(pin, currentPlatform());
  const cached = cachedEntry(key);
  if (cached) return inFolder(pin, cached.dir, "cache");
  const entry = await cacheEntry(key, (folder) => make(pin, folder, options), {
    onWait: (holder) => process.stderr.write(`waiting for process ${holder.pid}, which is getting ${pin.name} ${pin.version}\n`),
  });
  return inFolder(pin, entry.dir, entry.made ? entry.entry.origin : "cache");
}

/** Finds several tools one after the other (builds use every core already), with their position in progress texts. */
export async function resolveTools(names: readonly ToolName[], options: ResolveOptions = {}): Promise<Record<ToolName, ResolvedTool>> {
  const tools = {} as Record<ToolName, ResolvedTool>;
  for (const [index, name] of names.entries()) {
    tools[name] = await resolveTool(name, {
      ...options,
      position: names.length > 1 ? `${index + 1} of ${names.length}` : options.position,
    });
  }
  return tools;
}

async function make(pin: ToolPin, folder: string, options: ResolveOptions): Promise<{ origin: "download" | "built"; files: string[] }> {
  const failures: string[] = [];
  const downloads = pin.downloads(currentPlatform());
  const off = downloadsOff();
  if (downloads.length > 0 && off === undefined) {
    try {
      await timed(`downloading ${pin.name} ${pin.version}`, options, (progress) => downloadAll(pin, downloads, folder, progress));
      return { origin: "download", files: pin.binaries };
    } catch (error) {
      failures.push(`official download: ${messageOf(error)}`);
      for (const left of readdirSync(folder)) rmSync(join(folder, left), { recursive: true, force: true });
    }
  } else {
    failures.push(`official download: ${off ?? "there is none for this platform"}`);
  }
  try {
    await timed(`building ${pin.name} ${pin.version} from Go modules`, options, async (progress, lastSteps) => {
      const { packages } = await goBuild(pin, folder, (count) => {
        progress.detail(lastSteps && lastSteps >= count ? `${count} of about ${lastSteps} packages` : `${count} packages`);
      });
      return packages;
    });
    await checkVersions(pin, folder);
    return { origin: "built", files: pin.binaries };
  } catch (error) {
    failures.push(`Go build: ${messageOf(error)}`);
    throw new Error(`${pin.name} ${pin.version} cannot be had:\n  on PATH: not there in this version\n  ${failures.join("\n  ")}`);
  }
}

/** Runs one piece of long work with progress, and remembers how long it took. */
async function timed(
  what: string,
  options: ResolveOptions,
  work: (progress: Progress, lastSteps?: number) => Promise<number | void>,
): Promise<void> {
  const began = Date.now();
  const last = lastDuration(what);
  const text = options.position === undefined ? what : `${what} (${options.position})`;
  const progress = options.progress?.(text, last?.seconds) ?? startProgress(text, { lastSeconds: last?.seconds });
  try {
    const steps = await work(progress, last?.steps);
    recordDuration(what, { seconds: (Date.now() - began) / 1000, ...(typeof steps === "number" ? { steps } : {}) });
    progress.done();
  } catch (error) {
    progress.fail();
    throw error;
  }
}

async function downloadAll(pin: ToolPin, downloads: readonly DownloadPin[], folder: string, progress: Progress): Promise<void> {
  for (const item of downloads) {
    const file = join(folder, item.kind === "binary" ? item.binary! : "archive.tar.gz");
    await download(item.url, file, (bytes, total) => {
      progress.detail(`${(bytes / 1e6).toFixed(1)}${total === undefined ? "" : ` of ${(total / 1e6).toFixed(1)}`} MB`);
    });
    if (item.checksumUrl !== undefined) await verifyChecksum(file, item.url, item.checksumUrl);
    if (item.kind === "binary") {
      chmodSync(file, 0o755);
      continue;
    }
    // In a folder of its own, because Pulumi's archive holds a file of the name of its folder.
    const unpacked = join(folder, "unpacked");
    mkdirSync(unpacked);
    await promisify(execFile)("tar", ["-xzf", file, "-C", unpacked]);
    rmSync(file);
    for (const name of readdirSync(join(unpacked, item.folder!))) renameSync(join(unpacked, item.folder!, name), join(folder, name));
    rmSync(unpacked, { recursive: true });
  }
  await checkVersions(pin, folder);
}

/** A tool that does not say the pinned version of itself is not taken, wherever it comes from. */
async function checkVersions(pin: ToolPin, folder: string): Promise<void> {
  for (const binary of pin.binaries) {
    if (!(await binaryHasVersion(join(folder, binary), pin.versionArgs, pin.version))) {
      throw new Error(`${binary} does not report version ${pin.version} or cannot be run on this machine`);
    }
  }
}
