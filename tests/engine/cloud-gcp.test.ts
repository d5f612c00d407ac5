import { describeCloudStack } from "../support/cloud-life";

describeCloudStack({
  name: "gcp",
  packageName: "gcp",
  clusterType: "gcp:container/cluster:Cluster",
  nodeType: "gcp:container/nodePool:NodePool",
  networkTypes: ["gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"],
  login: "gke-gcloud-auth-plugin",
  identifier: "gcp/my-project/europe-west4/prices",
  versionUpdates: ["update mesh-cluster-cluster"],
  zone: "europe-west4-c",
  // Networks, accounts and rights have no labels in Google Cloud.
  untagged: [/-(network|subnetwork|router|nat|node-account|node-role|image-role)$/, /-store-(account|identity|access)$/],
});
