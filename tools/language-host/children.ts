/** The processes that the host starts: programs, plugins, package managers. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Environment } from "./options";

export type Sink = (chunk: Buffer) => void;

export interface Command {
  command: string;
  args: readonly string[];
  cwd: string;
  environment: Environment;
  stdout: Sink;
  stderr: Sink;
}

export interface Running {
  /** The exit code, once all output is handed on; 128 after a signal. */
  code: Promise<number>;
  /** SIGINT first, so that the program can clean up; SIGKILL when it has not gone after `graceMs`. */
  stop: (graceMs: number) => void;
}

const running = new Set<ChildProcess>();

/**
 * Starts a process and hands on its output as it comes. Pipes, not inherited streams: a child that is given our stdout changes its blocking mode
 * under us.
 */
export function start({ command, args, cwd, environment, stdout, stderr }: Command): Running {
  const child = spawn(command, args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.stdout.on("data", stdout);
  child.stderr.on("data", stderr);
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
  return { code: ended.finally(() => running.delete(child)), stop: (graceMs) => stop(child, graceMs) };
}

/** Stops every child; resolves when all have gone. */
export async function stopAll(graceMs: number): Promise<void> {
  await Promise.all([...running].map((child) => gone(child, graceMs)));
}

function gone(child: ChildProcess, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    stop(child, graceMs);
  });
}

function stop(child: ChildProcess, graceMs: number): void {
  child.kill(graceMs > 0 ? "SIGINT" : "SIGKILL");
  setTimeout(() => child.kill("SIGKILL"), graceMs).unref();
}
