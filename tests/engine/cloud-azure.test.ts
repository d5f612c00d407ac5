import { describeCloudStack } from "../support/cloud-life";

const nodes = ["n-1", "n-2", "n-3", "n-4", "n-5", "n-6"];

describeCloudStack({
  name: "azure",
  packageName: "azure-native",
  clusterType: "azure-native:containerservice:ManagedCluster",
  nodeType: "azure-native:containerservice:AgentPool",
  networkTypes: ["azure-native:network:VirtualNetwork", "azure-native:network:Subnet"],
  login: "kubelogin",
  identifier: "azure/prices/prices",
  // Machines of AKS follow the cluster by an update of their pool. In preview azure-native knows nothing of a cluster's outputs while it is updated, so what names
  // the issuer of its tokens is shown as an update, too.
  versionUpdates: [
    "update mesh-cluster-aks",
    "update mesh-pool-gateways-pool",
    "update mesh-snapshots-hourly-store-federation",
    ...nodes.map((node) => `update mesh-nodes-${node}-pool`),
  ],
  zone: "westeurope-3",
  // Parts of what has tags, and identities, whose tags are those of the day.
  untagged: [/-(subnet|network-role|access|federation|identity)$/, /-store-(service|lifecycle|container)$/],
});
