/** What all nodes of GKE that we make have alike. */
import type { container } from "@pulumi/gcp/types/input";
import type * as pulumi from "@pulumi/pulumi";
import { type GcpProviderOptions, labelsOf } from "./options";

type NodeConfig = container.NodePoolNodeConfig;

/** Series that have no other boot disk than Hyperdisk: https://cloud.google.com/compute/docs/disks/hyperdisks#machine-type-support. */
const hyperdiskOnly = /^(n4|c4|h4|m4|x4|z4)/;

/**
 * The node config of a pool: no keys on the machine, Google's metadata server hidden from pods (Workload Identity), a verified boot, and rights by the service
 * account alone. https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
 */
export function nodeConfig(options: GcpProviderOptions, serviceAccount: pulumi.Input<string> | undefined, more: NodeConfig): NodeConfig {
  return {
    imageType: "COS_CONTAINERD",
    ...(typeof more.machineType === "string" && hyperdiskOnly.test(more.machineType) ? { diskType: "hyperdisk-balanced" } : {}),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    // Scopes are the old way to limit rights; the account's roles do it.
    oauthScopes: ["https://www.googleapis.com/auth/cloud-platform"],
    workloadMetadataConfig: { mode: "GKE_METADATA" },
    metadata: { "disable-legacy-endpoints": "true" },
    shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
    resourceLabels: labelsOf(options),
    ...more,
  };
}
