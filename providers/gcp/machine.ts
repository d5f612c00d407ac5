/** From a portable spec to a machine of Compute Engine, with its local disks the way of GKE. */
import { Problems, type InputProblem } from "../../src/model/errors";
import { ofFamilies } from "../cloud/families";
import { chooseInstanceType, type InstanceChoice, type InstanceTable } from "../cloud/instance-choice";
import { checkKubeletLabels } from "../cloud/kubelet-labels";
import { localDiskBytes } from "../node-spec";
import type { NodePoolSpec } from "../provider";
import { machineTypes, priceUnit } from "./instance-types";
import { checkKey, machinePattern } from "./options";

/** The table to choose from; with `families` those alone, former ones too. */
export function gcpTable(families?: readonly string[]): InstanceTable {
  return { cloud: "Google Cloud", priceUnit, types: ofFamilies(machineTypes, families), namePattern: machinePattern };
}

/**
 * Where GKE mounts the local disks, which it formats and joins into one file system that also holds images, logs and `emptyDir` volumes: on Container-Optimized
 * OS nothing else can be written to at all. A database on node disk lies in a folder below. GKE chooses the place and documents the joining
 * (https://cloud.google.com/kubernetes-engine/docs/concepts/local-ssd), and has kept the place since 2021.
 */
export const localDiskFolder = "/mnt/stateful_partition/kube-ephemeral-ssd";

/** 375 GiB in bytes. */
const diskBytes = 375 * 1024 ** 3;

/** Images and node programs; both build for amd64 and arm64. https://cloud.google.com/kubernetes-engine/docs/concepts/node-images */
const imageFamilies = ["COS_CONTAINERD", "UBUNTU_CONTAINERD"];

/** The machine of a spec. Disks are joined, so they are wanted by their sum: as many of 375 GiB as hold all. */
export function machineOf(table: InstanceTable, spec: NodePoolSpec): InstanceChoice {
  const bytes = localDiskBytes(spec);
  const count = Math.ceil(bytes / diskBytes);
  // In whole GB, as the table has them.
  const localDisks = Array.from({ length: count }, () => ({ size: `${Math.floor(bytes / count / 1e9)}G` }));
  return chooseInstanceType(table, { ...spec, localDisks });
}

/** What is wrong with a spec on Google Cloud alone; paths begin with `spec`. `checkNodeRequest` or `checkPoolRequest` has passed. */
export function checkMachine(table: InstanceTable, spec: NodePoolSpec): InputProblem[] {
  const problems = new Problems("node");
  problems.addAll("", machineOf(table, spec).problems);
  checkKey(problems, "spec.diskEncryptionKey", spec.diskEncryptionKey);
  if (spec.imageFamily !== undefined && !imageFamilies.includes(spec.imageFamily)) {
    problems.add("spec.imageFamily", spec.imageFamily, `a node image of GKE for Linux is allowed: ${imageFamilies.join(" or ")}`);
  }
  (spec.localDisks ?? []).forEach(({ mountPath }, index) => {
    if (mountPath !== undefined && !`${mountPath}/`.startsWith(`${localDiskFolder}/`)) {
      problems.add(
        `spec.localDisks[${index}].mountPath`,
        mountPath,
        `GKE mounts local disks itself, joined into one: a folder below ${localDiskFolder} is allowed`,
      );
    }
  });
  checkKubeletLabels(problems, "spec.labels", spec.labels);
  return [...problems.all];
}
