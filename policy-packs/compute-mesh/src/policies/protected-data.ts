import type { ResourceValidationPolicy } from "@pulumi/policy";
import { valueAt } from "../objects";

/** Label of objects that hold data; its value says what they hold. The components of compute-mesh set it. */
const dataLabel = "compute-mesh.dev/holds-data";

/** What holds data cannot be deleted or replaced by mistake. */
export const protectedData: ResourceValidationPolicy = {
  name: "protected-data",
  displayName: "Data is protected",
  description: `Objects with the label ${dataLabel} have the resource option protect.`,
  severity: "critical",
  tags: ["compute-mesh", "data-loss"],
  remediationSteps:
    "Set dataProtection.protect of the component to true (its default), or the resource option protect of your own resource. " +
    "To remove the object on purpose, deploy with this policy as advisory and run `pulumi state unprotect` on it.",
  validateResource: (args, reportViolation) => {
    const held = valueAt(args.props, "metadata", "labels", dataLabel);
    if (held !== undefined && !args.opts.protect) {
      reportViolation(`${args.name} holds data (${JSON.stringify(held)}) and is not protected: a wrong edit could delete or replace it.`);
    }
  },
};
