/** The program itself as a process of its own, as a pod runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import { type AnswerSettingsArgs, formatAnswerSettings } from "../../src/model/answers-settings";

const root = resolve(__dirname, "../..");

export interface AnswerProcess {
  port: number;
  healthPort: number;
  /** What it has logged so far. */
  log(): string;
  /** Largest resident memory so far in MiB. */
  peakMebibytes(): number;
  child: ChildProcess;
  exited: Promise<number | null>;
}

/** Starts `compute-mesh-agent answer`; it ends with this process. */
export async function startAnswerProcess(
  folder: string,
  settings: AnswerSettingsArgs,
  env: Record<string, string> = {},
  nodeOptions: string[] = [],
): Promise<AnswerProcess> {
  const [port, healthPort] = [await freePort(), await freePort()];
  writeFileSync(join(folder, "settings.json"), formatAnswerSettings({ ...settings, port, healthPort }));
  const register = join(root, "node_modules/ts-node/register/transpile-only");
  const child = spawn(process.execPath, [...nodeOptions, "-r", register, join(root, "agent/src/main.ts"), "answer", "--settings", folder], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: "", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  let text = "";
  child.stderr.on("data", (chunk) => (text += String(chunk)));
  const exited = new Promise<number | null>((done) => child.once("exit", done));
  for (const end = Date.now() + 30_000; !text.includes("answering for");) {
    if (child.exitCode !== null || Date.now() > end) {
      throw new Error(`the program did not start: ${text}`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024;
  return { port, healthPort, log: () => text, peakMebibytes: peak, child, exited };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
