/** One node: a process in namespaces of its own, in which containerd, kubelet and kube-proxy run, and below them real pods. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, writeAtomic } from "../files";
import { kubeconfigText } from "../kubeconfig";
import { projectRoot } from "../paths";
import { forgetProcess, isAlive, logTail, type ProcessIdentity, recordedProcesses, startProcess, stopProcess } from "../processes";
import { startTimeOf } from "../process-identity";
import { cgroupLayout, createCgroup, removeCgroup } from "./cgroups";
import { writeClockSpec } from "./clock";
import { run } from "./network";
import { cniConfig, containerdConfig, containerdSocket, kubeletConfig, nodeLabels, proxyConfig } from "./node-config";
import { mayLowerOomScore, nodePath } from "./parts";
import {
  apiPort,
  cgroupName,
  controlPlaneAddress,
  inNamespace,
  livePaths,
  type LiveNodeState,
  type LiveState,
  nodeAddress,
  nodeDataPath,
} from "./state";

const socketMilliseconds = 60_000;

/** Writes the settings of a node's programs. */
export async function writeNodeFiles(dir: string, state: LiveState, node: LiveNodeState): Promise<void> {
  const paths = livePaths(dir);
  const folder = paths.node(node.name);
  for (const sub of ["", "cni", "data", "containerd", "kubelet"]) mkdirSync(join(folder, sub), { recursive: true, mode: 0o755 });
  const save = (file: string, text: string): void => writeAtomic(join(folder, file), text, 0o600);
  const caFile = join(paths.pki, "ca.crt");
  const access = (user: string): string =>
    kubeconfigText(state.name, {
      server: `https://${controlPlaneAddress}:${apiPort}`,
      caCertificate: readFileSync(caFile, "utf8"),
      token: state.tokens[user],
    });
  save("kubelet.kubeconfig", access(`node-${node.name}`));
  save("kube-proxy.kubeconfig", access("kube-proxy"));
  save("resolv.conf", "");
  save("cni/10-pods.conflist", cniConfig(node));
  const containerSpec = await writeClockSpec(folder, node, state.binaries["ctr"]);
  const runtime = { runc: state.binaries["runc"], cniFolder: join(folder, "cni"), mayLowerOomScore: mayLowerOomScore() };
  save("containerd.toml", containerdConfig(state, { ...runtime, ...(containerSpec !== undefined && { containerSpec }) }));
  const resolvConf = join(folder, "resolv.conf");
  const cgroup = `/${cgroupName(state, node)}`;
  save("kubelet.yaml", kubeletConfig(node, { cgroup, caFile, resolvConf, nodeGraceSeconds: state.nodeGraceSeconds }));
  save("kube-proxy.yaml", proxyConfig(node, { kubeconfig: join(folder, "kube-proxy.kubeconfig"), mode: state.proxyMode }));
}

/** Starts a node with its own disk and identity of before, imports the images that it lacks, and starts kubelet. Returns before the node is Ready. */
export async function startNode(dir: string, state: LiveState, node: LiveNodeState): Promise<void> {
  if (nodeInit(dir, node)) return;
  const paths = livePaths(dir);
  const folder = paths.node(node.name);
  await writeNodeFiles(dir, state, node);
  rmSync(join(folder, "go"), { force: true });
  const layout = cgroupLayout();
  if (!layout) throw new Error("no control groups are mounted at /sys/fs/cgroup");
  await removeCgroup(layout, cgroupName(state, node));
  createCgroup(layout, cgroupName(state, node));
  const [program, ...prefix] = inNamespace(state, node);
  const unshare = ["unshare", "--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"];
  await startProcess({
    name: recordName(node),
    binary: program,
    args: [...prefix, ...unshare, "sh", join(projectRoot, "tools", "live", "node-main.sh")],
    pidFolder: paths.pids,
    logFolder: paths.logs,
    cwd: "/",
    env: {
      PATH: nodePath(paths.bin, state.binaries),
      NODE_NAME: node.name,
      NODE_DIR: folder,
      NODE_LOGS: paths.logs,
      NODE_DATA: nodeDataPath,
      NODE_ADDRESS: nodeAddress(node),
      NODE_LABELS: nodeLabels(node, state.region),
      DATA_TMPFS: state.dataTmpfs ?? "",
    },
  });
  await containerdReady(dir, node);
  for (const image of state.images) await importImage(dir, state, node, image);
  writeFileSync(join(folder, "go"), "");
}

const recordName = (node: LiveNodeState): string => `node-${node.name}`;

/** The node's first process; undefined where the node does not run. Its parent is the recorded one, which waits for it outside of its namespaces. */
export function nodeInit(dir: string, node: LiveNodeState): ProcessIdentity | undefined {
  const parent = recordedProcesses(livePaths(dir).pids).find(({ name }) => name === recordName(node));
  if (!parent || !isAlive(parent)) return undefined;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) !== parent.pid) continue;
    } catch {
      continue;
    }
    const startTime = startTimeOf(Number(entry));
    if (startTime !== undefined) return { pid: Number(entry), startTime };
  }
  return undefined;
}

/** When the node was started, as ISO time; undefined where it never was, or was killed. */
export function nodeStartedAt(dir: string, node: LiveNodeState): string | undefined {
  return recordedProcesses(livePaths(dir).pids).find(({ name }) => name === recordName(node))?.startedAt;
}

/** Command prefix that runs a program inside a node, in all of its namespaces. Throws where the node does not run. */
export function onNode(dir: string, node: LiveNodeState): string[] {
  const init = nodeInit(dir, node);
  if (!init) throw new Error(`the node ${node.name} does not run; ${logTail(livePaths(dir).logs, recordName(node))}`);
  return ["nsenter", `--target=${init.pid}`, "--net", "--mount", "--uts", "--pid"];
}

async function containerdReady(dir: string, node: LiveNodeState): Promise<void> {
  const deadline = Date.now() + socketMilliseconds;
  const log = `${node.name}-containerd`;
  for (;;) {
    const init = nodeInit(dir, node);
    // The folder of the process shows the node's own mounts.
    if (init && existsSync(`/proc/${init.pid}/root${containerdSocket}`)) return;
    const started = recordedProcesses(livePaths(dir).pids).find(({ name }) => name === recordName(node));
    if (!started || !isAlive(started)) throw new Error(`the node ${node.name} ended; ${logTail(livePaths(dir).logs, recordName(node))}`);
    if (Date.now() > deadline) throw new Error(`containerd of ${node.name} does not answer; ${logTail(livePaths(dir).logs, log)}`);
    await sleep(50);
  }
}

/** Imports an OCI archive into a running node, once: kubelet finds it there and pulls nothing. */
export async function importImage(dir: string, state: LiveState, node: LiveNodeState, archive: string): Promise<void> {
  const mark = join(livePaths(dir).node(node.name), "imported", createHash("sha256").update(archive).digest("hex"));
  const { size, mtimeMs } = statSync(archive);
  // A file made anew is another one.
  const made = `${archive} ${size} ${mtimeMs}\n`;
  if (existsSync(mark) && readFileSync(mark, "utf8") === made) return;
  const ctr = ["ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import"];
  // The label says that containerd's Kubernetes part looks after the image, as it does after those it has pulled.
  const options = ["--local", "--label", "io.cri-containerd.image=managed", "--snapshotter", state.snapshotter];
  const env = { ...process.env, PATH: nodePath(livePaths(dir).bin, state.binaries) };
  await run([...onNode(dir, node), ...ctr, ...options, archive], env);
  mkdirSync(join(mark, ".."), { recursive: true });
  writeFileSync(mark, made);
}

/** Kills a node in the way of a power failure: every process at once, pods included. Its disk stays; what lay in memory is lost. */
export async function killNode(dir: string, node: LiveNodeState): Promise<void> {
  const paths = livePaths(dir);
  const init = nodeInit(dir, node);
  if (init) await stopProcess(init, 0);
  const parent = recordedProcesses(paths.pids).find(({ name }) => name === recordName(node));
  // It ends by itself once the kernel has ended every process of the node.
  for (let waited = 0; parent && isAlive(parent) && waited < 5000; waited += 20) await sleep(20);
  if (parent) await stopProcess(parent, 0);
  forgetProcess(paths.pids, recordName(node));
}
