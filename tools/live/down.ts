/** Removing live clusters, also from another process than the one that started them, and after crashes. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type LockOptions, withLock } from "../lock";
import { projectRoot } from "../paths";
import { ownIdentity } from "../processes";
import { liveFolder } from "./state";

/** How much there was to remove. */
export interface Removed {
  processes: number;
  cgroups: number;
  namespaces: number;
  /** Mounts of the machine. Those of nodes vanish with their processes. */
  mounts: number;
}

const script = join(projectRoot, "tools", "live", "remove.cjs");

/** Removes a live cluster and everything of it, data included. Undefined where there is none. A start that is under way is waited for. */
export async function removeLiveCluster(name: string, root?: string, onWait?: LockOptions["onWait"]): Promise<Removed | undefined> {
  const dir = liveFolder(name, root);
  return withLock(`${dir}.lock`, () => removeFolder(dir), { onWait });
}

/** `removeLiveCluster` for callers that hold its lock. */
export async function removeFolder(dir: string): Promise<Removed | undefined> {
  if (!existsSync(dir)) return undefined;
  const { stdout } = await promisify(execFile)(process.execPath, [script, dir]).catch((error: { stderr?: string; message: string }) => {
    const said = /^Error: (.*)$/m.exec(error.stderr ?? "")?.[1];
    throw new Error(`the live cluster in ${dir} cannot be removed: ${said ?? error.message}`);
  });
  return JSON.parse(stdout) as Removed;
}

/** Removes the cluster when this process ends, in whatever way. */
export function removeAfterOwner(dir: string): void {
  const owner = ownIdentity();
  const args = [script, "--after", String(owner.pid), owner.startTime, dir];
  spawn(process.execPath, args, { detached: true, stdio: "ignore", env: { PATH: process.env.PATH } }).unref();
}
