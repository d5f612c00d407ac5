/**
 * Folders with the files of Debian packages: downloaded and checked by apt, unpacked by dpkg-deb and tar. Nothing is installed on the machine, no
 * maintainer script runs, and its package database is only read.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedEntry, cacheEntry, cacheFolder, lastDuration, recordDuration } from "./cache";
import { messageOf } from "./files";
import { withLock } from "./lock";
import { findOnPath } from "./path-lookup";
import { currentPlatform } from "./pins";
import { type Progress, silentProgress, startProgress } from "./progress";

const run = promisify(execFile);

/** How a root is made. */
export interface DebianOptions {
  /** Packages that are taken as present: neither they nor what only they need is in the root. A name that the distribution does not know is an error. */
  exclude?: readonly string[];
  /** Default: progress lines on stderr. */
  progress?: (what: string, lastSeconds?: number) => Progress;
}

/** One package as apt has chosen it. */
export interface DebianPackage {
  name: string;
  version: string;
}

/** A root in the cache. */
export interface DebianRoot {
  /** The folder with `usr`, `etc`, … */
  root: string;
  /** What is in it, in the order of dependencies. */
  packages: DebianPackage[];
}

/** Part of every key; to be raised when the way of unpacking changes. */
const formatVersion = 1;

/** What Debian's merged /usr makes links to folders of /usr. */
const mergedFolders = ["bin", "lib", "lib64", "sbin"];

/**
 * The folder with the files of these packages and of everything that they depend on (no recommendations), made where the cache lacks it. `name` is
 * for people: it begins the name of the cache entry.
 *
 * The packages are those of the distribution that runs here, in the versions of the day of the download; an entry stays until it is deleted.
 */
export async function debianRoot(name: string, packages: readonly string[], options: DebianOptions = {}): Promise<string> {
  return (await debianRootEntry(name, packages, options)).root;
}

/** `debianRoot` with the list of what is inside. */
export async function debianRootEntry(name: string, packages: readonly string[], options: DebianOptions = {}): Promise<DebianRoot> {
  const distribution = readDistribution();
  const exclude = excluded(options);
  const key = entryKey(name, packages, exclude, distribution);
  const entry = await cacheEntry(key, async (folder) => {
    const what = `getting the packages of ${name} from ${distribution}`;
    const began = Date.now();
    const progress = (options.progress ?? defaultProgress)(what, lastDuration(what)?.seconds);
    try {
      await fill(folder, packages, exclude, progress);
      recordDuration(what, { seconds: (Date.now() - began) / 1000 });
      progress.done();
    } catch (error) {
      progress.fail();
      throw new Error(`packages of ${name}: ${messageOf(error)}`);
    }
    return { origin: "download", files: ["packages.json", "root"] };
  });
  return {
    root: join(entry.dir, "root"),
    packages: JSON.parse(readFileSync(join(entry.dir, "packages.json"), "utf8")) as DebianPackage[],
  };
}

/** The folder where it is cached; undefined where it is not, or where there is no apt that could say for which distribution. */
export function cachedDebianRoot(name: string, packages: readonly string[], options: DebianOptions = {}): string | undefined {
  try {
    const entry = cachedEntry(entryKey(name, packages, excluded(options), readDistribution()));
    return entry && join(entry.dir, "root");
  } catch {
    return undefined;
  }
}

const excluded = (options: DebianOptions): string[] => [...new Set(options.exclude ?? [])].sort();

function entryKey(name: string, packages: readonly string[], exclude: readonly string[], distribution: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([formatVersion, [...packages].sort(), exclude]))
    .digest("hex");
  return `debian-${name}-${distribution}-${currentPlatform().arch}-${hash.slice(0, 12)}`;
}

function defaultProgress(what: string, lastSeconds?: number): Progress {
  return startProgress(what, { lastSeconds });
}

/** For example `debian-bookworm`; throws where there is no apt. `osRelease`: the file of that name, for tests. */
export function readDistribution(osRelease = "/etc/os-release", env: NodeJS.ProcessEnv = process.env): string {
  const missing = ["apt-get", "apt-cache", "dpkg-deb"].filter((program) => findOnPath(program, env) === undefined);
  if (missing.length > 0) {
    throw new Error(`${missing.join(", ")} not found on PATH: packages are taken from Debian or Ubuntu with apt, on such a machine`);
  }
  const fields = new Map(
    (existsSync(osRelease) ? readFileSync(osRelease, "utf8") : "").split("\n").map((line): [string, string] => {
      const [key, value = ""] = line.split("=", 2);
      return [key, value.replace(/^"|"$/g, "")];
    }),
  );
  const codename = fields.get("VERSION_CODENAME") || fields.get("VERSION_ID") || "unknown";
  return `${fields.get("ID") ?? "debian"}-${codename}`;
}

async function fill(folder: string, packages: readonly string[], exclude: readonly string[], progress: Progress): Promise<void> {
  const work = join(folder, "apt");
  mkdirSync(join(work, "debs"), { recursive: true });
  const apt = await withLists(work, progress);
  const present = exclude.length === 0 ? "" : await pretendedStatus(apt, exclude);
  writeFileSync(join(work, "status"), present);
  const chosen = await resolve(apt, packages);
  try {
    await downloadPackages(apt, chosen, join(work, "debs"), progress);
  } catch {
    // Lists that are older than the last update of a package name a file that is gone.
    progress.detail("lists are out of date");
    const fresh = await updateLists(work);
    writeFileSync(join(work, "status"), exclude.length === 0 ? "" : await pretendedStatus(fresh, exclude));
    chosen.splice(0, chosen.length, ...(await resolve(fresh, packages)));
    await downloadPackages(fresh, chosen, join(work, "debs"), progress);
  }
  const root = join(folder, "root");
  await unpack(join(work, "debs"), root, progress);
  rmSync(work, { recursive: true });
  writeFileSync(join(folder, "packages.json"), JSON.stringify(chosen, undefined, 1));
}

/** How apt is called: its own status of installed packages, the lists of the machine or ours. */
interface Apt {
  get: (...args: string[]) => Promise<string>;
  cache: (...args: string[]) => Promise<string>;
}

function aptWith(work: string, lists: string | undefined): Apt {
  const settings = [
    // As if nothing were installed, else apt leaves out what the machine has.
    `Dir::State::status=${join(work, "status")}`,
    `Dir::State::extended_states=${join(work, "extended")}`,
    `Dir::Cache::pkgcache=`,
    `Dir::Cache::srcpkgcache=`,
    // Nothing of the machine is changed, so nothing of it needs a lock.
    "Debug::NoLocking=1",
    // The user _apt cannot write to a private folder.
    "APT::Sandbox::User=",
    "APT::Install-Recommends=0",
    ...(lists === undefined ? [] : [`Dir::State::lists=${lists}`]),
  ].flatMap((setting) => ["-o", setting]);
  const call = async (program: string, args: string[]): Promise<string> => {
    const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
    const options = { cwd: join(work, "debs"), env, maxBuffer: 256 * 1024 * 1024, timeout: 20 * 60_000 };
    try {
      return (await run(program, [...settings, ...args], options)).stdout;
    } catch (error) {
      const { stderr = "" } = error as { stderr?: string };
      const said = stderr.split("\n").filter((line) => line.startsWith("E: "));
      throw new Error(
        `${program} ${args.find((arg) => !arg.startsWith("-"))}: ${said.join(" ") || stderr.slice(-500) || messageOf(error)}`,
      );
    }
  };
  return { get: (...args) => call("apt-get", args), cache: (...args) => call("apt-cache", args) };
}

/** apt with package lists: those of the machine, else ones that we fetch into the cache (which needs no root). */
async function withLists(work: string, progress: Progress): Promise<Apt> {
  writeFileSync(join(work, "status"), "");
  if (hasLists("/var/lib/apt/lists")) return aptWith(work, undefined);
  if (hasLists(ownLists())) return aptWith(work, ownLists());
  progress.detail("fetching package lists");
  return updateLists(work);
}

function ownLists(): string {
  return join(cacheFolder(), "apt-lists");
}

function hasLists(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((file) => /_Packages(\.\w+)?$/.test(file));
}

async function updateLists(work: string): Promise<Apt> {
  mkdirSync(join(ownLists(), "partial"), { recursive: true });
  const apt = aptWith(work, ownLists());
  await withLock(join(cacheFolder(), "locks", "apt-lists.lock"), () => apt.get("-q", "update"));
  if (!hasLists(ownLists())) throw new Error("apt-get update got no package lists: /etc/apt names no source that can be reached");
  return apt;
}

/**
 * A status file in which the named packages are installed and depend on nothing: apt then leaves out them and everything that only they need.
 */
async function pretendedStatus(apt: Apt, names: readonly string[]): Promise<string> {
  // Fails where it knows none of them, which pretendInstalled says better.
  const shown = await apt.cache("show", "--no-all-versions", ...names).catch(() => "");
  return pretendInstalled(shown, names);
}

/** The status file, from what `apt-cache show` says of the packages. */
export function pretendInstalled(shown: string, names: readonly string[]): string {
  const stanzas = shown.split(/\n\n+/).flatMap((stanza) => {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1];
    return field("Package") === undefined ? [] : [{ name: field("Package")!, field }];
  });
  const unknown = names.filter((name) => !stanzas.some((stanza) => stanza.name === name));
  if (unknown.length > 0) throw new Error(`exclude: ${unknown.join(", ")}: no such package`);
  return stanzas
    .map(({ field }) => {
      const kept = ["Package", "Version", "Architecture", "Multi-Arch", "Provides"].flatMap((name) =>
        field(name) === undefined ? [] : [`${name}: ${field(name)}`],
      );
      return [...kept, "Status: install ok installed", "Maintainer: none <none@localhost>", "Description: taken as present", "", ""].join(
        "\n",
      );
    })
    .join("");
}

/** What `apt-get install` would install, dependencies first. */
async function resolve(apt: Apt, packages: readonly string[]): Promise<DebianPackage[]> {
  if (packages.length === 0) return [];
  return parseSimulation(await apt.get("-q", "-s", "--no-install-recommends", "install", ...packages));
}

/** The packages of `apt-get -s install`: lines like `Inst curl (7.88.1-10+deb12u15 Debian:12.14/oldstable [amd64])`. */
export function parseSimulation(text: string): DebianPackage[] {
  return [...text.matchAll(/^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) /gm)].map(([, name, version]) => ({ name, version }));
}

async function downloadPackages(apt: Apt, packages: readonly DebianPackage[], folder: string, progress: Progress): Promise<void> {
  const timer = setInterval(() => progress.detail(`${readdirSync(folder).length} of ${packages.length} packages`), 500);
  try {
    // Checks the hash of every file against the signed lists.
    if (packages.length > 0) await apt.get("-q", "download", ...packages.map(({ name, version }) => `${name}=${version}`));
  } finally {
    clearInterval(timer);
  }
}

async function unpack(debs: string, root: string, progress: Progress): Promise<void> {
  mkdirSync(root, { mode: 0o755 });
  // Before the packages, because half of them still ship files in /bin and /lib.
  for (const name of mergedFolders) {
    mkdirSync(join(root, "usr", name), { recursive: true, mode: 0o755 });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const files = readdirSync(debs).filter((file) => file.endsWith(".deb"));
  for (const [index, file] of files.sort().entries()) {
    progress.detail(`unpacking ${index + 1} of ${files.length}`);
    // Not dpkg-deb -x, which puts folders where the links are.
    await run("sh", [
      "-c",
      'set -e; dpkg-deb --fsys-tarfile "$1" > "$1.tar"; tar -xpf "$1.tar" --no-same-owner --keep-directory-symlink -C "$2"; rm "$1"*',
      "sh",
      join(debs, file),
      root,
    ]);
  }
  // Programs that make their caller root have no business in a user's cache.
  await run("find", [root, "-type", "f", "-perm", "/6000", "-exec", "chmod", "ug-s", "{}", "+"]);
  for (const name of mergedFolders) {
    if (!lstatSync(join(root, name)).isSymbolicLink()) throw new Error(`a package has replaced the link /${name} by a folder`);
  }
}

/** Progress for callers that report by themselves. */
export const quietly: Pick<DebianOptions, "progress"> = { progress: () => silentProgress };
