/**
 * Two network namespaces: one for Envoy, one in which every address of a simulated pod is at home. They are two because both sides listen on the same ports.
 * Nothing of it is seen from outside, and no rights are needed but those that a user has in a user namespace of his own.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ServicePlace, startServiceProcess, untilServing } from "../live/services";
import type { RecordedProcess } from "../processes";

/** Addresses that KWOK gives to pods, and to those with the network of their node (cluster-parts.ts). */
const podNetworks = ["10.0.0.0/16", "10.1.0.1/32"];
/** The link between the two, from a range that is kept for examples (RFC 5737). */
const link = { edge: "192.0.2.1", pods: "192.0.2.2" };

/** Command prefixes that enter. */
export interface GatewayNetwork {
  edge: string[];
  pods: string[];
}

/** Why it cannot be made here; undefined where it can. */
export function networkMissing(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are needed, which only Linux has";
  const script = "ip link set lo up && ip route add local 10.0.0.0/16 dev lo && ip link add edge type veth peer name pods";
  const { status, error, stderr } = spawnSync("unshare", ["-rn", "sh", "-c", script], { encoding: "utf8" });
  return status === 0
    ? undefined
    : `network namespaces cannot be made here: ${error?.message ?? stderr.trim()} (util-linux, iproute2 and user namespaces are needed)`;
}

/** Makes both namespaces; each lasts as long as a process in it, of which the first is recorded. */
export async function makeNetwork(place: ServicePlace): Promise<GatewayNetwork> {
  const edge = await holdNamespace(place, "edge-network", ["unshare", "-rn"]);
  const pods = await holdNamespace(place, "pods-network", [...enter(edge), "unshare", "--net"]);
  await run(enter(edge), [
    `link add edge type veth peer name pods netns ${pods.pid}`,
    `addr add ${link.edge}/30 dev edge`,
    "link set edge up",
  ]);
  await run(enter(pods), [
    `addr add ${link.pods}/30 dev pods`,
    "link set pods up",
    ...podNetworks.map((addresses) => `route add local ${addresses} dev lo`),
  ]);
  await run(
    enter(edge),
    podNetworks.map((addresses) => `route add ${addresses} via ${link.pods}`),
  );
  return { edge: enter(edge), pods: enter(pods) };
}

const enter = ({ pid }: { pid: number }): string[] => ["nsenter", "--preserve-credentials", "--user", "--net", `--target=${pid}`];

/** Starts a process that does nothing but be in a new namespace. */
async function holdNamespace(place: ServicePlace, name: string, make: readonly string[]): Promise<RecordedProcess> {
  const up = join(place.folder, `${name}.up`);
  rmSync(up, { force: true });
  const [binary, ...args] = [...make, "sh", "-c", 'ip link set lo up && touch "$1" && exec sleep 2147483', "sh", up];
  const holder = await startServiceProcess({ folder: place.folder }, { name, binary, args });
  await untilServing(name, place, [holder], () => existsSync(up), 15);
  return holder;
}

/** Several commands of `ip`. */
async function run(prefix: readonly string[], commands: readonly string[]): Promise<void> {
  const [program, ...args] = [...prefix, "sh", "-c", commands.map((command) => `ip ${command}`).join(" && ")];
  await promisify(execFile)(program, args);
}
