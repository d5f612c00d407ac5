/**
 * The embedded simulated cluster: a real control plane (etcd, API server, controller manager, scheduler), with KWOK in the place of kubelets.
 *
 * Everything listens on 127.0.0.1 only and lies in one folder that only its owner can read. Nodes annotated `kwok.x-k8s.io/node: fake`
 * become Ready and run pods in name only: pods become Ready, Jobs complete, claims are bound, and nothing is really executed.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ClusterPaths, type ClusterPorts, clusterPaths, type PartContext, type PartName, partUsers } from "./cluster-parts";
import { endParts, startParts, startWatchdog } from "./cluster-run";
import { clusterFolder, clustersFolder, type ClusterState, clusterStatus, type PartStatus } from "./cluster-state";
import { type CrdSet, installCrds } from "./crds";
import { messageOf, readJson, writeAtomic } from "./files";
import { endGateway } from "./gateway/end";
import { type ApiAccess, apiClient, kubeconfigText } from "./kubeconfig";
import { type KwokFiles, kwokFiles } from "./kwok-stages";
import { withLock } from "./lock";
import { privateFolder } from "./paths";
import { clusterTools } from "./pins";
import { ensurePki } from "./pki";
import { freePorts, portIsFree } from "./ports";
import { silentProgress, startProgress } from "./progress";
import { resolveTools } from "./resolve";

export { clusterNames, clusterStatus } from "./cluster-state";
export type { ClusterStatus, PartStatus } from "./cluster-state";
export { simulatedNodeAnnotation } from "./cluster-parts";

/** How a cluster is started. */
export interface StartOptions {
  /** A DNS label of at most 40 characters. */
  name: string;
  /** Folder in which the cluster's own folder is made. Default: `<checkout>/.compute-mesh/clusters`. */
  root?: string;
  /** Sets of CRDs to install once it is ready. Default: none. */
  crds?: CrdSet[];
  /** Folder with one folder of CRD files per set, in the place of the pinned ones. Default: none. */
  crdFolder?: string;
  /** For tests: everything ends, and the folder is removed, when this process ends in whatever way. Default: false. */
  ephemeral?: boolean;
  /** No progress lines. Default: false. */
  quiet?: boolean;
}

/** A running cluster. */
export interface ClusterInfo {
  name: string;
  dir: string;
  /** For example `https://127.0.0.1:23456`. */
  server: string;
  kubeconfigPath: string;
  /** The text of that file. It holds the credentials. */
  kubeconfig: string;
  /** Address, certificate authority and token of the administrator. */
  access: ApiAccess;
  parts: PartStatus[];
  /** True where it was running before and nothing was started. */
  alreadyRunning: boolean;
  /** Milliseconds from the call to ready, without the time for getting tools. */
  milliseconds: number;
}

/**
 * Starts a cluster and waits until it takes objects. Does nothing where it runs already; cleans up first where a crash left a part of it.
 * Data of an earlier start is kept. Throws with the last lines of the log where a part does not start.
 */
export async function startCluster(options: StartOptions): Promise<ClusterInfo> {
  const dir = clusterFolder(options.name, options.root);
  const root = options.root ?? clustersFolder();
  const tools = await resolveTools(clusterTools, options.quiet ? { progress: () => silentProgress } : {});
  const binaries: Record<string, string> = { ...tools.etcd.binaries, ...tools.kubernetes.binaries, ...tools.kwok.binaries };
  const kwok = await kwokFiles();
  privateFolder(root);
  return withLock(`${dir}.lock`, () => startLocked(options, clusterPaths(dir), binaries, kwok), {
    timeoutMilliseconds: 300_000,
    onWait: (holder) =>
      options.quiet || process.stderr.write(`waiting for process ${holder.pid}, which is working on the cluster ${options.name}\n`),
  });
}

async function startLocked(
  options: StartOptions,
  paths: ClusterPaths,
  binaries: Record<string, string>,
  kwok: KwokFiles,
): Promise<ClusterInfo> {
  const began = Date.now();
  const running = await runningCluster(options.name, options.root);
  if (running) {
    await installCrds(running.access, options.crds ?? [], { folder: options.crdFolder });
    return { ...running, alreadyRunning: true, milliseconds: Date.now() - began };
  }
  const progress = options.quiet ? silentProgress : startProgress(`starting the cluster ${options.name}`);
  try {
    for (const folder of [paths.dir, paths.pids, paths.logs, paths.etcdData]) privateFolder(folder);
    if (options.ephemeral) startWatchdog(paths.dir);
    // What a crash left needs no farewell: every part bears being killed, and an API server without its etcd would take its time.
    await endParts(paths, 0);
    const pki = await ensurePki(paths.pki);
    for (let attempt = 1; ; attempt += 1) {
      const state = await saveState(options.name, paths, attempt > 1);
      const context: PartContext = { paths, ports: state.ports, pki, stages: kwok.stages };
      const access = writeAccess(options.name, paths, state, pki.caCertificate);
      try {
        await startParts(context, access, binaries, kwok, progress, { sets: options.crds ?? [], folder: options.crdFolder });
        progress.done("ready");
        return { ...describe(options, paths, access), alreadyRunning: false, milliseconds: Date.now() - began };
      } catch (error) {
        await endParts(paths, 0);
        // Between finding a free port and listening on it, somebody else can take it.
        if (attempt < 3 && /address already in use/.test(messageOf(error))) continue;
        throw error;
      }
    }
  } catch (error) {
    progress.fail();
    throw new Error(`cluster ${JSON.stringify(options.name)} does not start: ${messageOf(error)}`, { cause: error });
  }
}

/** The cluster as it runs: every part alive and the API server ready; else undefined. */
export async function runningCluster(
  name: string,
  root?: string,
): Promise<Omit<ClusterInfo, "alreadyRunning" | "milliseconds"> | undefined> {
  const status = clusterStatus(name, { root });
  const paths = clusterPaths(status.dir);
  const state = readJson<ClusterState>(paths.state);
  if (status.state !== "running" || !state || !existsSync(paths.kubeconfig)) return undefined;
  const caFile = join(paths.pki, "ca.crt");
  const access: ApiAccess = { server: serverOf(state.ports), caCertificate: readFileSync(caFile, "utf8"), token: state.tokens["admin"] };
  const client = apiClient(access, 5000);
  try {
    const { status: code } = await client.request("GET", "/readyz");
    return code === 200 ? describe({ name, root }, paths, access) : undefined;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

function describe(
  options: { name: string; root?: string },
  paths: ClusterPaths,
  access: ApiAccess,
): Omit<ClusterInfo, "alreadyRunning" | "milliseconds"> {
  return {
    name: options.name,
    dir: paths.dir,
    server: access.server,
    kubeconfigPath: paths.kubeconfig,
    kubeconfig: readFileSync(paths.kubeconfig, "utf8"),
    access,
    parts: clusterStatus(options.name, { root: options.root }).parts,
  };
}

const serverOf = (ports: ClusterPorts): string => `https://127.0.0.1:${ports.api}`;

/** Ports of the last start where they are still free (so that copied kubeconfigs stay right), else new ones; tokens once for ever. */
async function saveState(name: string, paths: ClusterPaths, newPorts: boolean): Promise<ClusterState> {
  const before = readJson<ClusterState>(paths.state);
  const free = before && !newPorts ? await Promise.all(Object.values(before.ports).map(portIsFree)) : [false];
  const ports = before && !free.includes(false) ? before.ports : await choosePorts();
  const token = (): string => randomBytes(32).toString("base64url");
  const tokens = before?.tokens ?? Object.fromEntries(Object.keys(partUsers).map((user) => [user, token()]));
  const state: ClusterState = { name, ports, createdAt: before?.createdAt ?? new Date().toISOString(), tokens };
  writeAtomic(paths.state, JSON.stringify(state, undefined, 2));
  return state;
}

async function choosePorts(): Promise<ClusterPorts> {
  const [api, etcd, etcdPeer] = await freePorts(3);
  return { api, etcd, etcdPeer };
}

/** Writes the token file and the kubeconfigs; returns the administrator's access. */
function writeAccess(name: string, paths: ClusterPaths, state: ClusterState, caFile: string): ApiAccess {
  const users = Object.entries(partUsers);
  const lines = users.map(([key, { user, groups }]) => [state.tokens[key], user, key, `"${groups.join(",")}"`].join(","));
  writeAtomic(paths.tokens, `${lines.join("\n")}\n`);
  const access = (user: string): ApiAccess => ({
    server: serverOf(state.ports),
    caCertificate: readFileSync(caFile, "utf8"),
    token: state.tokens[user],
  });
  for (const [key] of users) {
    writeAtomic(key === "admin" ? paths.kubeconfig : paths.partKubeconfig(key as PartName), kubeconfigText(name, access(key)));
  }
  return access("admin");
}

/**
 * Stops a cluster and keeps its data. Returns how many processes it ended: 0 where it does not run. Finds them by their command lines too,
 * so that they end even where somebody has removed the folder below them.
 */
export async function stopCluster(name: string, options: { root?: string; graceMilliseconds?: number } = {}): Promise<number> {
  const dir = clusterFolder(name, options.root);
  return withLock(`${dir}.lock`, async () => {
    await endGateway(dir);
    return endParts(clusterPaths(dir), options.graceMilliseconds ?? 5000);
  });
}

/** Stops a cluster at once and removes everything of it. Returns how many processes it ended. */
export async function deleteCluster(name: string, options: { root?: string } = {}): Promise<number> {
  const dir = clusterFolder(name, options.root);
  return withLock(`${dir}.lock`, async () => {
    await endGateway(dir);
    const ended = await endParts(clusterPaths(dir), 0);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    return ended;
  });
}

/** A fresh folder for ephemeral clusters below the system's temporary folder. */
export function temporaryRoot(base: string): string {
  return mkdtempSync(join(base, "compute-mesh-"));
}
