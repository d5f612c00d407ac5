/** Control groups: each node has one of its own below the root of every hierarchy, in which kubelet puts its pods. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../files";

/** Which kind of control groups a machine has, and where. */
export interface CgroupLayout {
  version: 1 | 2;
  /** Mounted hierarchies: one for version 2. */
  folders: string[];
}

const controllers = ["cpu", "cpuset", "memory", "pids", "io"];

/** From the text of /proc/self/mountinfo. Undefined where none are mounted at the usual place. */
export function cgroupLayout(mountinfo: string = readFileSync("/proc/self/mountinfo", "utf8")): CgroupLayout | undefined {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [left, right] = line.split(" - ");
    const folder = left.split(" ")[4];
    const type = right?.split(" ")[0];
    return folder?.startsWith("/sys/fs/cgroup") && type?.startsWith("cgroup") ? [{ folder, type }] : [];
  });
  if (mounts.some(({ folder, type }) => folder === "/sys/fs/cgroup" && type === "cgroup2"))
    return { version: 2, folders: ["/sys/fs/cgroup"] };
  const folders = mounts.filter(({ type }) => type === "cgroup").map(({ folder }) => folder);
  return folders.length > 0 ? { version: 1, folders } : undefined;
}

/** Makes the control group of a node. One that is there already stays as it is. */
export function createCgroup(layout: CgroupLayout, name: string): void {
  for (const folder of layout.folders) {
    const path = join(folder, name);
    if (layout.version === 2) enableControllers(folder);
    mkdirSync(path, { recursive: true });
    if (!existsSync(join(path, "cpuset.cpus")) || layout.version === 2) continue;
    // In version 1 a new cpuset is empty, and nothing can run in it.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) writeFileSync(join(path, file), readFileSync(join(folder, file), "utf8"));
  }
}

function enableControllers(folder: string): void {
  const available = readFileSync(join(folder, "cgroup.controllers"), "utf8").trim().split(" ");
  const enabled = readFileSync(join(folder, "cgroup.subtree_control"), "utf8").trim().split(" ");
  const missing = controllers.filter((one) => available.includes(one) && !enabled.includes(one));
  if (missing.length > 0) writeFileSync(join(folder, "cgroup.subtree_control"), missing.map((one) => `+${one}`).join(" "));
}

/**
 * Removes the control group of a node that does not run, with what its pods have left below: a new kubelet would look for the container of each, three seconds
 * long. The kernel takes a moment after the last process to let a group go.
 */
export async function removeCgroup(layout: CgroupLayout, name: string, milliseconds = 5000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!layout.folders.map((folder) => removeBelow(join(folder, name))).every(Boolean) && Date.now() < deadline) await sleep(50);
}

/** Innermost first: a group with another below it cannot be removed. False where one is still in use. */
function removeBelow(folder: string): boolean {
  if (!existsSync(folder)) return true;
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const empty = below.map((entry) => removeBelow(join(folder, entry.name))).every(Boolean);
  try {
    if (empty) rmdirSync(folder);
    return empty;
  } catch {
    return false;
  }
}
