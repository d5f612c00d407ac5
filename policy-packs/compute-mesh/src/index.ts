/** The policy pack: everything that `pulumi preview --policy-pack` loads. */
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies";

new PolicyPack("compute-mesh", {
  displayName: "compute-mesh",
  description: "Guardrails that know the components of compute-mesh.",
  tags: ["compute-mesh", "kubernetes"],
  // The level of every policy, unless the policy configuration says otherwise for one of them or for `all`.
  enforcementLevel: "mandatory",
  policies,
});
