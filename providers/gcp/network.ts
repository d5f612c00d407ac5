/** The network of a cluster: a VPC of its own, or one that is there already. */
import * as compute from "@pulumi/gcp/compute";
import type * as pulumi from "@pulumi/pulumi";
import { defaultPodCidr, defaultServiceCidr, type GcpNetworkCreateOptions, type GcpProviderOptions } from "./options";

/** What a cluster needs to know of its network. */
export interface GcpNetwork {
  network: pulumi.Input<string>;
  subnetwork: pulumi.Input<string>;
  podRange?: string;
  serviceRange?: string;
  /** Without these, nodes cannot fetch images. */
  dependsOn: pulumi.Resource[];
}

const podRange = "pods";
const serviceRange = "services";

/** Makes or adopts the network. Nodes have no public addresses: they reach registries and Kafka outside through NAT, and Google's own APIs directly. */
export function gcpNetwork(name: string, options: GcpProviderOptions, opts: pulumi.CustomResourceOptions): GcpNetwork {
  const { create, existing } = options.network ?? {};
  if (create !== undefined) {
    return createNetwork(name, options, create, opts);
  }
  const ranges = {
    ...(existing?.podRange === undefined ? {} : { podRange: existing.podRange }),
    ...(existing?.serviceRange === undefined ? {} : { serviceRange: existing.serviceRange }),
  };
  return { network: existing?.network ?? "", subnetwork: existing?.subnetwork ?? "", ...ranges, dependsOn: [] };
}

function createNetwork(
  name: string,
  { project, region }: GcpProviderOptions,
  { cidr, podCidr = defaultPodCidr, serviceCidr = defaultServiceCidr }: GcpNetworkCreateOptions,
  opts: pulumi.CustomResourceOptions,
): GcpNetwork {
  const network = new compute.Network(`${name}-network`, { project, autoCreateSubnetworks: false, routingMode: "REGIONAL" }, opts);
  const subnetwork = new compute.Subnetwork(
    `${name}-subnetwork`,
    {
      project,
      region,
      network: network.id,
      ipCidrRange: cidr,
      secondaryIpRanges: [
        { rangeName: podRange, ipCidrRange: podCidr },
        { rangeName: serviceRange, ipCidrRange: serviceCidr },
      ],
      // Snapshots go to Cloud Storage, and images come from Artifact Registry, without leaving Google's network.
      privateIpGoogleAccess: true,
    },
    opts,
  );
  const router = new compute.Router(`${name}-router`, { project, region, network: network.id }, opts);
  const nat = new compute.RouterNat(
    `${name}-nat`,
    {
      project,
      region,
      router: router.name,
      natIpAllocateOption: "AUTO_ONLY",
      sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_IP_RANGES",
      logConfig: { enable: true, filter: "ERRORS_ONLY" },
    },
    opts,
  );
  return { network: network.id, subnetwork: subnetwork.id, podRange, serviceRange, dependsOn: [nat] };
}
