/** A GKE cluster: its control plane, the identity of its nodes, nodes for its own services, and the door to it. */
import * as container from "@pulumi/gcp/container";
import * as projects from "@pulumi/gcp/projects";
import * as serviceaccount from "@pulumi/gcp/serviceaccount";
import * as pulumi from "@pulumi/pulumi";
import { dnsNameWithin } from "../../src/model/names";
import { type ExecAuthentication, execKubeconfig, kubernetesProvider } from "../cloud/kubernetes";
import type { InstanceTable } from "../cloud/instance-choice";
import { lookUp } from "../cloud/lookup";
import { ZoneOrder } from "../cloud/rollout";
import type { ClusterHandle } from "../provider";
import { type GcpNetwork, gcpNetwork } from "./network";
import { nodeConfig } from "./node-config";
import { defaultSystemType, type GcpClusterCreateOptions, type GcpProviderOptions, labelsOf } from "./options";

/** A cluster as nodes and pools need it. */
export interface GcpCluster {
  handle: ClusterHandle;
  name: pulumi.Input<string>;
  /** Region or zone. */
  location: string;
  /** E-mail address of the account that nodes run as; undefined where nodes are adopted. */
  serviceAccount?: pulumi.Input<string>;
  /** What nodes need before they start. */
  dependsOn: pulumi.Resource[];
  order: ZoneOrder;
  /** Machines to choose from. */
  table: InstanceTable;
}

type FoundCluster = Omit<GcpCluster, "order" | "table">;

/** https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin */
const exec: ExecAuthentication = {
  command: "gke-gcloud-auth-plugin",
  args: [],
  installHint: "install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin",
};

/** What a node may do in the project: logs and metrics, and reading images. https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#permissions */
const nodeRoles = { "node-role": "roles/container.defaultNodeServiceAccount", "image-role": "roles/artifactregistry.reader" };

/** Name of the cluster in facts and identifiers; plain. */
export function clusterNameOf({ cluster }: GcpProviderOptions): string {
  return cluster.create?.name ?? cluster.existing?.name ?? "";
}

/** Makes or adopts the cluster. */
export function gcpCluster(
  name: string,
  options: GcpProviderOptions,
  table: InstanceTable,
  opts: pulumi.CustomResourceOptions,
): GcpCluster {
  const { create } = options.cluster;
  return {
    ...(create === undefined ? adoptCluster(name, options, opts) : createCluster(name, options, create, opts)),
    order: new ZoneOrder(),
    table,
  };
}

function createCluster(
  name: string,
  options: GcpProviderOptions,
  create: GcpClusterCreateOptions,
  opts: pulumi.CustomResourceOptions,
): FoundCluster {
  const { project, region } = options;
  const network = gcpNetwork(name, options, opts);
  const account = nodeAccount(name, options, opts);
  const cluster = new container.Cluster(`${name}-cluster`, controlPlane(options, create, network), {
    ...opts,
    ...options.dataProtection,
    // The pool that GKE makes with every cluster is removed at once; what its nodes would be is nobody's choice.
    ignoreChanges: ["initialNodeCount", "nodeConfig"],
  });
  const dependsOn = [...network.dependsOn, ...account.dependsOn];
  const system = new container.NodePool(
    `${name}-system`,
    {
      project,
      location: region,
      cluster: cluster.name,
      ...(create.zones === undefined ? {} : { nodeLocations: create.zones }),
      nodeCount: create.systemNodes?.perZone ?? 1,
      management: { autoRepair: true, autoUpgrade: true },
      upgradeSettings: { strategy: "SURGE", maxSurge: 1, maxUnavailable: 0 },
      nodeConfig: nodeConfig(options, account.email, { machineType: create.systemNodes?.instanceType ?? defaultSystemType }),
    },
    { ...opts, dependsOn },
  );
  const handle = doorOf(name, options, region, cluster.endpoint, cluster.masterAuth.clusterCaCertificate, { ...opts, dependsOn: [system] });
  return { handle, name: cluster.name, location: region, serviceAccount: account.email, dependsOn };
}

function controlPlane(options: GcpProviderOptions, create: GcpClusterCreateOptions, network: GcpNetwork): container.ClusterArgs {
  const { project, region } = options;
  const { privateEndpoint = true, authorizedNetworks = [], encryptionKey } = create;
  return {
    name: create.name,
    project,
    location: region,
    ...(create.version === undefined ? {} : { minMasterVersion: create.version }),
    releaseChannel: { channel: create.releaseChannel ?? "REGULAR" },
    ...(create.zones === undefined ? {} : { nodeLocations: create.zones }),
    network: network.network,
    subnetwork: network.subnetwork,
    networkingMode: "VPC_NATIVE",
    ipAllocationPolicy: {
      ...(network.podRange === undefined ? {} : { clusterSecondaryRangeName: network.podRange }),
      ...(network.serviceRange === undefined ? {} : { servicesSecondaryRangeName: network.serviceRange }),
    },
    // Network policies are enforced by Dataplane V2 only.
    datapathProvider: "ADVANCED_DATAPATH",
    privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: privateEndpoint },
    // A private endpoint wants the setting, too; without ranges it lets in the subnetwork of the nodes.
    masterAuthorizedNetworksConfig: {
      gcpPublicCidrsAccessEnabled: false,
      cidrBlocks: authorizedNetworks.map((cidrBlock) => ({ cidrBlock })),
    },
    workloadIdentityConfig: { workloadPool: workloadPool(project) },
    ...(encryptionKey === undefined ? {} : { databaseEncryption: { state: "ENCRYPTED", keyName: encryptionKey } }),
    removeDefaultNodePool: true,
    initialNodeCount: 1,
    // Beside Pulumi's own protection, which a deletion in the console does not know of.
    deletionProtection: options.dataProtection?.protect ?? false,
    resourceLabels: labelsOf(options),
  };
}

/** What Google says of the cluster that is there. */
export async function findCluster(options: GcpProviderOptions, opts: pulumi.InvokeOptions): Promise<container.GetClusterResult> {
  const { project, region } = options;
  const location = options.cluster.existing?.location ?? region;
  const cluster = await container.getCluster({ name: clusterNameOf(options), location, project }, opts);
  // Google's provider answers the look-up of a cluster that is not there with an empty one.
  if (!cluster.endpoint) {
    throw new Error("the answer is empty");
  }
  return cluster;
}

function adoptCluster(name: string, options: GcpProviderOptions, opts: pulumi.CustomResourceOptions): FoundCluster {
  const location = options.cluster.existing?.location ?? options.region;
  const what = `a GKE cluster in ${location} of project ${options.project}`;
  const found = lookUp("gcpProvider", "cluster.existing.name", clusterNameOf(options), what, () =>
    findCluster(options, opts.parent === undefined ? {} : { parent: opts.parent }),
  );
  const account = options.nodes?.adopt === true ? undefined : nodeAccount(name, options, opts);
  const authority = found.apply((cluster) => cluster.masterAuths[0]?.clusterCaCertificate ?? "");
  return {
    handle: doorOf(name, options, location, found.endpoint, authority, opts),
    name: clusterNameOf(options),
    location,
    ...(account === undefined ? {} : { serviceAccount: account.email }),
    dependsOn: account?.dependsOn ?? [],
  };
}

/** What pods of the project's clusters prove who they are with. https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity */
export function workloadPool(project: string): string {
  return `${project}.svc.id.goog`;
}

function doorOf(
  name: string,
  options: GcpProviderOptions,
  location: string,
  endpoint: pulumi.Output<string>,
  certificateAuthority: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): ClusterHandle {
  const clusterName = clusterNameOf(options);
  const kubeconfig = execKubeconfig({ server: pulumi.interpolate`https://${endpoint}`, certificateAuthority, name: clusterName, exec });
  const identifier = `gcp/${options.project}/${location}/${clusterName}`;
  const kubernetes = kubernetesProvider(name, { kubeconfig, identifier }, opts);
  return { name: clusterName, kubernetes, ready: kubernetes.id.apply(() => true) };
}

function nodeAccount(
  name: string,
  options: GcpProviderOptions,
  opts: pulumi.CustomResourceOptions,
): { email: pulumi.Input<string>; dependsOn: pulumi.Resource[] } {
  const { project, nodes } = options;
  if (nodes?.serviceAccount !== undefined) {
    return { email: nodes.serviceAccount, dependsOn: [] };
  }
  const clusterName = clusterNameOf(options);
  const account = new serviceaccount.Account(
    `${name}-node-account`,
    { project, accountId: dnsNameWithin(30, clusterName, "nodes"), displayName: `Nodes of the GKE cluster ${clusterName}` },
    opts,
  );
  const roles = Object.entries(nodeRoles).map(
    ([part, role]) =>
      new projects.IAMMember(`${name}-${part}`, { project, role, member: pulumi.interpolate`serviceAccount:${account.email}` }, opts),
  );
  return { email: account.email, dependsOn: roles };
}
