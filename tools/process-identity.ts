/** Who a process is: its pid alone is not enough, because the system gives it to another process later. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { projectRoot } from "./paths";

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Boot id and start time in clock ticks on Linux, the start date elsewhere. Compared as text only. */
  startTime: string;
}

/** Start time of a running process; undefined where there is none, or only its unreaped entry (zombie). One piece of code for the programs of plain JavaScript, too. */
export const { startTimeOf } = createRequire(__filename)(join(projectRoot, "tools", "start-time.cjs")) as {
  startTimeOf: (pid: number) => string | undefined;
};

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
}

/** True while exactly this process runs; false for another process that has its pid now. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identity.startTime !== "" && startTimeOf(identity.pid) === identity.startTime;
}

/** Sends a signal to exactly this process. False where it no longer runs. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Processes whose command line satisfies `matches`; used to find what a crash left behind before its pid was recorded. */
export function findProcesses(matches: (argv: string[]) => boolean): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const [pid, argv] of commandLines()) {
    if (pid === process.pid || !matches(argv)) continue;
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) found.push({ pid, startTime });
  }
  return found;
}

function* commandLines(): Generator<[number, string[]]> {
  if (process.platform === "linux") {
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      try {
        yield [Number(entry), readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0")];
      } catch {
        // It ended meanwhile, or belongs to somebody else.
      }
    }
    return;
  }
  const listing = execFileSync("ps", ["-axww", "-o", "pid=,command="], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  for (const line of listing.split("\n")) {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line);
    if (match) yield [Number(match[1]), match[2].split(" ")];
  }
}
