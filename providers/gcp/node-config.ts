/** What all nodes of GKE that we make have alike. */
import type { container } from "@pulumi/gcp/types/input";
import type * as pulumi from "@pulumi/pulumi";
import { type GcpProviderOptions, labelsOf } from "./options";

type NodeConfig = container.NodePoolNodeConfig;

/**
 * The node config of a pool: no keys on the machine, Google's metadata server hidden from pods (Workload Identity), a verified boot, and rights by the service
 * account alone. https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
 */
export function nodeConfig(options: GcpProviderOptions, serviceAccount: pulumi.Input<string> | undefined, more: NodeConfig): NodeConfig {
  return {
    imageType: "COS_CONTAINERD",
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
