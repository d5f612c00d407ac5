/** Options of the Azure provider: what there is to decide, and how Azure writes it. */
import type { DataProtection } from "../../src/kubernetes/children";
import type { TagRules } from "../cloud/options";
import type { ZoneRules } from "../cloud/zones";

/** A virtual network of its own with one subnet for nodes; pods have addresses of an overlay and need none of it. */
export interface AzureNetworkCreateOptions {
  /** Range of the network, /8 to /27. */
  cidr: string;
  /** Range of the nodes in it, /8 to /27. Default: all of it. */
  nodeCidr?: string;
}

/** A network that is there already. */
export interface AzureNetworkExistingOptions {
  /** Resource id of the subnet of the nodes. */
  subnetId: string;
}

/** Exactly one of the two. */
export interface AzureNetworkOptions {
  create?: AzureNetworkCreateOptions;
  existing?: AzureNetworkExistingOptions;
}

/** Nodes for what is no part of the mesh: DNS, metrics, gateways and their controllers. */
export interface AzureSystemNodesOptions {
  /** Default: `Standard_D2as_v6`. */
  instanceType?: string;
  /** Nodes in all, 1 to 100. Default: one in each zone. */
  count?: number;
}

/** An AKS cluster of its own. */
export interface AzureClusterCreateOptions {
  /** Name in Azure and for placement rules. */
  name: string;
  /** Kubernetes version, for example `1.34`; nodes follow it in place, one zone after the other. Default: the one that AKS recommends. */
  version?: string;
  /** Whether the API server has an address inside of the network only. Default: true; who deploys must then be inside, too. */
  privateEndpoint?: boolean;
  /** Ranges that may reach a public endpoint; needed with `privateEndpoint: false`. */
  authorizedNetworks?: string[];
  /**
   * Object ids of the Entra groups that administer the cluster. Default: none; who deploys then needs the role "Azure Kubernetes Service RBAC Cluster Admin",
   * because accounts of the cluster itself, which never expire, are off.
   */
  adminGroupIds?: string[];
  /** Zones of the system nodes. Default: `<location>-1` to `-3`. */
  zones?: string[];
  systemNodes?: AzureSystemNodesOptions;
  /** Range of the pods in the overlay, /8 to /21; every node takes a /24 of it. Default: `10.64.0.0/14`, for 1,024 nodes. */
  podCidr?: string;
  /** Range of the Services, /12 to /28. Default: `10.127.0.0/20`. */
  serviceCidr?: string;
  /** How nodes reach what is outside: `loadBalancer`, AKS's own over all zones; `userDefinedRouting` or `userAssignedNATGateway` of your subnet. Default: `loadBalancer`. */
  outbound?: string;
  /** Resource id of the disk encryption set for the disks of all nodes. Default: Azure's own key. */
  encryptionKey?: string;
}

/** An AKS cluster that is there already; it needs its OIDC issuer and Workload Identity for snapshot stores. */
export interface AzureClusterExistingOptions {
  name: string;
  /** Default: the provider's. */
  resourceGroup?: string;
}

/** Exactly one of the two. */
export interface AzureClusterOptions {
  create?: AzureClusterCreateOptions;
  existing?: AzureClusterExistingOptions;
}

/** How machines come to be. */
export interface AzureNodeOptions {
  /** Nodes are there already, carry their labels, and nothing is made. Needs an existing cluster. Default: false. */
  adopt?: boolean;
  /** Families of machines to choose from, for example `["Dpdsv6"]`. Default: all current ones of the table; not every location has every one. */
  families?: string[];
  /** Encrypts caches and temporary disks on the host, too; the subscription needs the feature `EncryptionAtHost`. Default: false. */
  encryptionAtHost?: boolean;
}

/** Options of `azureProvider`. */
export interface AzureProviderOptions {
  /** For example `westeurope`; it must have zones. */
  location: string;
  /** Name of the resource group of everything that is made. It must be there: rights are given on it, and whoever deletes it deletes all that is in it. */
  resourceGroup: string;
  /** Needed where the cluster is created. With an existing cluster: the subnet of new nodes. Default there: the network that AKS made for the cluster. */
  network?: AzureNetworkOptions;
  cluster: AzureClusterOptions;
  nodes?: AzureNodeOptions;
  /** Resource id of the user-assigned identity that may use the keys (`encryptionKey`) of snapshot stores. */
  keyIdentityId?: string;
  /** Tags on everything that can have them. */
  tags?: Record<string, string>;
  /** Protection of snapshot stores, on unless it says otherwise; and of the cluster, where it is given. */
  dataProtection?: DataProtection;
}

/** https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations; storage accounts, the tightest, take keys of 128. */
export const tagRules: TagRules = {
  most: 40,
  key: /^(?!(microsoft|azure|windows))[^<>%&\\?/]{1,128}$/i,
  value: /^.{0,256}$/s,
  allowed:
    "keys of 1 to 128 characters without <>%&\\?/ that do not begin with microsoft, azure or windows, and texts of at most 256 are allowed",
};

/** Zones as the label `topology.kubernetes.io/zone` of AKS has them: `westeurope-1` to `westeurope-3`. */
export const zoneRules: ZoneRules = {
  belongs: (zone, location) => zone.startsWith(`${location}-`) && /^-[1-3]$/.test(zone.slice(location.length)),
  example: (location) => `${location}-1`,
};

/** `westeurope-1` → `1`, as Azure's own API has it. */
export function zoneNumber(zone: string): string {
  return zone.slice(zone.lastIndexOf("-") + 1);
}

/** The user's tags and ours. */
export function tagsOf(options: AzureProviderOptions, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...options.tags, "managed-by": "compute-mesh", ...more };
}

/** Zones of the system nodes. */
export function systemZones({ location }: AzureProviderOptions, create: AzureClusterCreateOptions): string[] {
  return create.zones ?? ["1", "2", "3"].map((zone) => `${location}-${zone}`);
}

export const defaultPodCidr = "10.64.0.0/14";
export const defaultServiceCidr = "10.127.0.0/20";
export const defaultSystemType = "Standard_D2as_v6";
export const outboundTypes = ["loadBalancer", "userDefinedRouting", "userAssignedNATGateway"];

export const locationPattern = /^[a-z]+[a-z0-9]*$/;
export const locationRule = "a location in Azure's short form is allowed, for example westeurope";
/** For example `Standard_D8ads_v6` or `Standard_DS2_v2`. */
export const machinePattern = /^Standard_[A-Z]+\d+[a-z0-9-]*(_[A-Za-z0-9]+)*$/;

/** The pattern of ids of one kind of resource, for example `Microsoft.Network/virtualNetworks/subnets`. */
export function resourceIdPattern(kind: string): RegExp {
  const [namespace = "", ...types] = kind.split("/");
  const path = types.map((type) => `${type}/[^/]+`).join("/");
  return new RegExp(`^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/${namespace.replace(".", "\\.")}/${path}$`, "i");
}

/**
 * For identities: they carry the tags of the day they were made. In the preview of an update azure-native knows nothing of an identity's ids, and a right of an
 * unknown identity is shown as one to be replaced.
 */
export const tagsOfTheDay = { ignoreChanges: ["tags"] };
