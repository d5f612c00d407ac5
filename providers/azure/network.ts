/** The network of a cluster: a virtual network of its own, or a subnet that is there already. */
import { Subnet, VirtualNetwork } from "@pulumi/azure-native/network";
import type * as pulumi from "@pulumi/pulumi";
import { type AzureProviderOptions, tagsOf } from "./options";

/** Id of the subnet of the nodes; undefined where AKS's own network is used. */
export function azureSubnet(
  name: string,
  options: AzureProviderOptions,
  opts: pulumi.CustomResourceOptions,
): pulumi.Input<string> | undefined {
  const { location, resourceGroup } = options;
  const { create, existing } = options.network ?? {};
  if (create === undefined) {
    return existing?.subnetId;
  }
  const network = new VirtualNetwork(
    `${name}-network`,
    { resourceGroupName: resourceGroup, location, addressSpace: { addressPrefixes: [create.cidr] }, tags: tagsOf(options) },
    opts,
  );
  const subnet = new Subnet(
    `${name}-subnet`,
    {
      resourceGroupName: resourceGroup,
      virtualNetworkName: network.name,
      addressPrefix: create.nodeCidr ?? create.cidr,
      // Nodes go out by the load balancer that AKS makes, or by what `outbound` says, and not by an address that Azure gives silently.
      defaultOutboundAccess: false,
      // Snapshots do not leave Azure's network.
      serviceEndpoints: [{ service: "Microsoft.Storage.Global" }],
    },
    opts,
  );
  return subnet.id;
}
