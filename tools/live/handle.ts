/** What can be done with a running live cluster, by the process that started it and by any other. */
import { readFileSync } from "node:fs";
import { type ApiAccess, apiClient } from "../kubeconfig";
import { withLock } from "../lock";
import { isAlive, recordedProcesses } from "../processes";
import { type Progress, silentProgress } from "../progress";
import { controlPlaneParts, writeAccess } from "./control-plane";
import { openDoor, openDoors } from "./door";
import { type Removed, removeLiveCluster } from "./down";
import { type PartitionTarget, routeServices, setLink, setPartition } from "./network";
import { importImage, killNode, nodeInit, onNode, startNode } from "./node";
import { waitForNodes } from "./ready";
import {
  apiPort,
  controlPlaneAddress,
  inNamespace,
  liveFolder,
  type LiveNodeState,
  livePaths,
  type LiveState,
  nodeAddress,
  readLiveState,
} from "./state";

/** A running live cluster. */
export interface LiveCluster {
  name: string;
  dir: string;
  /** Logs of every program: `etcd.log`, `kube-apiserver.log`, `<node>-kubelet.log`, … */
  logs: string;
  /** Path of the kubeconfig for this machine. */
  kubeconfig: string;
  access: ApiAccess;
  /** Of the control plane's namespace, as nodes and pods see it. */
  address: string;
  /** Command prefix: runs a program in the control plane's network namespace, where pods reach it at `address`. */
  inNamespace: string[];
  nodes: { name: string; zone: string; address: string; running: boolean }[];
  /** Opens `target` ("host:port", seen from the control plane's namespace) at 127.0.0.1, and returns that port. Open doors are used again. */
  openDoor(target: string): Promise<number>;
  /** Power failure: every process of the node at once. Its disk stays, what lay in memory is lost. */
  killNode(name: string): Promise<void>;
  /** Brings a killed node back with its name, address and disk, and waits until it is Ready. */
  startNode(name: string): Promise<void>;
  /** Unplugs the node from the network; its processes go on. */
  pauseLink(name: string): Promise<void>;
  resumeLink(name: string): Promise<void>;
  /** Cuts the node and its pods off from these addresses, and from nothing else. An empty list heals. */
  partition(name: string, targets: readonly PartitionTarget[]): Promise<void>;
  /** Imports an OCI archive into one node, or into all that run. */
  importImage(archive: string, name?: string): Promise<void>;
  /** Command prefix: runs a program inside a node, in all of its namespaces. */
  onNode(name: string): string[];
  /** Folder of this machine in which the node's `hostPath` volumes below `nodeDataPath` lie. With `dataTmpfs` it is empty. */
  dataFolder(name: string): string;
  /** Removes the cluster and everything of it. */
  stop(): Promise<Removed | undefined>;
}

/** Starts the nodes that do not run, one of them or all, and waits until they are of use. */
export async function startNodes(dir: string, state: LiveState, access: ApiAccess, progress: Progress, only?: string): Promise<void> {
  const nodes = state.nodes.filter((node) => only === undefined || node.name === only);
  progress.detail(only === undefined ? `${nodes.length} nodes` : `node ${only}`);
  await Promise.all(nodes.map((node) => startNode(dir, state, node)));
  const client = apiClient(access, 10_000);
  try {
    await waitForNodes(dir, nodes, client.request, (text) => progress.detail(text));
  } finally {
    client.close();
  }
  await chooseServiceRoute(dir, state);
}

/** Service addresses are reached by a node that runs. */
async function chooseServiceRoute(dir: string, state: LiveState, except?: string): Promise<void> {
  const node = state.nodes.find((one) => one.name !== except && nodeInit(dir, one) !== undefined);
  if (node) await routeServices(state, node);
}

/** True while every process of the control plane lives. */
export function controlPlaneRuns(dir: string): boolean {
  const recorded = recordedProcesses(livePaths(dir).pids);
  return controlPlaneParts.every((part) => recorded.some((one) => one.name === part && isAlive(one)));
}

/** A live cluster that another process has started; undefined where there is none or its control plane does not run. */
export async function openLiveCluster(name: string, root?: string): Promise<LiveCluster | undefined> {
  const dir = liveFolder(name, root);
  const state = readLiveState(dir);
  return state && controlPlaneRuns(dir) ? liveClusterHandle(dir, state) : undefined;
}

/** The handle of a cluster whose control plane runs. */
export async function liveClusterHandle(dir: string, state: LiveState): Promise<LiveCluster> {
  const paths = livePaths(dir);
  const target = `${controlPlaneAddress}:${apiPort}`;
  const known = openDoors(dir).find((door) => door.target === target)?.port;
  // A door that somebody has killed: the kubeconfig gets the new one's port.
  const port = known ?? (await openDoor(dir, state, target));
  const access = writeAccess(dir, state, readFileSync(`${paths.pki}/ca.crt`, "utf8"), port);
  const find = (name: string): LiveNodeState => {
    const node = state.nodes.find((one) => one.name === name);
    if (!node)
      throw new Error(
        `live cluster: there is no node ${JSON.stringify(name)}; there are: ${state.nodes.map((one) => one.name).join(", ")}`,
      );
    return node;
  };
  const runningNodes = (): LiveNodeState[] => state.nodes.filter((node) => nodeInit(dir, node) !== undefined);
  return {
    name: state.name,
    dir,
    logs: paths.logs,
    kubeconfig: paths.kubeconfig,
    access,
    address: controlPlaneAddress,
    inNamespace: inNamespace(state),
    get nodes() {
      return state.nodes.map((node) => ({
        name: node.name,
        zone: node.zone,
        address: nodeAddress(node),
        running: nodeInit(dir, node) !== undefined,
      }));
    },
    openDoor: (to) => withLock(`${dir}.doors.lock`, () => openDoor(dir, state, to)),
    killNode: async (name) => {
      await killNode(dir, find(name));
      await chooseServiceRoute(dir, state);
    },
    startNode: async (name) => startNodes(dir, state, access, silentProgress, find(name).name),
    pauseLink: async (name) => {
      await setLink(state, find(name), false);
      await chooseServiceRoute(dir, state, name);
    },
    resumeLink: async (name) => setLink(state, find(name), true),
    partition: async (name, targets) => setPartition(state, find(name), targets),
    importImage: async (archive, name) => {
      const nodes = name === undefined ? runningNodes() : [find(name)];
      await Promise.all(nodes.map((node) => importImage(dir, state, node, archive)));
    },
    onNode: (name) => onNode(dir, find(name)),
    dataFolder: (name) => `${paths.node(find(name).name)}/data`,
    stop: () => removeLiveCluster(state.name, `${dir}/..`),
  };
}
