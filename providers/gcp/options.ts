/** Options of the Google Cloud provider: what there is to decide, and how Google writes it. */
import type { DataProtection } from "../../src/kubernetes/children";
import type { Problems } from "../../src/model/errors";
import { checkPattern, type TagRules } from "../cloud/options";
import type { ZoneRules } from "../cloud/zones";

/** A network of its own: a VPC with one regional subnetwork, and NAT for nodes without public addresses. */
export interface GcpNetworkCreateOptions {
  /** Range of the nodes, /12 to /28. */
  cidr: string;
  /** Range of the pods, /9 to /21; every node takes a /24 of it. Default: `10.64.0.0/14`, for 1,024 nodes. */
  podCidr?: string;
  /** Range of the Services, /16 to /27. Default: `10.127.0.0/20`. */
  serviceCidr?: string;
}

/** A network that is there already. */
export interface GcpNetworkExistingOptions {
  /** Name of the VPC, or its path `projects/…/global/networks/…` where it is shared from another project. */
  network: string;
  /** Name of a subnetwork in the provider's region, or its path. Nodes need a way to registries of images: NAT or a private mirror. */
  subnetwork: string;
  /** Name of the secondary range of the pods. Default: GKE makes one. */
  podRange?: string;
  /** Name of the secondary range of the Services. Default: GKE makes one. */
  serviceRange?: string;
}

/** Exactly one of the two. */
export interface GcpNetworkOptions {
  create?: GcpNetworkCreateOptions;
  existing?: GcpNetworkExistingOptions;
}

/** Nodes for what is no part of the mesh: DNS, metrics, gateways and their controllers. */
export interface GcpSystemNodesOptions {
  /** Default: `e2-standard-2`. */
  instanceType?: string;
  /** Nodes in each zone, 1 to 10. Default: 1. */
  perZone?: number;
}

/** A regional GKE cluster of its own. */
export interface GcpClusterCreateOptions {
  /** Name in Google Cloud and for placement rules. */
  name: string;
  /** Kubernetes version of the control plane at least, for example `1.34`; a change upgrades in place. Default: that of the release channel. */
  version?: string;
  /** GKE upgrades control plane and nodes by it: `RAPID`, `REGULAR`, `STABLE` or `EXTENDED`. Default: `REGULAR`. */
  releaseChannel?: string;
  /** Whether the API server has an address inside of the network only. Default: true; who deploys must then be inside, too. */
  privateEndpoint?: boolean;
  /** Ranges that may reach a public endpoint; needed with `privateEndpoint: false`. */
  authorizedNetworks?: string[];
  /** Zones of the system nodes. Default: three of the region's, chosen by GKE. */
  zones?: string[];
  systemNodes?: GcpSystemNodesOptions;
  /** Key of Cloud KMS, `projects/…/cryptoKeys/…`, that encrypts the Kubernetes API's Secrets. Default: Google's own key. */
  encryptionKey?: string;
}

/** A GKE cluster that is there already; it needs Workload Identity for snapshot stores. */
export interface GcpClusterExistingOptions {
  name: string;
  /** Region or zone. Default: the provider's region. */
  location?: string;
}

/** Exactly one of the two. */
export interface GcpClusterOptions {
  create?: GcpClusterCreateOptions;
  existing?: GcpClusterExistingOptions;
}

/** What happens to nodes. */
export interface GcpNodesOptions {
  /** Take mesh nodes and pools that are there and carry our labels, make none. Needs an existing cluster. Default: false. */
  adopt?: boolean;
  /** Families of machines to choose from, for example `["c4a", "n4"]`. Default: all current ones of the table; not every region has every one. */
  families?: string[];
  /** E-mail address of the service account that nodes run as. Default: a new one that may only write logs and metrics and read images. */
  serviceAccount?: string;
}

/** Options of `gcpProvider`. */
export interface GcpProviderOptions {
  /** Id of the project. */
  project: string;
  /** For example `europe-west4`. */
  region: string;
  /** Needed where the cluster is created. */
  network?: GcpNetworkOptions;
  cluster: GcpClusterOptions;
  nodes?: GcpNodesOptions;
  /** Labels, in Google Cloud's words, of everything that can have them. */
  tags?: Record<string, string>;
  /** Protection of snapshot stores, on unless it says otherwise; and of the cluster, where it is given. */
  dataProtection?: DataProtection;
}

/** https://cloud.google.com/compute/docs/labeling-resources#requirements; up to four of the 64 are ours and GKE's. */
export const labelRules: TagRules = {
  most: 60,
  key: /^[a-z][a-z0-9_-]{0,62}$/,
  value: /^[a-z0-9_-]{0,63}$/,
  allowed: "labels of Google Cloud are lower-case letters, digits, underscores and hyphens, at most 63, keys beginning with a letter",
};

/** `europe-west4-a` lies in `europe-west4`. */
export const zoneRules: ZoneRules = {
  belongs: (zone, region) => zone.startsWith(`${region}-`) && /^-[a-z]$/.test(zone.slice(region.length)),
  example: (region) => `${region}-b`,
};

export const defaultPodCidr = "10.64.0.0/14";
export const defaultServiceCidr = "10.127.0.0/20";
export const defaultSystemType = "e2-standard-2";

/** The user's labels and ours. */
export function labelsOf(options: GcpProviderOptions, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...options.tags, "managed-by": "compute-mesh", ...more };
}

export const regionRule = "a region of Google Cloud is allowed, for example europe-west4";
export const regionPattern = /^[a-z]+-[a-z]+\d{1,2}$/;
export const clusterNamePattern = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/;
/** `my-project` or, for old ones, `example.com:my-project`. */
export const projectPattern = /^([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$/;
const keyPattern = /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/;
export const keyRule = "the path of a key of Cloud KMS is allowed: projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>";

/** For example `c4a-standard-8-lssd`, `n2-custom-8-32768` or `e2-medium`. */
export const machinePattern = /^[a-z]\d[a-z]?-[a-z]+(-[a-z0-9]+)*$/;

/** Notes a key of Cloud KMS that is none. */
export function checkKey(problems: Problems, path: string, key: unknown): void {
  if (key !== undefined) {
    checkPattern(problems, path, key, keyPattern, keyRule);
  }
}
