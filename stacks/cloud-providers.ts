/** The Pulumi providers that talk to the cloud of a stack. */
import { createRequire } from "node:module";
import type * as pulumi from "@pulumi/pulumi";
import type { StackCloud } from "./config";

// A stack loads the SDK of its own cloud and no other.
const load = createRequire(__filename);

/**
 * The provider of the stack's cloud, in the region that the configuration names; credentials come from the environment, as with the cloud's own tools.
 * Nothing falls back to a default provider, whose region would be another knob: the stacks disable all of them.
 */
export function pulumiProviders({ aws, gcp, azure }: StackCloud): pulumi.ProviderResource[] {
  if (aws !== undefined) {
    const { Provider } = load("@pulumi/aws/provider") as typeof import("@pulumi/aws/provider");
    return [new Provider("aws", { region: aws.region as import("@pulumi/aws").Region })];
  }
  if (gcp !== undefined) {
    const { Provider } = load("@pulumi/gcp/provider") as typeof import("@pulumi/gcp/provider");
    return [new Provider("gcp", { project: gcp.project, region: gcp.region })];
  }
  if (azure !== undefined) {
    const { Provider } = load("@pulumi/azure-native/provider") as typeof import("@pulumi/azure-native/provider");
    return [new Provider("azure", { location: azure.location })];
  }
  return [];
}
