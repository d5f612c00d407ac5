/**
 * The live cluster: the control plane of the simulated one, and real nodes. Each node is a process with network, mounts, processes and host name of its own,
 * in which containerd, kubelet and kube-proxy run real pods. Nothing of it is reached from the machine but by doors at 127.0.0.1.
 */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { messageOf } from "../files";
import { apiClient } from "../kubeconfig";
import { withLock } from "../lock";
import { privateFolder } from "../paths";
import { type Progress, silentProgress } from "../progress";
import { livePki, newTokens, startControlPlane, writeAccess } from "./control-plane";
import { installDns } from "./dns";
import { openDoor } from "./door";
import { removeAfterOwner, removeFolder } from "./down";
import { controlPlaneRuns, type LiveCluster, liveClusterHandle, startNodes } from "./handle";
import { createNetwork, nftablesWork } from "./network";
import { liveParts } from "./parts";
import { checkLiveRequirements } from "./requirements";
import {
  apiPort,
  controlPlaneAddress,
  liveFolder,
  type LiveNodeSpec,
  type LiveNodeState,
  livePaths,
  type LiveState,
  newLiveId,
  numberNodes,
  readLiveState,
  writeLiveState,
} from "./state";

export { type LiveCluster, openLiveCluster } from "./handle";

/** How a live cluster is started. */
export interface LiveOptions {
  /** A DNS label of at most 40 characters. */
  name: string;
  /** Folder in which the cluster's own folder is made. Default: `<checkout>/.compute-mesh/live`. */
  root?: string;
  /** Default: n1, n2 and n3 in zones zone-a, zone-b and zone-c. */
  nodes?: readonly LiveNodeSpec[];
  /** OCI archives that every node imports; those of `pauseImage` and `dnsImage` among them. */
  images: readonly string[];
  /** Value of `topology.kubernetes.io/region`. Default: `local`. */
  region?: string;
  /** Size of a tmpfs in the place of each node's data folder, for example `64m`: to fill it up. A killed node loses it. Default: the folder itself. */
  dataTmpfs?: string;
  /** Without a sign of life for so long, a node counts as dead. Default: 15; at least 4. */
  nodeGraceSeconds?: number;
  /** For tests: everything is removed when this process ends in whatever way. Default: false. */
  ephemeral?: boolean;
  /** Default: silent. */
  progress?: Progress;
}

const defaultNodes: LiveNodeSpec[] = ["a", "b", "c"].map((zone, index) => ({ name: `n${index + 1}`, zone: `zone-${zone}` }));
const overlayMagic = 0x794c7630;

/**
 * Starts a live cluster and waits until every node is Ready and answers for names. Where it runs already, only nodes that do not run are started; where its
 * control plane is gone, everything is made anew. Throws where the machine cannot do it, with all that is missing.
 */
export async function startLiveCluster(options: LiveOptions): Promise<LiveCluster> {
  const dir = liveFolder(options.name, options.root);
  const nodes = numberNodes(options.nodes ?? defaultNodes);
  if (options.dataTmpfs !== undefined && !/^[1-9]\d*[kmg]$/.test(options.dataTmpfs)) {
    throw new Error(`live cluster: dataTmpfs: ${JSON.stringify(options.dataTmpfs)} is not allowed: it must be a size like 64m`);
  }
  const progress = options.progress ?? silentProgress;
  await checkLiveRequirements();
  return withLock(`${dir}.lock`, async () => {
    try {
      const before = readLiveState(dir);
      if (before && controlPlaneRuns(dir)) {
        // Images that were packed anew have other files.
        const state: LiveState = {
          ...before,
          images: [...new Set([...before.images, ...options.images])].filter((file) => existsSync(file)),
        };
        writeLiveState(dir, state);
        const cluster = await liveClusterHandle(dir, state);
        progress.detail("images");
        for (const image of state.images) await cluster.importImage(image);
        await startNodes(dir, state, cluster.access, progress);
        return cluster;
      }
      await removeFolder(dir);
      return await make(dir, options, nodes, progress);
    } catch (error) {
      throw new Error(`live cluster ${JSON.stringify(options.name)} does not start: ${messageOf(error)}`, { cause: error });
    }
  });
}

async function make(dir: string, options: LiveOptions, nodes: LiveNodeState[], progress: Progress): Promise<LiveCluster> {
  const paths = livePaths(dir);
  for (const folder of [paths.dir, paths.pids, paths.logs, paths.etcdData]) privateFolder(folder);
  progress.detail("programs");
  const parts = await liveParts(paths.bin, options.progress === undefined);
  const state: LiveState = {
    name: options.name,
    id: newLiveId(),
    createdAt: new Date().toISOString(),
    region: options.region ?? "local",
    nodes,
    images: [...options.images],
    ...(options.dataTmpfs !== undefined && { dataTmpfs: options.dataTmpfs }),
    nodeGraceSeconds: Math.max(4, options.nodeGraceSeconds ?? 15),
    proxyMode: "nftables",
    snapshotter: statfsSync(dir).type === overlayMagic ? "native" : "overlayfs",
    tokens: newTokens({ nodes }),
    ...parts,
  };
  // Before the first thing outside of the folder: whatever happens from here on, the id finds it.
  writeLiveState(dir, state);
  if (options.ephemeral) removeAfterOwner(dir);
  try {
    progress.detail("network");
    await createNetwork(state);
    if (!(await nftablesWork(state, parts.binaries["nft"]))) {
      state.proxyMode = "iptables";
      writeLiveState(dir, state);
    }
    progress.detail("API server");
    const pki = await livePki(dir);
    const port = await openDoor(dir, state, `${controlPlaneAddress}:${apiPort}`);
    const access = writeAccess(dir, state, readFileSync(pki.caCertificate, "utf8"), port);
    const client = apiClient(access, 5000);
    try {
      await startControlPlane(dir, state, pki, client.request);
      await installDns(client.request);
    } finally {
      client.close();
    }
    await startNodes(dir, state, access, progress);
    return await liveClusterHandle(dir, state);
  } catch (error) {
    // The folder's logs have been quoted in the error; half a cluster is of no use.
    await removeFolder(dir);
    throw error;
  }
}
