/** What every provider does alike with a node request: check it, and fill in the defaults of `NodeSpec`. */
import { labelPrefix, meshLabel, nodeLabel, poolLabel } from "../src/kubernetes/labels";
import { checkLabels, checkLabelValue, checkTaints } from "../src/kubernetes/label-rules";
import {
  checkBoolean,
  checkDnsLabel,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkOneOf,
  checkQuantity,
  checkUnique,
} from "../src/model/checks";
import { joinPath, keyPath, Problems, type InputProblem } from "../src/model/errors";
import { dnsName } from "../src/model/names";
import { parseQuantity } from "../src/model/quantity";
import type { LocalDisk, MeshNodeRequest, NodePoolRequest, NodePoolSpec, NodeSpec } from "./provider";

/** Well-known labels, https://kubernetes.io/docs/reference/labels-annotations-taints/. */
export const zoneLabel = "topology.kubernetes.io/zone";
export const regionLabel = "topology.kubernetes.io/region";
export const hostnameLabel = "kubernetes.io/hostname";
export const architectureLabel = "kubernetes.io/arch";
export const osLabel = "kubernetes.io/os";

const architectures = ["amd64", "arm64"];
const specKeys = [
  "zone",
  "region",
  "cpu",
  "memory",
  "architecture",
  "localDisks",
  "spot",
  "networkGbps",
  "diskEncryptionKey",
  "instanceType",
  "imageFamily",
  "taints",
  "labels",
];

/** The largest pool; node groups of EKS, the tightest of the three, end at 450 nodes (https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html). */
const maxPoolNodes = 450;

/** Labels that follow from other properties, with the property that decides them. */
const decidedLabels: Readonly<Record<string, string>> = {
  [zoneLabel]: "spec.zone",
  [regionLabel]: "spec.region",
  [architectureLabel]: "spec.architecture",
  [hostnameLabel]: "the node's name",
  [osLabel]: "the node's image",
};

/** A disk with its defaults filled in. */
export interface FullLocalDisk {
  size: string;
  mountPath: string;
}

/** A `NodeSpec` with its defaults filled in. */
export interface FullNodeSpec {
  zone: string;
  region: string;
  cpu: string;
  memory: string;
  architecture: string;
  localDisks: FullLocalDisk[];
}

/** The disks of a spec with their mount paths, `/mnt/compute-mesh/<position>` where none is given. */
export function localDisks(spec: NodePoolSpec): FullLocalDisk[] {
  return (spec.localDisks ?? []).map((disk, index) => ({ size: disk.size, mountPath: disk.mountPath ?? `/mnt/compute-mesh/${index}` }));
}

/** Sum of the local disks in bytes. */
export function localDiskBytes({ localDisks = [] }: Pick<NodePoolSpec, "localDisks">): number {
  return localDisks.reduce((sum, disk) => sum + (parseQuantity(disk.size) ?? 0), 0);
}

/** Fills in the defaults of a spec that has been checked. */
export function fullNodeSpec(spec: NodeSpec, defaultRegion: string): FullNodeSpec {
  return {
    zone: spec.zone,
    region: spec.region ?? defaultRegion,
    cpu: spec.cpu ?? "4",
    memory: spec.memory ?? "16Gi",
    architecture: spec.architecture ?? "amd64",
    localDisks: localDisks(spec),
  };
}

/** All that can be wrong with a request whatever the cloud; paths are relative to the request. */
export function checkNodeRequest(request: MeshNodeRequest): InputProblem[] {
  const problems = new Problems("node");
  checkDnsLabel(problems, "nodeName", request.nodeName);
  checkDnsLabel(problems, "mesh", request.mesh);
  if (typeof request.weight !== "number" || !Number.isFinite(request.weight) || request.weight <= 0) {
    problems.add("weight", String(request.weight), "a number above 0 is allowed; 1 is the share of a usual node");
  }
  if (checkObject(problems, "spec", request.spec)) {
    checkKnownKeys(problems, "spec", request.spec, specKeys);
    checkLabelValue(problems, "spec.zone", request.spec.zone, true);
    checkSpec(problems, request.spec);
  }
  return [...problems.all];
}

/** All that can be wrong with a pool whatever the cloud; paths are relative to the request. */
export function checkPoolRequest(request: NodePoolRequest): InputProblem[] {
  const problems = new Problems("pool");
  checkDnsLabel(problems, "poolName", request.poolName);
  checkDnsLabel(problems, "mesh", request.mesh);
  if (checkList(problems, "zones", request.zones)) {
    if (request.zones.length === 0) {
      problems.add("zones", [], "at least one zone is needed");
    }
    request.zones.forEach((zone, index) => checkLabelValue(problems, joinPath("zones", index), zone, true));
    checkUnique(problems, "zones", request.zones);
  }
  checkPoolSize(problems, request);
  if (checkObject(problems, "spec", request.spec)) {
    checkKnownKeys(
      problems,
      "spec",
      request.spec,
      specKeys.filter((key) => key !== "zone"),
    );
    checkSpec(problems, request.spec);
  }
  return [...problems.all];
}

function checkPoolSize(problems: Problems, { minNodes, maxNodes, initialNodes }: NodePoolRequest): void {
  const fewest = checkInteger(problems, "minNodes", minNodes, { min: 0, max: maxPoolNodes });
  const most = checkInteger(problems, "maxNodes", maxNodes, { min: Math.max(1, fewest ? minNodes : 1), max: maxPoolNodes });
  if (initialNodes !== undefined) {
    checkInteger(problems, "initialNodes", initialNodes, { min: fewest ? minNodes : 0, max: most ? maxNodes : maxPoolNodes });
  }
}

/** The labels that exactly the nodes of one pool carry. Not the mesh's own label: its DaemonSets run where that is. */
export function poolSelector({ mesh, poolName }: Pick<NodePoolRequest, "mesh" | "poolName">): Record<string, string> {
  return { [poolLabel]: dnsName(mesh, poolName) };
}

function checkSpec(problems: Problems, spec: NodePoolSpec): void {
  if (spec.region !== undefined) {
    checkLabelValue(problems, "spec.region", spec.region, true);
  }
  if (spec.cpu !== undefined) {
    checkQuantity(problems, "spec.cpu", spec.cpu);
  }
  if (spec.memory !== undefined) {
    checkQuantity(problems, "spec.memory", spec.memory);
  }
  if (spec.architecture !== undefined) {
    checkOneOf(problems, "spec.architecture", spec.architecture, architectures);
  }
  if (spec.spot !== undefined) {
    checkBoolean(problems, "spec.spot", spec.spot);
  }
  if (spec.networkGbps !== undefined && !(typeof spec.networkGbps === "number" && spec.networkGbps > 0)) {
    problems.add("spec.networkGbps", String(spec.networkGbps), "a number above 0 is allowed, in Gbit/s");
  }
  for (const key of ["diskEncryptionKey", "instanceType", "imageFamily"] as const) {
    if (spec[key] !== undefined && (typeof spec[key] !== "string" || spec[key].trim() === "")) {
      problems.add(`spec.${key}`, spec[key], "a text that is not empty is allowed");
    }
  }
  if (spec.localDisks !== undefined && checkList(problems, "spec.localDisks", spec.localDisks)) {
    checkDisks(problems, spec);
  }
  if (spec.taints !== undefined && checkList(problems, "spec.taints", spec.taints)) {
    checkTaints(problems, "spec.taints", spec.taints);
  }
  if (spec.labels !== undefined && checkLabels(problems, "spec.labels", spec.labels)) {
    checkFreeLabels(problems, spec.labels);
  }
}

function checkDisks(problems: Problems, spec: NodePoolSpec): void {
  const disks: readonly unknown[] = spec.localDisks ?? [];
  if (!disks.map((disk, index) => checkObject(problems, joinPath("spec.localDisks", index), disk)).every(Boolean)) {
    return;
  }
  const seen = new Set<string>();
  (spec.localDisks ?? []).forEach((disk: LocalDisk, index) => {
    const path = joinPath("spec.localDisks", index);
    checkKnownKeys(problems, path, disk, ["size", "mountPath"]);
    checkQuantity(problems, joinPath(path, "size"), disk.size);
    const mountPath = localDisks(spec)[index]?.mountPath ?? "";
    if (!/^\/[^\s:]+$/.test(mountPath)) {
      problems.add(joinPath(path, "mountPath"), mountPath, "an absolute path without spaces and colons is allowed");
    } else if (seen.has(mountPath)) {
      problems.add(joinPath(path, "mountPath"), mountPath, "another disk is mounted there");
    }
    seen.add(mountPath);
  });
}

/** Labels that other properties decide, and our own ones, cannot be set by hand: two knobs would decide one thing. */
function checkFreeLabels(problems: Problems, labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    const path = keyPath("spec.labels", key);
    const decider = decidedLabels[key];
    if (decider !== undefined) {
      problems.add(path, value, `the label is decided by ${decider}`);
    } else if (key === nodeLabel || key === meshLabel) {
      problems.add(path, value, `the label is decided by ${key === nodeLabel ? "nodeName" : "mesh"}`);
    } else if (key.startsWith(`${labelPrefix}/`)) {
      problems.add(path, value, `labels below ${labelPrefix}/ belong to compute-mesh`);
    }
  }
}
