import type { MeshNodeFacts, Taint } from "../model/topology";

/** Security context of a container that needs nothing: the `restricted` Pod Security Standard. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};

/** A container that ends without a word of its own in `/dev/termination-log` shows the end of its log as the reason in the pod's status. */
export const lastWords = { terminationMessagePolicy: "FallbackToLogsOnError" };

/**
 * Where the DaemonSets of a mesh run: the labels that all its nodes share, and every taint tolerated.
 *
 * The selector holds nothing that changes when a node joins or leaves, so that scaling never rolls a DaemonSet's pods.
 */
export function nodePlacement(nodes: readonly MeshNodeFacts[]): { nodeSelector: Record<string, string>; tolerations: Toleration[] } {
  return { nodeSelector: commonSelector(nodes), tolerations: tolerationsOf(nodes.flatMap((node) => node.taints)) };
}

/** The labels that the selectors of all nodes have in common; empty where there is no such label. */
export function commonSelector(nodes: readonly MeshNodeFacts[]): Record<string, string> {
  const [first, ...others] = nodes;
  const shared = Object.entries(first?.selector ?? {}).filter(([key, value]) => others.every((node) => node.selector[key] === value));
  return Object.fromEntries(shared.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A toleration of exactly one taint. */
export interface Toleration {
  key: string;
  operator: string;
  value?: string;
  effect: string;
}

/** One toleration per different taint, in a stable order. */
export function tolerationsOf(taints: readonly Taint[]): Toleration[] {
  const all = taints.map((taint): Toleration => ({
    key: taint.key,
    operator: taint.value === undefined ? "Exists" : "Equal",
    ...(taint.value === undefined ? {} : { value: taint.value }),
    effect: taint.effect,
  }));
  const byText = new Map(all.map((toleration) => [JSON.stringify(toleration), toleration]));
  return [...byText.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, toleration]) => toleration);
}
