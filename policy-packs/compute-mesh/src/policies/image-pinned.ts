import type { ResourceValidationPolicy } from "@pulumi/policy";
import { containersOf, podSpecOf } from "../pods";

interface Config {
  requireDigest?: boolean;
}

/** Every node runs the same program, today and after a restart. */
export const imagePinned: ResourceValidationPolicy = {
  name: "image-pinned",
  displayName: "Images are pinned",
  description: "Every container image has a tag other than latest, or a digest.",
  severity: "high",
  tags: ["compute-mesh", "reproducibility"],
  remediationSteps: "Give the image a fixed tag (acme/prices:1.4.2) or, better, a digest (acme/prices@sha256:…).",
  configSchema: {
    properties: {
      requireDigest: { type: "boolean", default: false, description: "Accept digests only." },
    },
  },
  validateResource: (args, reportViolation) => {
    const podSpec = podSpecOf(args.type, args.props);
    const { requireDigest = false } = args.getConfig<Config>();
    for (const { title, container } of podSpec === undefined ? [] : containersOf(podSpec)) {
      const image = container["image"];
      const problem = typeof image === "string" ? imageProblem(image, requireDigest) : undefined;
      if (problem !== undefined) {
        reportViolation(`${title}: image ${JSON.stringify(image)} ${problem}.`);
      }
    }
  },
};

/** What is wrong with an image, `[registry[:port]/]path[:tag][@digest]`; `undefined` where nothing is. */
function imageProblem(image: string, requireDigest: boolean): string | undefined {
  if (image.includes("@")) {
    return undefined;
  }
  if (requireDigest) {
    return "has no digest";
  }
  // A colon before the last slash belongs to the port of a registry.
  const [, tag] = image.slice(image.lastIndexOf("/") + 1).split(":");
  if (tag === undefined || tag === "") {
    return "has neither a tag nor a digest, so nodes may run different programs";
  }
  return tag === "latest" ? "has the tag latest, which changes under running nodes" : undefined;
}
