/** What the control groups of containers say, of version 1 or 2: the memory in use; and their limits of CPU, lifted. */
import * as fs from "node:fs";
import * as path from "node:path";
import { cgroupName, readLiveState } from "../../tools/live/state";
import { type LiveMesh, type Pod, processesOf } from "../support/live";

const root = "/sys/fs/cgroup";

/** Working set in bytes, as kubelet counts it: what is used without the file cache that can be dropped at once. Undefined where the group is gone. */
function workingSet(pid: number): number | undefined {
  try {
    const groups = fs.readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
    const old = groups.find((line) => line.split(":")[1] === "memory");
    const folder = old === undefined ? root : path.join(root, "memory");
    const group = path.join(folder, (old ?? groups.find((line) => line.startsWith("0::")) ?? "").split(":").slice(2).join(":"));
    const read = (file: string): string => fs.readFileSync(path.join(group, file), "utf8");
    const used = Number(read(old === undefined ? "memory.current" : "memory.usage_in_bytes"));
    const inactive = new RegExp(`^${old === undefined ? "" : "total_"}inactive_file (\\d+)$`, "m").exec(read("memory.stat"))?.[1];
    return used - Number(inactive ?? 0);
  } catch {
    return undefined; // it has ended meanwhile
  }
}

/** Memory of programs over time. */
export interface MemoryWatch {
  /** What is used now in MiB, by program; the largest where several run. */
  now(): Promise<Record<string, number>>;
  /** Ends the watch, and returns the largest values seen in MiB. */
  stop(): Promise<Record<string, number>>;
}

/** Looks at every container of a namespace twice a second. */
export function watchMemory(mesh: LiveMesh, namespace: string): MemoryWatch {
  const peak: Record<string, number> = {};
  let known: { program: string; pid: number }[] = [];
  let looking = true;
  const look = (): Record<string, number> => {
    const used: Record<string, number> = {};
    for (const { program, pid } of known) {
      const bytes = workingSet(pid);
      if (bytes !== undefined) used[program] = Math.max(used[program] ?? 0, bytes / 1024 ** 2);
    }
    for (const [program, value] of Object.entries(used)) peak[program] = Math.max(peak[program] ?? 0, value);
    return used;
  };
  const find = async (): Promise<void> => {
    known = (await mesh.pods("compute-mesh.dev/part", namespace).catch((): Pod[] => [])).flatMap((pod) =>
      (pod.status.containerStatuses ?? []).flatMap(({ name }) =>
        processesOf(pod, name)
          .slice(0, 1)
          .map((pid) => ({ program: name, pid })),
      ),
    );
  };
  const watching = (async () => {
    for (let round = 0; looking; round++) {
      // Finding the processes reads all of /proc, so it is done seldom.
      if (round % 10 === 0) await find();
      look();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  return {
    now: async () => {
      await find();
      return look();
    },
    stop: async () => {
      looking = false;
      await watching;
      return peak;
    },
  };
}

/** Takes the limits of CPU from every container of a live cluster, those that come included, until the returned function is called. */
export function liftCpuLimits(mesh: LiveMesh): () => void {
  const state = readLiveState(mesh.ground.cluster.dir);
  if (state === undefined) throw new Error("the live cluster does not run");
  const old = fs.existsSync(path.join(root, "cpu"));
  const hierarchy = old ? path.join(root, "cpu") : root;
  const [file, none] = old ? ["cpu.cfs_quota_us", "-1"] : ["cpu.max", "max"];
  // From the outside in: a group cannot have more than the one around it.
  const lift = (folder: string): void => {
    try {
      const limit = path.join(folder, file);
      if (fs.existsSync(limit) && !fs.readFileSync(limit, "utf8").startsWith(none)) fs.writeFileSync(limit, none);
      for (const entry of fs.readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) lift(path.join(folder, entry.name));
    } catch {
      // A container that ends takes its group with it.
    }
  };
  const timer = setInterval(() => {
    for (const node of state.nodes) lift(path.join(hierarchy, cgroupName(state, node)));
  }, 1000);
  return () => clearInterval(timer);
}
