/** A VPC with a private and, where asked for, a public subnet in every zone. */
import { Eip, InternetGateway, NatGateway, RouteTable, RouteTableAssociation, Route, Subnet, Vpc, VpcEndpoint } from "@pulumi/aws/ec2";
import type * as pulumi from "@pulumi/pulumi";
import { sortedEntries } from "../../src/model/names";
import { tagsOf } from "./names";
import type { AwsNetworkCreateOptions, AwsProviderOptions } from "./options";

/** What nodes need of their network. */
export interface AwsNetwork {
  /** Zone → id of the subnet of its nodes. */
  subnetIds: Readonly<Record<string, pulumi.Input<string>>>;
  /** What must stay as long as there are machines: ways to the outside. */
  dependsOn: pulumi.Resource[];
}

/** Makes the network, or hands on the subnets that are there. Adopted nodes need neither. */
export function awsNetwork(name: string, options: AwsProviderOptions, opts: pulumi.CustomResourceOptions): AwsNetwork {
  const { create, existing } = options.network ?? {};
  return create === undefined ? { subnetIds: existing?.subnetIds ?? {}, dependsOn: [] } : createNetwork(name, options, create, opts);
}

function createNetwork(
  name: string,
  options: AwsProviderOptions,
  network: AwsNetworkCreateOptions,
  opts: pulumi.CustomResourceOptions,
): AwsNetwork {
  const { region } = options;
  const tagged = (part: string, more?: Record<string, string>): { region: string; tags: Record<string, string> } => ({
    region,
    tags: tagsOf(options, `${name}-${part}`, more),
  });
  const vpc = new Vpc(`${name}-vpc`, { cidrBlock: network.cidr, enableDnsHostnames: true, enableDnsSupport: true, ...tagged("vpc") }, opts);
  const vpcId = vpc.id;
  const zones = sortedEntries(network.zones);
  const dependsOn: pulumi.Resource[] = [];
  const gateways = new Map<string, NatGateway>();
  if (zones.some(([, zone]) => zone.publicCidr !== undefined)) {
    const internet = new InternetGateway(`${name}-internet`, { vpcId, ...tagged("internet") }, opts);
    const table = new RouteTable(`${name}-public-routes`, { vpcId, ...tagged("public-routes") }, opts);
    const way = new Route(
      `${name}-public-route`,
      { region, routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: internet.id },
      opts,
    );
    dependsOn.push(way);
    for (const [zone, { publicCidr }] of zones) {
      if (publicCidr === undefined) {
        continue;
      }
      // https://docs.aws.amazon.com/eks/latest/userguide/network-load-balancing.html: the label by which load balancers find their subnets.
      const subnet = new Subnet(
        `${name}-public-${zone}`,
        { vpcId, availabilityZone: zone, cidrBlock: publicCidr, ...tagged(`public-${zone}`, { "kubernetes.io/role/elb": "1" }) },
        opts,
      );
      const bound = new RouteTableAssociation(
        `${name}-public-${zone}-routes`,
        { region, subnetId: subnet.id, routeTableId: table.id },
        opts,
      );
      dependsOn.push(bound);
      if (hasGateway(network, zone, zones[0]?.[0])) {
        const address = new Eip(`${name}-nat-${zone}-address`, { domain: "vpc", ...tagged(`nat-${zone}`) }, opts);
        const nat = { allocationId: address.allocationId, subnetId: subnet.id, ...tagged(`nat-${zone}`) };
        gateways.set(zone, new NatGateway(`${name}-nat-${zone}`, nat, { ...opts, dependsOn: [way, bound] }));
      }
    }
  }
  const tables: RouteTable[] = [];
  const subnetIds: Record<string, pulumi.Input<string>> = {};
  for (const [zone, { cidr }] of zones) {
    const subnet = new Subnet(
      `${name}-private-${zone}`,
      { vpcId, availabilityZone: zone, cidrBlock: cidr, ...tagged(`private-${zone}`, { "kubernetes.io/role/internal-elb": "1" }) },
      opts,
    );
    const table = new RouteTable(`${name}-private-${zone}-routes`, { vpcId, ...tagged(`private-${zone}`) }, opts);
    dependsOn.push(
      new RouteTableAssociation(`${name}-private-${zone}-association`, { region, subnetId: subnet.id, routeTableId: table.id }, opts),
    );
    const gateway = gateways.get(zone) ?? [...gateways.values()][0];
    if (gateway !== undefined) {
      const route = { region, routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", natGatewayId: gateway.id };
      dependsOn.push(new Route(`${name}-private-${zone}-route`, route, opts));
    }
    tables.push(table);
    subnetIds[zone] = subnet.id;
  }
  // Free of charge, and snapshots, the largest traffic of a mesh, do not pass the NAT gateways, which are paid by size.
  const serviceName = `com.amazonaws.${region}.s3`;
  const routeTableIds = tables.map((table) => table.id);
  dependsOn.push(new VpcEndpoint(`${name}-s3`, { vpcId, serviceName, vpcEndpointType: "Gateway", routeTableIds, ...tagged("s3") }, opts));
  return { subnetIds, dependsOn };
}

/** Whether the zone has a NAT gateway of its own. */
export function hasGateway(network: AwsNetworkCreateOptions, zone: string, firstZone: string | undefined): boolean {
  const nat = network.nat ?? "zone";
  return nat === "zone" || (nat === "one" && zone === firstZone);
}
