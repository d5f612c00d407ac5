/** The machine of a node or a pool: which one, and what of it cannot be changed in place. */
import type { types } from "@pulumi/aws";
import { checkOneOf } from "../../src/model/checks";
import { Problems, type InputProblem } from "../../src/model/errors";
import type { Taint } from "../../src/model/topology";
import { generation } from "../cloud/generation";
import { chooseInstanceType, type InstanceTable } from "../cloud/instance-choice";
import { checkKubeletLabels } from "../cloud/kubelet-labels";
import { checkPattern } from "../cloud/options";
import { cloudEffect } from "../cloud/taints";
import { localDisks } from "../node-spec";
import type { NodePoolSpec } from "../provider";

/** Image families and the AMI types of EKS, https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html. */
const amiTypes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  al2023: { amd64: "AL2023_x86_64_STANDARD", arm64: "AL2023_ARM_64_STANDARD" },
  bottlerocket: { amd64: "BOTTLEROCKET_x86_64", arm64: "BOTTLEROCKET_ARM_64" },
};

/** Key ids, aliases and ARNs, https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id. */
export const kmsKeyPattern =
  /^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/\S+|alias\/\S+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** What is wrong with a spec on AWS; it has passed the checks of every cloud. */
export function checkMachine(table: InstanceTable, spec: NodePoolSpec): InputProblem[] {
  const problems = new Problems("node");
  problems.addAll("", chooseInstanceType(table, spec).problems);
  checkKubeletLabels(problems, "spec.labels", spec.labels);
  const family = spec.imageFamily ?? "al2023";
  if (checkOneOf(problems, "spec.imageFamily", family, Object.keys(amiTypes)) && family === "bottlerocket" && localDisks(spec).length > 0) {
    problems.add("spec.imageFamily", family, "bottlerocket cannot mount local disks one by one; al2023 can");
  }
  if (spec.diskEncryptionKey !== undefined) {
    const rule = "a key of KMS is allowed: its ARN, its id or its alias";
    checkPattern(problems, "spec.diskEncryptionKey", spec.diskEncryptionKey, kmsKeyPattern, rule);
  }
  return [...problems.all];
}

/** What a node group is made of. */
export interface AwsMachine {
  instanceType: string;
  amiType: string;
  capacityType: string;
  taints: types.input.eks.NodeGroupTaint[];
  /** Hash of all that EKS cannot change in place, and of what it would change by replacing the machine in its own order. */
  generation: string;
}

/** Resolves a spec that has been checked. `place` is what else is immutable: zone or zones. */
export function awsMachine(table: InstanceTable, spec: NodePoolSpec, place: Readonly<Record<string, unknown>>): AwsMachine {
  const { name: instanceType } = chooseInstanceType(table, spec);
  const amiType = amiTypes[spec.imageFamily ?? "al2023"]?.[spec.architecture ?? "amd64"] ?? "";
  const capacityType = spec.spot === true ? "SPOT" : "ON_DEMAND";
  const immutable = { ...place, instanceType, amiType, capacityType, disks: localDisks(spec), key: spec.diskEncryptionKey };
  return { instanceType, amiType, capacityType, taints: (spec.taints ?? []).map(eksTaint), generation: generation(immutable) };
}

function eksTaint(taint: Taint): types.input.eks.NodeGroupTaint {
  const { key, value } = taint;
  return { key, ...(value === undefined ? {} : { value }), effect: cloudEffect(taint) };
}
