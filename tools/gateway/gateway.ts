/**
 * The real gateway (kgateway's controller and Envoy) for an embedded simulated cluster, with demo backends in the place of its pods, which run nothing.
 *
 * It lasts as long as the API server of its cluster: a watchdog ends everything of it when that one ends, and while it starts, when its starter ends.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ClusterInfo } from "../cluster";
import { startWatchdog } from "../cluster-run";
import { messageOf, readJson, writeAtomic } from "../files";
import { apiClient } from "../kubeconfig";
import { openDoorInto } from "../live/door";
import type { GatewayName } from "../live/envoy";
import { type GatewayPrograms, type GatewayService, startGateway } from "../live/gateway";
import { startServiceProcess } from "../live/services";
import { withLock } from "../lock";
import { privateFolder, projectRoot } from "../paths";
import { portIsFree } from "../ports";
import { isAlive, type ProcessIdentity, type RecordedProcess, recordedProcesses } from "../processes";
import type { Progress } from "../progress";
import { endGateway, gatewayFolder } from "./end";
import { makeNetwork, networkMissing } from "./network";

/** What is needed of a running cluster. */
export type GatewayCluster = Pick<ClusterInfo, "name" | "dir" | "access">;

/** How it is started. */
export interface LocalGatewayOptions {
  progress: Progress;
  /** The Gateway to serve, where there are several. Default: the only one of the class `kgateway`. */
  gateway?: GatewayName;
  /** Port of 127.0.0.1. Default: 8080, or any other where that one is taken. */
  port?: number;
  /** Default: the cached ones. */
  programs?: GatewayPrograms;
  /** Folder with one folder of CRD files per set, in the place of the pinned ones. Default: none. */
  crdFolder?: string;
}

/** A gateway that takes requests. */
export interface LocalGateway {
  gateway: GatewayName;
  /** Port of 127.0.0.1. */
  port: number;
  alreadyRunning: boolean;
  /** Seconds until all routes were served. */
  seconds: number;
}

/** What is known of a gateway without asking it. */
export interface LocalGatewayStatus {
  state: "absent" | "running" | "partial";
  gateway?: GatewayName;
  port?: number;
  parts: (RecordedProcess & { running: boolean })[];
}

/** Saved once it serves. */
interface SavedGateway {
  gateway: GatewayName;
  port: number;
}

const savedFile = (folder: string): string => join(folder, "gateway.json");
const parts = ["edge-network", "pods-network", "pods", "kgateway"];

/** Looks at the recorded processes. */
export function localGatewayStatus({ dir }: Pick<GatewayCluster, "dir">): LocalGatewayStatus {
  const folder = gatewayFolder(dir);
  const found = recordedProcesses(join(folder, "pids")).map((recorded) => ({ ...recorded, running: isAlive(recorded) }));
  const saved = readJson<SavedGateway>(savedFile(folder));
  const runs = (test: (name: string) => boolean): boolean => found.some(({ name, running }) => running && test(name));
  const whole =
    parts.every((part) => runs((name) => name === part)) && ["envoy-", "door-"].every((part) => runs((name) => name.startsWith(part)));
  const state = whole && saved !== undefined ? "running" : found.some(({ running }) => running) ? "partial" : "absent";
  return { state, ...saved, parts: found };
}

/**
 * Starts the gateway of a cluster and waits until every route is served as it is written. Does nothing where it runs already; cleans up first where a crash
 * left a part of it.
 *
 * @throws Error with what is missing on this machine or in the cluster, or with the last lines of the log of what does not start
 */
export function startLocalGateway(cluster: GatewayCluster, options: LocalGatewayOptions): Promise<LocalGateway> {
  return withLock(`${gatewayFolder(cluster.dir)}.lock`, () => startLocked(cluster, options), { timeoutMilliseconds: 300_000 });
}

/** Ends the gateway of a cluster and removes everything of it. Returns how many processes ran. */
export function stopLocalGateway({ dir }: Pick<GatewayCluster, "dir">): Promise<number> {
  return existsSync(dir) ? withLock(`${gatewayFolder(dir)}.lock`, () => endGateway(dir)) : Promise.resolve(0);
}

async function startLocked(cluster: GatewayCluster, options: LocalGatewayOptions): Promise<LocalGateway> {
  const before = localGatewayStatus(cluster);
  if (before.state === "running" && before.gateway && before.port !== undefined) {
    return { gateway: before.gateway, port: before.port, alreadyRunning: true, seconds: 0 };
  }
  const missing = networkMissing();
  if (missing !== undefined) throw new Error(`gateway: ${missing}`);
  await endGateway(cluster.dir);
  const began = Date.now();
  const served = await findGateway(cluster, options.gateway);
  const folder = privateFolder(gatewayFolder(cluster.dir));
  const starting = startWatchdog(folder);
  let service: GatewayService | undefined;
  try {
    options.progress.detail("network");
    const network = await makeNetwork({ folder });
    options.progress.detail("demo backends");
    await startPods(folder, cluster, network.pods);
    const { programs, crdFolder, progress } = options;
    service = await startGateway({
      folder,
      prefix: network.edge,
      progress,
      access: cluster.access,
      gateway: served.name,
      programs,
      crdFolder,
    });
    options.progress.detail("routes");
    await service.ready();
    const port = options.port ?? ((await portIsFree(preferredPort)) ? preferredPort : undefined);
    const door = await openDoorInto({ pids: join(folder, "pids"), prefix: network.edge }, `127.0.0.1:${served.port}`, port);
    const saved: SavedGateway = { gateway: served.name, port: door };
    writeAtomic(savedFile(folder), JSON.stringify(saved));
    // From now on it lasts as long as its cluster.
    startWatchdog(folder, apiServerOf(cluster));
    return { ...saved, alreadyRunning: false, seconds: (Date.now() - began) / 1000 };
  } catch (error) {
    await service?.stop();
    await endGateway(cluster.dir);
    throw new Error(`the gateway of the cluster ${cluster.name} does not start: ${messageOf(error)}`, { cause: error });
  } finally {
    starting.kill("SIGKILL");
  }
}

const preferredPort = 8080;

function apiServerOf({ dir, name }: GatewayCluster): ProcessIdentity {
  const recorded = recordedProcesses(join(dir, "pids")).find((part) => part.name === "kube-apiserver");
  if (recorded === undefined || !isAlive(recorded)) throw new Error(`the API server of ${name} has ended`);
  return recorded;
}

async function startPods(folder: string, { access }: GatewayCluster, prefix: readonly string[]): Promise<void> {
  const config = join(folder, "pods.json");
  writeAtomic(config, JSON.stringify({ ...access, prefix }));
  const args = [join(projectRoot, "tools", "gateway", "pods.cjs"), `--config=${config}`];
  await startServiceProcess({ folder }, { name: "pods", binary: process.execPath, args });
}

interface GatewayObject {
  metadata: GatewayName;
  spec: { gatewayClassName: string; listeners: { port: number; protocol: string }[] };
}

/** The Gateway to serve, with the port of its plain listener. */
async function findGateway(
  { access, name }: GatewayCluster,
  wanted: GatewayName | undefined,
): Promise<{ name: GatewayName; port: number }> {
  const client = apiClient(access);
  try {
    const { status, body } = await client.request("GET", "/apis/gateway.networking.k8s.io/v1/gateways");
    const items = status === 200 ? (body as { items: GatewayObject[] }).items : [];
    const all = items.filter(({ spec }) => spec.gatewayClassName === "kgateway");
    const label = (one: GatewayName): string => `${one.namespace}/${one.name}`;
    const fitting = wanted === undefined ? all : all.filter(({ metadata }) => label(metadata) === label(wanted));
    const listener = fitting[0]?.spec.listeners.find(({ protocol }) => protocol === "HTTP");
    if (fitting.length !== 1 || listener === undefined) {
      const there = all.map(({ metadata }) => label(metadata)).join(", ") || "none";
      const hint = wanted === undefined && all.length > 1 ? "--gateway chooses one" : "npm start deploys the stack local, which makes one";
      throw new Error(
        `the cluster ${name} has these Gateways of the class kgateway with an HTTP listener: ${there}; one is needed: ${hint}`,
      );
    }
    const { metadata } = fitting[0];
    return { name: { namespace: metadata.namespace, name: metadata.name }, port: listener.port };
  } finally {
    client.close();
  }
}
