/** Mesh nodes on Amazon Web Services: EKS, one managed node group of one machine per mesh node, S3 for snapshots. */
import type { CostLine } from "../../src/model/costs";
import { cloudProvider } from "../cloud/assembly";
import type { FixedCosts } from "../cloud/costs";
import { chooseInstanceType } from "../cloud/instance-choice";
import type { NodeProvider } from "../provider";
import { createAutoscaler } from "./autoscaler";
import { awsCluster, type AwsCluster } from "./cluster";
import { ec2PriceUnitUsd, ec2Table } from "./instance-types";
import { checkMachine } from "./machine";
import { hasGateway } from "./network";
import { createAwsNode } from "./node";
import { awsClusterName, type AwsProviderOptions, awsZoneRules, awsZones, checkAwsOptions } from "./options";
import { createAwsPool } from "./pool";
import { checkAwsStore, createAwsStore } from "./snapshot-store";

export type {
  AwsClusterCreateOptions,
  AwsClusterExistingOptions,
  AwsClusterOptions,
  AwsNetworkCreateOptions,
  AwsNetworkExistingOptions,
  AwsNetworkOptions,
  AwsNodeOptions,
  AwsProviderOptions,
  AwsZoneOptions,
} from "./options";
export * from "./serverless";

/** List prices of an hour in us-east-1 in USD: https://aws.amazon.com/eks/pricing/ and https://aws.amazon.com/vpc/pricing/. */
const controlPlaneUsd = 0.1;
const natGatewayUsd = 0.045;

/**
 * Nodes in one region of AWS.
 *
 * Credentials and account are those of the AWS provider that the mesh inherits (`providers: [aws]`, or the configuration `aws:…`); the region is said here, and
 * needs no provider of its own. A mesh node is a managed node group of one machine, so that EKS itself replaces a machine that dies. Groups are made, updated and
 * removed one zone after the other. Snapshots get their identity from EKS Pod Identity; there is no key anywhere.
 *
 * Costs one launch template and one group per node beside the machine, a control plane, and with `nat: "zone"` a NAT gateway per zone.
 *
 * @example
 * const provider = awsProvider({
 *   region: "eu-west-1",
 *   network: { create: { cidr: "10.0.0.0/16", zones: {
 *     "eu-west-1a": { cidr: "10.0.0.0/18", publicCidr: "10.0.192.0/28" },
 *     "eu-west-1b": { cidr: "10.0.64.0/18", publicCidr: "10.0.192.16/28" },
 *   } } },
 *   cluster: { create: { name: "quotes", version: "1.34" } },
 * });
 * @throws MeshInputError for wrong options
 */
export function awsProvider(options: AwsProviderOptions): NodeProvider {
  checkAwsOptions(options);
  const table = ec2Table(options.nodes?.families);
  const zones = awsZones(options);
  return cloudProvider<AwsCluster>({
    name: "aws",
    region: options.region,
    clusterName: awsClusterName(options),
    adopts: options.nodes?.adopt === true,
    zones: awsZoneRules,
    checkZone: (problems, path, zone) => {
      if (!zones.includes(zone)) {
        problems.add(path, zone, `the network of the provider has no subnet there; it has ${zones.join(", ")}`);
      }
    },
    storeKind: "s3",
    machineOf: (spec) => chooseInstanceType(table, spec),
    checkMachine: (spec) => checkMachine(table, spec),
    checkStore: (request) => checkAwsStore(options, request),
    fixedCosts: () => fixedCosts(options, zones),
    createCluster: (name, opts) => {
      const cluster = awsCluster(name, options, table, opts);
      if (options.cluster.create?.autoscaler === true) {
        createAutoscaler(name, options, cluster, opts);
      }
      return cluster;
    },
    createNode: (name, request, cluster, opts) => createAwsNode(name, options, cluster, request, opts),
    createPool: (name, request, cluster, opts) => createAwsPool(name, options, cluster, request, opts),
    createStore: (name, request, cluster, opts) => createAwsStore(name, options, cluster, request, opts),
  });
}

function fixedCosts(options: AwsProviderOptions, zones: readonly string[]): FixedCosts {
  const price = (usd: number): number => usd / ec2PriceUnitUsd;
  const { create } = options.network ?? {};
  const gateways = create === undefined ? 0 : zones.filter((zone) => hasGateway(create, zone, zones[0])).length;
  const controlPlane: CostLine = { what: "control plane", type: "EKS", count: 1, priceClass: price(controlPlaneUsd) };
  const nat: CostLine = { what: "network", type: "NAT gateway", count: gateways, priceClass: price(natGatewayUsd), note: "and by traffic" };
  return {
    lines: [...(options.cluster.create === undefined ? [] : [controlPlane]), ...(gateways === 0 ? [] : [nat])],
    store: "S3 Standard",
  };
}
