/** From a portable spec to a machine of Azure, with its local disk the way of AKS. */
import { keyPath, Problems, type InputProblem } from "../../src/model/errors";
import { formatBytes } from "../../src/model/quantity";
import type { Taint } from "../../src/model/topology";
import { ofFamilies } from "../cloud/families";
import { chooseInstanceType, type InstanceChoice, type InstanceTable } from "../cloud/instance-choice";
import { checkKubeletLabels } from "../cloud/kubelet-labels";
import { localDiskBytes } from "../node-spec";
import type { NodePoolSpec } from "../provider";
import { machineTypes, priceUnit } from "./instance-types";
import { type AzureProviderOptions, machinePattern } from "./options";

const gibibyte = 1024 ** 3;

/** Size of a node's disk without local disks, in GiB: images, logs and `emptyDir` volumes. */
const managedDiskGiB = 128;
/** The largest disk that an operating system can have on local storage, https://learn.microsoft.com/azure/virtual-machines/ephemeral-os-disks. */
const largestLocalDiskGiB = 2040;
/** What of a local disk the operating system and images take. */
const systemGiB = 40;

/** https://learn.microsoft.com/azure/aks/cluster-configuration#os-configuration */
const imageFamilies = ["AzureLinux", "AzureLinux3", "Ubuntu", "Ubuntu2404", "Ubuntu2204"];

/** On spot nodes AKS sets this taint itself, and refuses to go without: https://learn.microsoft.com/azure/aks/spot-node-pool. */
export const spotTaint: Taint = { key: "kubernetes.azure.com/scalesetpriority", value: "spot", effect: "NoSchedule" };

/** The table to choose from; with `families` those alone, former ones too. */
export function azureTable(families?: readonly string[]): InstanceTable {
  return { cloud: "Azure", priceUnit, types: ofFamilies(machineTypes, families), namePattern: machinePattern };
}

/**
 * The machine of a spec. AKS puts the whole node on one local disk (an ephemeral operating system disk), so local disks are wanted by their sum and with room
 * for the system; further disks of a machine stay unused.
 */
export function machineOf(table: InstanceTable, spec: NodePoolSpec): InstanceChoice {
  const bytes = localDiskBytes(spec);
  return chooseInstanceType(table, bytes === 0 ? spec : { ...spec, localDisks: [{ size: String(bytes + systemGiB * gibibyte) }] });
}

/** Where the operating system, and with it every folder of the node, lies. */
export interface SystemDisk {
  osDiskType: "Ephemeral" | "Managed";
  osDiskSizeGB: number;
}

/** With local disks: one of them, whole. Sizes in GiB, although Azure writes GB. */
export function systemDiskOf(table: InstanceTable, spec: NodePoolSpec): SystemDisk {
  const bytes = localDiskBytes(spec);
  if (bytes === 0) {
    return { osDiskType: "Managed", osDiskSizeGB: managedDiskGiB };
  }
  const { type } = machineOf(table, spec);
  const wanted = Math.ceil(bytes / gibibyte) + systemGiB;
  const has = type === undefined ? wanted : Math.floor((type.localDisks.sizeGB * 1e9) / gibibyte);
  return { osDiskType: "Ephemeral", osDiskSizeGB: Math.min(has, largestLocalDiskGiB) };
}

/** All taints of a node: those of the spec, and AKS's own. */
export function taintsOf(spec: NodePoolSpec): Taint[] {
  const own = (spec.taints ?? []).filter(({ key, effect }) => key !== spotTaint.key || effect !== spotTaint.effect);
  return spec.spot === true ? [...own, spotTaint] : [...(spec.taints ?? [])];
}

/** What is wrong with a spec on Azure alone; paths begin with `spec`. `checkNodeRequest` or `checkPoolRequest` has passed. */
export function checkMachine(options: AzureProviderOptions, table: InstanceTable, spec: NodePoolSpec): InputProblem[] {
  const problems = new Problems("node");
  const bytes = localDiskBytes(spec);
  const most = (largestLocalDiskGiB - systemGiB) * gibibyte;
  if (bytes > most) {
    problems.add(
      "spec.localDisks",
      formatBytes(bytes),
      `AKS puts a node on one local disk of at most ${largestLocalDiskGiB} GiB: at most ${formatBytes(most)} in all are allowed`,
    );
  } else {
    problems.addAll("", machineOf(table, spec).problems);
  }
  const { encryptionKey } = options.cluster.create ?? {};
  if (spec.diskEncryptionKey !== undefined && spec.diskEncryptionKey !== encryptionKey) {
    problems.add(
      "spec.diskEncryptionKey",
      spec.diskEncryptionKey,
      "AKS encrypts the disks of all nodes with the disk encryption set of the cluster: say it as cluster.create.encryptionKey, and here the same or nothing",
    );
  }
  if (spec.imageFamily !== undefined && !imageFamilies.includes(spec.imageFamily)) {
    problems.add("spec.imageFamily", spec.imageFamily, `an operating system of AKS is allowed: ${imageFamilies.join(", ")}`);
  }
  checkKubeletLabels(problems, "spec.labels", spec.labels);
  for (const key of Object.keys(spec.labels ?? {})) {
    // https://learn.microsoft.com/azure/aks/use-labels#reserved-prefixes
    if (key.startsWith("kubernetes.azure.com/")) {
      problems.add(keyPath("spec.labels", key), key, "labels of kubernetes.azure.com belong to AKS");
    }
  }
  return [...problems.all];
}
