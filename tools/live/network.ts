/**
 * The network of a live cluster: one network namespace for the control plane, with a bridge, and one per node, plugged into it. No link leads out to the
 * machine's own network: nothing inside can reach it, and it can reach nothing inside but through doors (door.ts).
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  controlPlaneAddress,
  inNamespace,
  type LiveNodeState,
  type LiveState,
  namespaceName,
  nodeAddress,
  podRange,
  serviceNetwork,
} from "./state";

/** Runs a command; throws with what it said where it fails. */
export async function run(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(argv[0], argv.slice(1), { env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`${argv.join(" ")}: ${stderr?.trim() || message}`, { cause: error });
  }
}

/** Makes the namespaces and links of the whole cluster. */
export async function createNetwork(state: LiveState): Promise<void> {
  const hub = namespaceName(state);
  await run(["ip", "netns", "add", hub]);
  await batch(hub, ["link set lo up", "link add br0 type bridge", `addr add ${controlPlaneAddress}/24 dev br0`, "link set br0 up"]);
  await kernelSettings(inNamespace(state));
  for (const node of state.nodes) {
    const namespace = namespaceName(state, node);
    await run(["ip", "netns", "add", namespace]);
    await batch(hub, [
      `link add ${port(node)} type veth peer name eth0 netns ${namespace}`,
      `link set ${port(node)} master br0 up`,
      `route add ${podRange(node)} via ${nodeAddress(node)}`,
    ]);
    await batch(namespace, [
      "link set lo up",
      `addr add ${nodeAddress(node)}/24 dev eth0`,
      "link set eth0 up",
      `route add default via ${controlPlaneAddress}`,
      // Straight to the node, as in a flat network: the control plane's namespace is no router between nodes.
      ...state.nodes.filter((other) => other !== node).map((other) => `route add ${podRange(other)} via ${nodeAddress(other)}`),
    ]);
    await kernelSettings(inNamespace(state, node));
  }
}

/** Several commands of `ip` in one namespace by one process. */
async function batch(namespace: string, commands: readonly string[]): Promise<void> {
  await run(["sh", "-c", 'printf "%s\\n" "$2" | ip -n "$1" -batch -', "sh", namespace, commands.join("\n")]);
}

async function kernelSettings(prefix: readonly string[]): Promise<void> {
  // nsenter keeps /proc of the machine; what it shows below sys/net is that of the namespace of whoever looks.
  await run([...prefix, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
}

/** Name of a node's port on the bridge. */
const port = (node: LiveNodeState): string => `port${node.number}`;

/**
 * Sends what the control plane's namespace has for addresses of Services (doors, webhooks of the API server) to this node, whose kube-proxy knows what they
 * mean; there is none in that namespace.
 */
export async function routeServices(state: LiveState, node: LiveNodeState): Promise<void> {
  await run(["ip", "-n", namespaceName(state), "route", "replace", serviceNetwork, "via", nodeAddress(node)]);
}

/** Unplugs a node from the network, or plugs it in again. Its processes go on. */
export async function setLink(state: LiveState, node: LiveNodeState, up: boolean): Promise<void> {
  await run(["ip", "-n", namespaceName(state), "link", "set", port(node), up ? "up" : "down"]);
}

/** An address inside, with a port or with all of its ports. */
export interface PartitionTarget {
  /** IPv4 address as packets bear it: of a node, a pod or the control plane, not of a Service. */
  address: string;
  /** Default: every port and protocol. */
  port?: number;
}

const table = "cm_partition";

/** Rules of nft that drop what goes between a node (its pods included) and the targets. Packets vanish silently, as in a broken network. */
export function partitionRules(targets: readonly PartitionTarget[]): string {
  const rules = targets.flatMap(({ address, port: only }) => {
    const to = `ip daddr ${address}`;
    const from = `ip saddr ${address}`;
    return only === undefined ? [`${to} drop`, `${from} drop`] : [`${to} tcp dport ${only} drop`, `${from} tcp sport ${only} drop`];
  });
  // At these hooks the address of a Service has been replaced by that of a pod already.
  const chains = ["input", "forward", "output"].map(
    (hook) =>
      `  chain ${hook} {\n    type filter hook ${hook} priority 0; policy accept;\n${rules.map((rule) => `    ${rule}\n`).join("")}  }\n`,
  );
  return `table ip ${table} {}\ndelete table ip ${table}\n${rules.length === 0 ? "" : `table ip ${table} {\n${chains.join("")}}\n`}`;
}

/** Cuts a node off from the targets, and from nothing else; an empty list heals everything. */
export async function setPartition(state: LiveState, node: LiveNodeState, targets: readonly PartitionTarget[]): Promise<void> {
  const script = 'printf "%s" "$2" | "$1" -f -';
  await run([...inNamespace(state, node), "sh", "-c", script, "sh", state.binaries["nft"], partitionRules(targets)]);
}

/** True where nft can make tables in this kernel: kube-proxy's better mode. Tried in a namespace of the cluster. */
export async function nftablesWork(state: Pick<LiveState, "id">, nft: string): Promise<boolean> {
  const script =
    '"$1" add table ip cm_probe && "$1" add chain ip cm_probe c "{ type nat hook postrouting priority 100; }" && "$1" delete table ip cm_probe';
  return run([...inNamespace(state), "sh", "-c", script, "sh", nft]).then(
    () => true,
    () => false,
  );
}
