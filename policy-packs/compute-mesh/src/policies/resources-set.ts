import type { ResourceValidationPolicy } from "@pulumi/policy";
import { valueAt, type Properties } from "../objects";
import { containersOf, podSpecOf } from "../pods";

const needed = [
  ["requests", "cpu"],
  ["requests", "memory"],
  ["limits", "cpu"],
  ["limits", "memory"],
];

/** A pod without requests is the first to be evicted; one without limits can starve the database beside it. */
export const resourcesSet: ResourceValidationPolicy = {
  name: "resources-set",
  displayName: "CPU and memory are set",
  description: "Every container has requests and limits of CPU and memory, itself or through its pod.",
  severity: "medium",
  tags: ["compute-mesh", "stability"],
  remediationSteps:
    "Set resources.requests and resources.limits, both with cpu and memory. Equal values give the class Guaranteed, evicted last.",
  validateResource: (args, reportViolation) => {
    const podSpec = podSpecOf(args.type, args.props);
    // A Patch resource holds a part of an object only, so what it does not name may well be set.
    if (podSpec === undefined || args.type.endsWith("Patch")) {
      return;
    }
    for (const { title, container } of containersOf(podSpec)) {
      const missing = needed.filter((path) => !isSet(container, path) && !isSet(podSpec, path)).map((path) => path.join("."));
      if (missing.length > 0) {
        reportViolation(`${title}: ${missing.map((path) => `resources.${path}`).join(", ")} missing.`);
      }
    }
  },
};

/** Resources of a whole pod (Kubernetes 1.34 and later) count for each of its containers. */
function isSet(containerOrPod: Properties, path: readonly string[]): boolean {
  const value = valueAt(containerOrPod, "resources", ...path);
  return value !== undefined && value !== null && value !== "";
}
