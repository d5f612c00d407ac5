/** The Cluster Autoscaler: EKS itself scales no group of machines. */
import { PodIdentityAssociation } from "@pulumi/aws/eks";
import { Role, RolePolicy } from "@pulumi/aws/iam";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { describeLabels, selectorLabels } from "../../src/kubernetes/labels";
import type { AwsCluster } from "./cluster";
import { namePrefix, tagsOf, trustOf } from "./names";
import { awsClusterName, type AwsProviderOptions } from "./options";

const namespace = "kube-system";
/** Also the name of its lock and of its status, which its rights below name. */
const account = "cluster-autoscaler";

/** Kubernetes version of the autoscaler where the cluster's is left to EKS; one release works with its neighbours. */
const defaultVersion = "1.34";

/** Rights of the autoscaler in the cluster: github.com/kubernetes/autoscaler, cluster-autoscaler/cloudprovider/aws/examples/cluster-autoscaler-autodiscover.yaml. */
const clusterRules = [
  rule([""], ["events", "endpoints"], ["create", "patch"]),
  rule([""], ["pods/eviction"], ["create"]),
  rule([""], ["pods/status"], ["update"]),
  rule([""], ["endpoints"], ["get", "update"], [account]),
  rule([""], ["nodes"], ["watch", "list", "get", "update"]),
  read("", ["namespaces", "pods", "services", "replicationcontrollers", "persistentvolumeclaims", "persistentvolumes"]),
  read("batch", ["jobs", "cronjobs"]),
  read("policy", ["poddisruptionbudgets"]),
  read("apps", ["statefulsets", "replicasets", "daemonsets"]),
  read("storage.k8s.io", ["storageclasses", "csinodes", "csidrivers", "csistoragecapacities", "volumeattachments"]),
  read("resource.k8s.io", ["deviceclasses", "resourceclaims", "resourceslices"]),
  rule(["coordination.k8s.io"], ["leases"], ["create"]),
  rule(["coordination.k8s.io"], ["leases"], ["get", "update"], [account]),
];
const ownRules = [
  rule([""], ["configmaps"], ["create", "list", "watch"]),
  rule([""], ["configmaps"], ["delete", "get", "update", "watch"], ["cluster-autoscaler-status", "cluster-autoscaler-priority-expander"]),
];

/** Reads groups of any kind, and changes those of this cluster alone, by the tag that EKS gives to each of them. */
export function autoscalerPolicy(clusterName: string): string {
  const reads = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLaunchConfigurations",
    "autoscaling:DescribeScalingActivities",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetInstanceTypesFromInstanceRequirements",
    "eks:DescribeNodegroup",
  ];
  const writes = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"];
  const owned = { StringEquals: { [`aws:ResourceTag/k8s.io/cluster-autoscaler/${clusterName}`]: "owned" } };
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Action: reads, Resource: "*" },
      { Effect: "Allow", Action: writes, Resource: "*", Condition: owned },
    ],
  });
}

/**
 * Runs the autoscaler in `kube-system`. It finds the groups by the tags that EKS gives them. Groups of mesh nodes are of exactly one machine, which it cannot
 * change. Nothing waits for its pod, because that waits for the first node.
 */
export function createAutoscaler(name: string, options: AwsProviderOptions, cluster: AwsCluster, opts: pulumi.CustomResourceOptions): void {
  const clusterName = awsClusterName(options);
  const role = new Role(
    `${name}-autoscaler-role`,
    {
      namePrefix: namePrefix(name, "autoscaler"),
      assumeRolePolicy: trustOf("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]),
      tags: tagsOf(options, `${name}-autoscaler-role`),
    },
    opts,
  );
  const policy = new RolePolicy(`${name}-autoscaler-policy`, { role: role.name, policy: autoscalerPolicy(clusterName) }, opts);
  const identity = new PodIdentityAssociation(
    `${name}-autoscaler-identity`,
    {
      region: options.region,
      clusterName: cluster.name,
      namespace,
      serviceAccount: account,
      roleArn: role.arn,
      tags: tagsOf(options, `${name}-autoscaler-identity`),
    },
    { ...opts, dependsOn: [...cluster.dependsOn, policy] },
  );
  const inside = { ...opts, provider: cluster.handle.kubernetes };
  const metadata = { name: account, namespace, labels: describeLabels(name, "autoscaler") };
  const { namespace: _everywhere, ...clusterMetadata } = metadata;
  const subjects = [{ kind: "ServiceAccount", name: account, namespace }];
  const roleRef = (kind: string): k8s.types.input.rbac.v1.RoleRef => ({ apiGroup: "rbac.authorization.k8s.io", kind, name: account });
  const rights = [
    new k8s.core.v1.ServiceAccount(`${name}-autoscaler`, { metadata }, inside),
    new k8s.rbac.v1.ClusterRole(`${name}-autoscaler-cluster-role`, { metadata: clusterMetadata, rules: clusterRules }, inside),
    new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-autoscaler-cluster-binding`,
      { metadata: clusterMetadata, roleRef: roleRef("ClusterRole"), subjects },
      inside,
    ),
    new k8s.rbac.v1.Role(`${name}-autoscaler-role`, { metadata, rules: ownRules }, inside),
    new k8s.rbac.v1.RoleBinding(`${name}-autoscaler-binding`, { metadata, roleRef: roleRef("Role"), subjects }, inside),
  ];
  const labels = selectorLabels(name, "autoscaler");
  new k8s.apps.v1.Deployment(
    `${name}-autoscaler`,
    {
      metadata: { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels: { ...describeLabels(name, "autoscaler"), ...labels } }, spec: autoscalerPod(options, clusterName) },
      },
    },
    { ...inside, dependsOn: [identity, ...rights] },
  );
}

function autoscalerPod(options: AwsProviderOptions, clusterName: string): k8s.types.input.core.v1.PodSpec {
  const version = /^1\.\d+/.exec(options.cluster.create?.version ?? defaultVersion)?.[0] ?? defaultVersion;
  const resources = { cpu: "100m", memory: "600Mi" };
  return {
    serviceAccountName: account,
    priorityClassName: "system-cluster-critical",
    securityContext: { runAsNonRoot: true, runAsUser: 65534, fsGroup: 65534, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "autoscaler",
        image: `registry.k8s.io/autoscaling/cluster-autoscaler:v${version}.0`,
        command: [
          "./cluster-autoscaler",
          "--cloud-provider=aws",
          `--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/${clusterName}`,
          "--balance-similar-node-groups",
          "--expander=least-waste",
          "--skip-nodes-with-system-pods=false",
          "--stderrthreshold=info",
        ],
        env: [{ name: "AWS_REGION", value: options.region }],
        resources: { requests: resources, limits: { memory: resources.memory } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
      },
    ],
  };
}

function rule(apiGroups: string[], resources: string[], verbs: string[], resourceNames?: string[]): k8s.types.input.rbac.v1.PolicyRule {
  return { apiGroups, resources, verbs, ...(resourceNames === undefined ? {} : { resourceNames }) };
}

function read(apiGroup: string, resources: string[]): k8s.types.input.rbac.v1.PolicyRule {
  return rule([apiGroup], resources, ["get", "list", "watch"]);
}
