/** Compares a Node that was read from the cluster with what the spec says of it. */
import * as pulumi from "@pulumi/pulumi";
import { keyPath, MeshInputError, Problems } from "../../src/model/errors";
import { parseQuantity } from "../../src/model/quantity";
import type { MeshNodeFacts, Taint } from "../../src/model/topology";
import { architectureLabel, regionLabel, zoneLabel } from "../node-spec";
import type { NodeSpec } from "../provider";

/** The part of a Node that is looked at. */
export interface LiveNode {
  metadata?: { name?: string; labels?: Record<string, string> };
  spec?: { providerID?: string; taints?: Taint[] };
  status?: { allocatable?: Record<string, string>; conditions?: { type: string; status: string }[] };
}

/** Kubernetes sets and removes these by itself, for example while a node is being drained. */
const passingTaints = /^(node\.kubernetes\.io|node\.cloudprovider\.kubernetes\.io)\//;

/** Whether the node takes pods, from its Ready condition. */
export function isReady(node: LiveNode): boolean {
  return node.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;
}

/**
 * Stops the deployment where the Node contradicts its spec. Zone, region and architecture may be missing on it, as they often are without a cloud.
 *
 * @throws pulumi.RunError with every contradiction
 */
export function checkLiveNode(facts: MeshNodeFacts, spec: NodeSpec, node: LiveNode): void {
  const problems = new Problems(`computeMeshNode "${facts.name}" (Kubernetes node ${facts.kubernetesNodeName ?? "unknown"})`);
  const labels = node.metadata?.labels ?? {};
  checkTopology(problems, labels, zoneLabel, "spec.zone", facts.zone);
  checkTopology(problems, labels, regionLabel, "spec.region", facts.region, spec.region !== undefined);
  checkTopology(problems, labels, architectureLabel, "spec.architecture", spec.architecture ?? "", spec.architecture !== undefined);
  checkPresent(problems, labels, "selector", facts.selector);
  checkPresent(problems, labels, "spec.labels", spec.labels ?? {});
  checkCapacity(problems, node, "cpu", spec.cpu);
  checkCapacity(problems, node, "memory", spec.memory);
  checkTolerated(problems, node.spec?.taints ?? [], facts.taints);
  if (problems.any) {
    // RunError is printed without a stack trace, wherever in an Output it is thrown.
    throw new pulumi.RunError(new MeshInputError(problems.subject, problems.all).message);
  }
}

function checkTopology(
  problems: Problems,
  labels: Readonly<Record<string, string>>,
  label: string,
  path: string,
  expected: string,
  wanted = true,
): void {
  const actual = labels[label];
  if (wanted && actual !== undefined && actual !== expected) {
    problems.add(path, expected, `the node's label ${label} says ${JSON.stringify(actual)}`);
  }
}

function checkPresent(
  problems: Problems,
  labels: Readonly<Record<string, string>>,
  path: string,
  expected: Readonly<Record<string, string>>,
): void {
  for (const [key, value] of Object.entries(expected)) {
    const actual = labels[key];
    if (actual !== value) {
      problems.add(
        keyPath(path, key),
        value,
        actual === undefined ? "the node does not carry this label" : `the node carries ${JSON.stringify(actual)}`,
      );
    }
  }
}

function checkCapacity(problems: Problems, node: LiveNode, resource: "cpu" | "memory", wanted: string | undefined): void {
  const allocatable = node.status?.allocatable?.[resource];
  if (wanted !== undefined && allocatable !== undefined && (parseQuantity(allocatable) ?? 0) < (parseQuantity(wanted) ?? 0)) {
    problems.add(`spec.${resource}`, wanted, `the node has ${allocatable} for pods`);
  }
}

/** A taint that the mesh does not tolerate would leave the node without its database, with nothing to see but a smaller DaemonSet. */
function checkTolerated(problems: Problems, taints: readonly Taint[], tolerated: readonly Taint[]): void {
  for (const taint of taints) {
    const known = tolerated.some(
      (other) => other.key === taint.key && other.effect === taint.effect && (other.value === undefined || other.value === taint.value),
    );
    if (!known && taint.effect !== "PreferNoSchedule" && !passingTaints.test(taint.key)) {
      problems.add(
        "spec.taints",
        tolerated,
        `the node's taint ${taint.key}=${taint.value ?? ""}:${taint.effect} is missing, so no pod of the mesh could run there`,
      );
    }
  }
}
