import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deleteCluster, startCluster } from "../../tools/cluster";
import { apiClient } from "../../tools/kubeconfig";
import { projectRoot } from "../../tools/paths";
import { isAlive, type ProcessIdentity, recordedProcesses } from "../../tools/processes";
import { eventually } from "../support/cluster";

jest.setTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), "compute-mesh-"));

function identities(dir: string): ProcessIdentity[] {
  return recordedProcesses(join(dir, "pids")).map(({ pid, startTime }) => ({ pid, startTime }));
}

afterAll(async () => {
  await deleteCluster("half", { root });
  rmSync(root, { recursive: true, force: true });
});

describe("a start that is killed midway", () => {
  it.each([50, 600, 1800])("is cleaned up by the next start (killed after %i ms)", async (milliseconds) => {
    const dir = join(root, "half");
    const options = JSON.stringify({ name: "half", root, quiet: true });
    const script = `
      const { startCluster } = require(${JSON.stringify(join(projectRoot, "tools", "cluster.ts"))});
      startCluster(${options});`;
    const owner = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", script], { cwd: projectRoot, stdio: "ignore" });
    const ended = new Promise((resolve) => owner.once("exit", resolve));
    await eventually("the start has begun", () => existsSync(`${dir}.lock`));
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    owner.kill("SIGKILL");
    await ended;
    const left = identities(dir);
    const info = await startCluster({ name: "half", root, ephemeral: true, quiet: true });
    expect(info.alreadyRunning).toBe(false);
    expect(left.filter(isAlive)).toEqual([]);
    const client = apiClient(info.access);
    expect((await client.request("GET", "/api/v1/namespaces/default")).status).toBe(200);
    client.close();
    await deleteCluster("half", { root });
    expect(identities(dir)).toEqual([]);
  });
});

describe("a cluster whose folder was removed while it ran", () => {
  it("is ended by delete all the same", async () => {
    const info = await startCluster({ name: "half", root, quiet: true });
    const left = identities(info.dir);
    rmSync(info.dir, { recursive: true, force: true });
    // etcd may have ended by itself when it could not write any more.
    expect(await deleteCluster("half", { root })).toBeGreaterThanOrEqual(4);
    expect(left.filter(isAlive)).toEqual([]);
  });
});

describe("an ephemeral cluster", () => {
  it("ends, files included, when its owner is killed with kill -9", async () => {
    const script = `
      const { startCluster } = require(${JSON.stringify(join(projectRoot, "tools", "cluster.ts"))});
      startCluster({ name: "orphan", root: ${JSON.stringify(root)}, ephemeral: true, quiet: true }).then(() => console.log("started"));
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", script], {
      cwd: projectRoot,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      owner.stdout.once("data", () => resolve());
      owner.once("exit", (code) => reject(new Error(`the owner ended with ${code}`)));
    });
    const dir = join(root, "orphan");
    const parts = identities(dir);
    expect(parts.filter(isAlive)).toHaveLength(5);
    owner.removeAllListeners("exit");
    owner.kill("SIGKILL");
    await eventually("every part ended and the folder gone", () => !parts.some(isAlive) && !existsSync(dir));
  });
});
