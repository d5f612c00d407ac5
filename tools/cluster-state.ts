/** What is known of embedded clusters on disk, and which of their processes run. */
import { readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type ClusterPaths, type ClusterPorts, clusterPaths, listenPorts, type PartName, partNames } from "./cluster-parts";
import { readJson } from "./files";
import { findProcesses, isAlive, type ProcessIdentity, recordedProcesses } from "./processes";
import { stateDir } from "./paths";

/** Saved beside a cluster's data. */
export interface ClusterState {
  name: string;
  ports: ClusterPorts;
  /** ISO time. */
  createdAt: string;
  /** User → token. */
  tokens: Record<string, string>;
}

/** Where clusters lie by default. */
export function clustersFolder(): string {
  return join(stateDir, "clusters");
}

/** The folder of one cluster. Throws where the name is none. */
export function clusterFolder(name: string, root: string = clustersFolder()): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `cluster: name: ${JSON.stringify(name)} is not allowed: lower-case letters, digits and dashes, at most 40, beginning and ending with a letter or digit`,
    );
  }
  return join(resolve(root), name);
}

/** Names of the clusters that were made and not deleted. */
export function clusterNames(root: string = clustersFolder()): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && readJson(clusterPaths(join(root, entry.name)).state) !== undefined)
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

/** One process of a cluster. */
export interface PartStatus {
  part: PartName;
  running: boolean;
  pid?: number;
  /** Ports of 127.0.0.1; empty where it listens nowhere. */
  ports: number[];
  /** ISO time; only while it runs. */
  startedAt?: string;
}

/** What is known of a cluster without asking it anything. */
export interface ClusterStatus {
  name: string;
  dir: string;
  /** `absent`: no such cluster. `partial`: some parts run, as after a crash; the next start repairs it. */
  state: "absent" | "stopped" | "running" | "partial";
  parts: PartStatus[];
  kubeconfigPath: string;
}

/** Looks at the recorded processes of a cluster. */
export function clusterStatus(name: string, options: { root?: string } = {}): ClusterStatus {
  const dir = clusterFolder(name, options.root);
  const paths = clusterPaths(dir);
  const state = readJson<ClusterState>(paths.state);
  const recorded = recordedProcesses(paths.pids);
  const parts = partNames.map((part): PartStatus => {
    const process = recorded.find((one) => one.name === part);
    const running = process !== undefined && isAlive(process);
    const ports = state ? listenPorts(part, state.ports) : [];
    return { part, running, ports, ...(running && { pid: process.pid, startedAt: process.startedAt }) };
  });
  const running = parts.filter((part) => part.running).length;
  const summary = running === parts.length ? "running" : running > 0 ? "partial" : state ? "stopped" : "absent";
  return { name, dir, state: summary, parts, kubeconfigPath: paths.kubeconfig };
}

/** Processes of a cluster that still run, the recorded ones and those that a crash left before they were recorded. */
export function runningParts(paths: ClusterPaths): { name: PartName; identity: ProcessIdentity }[] {
  const recorded = recordedProcesses(paths.pids).filter(isAlive);
  const parts: { name: PartName; identity: ProcessIdentity }[] = recorded.map((process) => ({
    name: process.name as PartName,
    identity: process,
  }));
  for (const part of partNames) {
    const strays = findProcesses(
      (argv) =>
        basename(argv[0] ?? "") === part && argv.some((argument) => argument.startsWith("--") && argument.includes(`=${paths.dir}/`)),
    );
    for (const identity of strays) if (!parts.some((known) => known.identity.pid === identity.pid)) parts.push({ name: part, identity });
  }
  return parts;
}
