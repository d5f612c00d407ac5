/**
 * `npm run build`: compiles src/, providers/ and tools/ to dist/, and the policy pack beside them. Does nothing where nothing changed:
 * `tsc` is incremental, and is not even started where no source is newer than the last build.
 *
 * Plain JavaScript, because it runs before anything is compiled. Files that are not TypeScript (watchdog.cjs, the launchers in bin/, the Go
 * modules) are used from where they are.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const force = process.argv.includes("--force");

/** Time of the newest file below `path`, in milliseconds. Directories count too: a deleted source changes only its folder. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  let time = stat.mtimeMs;
  if (stat.isDirectory()) {
    for (const name of readdirSync(path)) {
      if (name !== "node_modules" && name !== "dist" && name !== "bin" && name !== "go") time = Math.max(time, newest(join(path, name)));
    }
  }
  return time;
}

/** One compilation: from these sources, by this tsconfig, into this folder. */
function compile(title, tsconfig, sources, output) {
  const stamp = join(root, output, ".built");
  const inputs = [tsconfig, ...sources, "tsconfig.json", "package-lock.json"].map((path) => join(root, path));
  const began = Date.now();
  if (!force && existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...inputs.map(newest))) return true;
  rmSync(stamp, { force: true });
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, tsconfig)], { cwd: root, stdio: "inherit" });
  if (status !== 0) {
    process.stderr.write(`build of ${title} failed\n`);
    return false;
  }
  mkdirSync(join(root, output), { recursive: true });
  writeFileSync(stamp, "");
  process.stderr.write(`built ${title} in ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
  return true;
}

const agent = "agent";
const pack = "policy-packs/compute-mesh";
const done =
  compile("compute-mesh", "tsconfig.build.json", ["src", "providers", "tools"], "dist") &&
  compile("the agent", `${agent}/tsconfig.json`, [`${agent}/src`, "src/model", `${agent}/package.json`], `${agent}/dist`) &&
  (!existsSync(join(root, pack, "tsconfig.json")) ||
    compile("the policy pack", `${pack}/tsconfig.json`, [`${pack}/src`, `${pack}/package.json`], `${pack}/dist`));
process.exitCode = done ? 0 : 1;
