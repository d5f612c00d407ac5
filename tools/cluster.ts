/**
 * The embedded simulated cluster: a real control plane (etcd, API server, controller manager, scheduler), with KWOK in the place of kubelets.
 *
 * Everything listens on 127.0.0.1 only and lies in one folder that only its owner can read. Nodes annotated `kwok.x-k8s.io/node: fake`
 * become Ready and run pods in name only: pods become Ready, Jobs complete, claims are bound, and nothing is really executed.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ClusterPaths,
  type ClusterPorts,
  clusterPaths,
  partArguments,
  type PartContext,
  type PartName,
  partNames,
  partUsers,
} from "./cluster-parts";
import { clusterFolder, clustersFolder, type ClusterState, clusterStatus, type PartStatus, runningParts } from "./cluster-state";
import { type CrdSet, installCrds } from "./crds";
import { messageOf, readJson, sleep, writeAtomic } from "./files";
import { type ApiAccess, apiClient, type ApiRequest, kubeconfigText } from "./kubeconfig";
import { type KwokFiles, kwokFiles } from "./kwok-stages";
import { withLock } from "./lock";
import { privateFolder, projectRoot } from "./paths";
import { clusterTools } from "./pins";
import { ensurePki } from "./pki";
import { freePorts, portIsFree } from "./ports";
import { forgetProcess, isAlive, logTail, ownIdentity, startProcess, stopProcess } from "./processes";
import { type Progress, silentProgress, startProgress } from "./progress";
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

const readyTimeoutMilliseconds = 120_000;

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
    await installCrds(running.access, options.crds ?? []);
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
        await startParts(context, access, binaries, kwok, progress, options.crds ?? []);
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

async function startParts(
  context: PartContext,
  access: ApiAccess,
  binaries: Record<string, string>,
  kwok: KwokFiles,
  progress: Progress,
  crds: CrdSet[],
): Promise<void> {
  // etcd reads its settings from ETCD_* as well: those of the user are for another one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("ETCD_") && key !== "KUBECONFIG"));
  const start = (name: PartName): Promise<unknown> =>
    startProcess({
      name,
      binary: binaries[name],
      args: partArguments[name](context),
      pidFolder: context.paths.pids,
      logFolder: context.paths.logs,
      cwd: context.paths.dir,
      env,
    });
  const client = apiClient(access, 5000);
  try {
    // The API server waits for etcd by itself.
    await start("etcd");
    await start("kube-apiserver");
    progress.detail("API server");
    await waitUntil(
      "the API server",
      context.paths,
      ["etcd", "kube-apiserver"],
      async () => (await client.request("GET", "/readyz")).status === 200,
    );
    await Promise.all((["kube-controller-manager", "kube-scheduler", "kwok"] as const).map(start));
    progress.detail("controllers");
    // The controllers load while the CRDs go in.
    await Promise.all([
      applyStorageClass(client.request, kwok.storageClass),
      installCrds(access, crds, (text) => progress.detail(text)),
      waitUntil("the default service account", context.paths, partNames, () => defaultAccountExists(client.request)),
    ]);
  } finally {
    client.close();
  }
}

async function applyStorageClass(request: ApiRequest, file: string): Promise<void> {
  const path = "/apis/storage.k8s.io/v1/storageclasses/kwok-volume?fieldManager=compute-mesh&force=true";
  const { status, body } = await request("PATCH", path, readFileSync(file, "utf8"), "application/apply-patch+yaml");
  if (status >= 300) throw new Error(`the default StorageClass is refused: ${JSON.stringify(body)}`);
}

async function defaultAccountExists(request: ApiRequest): Promise<boolean> {
  return (await request("GET", "/api/v1/namespaces/default/serviceaccounts/default")).status === 200;
}

/** Polls until `ready` says so. Throws with the log of the first part that ends before. */
async function waitUntil(what: string, paths: ClusterPaths, parts: readonly PartName[], ready: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + readyTimeoutMilliseconds;
  let last = "";
  for (;;) {
    try {
      if (await ready()) return;
    } catch (error) {
      last = messageOf(error);
    }
    for (const part of parts) {
      const recorded = readJson<{ pid: number; startTime: string }>(join(paths.pids, `${part}.json`));
      if (recorded && !isAlive(recorded)) throw new Error(`${part} ended; ${logTail(paths.logs, part)}`);
    }
    if (Date.now() > deadline) {
      const logs = parts.map((part) => logTail(paths.logs, part, 4)).join("\n");
      throw new Error(`${what} did not become ready within ${readyTimeoutMilliseconds / 1000} s (${last})\n${logs}`);
    }
    await sleep(50);
  }
}

/** Ends every process of the cluster, those that write first. `grace` 0: at once. */
async function endParts(paths: ClusterPaths, grace: number): Promise<void> {
  const order: PartName[][] = [["kwok", "kube-scheduler", "kube-controller-manager"], ["kube-apiserver"], ["etcd"]];
  const running = runningParts(paths);
  for (const names of order) {
    const now = running.filter(({ name }) => names.includes(name));
    await Promise.all(now.map(({ identity }) => stopProcess(identity, grace)));
  }
  for (const part of partNames) forgetProcess(paths.pids, part);
}

function startWatchdog(dir: string): void {
  // The marker tells the watchdog that the folder may be removed.
  writeFileSync(join(dir, "ephemeral"), "", { mode: 0o600 });
  const owner = ownIdentity();
  const script = join(projectRoot, "tools", "watchdog.cjs");
  spawn(process.execPath, [script, String(owner.pid), dir, owner.startTime], { detached: true, stdio: "ignore", env: {} }).unref();
}

/** Stops a cluster and keeps its data. Does nothing where it does not run. */
export async function stopCluster(name: string, options: { root?: string; graceMilliseconds?: number } = {}): Promise<void> {
  const dir = clusterFolder(name, options.root);
  if (!existsSync(dir)) return;
  await withLock(`${dir}.lock`, () => endParts(clusterPaths(dir), options.graceMilliseconds ?? 5000));
}

/** Stops a cluster and removes everything of it. */
export async function deleteCluster(name: string, options: { root?: string } = {}): Promise<void> {
  const dir = clusterFolder(name, options.root);
  if (!existsSync(dir)) return;
  await withLock(`${dir}.lock`, async () => {
    await endParts(clusterPaths(dir), 0);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
}

/** A fresh folder for ephemeral clusters below the system's temporary folder. */
export function temporaryRoot(base: string): string {
  return mkdtempSync(join(base, "compute-mesh-"));
}
