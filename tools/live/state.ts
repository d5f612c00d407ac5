/** What is known of a live cluster on disk: its names, its addresses, and where its files lie. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type ClusterPaths, clusterPaths } from "../cluster-parts";
import { readJson, writeAtomic } from "../files";
import { stateDir } from "../paths";

/** One node as it was asked for. */
export interface LiveNodeSpec {
  /** A DNS label of at most 30 characters. */
  name: string;
  /** Value of `topology.kubernetes.io/zone`. */
  zone: string;
  /** Further labels. Default: none. */
  labels?: Record<string, string>;
  /** How far the clock in its containers is ahead of the machine's, in whole seconds; static programs are not deceived. Default: 0. */
  clockOffsetSeconds?: number;
}

/** One node of a cluster. */
export interface LiveNodeState extends LiveNodeSpec {
  /** 1 for the first one; decides addresses and names. */
  number: number;
}

/** Written before the first thing is made, so that everything can be found and removed after a crash at any moment. */
export interface LiveState {
  name: string;
  /** Begins the names of everything that is not below the folder: network namespaces, control groups. */
  id: string;
  createdAt: string;
  region: string;
  nodes: LiveNodeState[];
  /** OCI archives that every node imports at its first start. */
  images: string[];
  /** Size of the tmpfs in the place of each node's data folder, for example `64m`. */
  dataTmpfs?: string;
  proxyMode: "nftables" | "iptables";
  /** Where containerd unpacks images: overlayfs, or plain copies where the folder itself lies on an overlay. */
  snapshotter: "overlayfs" | "native";
  /** Without a sign of life for so long, a node counts as dead. */
  nodeGraceSeconds: number;
  /** Program → path. */
  binaries: Record<string, string>;
  /** Folder of CNI plugins. */
  cniPlugins: string;
  /** User → token. */
  tokens: Record<string, string>;
}

/** The image that holds the namespaces of every pod. */
export const pauseImage = "registry.k8s.io/pause:3.10";
/** The image of the cluster's DNS. */
export const dnsImage = "registry.k8s.io/coredns/coredns:v1.15.0";

/** Address of the control plane and of everything else that runs in its network namespace, as nodes and pods see it. */
export const controlPlaneAddress = "10.200.0.1";
/** Port of the API server at that address. */
export const apiPort = 6443;
/** Addresses of pods; each node has a /24 of it. */
export const podNetwork = "10.201.0.0/16";
/** Addresses of Services. */
export const serviceNetwork = "10.96.0.0/16";
/** Address of the Service of the cluster's DNS. */
export const dnsAddress = "10.96.0.10";
/** Where pods find their node's own disk: a folder of each node alone, below which `hostPath` volumes lie. */
export const nodeDataPath = "/var/lib/compute-mesh";

export const nodeAddress = (node: { number: number }): string => `10.200.0.${10 + node.number}`;
export const podRange = (node: { number: number }): string => `10.201.${node.number}.0/24`;

/** Name of a network namespace: of the control plane, or of a node. */
export function namespaceName(state: Pick<LiveState, "id">, node?: { number: number }): string {
  return `${state.id}-${node ? `n${node.number}` : "cp"}`;
}

/** Name of a node's control group, below the root of every hierarchy. */
export const cgroupName = (state: Pick<LiveState, "id">, node: { number: number }): string => `${state.id}-n${node.number}`;

/** Command prefix that runs a program in a network namespace. Not `ip netns exec`, which mounts another /sys and so hides the control groups. */
export function inNamespace(state: Pick<LiveState, "id">, node?: { number: number }): string[] {
  return ["nsenter", `--net=/run/netns/${namespaceName(state, node)}`];
}

/** Where the files of one live cluster lie: as for a simulated one, and a folder for each node, its disk. */
export interface LivePaths extends ClusterPaths {
  node(name: string): string;
  /** Programs that nodes find first. */
  bin: string;
}

/** The files of the live cluster in `dir`. */
export function livePaths(dir: string): LivePaths {
  return { ...clusterPaths(dir), state: join(dir, "live.json"), node: (name) => join(dir, "nodes", name), bin: join(dir, "bin") };
}

/** Where live clusters lie by default. */
export function liveClustersFolder(): string {
  return join(stateDir, "live");
}

const label = (longest: number): RegExp => new RegExp(`^[a-z0-9]([a-z0-9-]{0,${longest - 2}}[a-z0-9])?$`);

/** The folder of one live cluster. Throws where the name is none. */
export function liveFolder(name: string, root: string = liveClustersFolder()): string {
  if (!label(40).test(name)) {
    throw new Error(
      `live cluster: name: ${JSON.stringify(name)} is not allowed: lower-case letters, digits and dashes, at most 40, beginning and ending with a letter or digit`,
    );
  }
  return join(resolve(root), name);
}

/** Numbers the nodes. Throws, naming everything that is not allowed. */
export function numberNodes(nodes: readonly LiveNodeSpec[]): LiveNodeState[] {
  const problems: string[] = [];
  if (nodes.length < 1 || nodes.length > 100) problems.push(`nodes: ${nodes.length} nodes are not allowed: 1 to 100`);
  nodes.forEach((node, index) => {
    const path = `nodes[${index}]`;
    if (!label(30).test(node.name))
      problems.push(`${path}.name: ${JSON.stringify(node.name)} is not allowed: a DNS label of at most 30 characters`);
    if (nodes.findIndex((other) => other.name === node.name) < index)
      problems.push(`${path}.name: ${JSON.stringify(node.name)} is there twice`);
    if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(node.zone)) {
      problems.push(`${path}.zone: ${JSON.stringify(node.zone)} is not allowed: it must be the value of a label`);
    }
    if (!Number.isInteger(node.clockOffsetSeconds ?? 0)) {
      problems.push(`${path}.clockOffsetSeconds: ${node.clockOffsetSeconds} is not allowed: whole seconds`);
    }
  });
  if (problems.length > 0) throw new Error(`live cluster: ${problems.join("; ")}`);
  return nodes.map((node, index) => ({ ...node, number: index + 1 }));
}

/** A new id: short, because names of interfaces and paths of sockets are. */
export function newLiveId(): string {
  return `cm${randomBytes(3).toString("hex")}`;
}

export function readLiveState(dir: string): LiveState | undefined {
  return readJson<LiveState>(livePaths(dir).state);
}

export function writeLiveState(dir: string, state: LiveState): void {
  writeAtomic(livePaths(dir).state, JSON.stringify(state, undefined, 2));
}

/** Names of the live clusters that were made and not removed. */
export function liveClusterNames(root: string = liveClustersFolder()): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && readLiveState(join(root, entry.name)) !== undefined)
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}
