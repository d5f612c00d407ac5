/** Long-running children: started detached with a log and a pid file, stopped by exactly that pid. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { readJson, sleep, writeAtomic } from "./files";
import { type ProcessIdentity, isAlive, signalProcess, startTimeOf } from "./process-identity";

export { findProcesses, isAlive, ownIdentity } from "./process-identity";
export type { ProcessIdentity } from "./process-identity";

/** What is recorded of a started process. */
export interface RecordedProcess extends ProcessIdentity {
  name: string;
  command: string[];
  /** ISO time. */
  startedAt: string;
}

/** How to start one process. */
export interface ProcessSpec {
  name: string;
  binary: string;
  args: string[];
  /** Folder of `<name>.json` files with pid and start time. */
  pidFolder: string;
  /** Folder of `<name>.log` files; appended to. */
  logFolder: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

const maximumLogBytes = 20 * 1024 * 1024;

/** Starts a process that outlives this one, with its output in a file and its identity recorded. Throws where it cannot be started. */
export async function startProcess(spec: ProcessSpec): Promise<RecordedProcess> {
  const logFile = join(spec.logFolder, `${spec.name}.log`);
  // A log only grows while its process runs; a very long one starts afresh with the next process.
  const fresh = existsSync(logFile) && statSync(logFile).size > maximumLogBytes;
  const log = openSync(logFile, fresh ? "w" : "a", 0o600);
  try {
    const child = spawn(spec.binary, spec.args, {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: spec.cwd,
      env: spec.env ?? process.env,
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => reject(new Error(`${spec.name} cannot be started from ${spec.binary}: ${error.message}`)));
    });
    child.unref();
    const pid = child.pid!;
    // Empty where it ended at once: then it is never alive in the eyes of isAlive.
    const recorded: RecordedProcess = {
      name: spec.name,
      pid,
      startTime: startTimeOf(pid) ?? "",
      command: [spec.binary, ...spec.args],
      startedAt: new Date().toISOString(),
    };
    writeAtomic(join(spec.pidFolder, `${spec.name}.json`), JSON.stringify(recorded, undefined, 2));
    return recorded;
  } finally {
    closeSync(log);
  }
}

/** Every process recorded in a folder, running or not. */
export function recordedProcesses(pidFolder: string): RecordedProcess[] {
  if (!existsSync(pidFolder)) return [];
  return readdirSync(pidFolder)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => readJson<RecordedProcess>(join(pidFolder, file)) ?? []);
}

/**
 * Ends a process: SIGTERM, then SIGKILL after `graceMilliseconds` (0 = SIGKILL at once). Returns when it is gone.
 * A process that merely has the same pid is never signalled.
 */
export async function stopProcess(identity: ProcessIdentity, graceMilliseconds = 5000): Promise<void> {
  const deadline = Date.now() + graceMilliseconds;
  if (graceMilliseconds > 0 && signalProcess(identity, "SIGTERM")) {
    while (isAlive(identity) && Date.now() < deadline) await sleep(20);
  }
  if (!signalProcess(identity, "SIGKILL")) return;
  for (let waited = 0; isAlive(identity); waited += 20) {
    // Even SIGKILL waits for a process inside the kernel (a hung disk); do not wait with it for ever.
    if (waited > 10_000) throw new Error(`process ${identity.pid} does not end after SIGKILL`);
    await sleep(20);
  }
}

/** Removes the record of a process that has ended. */
export function forgetProcess(pidFolder: string, name: string): void {
  rmSync(join(pidFolder, `${name}.json`), { force: true });
}

/** The last lines of a log, for error messages. */
export function logTail(logFolder: string, name: string, lines = 8): string {
  const file = join(logFolder, `${name}.log`);
  if (!existsSync(file)) return "(no log)";
  const text = readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  return `last lines of ${basename(file)}:\n${text}`;
}
