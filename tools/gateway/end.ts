/** Ending the gateway of an embedded cluster, whoever started it and however far that came. */
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { isAlive, type ProcessIdentity, recordedProcesses, stopProcess } from "../processes";
import { startTimeOf } from "../process-identity";

/** Where the files of a cluster's gateway lie. */
export const gatewayFolder = (clusterFolder: string): string => join(clusterFolder, "gateway");

/** Ends every process of the gateway of a cluster and removes its files. Returns how many ran. */
export async function endGateway(clusterFolder: string): Promise<number> {
  const folder = gatewayFolder(clusterFolder);
  const recorded = recordedProcesses(join(folder, "pids")).filter(isAlive);
  const all = new Map<number, ProcessIdentity>([...recorded, ...besides(recorded)].map((identity) => [identity.pid, identity]));
  await Promise.all([...all.values()].map((identity) => stopProcess(identity, 0)));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  return all.size;
}

/** Processes in a network namespace of the gateway that a crash left before they were recorded. */
function besides(recorded: readonly ProcessIdentity[]): ProcessIdentity[] {
  const ours = new Set(recorded.map(({ pid }) => namespaceOf(pid)));
  ours.delete(namespaceOf(process.pid));
  ours.delete(undefined);
  if (ours.size === 0) return [];
  return readdirSync("/proc").flatMap((entry): ProcessIdentity[] => {
    const pid = /^\d+$/.test(entry) ? Number(entry) : undefined;
    const startTime = pid !== undefined && ours.has(namespaceOf(pid)) ? startTimeOf(pid) : undefined;
    return pid !== undefined && startTime !== undefined ? [{ pid, startTime }] : [];
  });
}

/** The network namespace of a process; undefined where it has ended or is somebody else's. */
function namespaceOf(pid: number): string | undefined {
  try {
    return basename(readlinkSync(`/proc/${pid}/ns/net`));
  } catch {
    return undefined;
  }
}
