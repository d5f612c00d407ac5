import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, portIsFree } from "../../../tools/ports";
import { isAlive, ownIdentity, type RecordedProcess, recordedProcesses, startProcess, stopProcess } from "../../../tools/processes";

let folder: string;
const started: RecordedProcess[] = [];

async function start(name: string, script: string): Promise<RecordedProcess> {
  const recorded = await startProcess({ name, binary: process.execPath, args: ["-e", script], pidFolder: folder, logFolder: folder });
  started.push(recorded);
  return recorded;
}

async function logSays(name: string, text: string): Promise<void> {
  for (let i = 0; i < 200 && !readFileSync(join(folder, `${name}.log`), "utf8").includes(text); i += 1)
    await new Promise((resolve) => setTimeout(resolve, 25));
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-processes-"));
});

afterAll(async () => {
  for (const process of started) await stopProcess(process, 0);
  rmSync(folder, { recursive: true, force: true });
});

describe("a started process", () => {
  it("is recorded with pid and start time, and logs to a private file", async () => {
    const recorded = await start("sleeper", 'console.log("hello"); setInterval(() => {}, 1000)');
    expect(isAlive(recorded)).toBe(true);
    expect(recordedProcesses(folder).find(({ name }) => name === "sleeper")).toEqual(recorded);
    await logSays("sleeper", "hello");
    expect(readFileSync(join(folder, "sleeper.log"), "utf8")).toBe("hello\n");
    expect(statSync(join(folder, "sleeper.log")).mode & 0o777).toBe(0o600);
    await stopProcess(recorded);
    expect(isAlive(recorded)).toBe(false);
  });

  it("is ended by SIGKILL where it ignores SIGTERM", async () => {
    const recorded = await start("stubborn", 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")');
    await logSays("stubborn", "up");
    await stopProcess(recorded, 200);
    expect(isAlive(recorded)).toBe(false);
  });

  it("gives an error with its name where the program is missing", async () => {
    const spec = { name: "ghost", binary: "/nowhere/ghost", args: [], pidFolder: folder, logFolder: folder };
    await expect(startProcess(spec)).rejects.toThrow("ghost cannot be started from /nowhere/ghost");
  });
});

describe("a reused pid", () => {
  it("is neither taken for the recorded process nor signalled", async () => {
    const bystander = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    await new Promise((resolve) => bystander.once("spawn", resolve));
    let ended = false;
    bystander.once("exit", () => (ended = true));
    const stale = { pid: bystander.pid!, startTime: "an earlier process" };
    expect(isAlive(stale)).toBe(false);
    await stopProcess(stale, 0);
    await stopProcess({ pid: bystander.pid!, startTime: "" }, 100);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ended).toBe(false);
    bystander.kill("SIGKILL");
  });

  it("does not count a zombie, and counts this process", () => {
    expect(isAlive(ownIdentity())).toBe(true);
    expect(isAlive({ ...ownIdentity(), startTime: `${ownIdentity().startTime}1` })).toBe(false);
  });
});

describe("free ports", () => {
  it("are different, free, and none of the excepted", async () => {
    const first = await freePorts(5);
    expect(new Set(first).size).toBe(5);
    expect(await Promise.all(first.map(portIsFree))).toEqual([true, true, true, true, true]);
    const server = createServer().listen(first[0], "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await portIsFree(first[0])).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect((await freePorts(3, first)).some((port) => first.includes(port))).toBe(false);
  });
});
