/** The control plane: EKS, made or adopted, and the role of the machines in it. */
import { Addon, Cluster, getCluster } from "@pulumi/aws/eks";
import { Role, RolePolicyAttachment } from "@pulumi/aws/iam";
import type * as pulumi from "@pulumi/pulumi";
import { sortedEntries } from "../../src/model/names";
import type { InstanceTable } from "../cloud/instance-choice";
import { execKubeconfig, kubernetesProvider } from "../cloud/kubernetes";
import { lookUp } from "../cloud/lookup";
import { ZoneOrder } from "../cloud/rollout";
import type { ClusterHandle } from "../provider";
import { managedPolicy, namePrefix, tagsOf, trustOf } from "./names";
import { awsNetwork, type AwsNetwork } from "./network";
import { type AwsClusterCreateOptions, awsClusterName, type AwsProviderOptions } from "./options";

/** What nodes, pools and stores need of the cluster. */
export interface AwsCluster {
  name: pulumi.Input<string>;
  /** Version that the machines follow; undefined where the cluster's own at their creation. */
  version: string | undefined;
  handle: ClusterHandle;
  subnetIds: AwsNetwork["subnetIds"];
  /** Undefined where nodes are adopted. */
  nodeRoleArn: pulumi.Input<string> | undefined;
  /** What must be there before the first machine and stay until the last one is gone. */
  dependsOn: pulumi.Resource[];
  order: ZoneOrder;
  /** Machines to choose from. */
  table: InstanceTable;
}

/** Policies of EKS machines, https://docs.aws.amazon.com/eks/latest/userguide/create-node-role.html. */
const nodePolicies = {
  worker: "AmazonEKSWorkerNodePolicy",
  registry: "AmazonEC2ContainerRegistryPullOnly",
  network: "AmazonEKS_CNI_Policy",
};

/** Makes or adopts the cluster with all that its machines need. */
export function awsCluster(
  name: string,
  options: AwsProviderOptions,
  table: InstanceTable,
  opts: pulumi.CustomResourceOptions,
): AwsCluster {
  const network = awsNetwork(name, options, opts);
  const { create } = options.cluster;
  const clusterName = awsClusterName(options);
  const made = create === undefined ? undefined : createCluster(name, options, create, network, opts);
  const found = made ?? adoptCluster(options, clusterName, opts);
  const role = nodeRole(name, options, opts);
  const dependsOn = [...network.dependsOn, ...(made?.parts ?? []), ...role.dependsOn];
  const kubernetes = kubernetesProvider(
    name,
    { kubeconfig: awsKubeconfig(options.region, clusterName, found), identifier: `aws/${options.region}/${clusterName}` },
    { ...opts, dependsOn },
  );
  return {
    name: made?.cluster.name ?? clusterName,
    version: create?.version,
    handle: { name: clusterName, kubernetes, ready: kubernetes.id.apply(() => true) },
    subnetIds: network.subnetIds,
    nodeRoleArn: role.arn,
    dependsOn,
    order: new ZoneOrder(),
    table,
  };
}

interface Endpoint {
  endpoint: pulumi.Input<string>;
  certificateAuthority: pulumi.Input<string>;
}

/** `aws eks get-token` asks who the caller is on the machine that deploys; no key is in the file. */
export function awsKubeconfig(region: string, clusterName: string, cluster: Endpoint): pulumi.Output<string> {
  return execKubeconfig({
    server: cluster.endpoint,
    certificateAuthority: cluster.certificateAuthority,
    name: clusterName,
    exec: {
      command: "aws",
      args: ["--region", region, "eks", "get-token", "--cluster-name", clusterName, "--output", "json"],
      installHint: "the AWS CLI is needed, version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    },
  });
}

/** The cluster that is there; one that is not stops the preview. */
function adoptCluster(options: AwsProviderOptions, clusterName: string, opts: pulumi.CustomResourceOptions): Endpoint {
  const what = `an EKS cluster in ${options.region}`;
  const found = lookUp("awsProvider", "cluster.existing.name", clusterName, what, () =>
    getCluster({ name: clusterName, region: options.region }, opts.parent === undefined ? {} : { parent: opts.parent }),
  );
  return {
    endpoint: found.apply((cluster) => cluster.endpoint),
    certificateAuthority: found.apply((cluster) => cluster.certificateAuthorities[0]?.data ?? ""),
  };
}

function createCluster(
  name: string,
  options: AwsProviderOptions,
  create: AwsClusterCreateOptions,
  network: AwsNetwork,
  opts: pulumi.CustomResourceOptions,
): Endpoint & { cluster: Cluster; parts: pulumi.Resource[] } {
  const { region, dataProtection } = options;
  const role = new Role(
    `${name}-role`,
    {
      namePrefix: namePrefix(name),
      assumeRolePolicy: trustOf("eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]),
      tags: tagsOf(options, `${name}-role`),
    },
    opts,
  );
  const policy = new RolePolicyAttachment(
    `${name}-role-policy`,
    { role: role.name, policyArn: managedPolicy(region, "AmazonEKSClusterPolicy") },
    opts,
  );
  const isPublic = create.privateEndpoint === false;
  const cluster = new Cluster(
    `${name}-eks`,
    {
      region,
      // Plain, because the provider's identifier must be known in preview.
      name: create.name,
      roleArn: role.arn,
      ...(create.version === undefined ? {} : { version: create.version }),
      vpcConfig: {
        subnetIds: sortedEntries(network.subnetIds).map(([, id]) => id),
        endpointPrivateAccess: true,
        endpointPublicAccess: isPublic,
        ...(isPublic ? { publicAccessCidrs: create.authorizedNetworks ?? [] } : {}),
      },
      // Access entries alone, and not the ConfigMap aws-auth, which everybody who can write it can lock others out with.
      accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: true },
      enabledClusterLogTypes: ["audit", "authenticator"],
      ...(create.encryptionKey === undefined
        ? {}
        : { encryptionConfig: { provider: { keyArn: create.encryptionKey }, resources: ["secrets"] } }),
      ...(dataProtection?.protect === undefined ? {} : { deletionProtection: dataProtection.protect }),
      tags: tagsOf(options, create.name),
    },
    { ...opts, ...dataProtection, dependsOn: [policy, ...network.dependsOn] },
  );
  const addon = (part: string, addonName: string, configuration?: object): Addon =>
    new Addon(
      `${name}-${part}`,
      {
        region,
        clusterName: cluster.name,
        addonName,
        resolveConflictsOnCreate: "OVERWRITE",
        resolveConflictsOnUpdate: "OVERWRITE",
        ...(configuration === undefined ? {} : { configurationValues: JSON.stringify(configuration) }),
        tags: tagsOf(options, `${name}-${part}`),
      },
      opts,
    );
  const parts = [
    cluster,
    // Its default enforces no NetworkPolicy: https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html
    addon("network-addon", "vpc-cni", { enableNetworkPolicy: "true" }),
    // Gives pods their identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    addon("identity-addon", "eks-pod-identity-agent"),
  ];
  return { cluster, parts, endpoint: cluster.endpoint, certificateAuthority: cluster.certificateAuthority.data };
}

function nodeRole(
  name: string,
  options: AwsProviderOptions,
  opts: pulumi.CustomResourceOptions,
): { arn: pulumi.Input<string> | undefined; dependsOn: pulumi.Resource[] } {
  if (options.nodes?.adopt === true || options.nodes?.roleArn !== undefined) {
    return { arn: options.nodes.roleArn, dependsOn: [] };
  }
  const role = new Role(
    `${name}-node-role`,
    {
      namePrefix: namePrefix(name, "node"),
      assumeRolePolicy: trustOf(options.region.startsWith("cn-") ? "ec2.amazonaws.com.cn" : "ec2.amazonaws.com"),
      tags: tagsOf(options, `${name}-node-role`),
    },
    opts,
  );
  const policies = Object.entries(nodePolicies).map(
    ([part, policy]) =>
      new RolePolicyAttachment(`${name}-node-role-${part}`, { role: role.name, policyArn: managedPolicy(options.region, policy) }, opts),
  );
  return { arn: role.arn, dependsOn: policies };
}
