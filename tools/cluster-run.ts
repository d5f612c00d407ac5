/** Starting, awaiting and ending the processes of one embedded cluster. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterPaths, partArguments, type PartContext, type PartName, partNames } from "./cluster-parts";
import { runningParts } from "./cluster-state";
import { type CrdSet, installCrds } from "./crds";
import { messageOf, readJson, sleep } from "./files";
import { type ApiAccess, apiClient, type ApiRequest } from "./kubeconfig";
import type { KwokFiles } from "./kwok-stages";
import { projectRoot } from "./paths";
import { forgetProcess, isAlive, logTail, ownIdentity, startProcess, stopProcess } from "./processes";
import type { Progress } from "./progress";

const readyTimeoutMilliseconds = 120_000;

/** Starts every part and waits until the cluster takes objects, CRDs included. Throws with the log of a part that ends meanwhile. */
export async function startParts(
  context: PartContext,
  access: ApiAccess,
  binaries: Record<string, string>,
  kwok: KwokFiles,
  progress: Progress,
  crds: { sets: readonly CrdSet[]; folder?: string },
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
    await dropNodeLeases(client.request);
    await Promise.all((["kube-controller-manager", "kube-scheduler", "kwok"] as const).map(start));
    progress.detail("controllers");
    // The controllers load while the CRDs go in.
    await Promise.all([
      applyStorageClass(client.request, kwok.storageClass),
      installCrds(access, crds.sets, { folder: crds.folder, onProgress: (text) => progress.detail(text) }),
      waitUntil("the default service account", context.paths, partNames, () => defaultAccountExists(client.request)),
    ]);
  } finally {
    client.close();
  }
}

/** Leases of an earlier start belong to its KWOK: the new one, which has another name, would leave the nodes alone until they expire (40 s). */
async function dropNodeLeases(request: ApiRequest): Promise<void> {
  await request("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");
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
export async function waitUntil(
  what: string,
  paths: Pick<ClusterPaths, "pids" | "logs">,
  parts: readonly string[],
  ready: () => Promise<boolean>,
): Promise<void> {
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

/** Ends every process of the cluster, those that write first. `grace` 0: at once. Returns how many there were. */
export async function endParts(paths: ClusterPaths, grace: number): Promise<number> {
  const order: PartName[][] = [["kwok", "kube-scheduler", "kube-controller-manager"], ["kube-apiserver"], ["etcd"]];
  const running = runningParts(paths);
  for (const names of order) {
    const now = running.filter(({ name }) => names.includes(name));
    await Promise.all(now.map(({ identity }) => stopProcess(identity, grace)));
  }
  for (const part of partNames) forgetProcess(paths.pids, part);
  return running.length;
}

/** Starts the watchdog that ends everything that runs in a folder, and removes it, when its owner is gone: this process unless told otherwise. */
export function startWatchdog(dir: string, owner = ownIdentity()): { kill(signal: NodeJS.Signals): boolean } {
  // The marker tells the watchdog that the folder may be removed.
  writeFileSync(join(dir, "ephemeral"), "", { mode: 0o600 });
  const script = join(projectRoot, "tools", "watchdog.cjs");
  const child = spawn(process.execPath, [script, String(owner.pid), dir, owner.startTime], { detached: true, stdio: "ignore", env: {} });
  child.unref();
  return child;
}
