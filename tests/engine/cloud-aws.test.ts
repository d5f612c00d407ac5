import { describeCloudStack } from "../support/cloud-life";

const nodes = ["n-1", "n-2", "n-3", "n-4", "n-5", "n-6"];

describeCloudStack({
  name: "aws",
  packageName: "aws",
  clusterType: "aws:eks/cluster:Cluster",
  nodeType: "aws:eks/nodeGroup:NodeGroup",
  networkTypes: ["aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"],
  login: "aws",
  identifier: "aws/eu-west-1/prices",
  // Machines of EKS follow the cluster by an update of their group.
  versionUpdates: ["update mesh-cluster-eks", "update mesh-pool-gateways-group", ...nodes.map((node) => `update mesh-nodes-${node}-group`)],
  zone: "eu-west-1c",
  // Parts of what has tags, and templates, whose tags are those of the day.
  untagged: [/-(route|routes|association|policy|template)$/, /-node-role-/, /-store-(versioning|private|owner|encryption|lifecycle)$/],
});
