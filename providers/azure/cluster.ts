/** The control plane: AKS, made or adopted, with the door to it. */
import {
  getManagedCluster,
  listManagedClusterUserCredentials,
  listManagedClusterUserCredentialsOutput,
  ManagedCluster,
  type ManagedClusterArgs,
} from "@pulumi/azure-native/containerservice";
import { RoleAssignment } from "@pulumi/azure-native/authorization";
import { UserAssignedIdentity } from "@pulumi/azure-native/managedidentity";
import type * as pulumi from "@pulumi/pulumi";
import { parseCidr } from "../cloud/cidr";
import type { InstanceTable } from "../cloud/instance-choice";
import { type ExecAuthentication, execKubeconfig, kubernetesProvider } from "../cloud/kubernetes";
import { lookUp } from "../cloud/lookup";
import { ZoneOrder } from "../cloud/rollout";
import type { ClusterHandle } from "../provider";
import { azureSubnet } from "./network";
import {
  type AzureClusterCreateOptions,
  type AzureProviderOptions,
  defaultPodCidr,
  defaultServiceCidr,
  defaultSystemType,
  systemZones,
  tagsOf,
  tagsOfTheDay,
  zoneNumber,
} from "./options";

/** What nodes, pools and stores need of the cluster. */
export interface AzureCluster {
  handle: ClusterHandle;
  name: pulumi.Input<string>;
  resourceGroup: string;
  /** Version that the machines follow; undefined where the cluster's own at their creation. */
  version: string | undefined;
  /** Undefined where AKS's own network is used. */
  subnetId: pulumi.Input<string> | undefined;
  /** Who vouches for ServiceAccounts of the cluster. */
  issuerUrl: pulumi.Input<string>;
  dependsOn: pulumi.Resource[];
  order: ZoneOrder;
  /** Machines to choose from. */
  table: InstanceTable;
}

/** The part of a cluster that is found or made. */
interface Found {
  cluster?: ManagedCluster;
  name: pulumi.Input<string>;
  subnetId: pulumi.Input<string> | undefined;
  issuerUrl: pulumi.Output<string>;
}

/** Built-in role "Network Contributor", https://learn.microsoft.com/azure/role-based-access-control/built-in-roles. */
const networkContributor = "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7";

/**
 * `kubelogin` asks the Azure CLI, or with the variables of a pipeline its identity, for a token of AKS's server application, whose id is the same everywhere:
 * https://learn.microsoft.com/azure/aks/kubelogin-authentication
 */
const exec: ExecAuthentication = {
  command: "kubelogin",
  args: ["get-token", "--login", "azurecli", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"],
  installHint: "kubelogin is needed: https://azure.github.io/kubelogin/install.html",
};

/** Name of the cluster in facts and identifiers; plain. */
export function azureClusterName({ cluster }: AzureProviderOptions): string {
  return cluster.create?.name ?? cluster.existing?.name ?? "";
}

/** Makes or adopts the cluster with all that its machines need. */
export function azureCluster(
  name: string,
  options: AzureProviderOptions,
  table: InstanceTable,
  opts: pulumi.CustomResourceOptions,
): AzureCluster {
  const { create, existing } = options.cluster;
  const resourceGroup = existing?.resourceGroup ?? options.resourceGroup;
  const found = create === undefined ? adoptCluster(name, options, resourceGroup, opts) : createCluster(name, options, create, opts);
  const dependsOn = found.cluster === undefined ? [] : [found.cluster];
  const clusterName = azureClusterName(options);
  const kubernetes = kubernetesProvider(
    name,
    { kubeconfig: kubeconfigOf(clusterName, resourceGroup, found, opts), identifier: `azure/${resourceGroup}/${clusterName}` },
    { ...opts, dependsOn },
  );
  return {
    handle: { name: clusterName, kubernetes, ready: kubernetes.id.apply(() => true) },
    name: found.name,
    resourceGroup,
    version: create?.version,
    subnetId: found.subnetId,
    issuerUrl: found.issuerUrl,
    dependsOn,
    order: new ZoneOrder(),
    table,
  };
}

function createCluster(
  name: string,
  options: AzureProviderOptions,
  create: AzureClusterCreateOptions,
  opts: pulumi.CustomResourceOptions,
): Found {
  const subnetId = azureSubnet(name, options, opts) ?? "";
  const identity = new UserAssignedIdentity(
    `${name}-identity`,
    { resourceGroupName: options.resourceGroup, location: options.location, tags: tagsOf(options) },
    { ...opts, ...tagsOfTheDay },
  );
  // Load balancers take addresses of the subnet; the cluster's identity may do nothing else.
  const role = new RoleAssignment(
    `${name}-network-role`,
    { principalId: identity.principalId, principalType: "ServicePrincipal", roleDefinitionId: networkContributor, scope: subnetId },
    opts,
  );
  const cluster = new ManagedCluster(`${name}-aks`, controlPlane(options, create, subnetId, identity.id), {
    ...opts,
    ...options.dataProtection,
    dependsOn: [role],
  });
  return { cluster, name: cluster.name, subnetId, issuerUrl: cluster.oidcIssuerProfile.apply((profile) => profile?.issuerURL ?? "") };
}

function controlPlane(
  options: AzureProviderOptions,
  create: AzureClusterCreateOptions,
  subnetId: pulumi.Input<string>,
  identityId: pulumi.Input<string>,
): ManagedClusterArgs {
  const { privateEndpoint = true, podCidr = defaultPodCidr, serviceCidr = defaultServiceCidr } = create;
  const zones = systemZones(options, create);
  return {
    resourceGroupName: options.resourceGroup,
    // Plain, because the provider's identifier must be known in preview.
    resourceName: create.name,
    location: options.location,
    dnsPrefix: create.name,
    // The free tier has no promise of uptime.
    sku: { name: "Base", tier: "Standard" },
    ...(create.version === undefined ? {} : { kubernetesVersion: create.version }),
    // Within the version that is said, patches; without one, what is stable. Nodes get new images weekly, one by one.
    autoUpgradeProfile: { upgradeChannel: create.version === undefined ? "stable" : "patch", nodeOSUpgradeChannel: "NodeImage" },
    identity: { type: "UserAssigned", userAssignedIdentities: [identityId] },
    agentPoolProfiles: [
      {
        name: "system",
        mode: "System",
        type: "VirtualMachineScaleSets",
        count: create.systemNodes?.count ?? zones.length,
        vmSize: create.systemNodes?.instanceType ?? defaultSystemType,
        availabilityZones: zones.map(zoneNumber),
        osType: "Linux",
        osSKU: "AzureLinux",
        vnetSubnetID: subnetId,
        upgradeSettings: { maxSurge: "1" },
        tags: tagsOf(options),
      },
    ],
    networkProfile: {
      networkPlugin: "azure",
      networkPluginMode: "overlay",
      networkDataplane: "cilium",
      networkPolicy: "cilium",
      podCidr,
      serviceCidr,
      dnsServiceIP: dnsAddress(serviceCidr),
      loadBalancerSku: "standard",
      outboundType: create.outbound ?? "loadBalancer",
    },
    apiServerAccessProfile: privateEndpoint ? { enablePrivateCluster: true } : { authorizedIPRanges: create.authorizedNetworks ?? [] },
    enableRBAC: true,
    aadProfile: {
      managed: true,
      enableAzureRBAC: true,
      ...(create.adminGroupIds === undefined ? {} : { adminGroupObjectIDs: create.adminGroupIds }),
    },
    disableLocalAccounts: true,
    oidcIssuerProfile: { enabled: true },
    securityProfile: { workloadIdentity: { enabled: true } },
    ...(create.encryptionKey === undefined ? {} : { diskEncryptionSetID: create.encryptionKey }),
    tags: tagsOf(options),
  };
}

/** The tenth address of the range of Services, as is the custom. */
function dnsAddress(serviceCidr: string): string {
  const address = (parseCidr(serviceCidr)?.first ?? 0) + 10;
  return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join(".");
}

function adoptCluster(name: string, options: AzureProviderOptions, resourceGroup: string, opts: pulumi.CustomResourceOptions): Found {
  const clusterName = azureClusterName(options);
  const what = `an AKS cluster in the resource group ${resourceGroup}`;
  const found = lookUp("azureProvider", "cluster.existing.name", clusterName, what, () =>
    getManagedCluster({ resourceGroupName: resourceGroup, resourceName: clusterName }, invokeOptions(opts)),
  );
  return {
    name: clusterName,
    subnetId: options.nodes?.adopt === true ? undefined : azureSubnet(name, options, opts),
    issuerUrl: found.apply((cluster) => cluster.oidcIssuerProfile?.issuerURL ?? ""),
  };
}

/**
 * AKS gives the address and the certificate of a cluster only in a kubeconfig. Those two are taken from it; how a client proves who it is, we say ourselves,
 * because AKS's own text asks a person to type a code.
 */
function kubeconfigOf(clusterName: string, resourceGroup: string, found: Found, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
  const question = { resourceGroupName: resourceGroup, resourceName: clusterName, format: "exec" };
  const credentials =
    found.cluster === undefined
      ? // Asked after the look-up: of a cluster that is not there, one error is enough.
        found.issuerUrl.apply(() => listManagedClusterUserCredentials(question, invokeOptions(opts)))
      : // The id makes the question wait for the cluster.
        listManagedClusterUserCredentialsOutput(
          { ...question, resourceName: found.cluster.id.apply(() => clusterName) },
          invokeOptions(opts),
        );
  const text = credentials.apply(({ kubeconfigs }) => Buffer.from(kubeconfigs[0]?.value ?? "", "base64").toString("utf8"));
  return execKubeconfig({
    server: text.apply((yaml) => /^\s*server:\s*"?([^\s"]+)/m.exec(yaml)?.[1] ?? ""),
    certificateAuthority: text.apply((yaml) => /^\s*certificate-authority-data:\s*"?([^\s"]+)/m.exec(yaml)?.[1] ?? ""),
    name: clusterName,
    exec,
  });
}

function invokeOptions(opts: pulumi.CustomResourceOptions): pulumi.InvokeOptions {
  return opts.parent === undefined ? {} : { parent: opts.parent };
}
