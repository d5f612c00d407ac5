/** Whether this machine can run a live cluster, and what is missing where it cannot. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { isCached, cacheKey } from "../cache";
import { findGo } from "../go-build";
import { findOnPath } from "../path-lookup";
import { currentPlatform, liveClusterTools, pins } from "../pins";
import { messageOf } from "../files";
import { type CgroupLayout, cgroupLayout } from "./cgroups";

/** What is looked at. */
export interface MachineFacts {
  /** As `process.platform`. */
  platform: string;
  uid: number;
  /** Programs that are not on PATH, of those that are needed. */
  missingPrograms: string[];
  /** What `unshare` says where namespaces cannot be made. */
  namespaceError?: string;
  cgroups?: CgroupLayout;
  /** False where control groups can only be read. */
  cgroupsWritable: boolean;
  overlay: boolean;
  /** Tools that are neither cached nor can be built, with the reason. */
  missingTools: string[];
  /** Where node programs are not on PATH: true where apt can get them. */
  apt: boolean;
}

/** Programs of the machine itself, by the package that has them. */
export const neededPrograms: Record<string, string> = {
  ip: "iproute2",
  nsenter: "util-linux",
  unshare: "util-linux",
  mount: "mount",
  umount: "mount",
  openssl: "openssl",
  sh: "dash",
};

/** Everything that is missing, each with what to do; empty where a live cluster can run. */
export function liveProblems(facts: MachineFacts): string[] {
  if (facts.platform !== "linux") return [`the system is ${facts.platform}: kubelet and containerd need Linux (a virtual machine will do)`];
  const problems: string[] = [];
  if (facts.uid !== 0) problems.push("not root: namespaces, mounts and control groups of nodes need it; try again with sudo");
  if (facts.missingPrograms.length > 0) {
    const names = [...new Set(facts.missingPrograms.map((program) => neededPrograms[program] ?? program))];
    problems.push(`${facts.missingPrograms.join(", ")} not found on PATH: install ${names.join(", ")}`);
  }
  if (facts.namespaceError !== undefined)
    problems.push(`namespaces cannot be made (${facts.namespaceError}): in a container it must be a privileged one`);
  if (!facts.cgroups) problems.push("control groups are not mounted at /sys/fs/cgroup");
  else if (!facts.cgroupsWritable)
    problems.push("control groups at /sys/fs/cgroup are read-only: in a container it must be a privileged one");
  if (!facts.overlay) problems.push("the kernel has no overlay file system, in which containers run");
  problems.push(...facts.missingTools);
  if (!facts.apt)
    problems.push(
      "apt-get is not there: runc, nftables and the CNI plugins come from Debian or Ubuntu packages where they are not on PATH",
    );
  return problems;
}

/** One message for people. */
export function requirementsMessage(problems: readonly string[]): string {
  return [
    "A live cluster cannot run on this machine:",
    ...problems.map((problem) => `  - ${problem}`),
    "`npm start` shows the mesh on a simulated cluster, which needs none of this.",
  ].join("\n");
}

/** Looks at this machine. */
export async function machineFacts(): Promise<MachineFacts> {
  const platform = process.platform;
  const linux = platform === "linux";
  const env = { PATH: [process.env.PATH, "/usr/sbin", "/sbin"].join(":") };
  const missingPrograms = Object.keys(neededPrograms).filter((program) => findOnPath(program, env) === undefined);
  const uid = process.getuid?.() ?? -1;
  const layout = linux ? cgroupLayout() : undefined;
  return {
    platform,
    uid,
    missingPrograms,
    ...(linux && uid === 0 && !missingPrograms.includes("unshare") && { namespaceError: await namespaceError() }),
    cgroups: layout,
    cgroupsWritable: layout !== undefined && layout.folders.every(writable),
    overlay: linux && /\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8")),
    missingTools: await missingTools(),
    apt: findOnPath("apt-get", env) !== undefined || ["runc", "nft"].every((program) => findOnPath(program, env) !== undefined),
  };
}

/** Throws, with everything that is missing, where no live cluster can run here. */
export async function checkLiveRequirements(): Promise<void> {
  const problems = liveProblems(await machineFacts());
  if (problems.length > 0) throw new Error(requirementsMessage(problems));
}

async function namespaceError(): Promise<string | undefined> {
  const args = ["--net", "--mount", "--uts", "--pid", "--fork", "sh", "-c", "mount -t tmpfs none /mnt"];
  return promisify(execFile)("unshare", args).then(
    () => undefined,
    (error: { stderr?: string; message: string }) => (error.stderr?.trim() || error.message).split("\n")[0],
  );
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return existsSync(folder);
  } catch {
    return false;
  }
}

async function missingTools(): Promise<string[]> {
  const missing = liveClusterTools.filter((name) => !isCached(cacheKey(pins[name], currentPlatform())));
  if (missing.length === 0) return [];
  return findGo().then(
    () => [],
    (error: unknown) => [`${missing.join(", ")} must be built: ${messageOf(error)}`],
  );
}
