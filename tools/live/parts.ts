/** The programs of a live cluster: from PATH, else from Debian packages in the cache, else built. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { debianRoot } from "../debian";
import { findOnPath } from "../path-lookup";
import { liveClusterTools } from "../pins";
import { silentProgress } from "../progress";
import { resolveTools } from "../resolve";

/** Programs that nodes need beside those of Kubernetes and containerd. */
const nodePrograms = ["runc", "nft", "iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];
const packages = ["runc", "nftables", "iptables", "containernetworking-plugins"];
const pluginFolders = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
const plugins = ["ptp", "host-local", "portmap", "loopback"];

/** Everything that is run. */
export interface LiveParts {
  /** Program → path. */
  binaries: Record<string, string>;
  cniPlugins: string;
}

/** Gets every program; `bin` is filled with the ones that nodes find first on their PATH. */
export async function liveParts(bin: string, quiet = false): Promise<LiveParts> {
  const tools = await resolveTools(liveClusterTools, quiet ? { progress: () => silentProgress } : {});
  const binaries: Record<string, string> = Object.assign({}, ...liveClusterTools.map((name) => tools[name].binaries)) as Record<
    string,
    string
  >;
  const env = { PATH: [process.env.PATH, "/usr/sbin", "/sbin"].join(":") };
  const here = new Map(nodePrograms.map((name) => [name, findOnPath(name, env)]));
  const cniPlugins = pluginFolders.find((folder) => plugins.every((plugin) => existsSync(join(folder, plugin))));
  const complete = cniPlugins !== undefined && ![...here.values()].includes(undefined);
  // libc belongs to the loader of the machine: an updated one beside it could not be loaded.
  const root = complete
    ? undefined
    : await debianRoot("live-node", packages, { exclude: ["libc6"], ...(quiet && { progress: () => silentProgress }) });
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin, { recursive: true, mode: 0o755 });
  for (const [name, path] of here) {
    binaries[name] = join(bin, name);
    writeFileSync(binaries[name], path ? launcher(path) : packagedLauncher(root!, name), { mode: 0o755 });
  }
  for (const name of ["containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kube-proxy"]) {
    writeFileSync(join(bin, name), launcher(binaries[name]), { mode: 0o755 });
  }
  return { binaries, cniPlugins: cniPlugins ?? join(root!, "usr", "lib", "cni") };
}

const launcher = (path: string): string => `#!/bin/sh\nexec '${path}' "$@"\n`;

/** Starts a program out of a folder of unpacked packages, with the libraries from there. */
export function packagedLauncher(root: string, name: string): string {
  const libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"]
    .map((folder) => join(root, folder))
    .filter(existsSync);
  const file = ["usr/sbin", "usr/bin"].map((folder) => join(root, folder, name)).find(existsSync);
  const tables = /^ip6?tables/.test(name);
  // The packages' own names of the iptables programs are made by a maintainer script; the program takes the name as its first word as well.
  const path = tables ? join(root, "usr/sbin/xtables-nft-multi") : file;
  if (path === undefined || !existsSync(path)) throw new Error(`${name} is not in the packages ${packages.join(", ")} (${root})`);
  const extensions = libraries.map((folder) => join(folder, "xtables")).find(existsSync);
  return [
    "#!/bin/sh",
    `export LD_LIBRARY_PATH='${libraries.join(":")}'`,
    ...(tables && extensions ? [`export XTABLES_LIBDIR='${extensions}'`] : []),
    `exec '${path}' ${tables ? `${name} ` : ""}"$@"`,
    "",
  ].join("\n");
}

/** True where this process may make others less likely to be killed for their memory (CAP_SYS_RESOURCE). */
export function mayLowerOomScore(status: string = readFileSync("/proc/self/status", "utf8")): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${capabilities}`) & (1n << 24n)) !== 0n;
}

/** PATH of a node's programs. */
export function nodePath(bin: string, binaries: Record<string, string>): string {
  return [
    bin,
    dirname(binaries["containerd-shim-runc-v2"]),
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
  ].join(":");
}
