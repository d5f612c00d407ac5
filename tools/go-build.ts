/** Building a tool from its pinned Go module. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "./path-lookup";
import { projectRoot } from "./paths";
import { oldestGo, type ToolPin, wantedGo } from "./pins";

const run = promisify(execFile);

/** Where Go is found, and which one. */
export interface GoInstallation {
  binary: string;
  /** For example `1.26.8`. */
  version: string;
}

/** -1, 0 or 1 as `left` is older, the same or newer; missing parts count as 0. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) => version.split(".").map((part) => parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

const install = `install Go ${wantedGo} or later from https://go.dev/dl (a Go from ${oldestGo} on fetches the right one by itself)`;

/** Finds a Go that can build the pinned modules. Throws, naming what to install, where there is none. */
export async function findGo(env: NodeJS.ProcessEnv = process.env): Promise<GoInstallation> {
  const standard = "/usr/local/go/bin/go";
  const binary = findOnPath("go", env) ?? (existsSync(standard) ? standard : undefined);
  if (binary === undefined) throw new Error(`Go is not installed: ${install}`);
  // In a folder without go.mod, so that the answer is the installed one, not one that a module asks for.
  const { stdout } = await run(binary, ["env", "GOVERSION", "GOTOOLCHAIN"], { cwd: "/", env });
  const [goVersion, toolchain] = stdout.trim().split("\n");
  const version = goVersion.replace(/^go/, "");
  const needed = toolchain?.trim() === "local" ? wantedGo : oldestGo;
  if (compareVersions(version, needed) < 0) throw new Error(`Go ${version} (${binary}) is too old: ${install}`);
  return { binary, version };
}

/** Arguments of `go build`. Fixed, because Go's own build cache is keyed by them. */
export function goBuildArguments(pin: ToolPin, folder: string): string[] {
  // One binary is named explicitly: Go would call a package that ends in /v3 after the folder above it.
  const output = pin.binaries.length === 1 ? join(folder, pin.binaries[0]) : `${folder}/`;
  return [
    "build",
    "-v",
    "-trimpath",
    ...(pin.go.tags ? ["-tags", pin.go.tags] : []),
    "-ldflags",
    pin.go.ldflags,
    "-o",
    output,
    ...pin.go.packages,
  ];
}

/** Builds all binaries of a tool into `folder`. `onPackage` gets the number of packages compiled so far. */
export async function goBuild(pin: ToolPin, folder: string, onPackage: (packages: number) => void): Promise<{ packages: number }> {
  const go = await findGo();
  const env: NodeJS.ProcessEnv = { ...process.env, CGO_ENABLED: "0", GOWORK: "off" };
  // The binaries run here, whatever the caller cross-compiles otherwise.
  delete env.GOOS;
  delete env.GOARCH;
  const child = spawn(go.binary, goBuildArguments(pin, folder), {
    cwd: join(projectRoot, pin.go.folder),
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let packages = 0;
  let rest = "";
  const other: string[] = [];
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      // -v prints one import path per compiled package; everything else is a message.
      if (/^[\w.~/-]+$/.test(line)) onPackage((packages += 1));
      else if (line.trim() !== "") other.push(line);
    }
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => (signal ? reject(new Error(`go build was ended by ${signal}`)) : resolve(status ?? 1)));
  });
  if (code !== 0)
    throw new Error(`go build of ${pin.name} ${pin.version} in ${pin.go.folder} failed:\n${[...other, rest].slice(-15).join("\n")}`);
  return { packages };
}
