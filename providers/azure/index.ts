/** Mesh nodes on Microsoft Azure: AKS, one node pool of one machine per mesh node, Blob Storage for snapshots. */
import type { CostLine } from "../../src/model/costs";
import { cloudProvider } from "../cloud/assembly";
import { type FixedCosts, systemNodesLine } from "../cloud/costs";
import type { InstanceTable } from "../cloud/instance-choice";
import type { NodeProvider } from "../provider";
import { checkAzureOptions } from "./check-options";
import { azureCluster, type AzureCluster, azureClusterName } from "./cluster";
import { azureTable, checkMachine, machineOf, taintsOf } from "./machine";
import { createAzureNode } from "./node";
import { type AzureProviderOptions, defaultSystemType, systemZones, zoneRules } from "./options";
import { createAzurePool } from "./pool";
import { checkAzureStore, createAzureStore } from "./snapshot-store";

export type {
  AzureClusterCreateOptions,
  AzureClusterExistingOptions,
  AzureClusterOptions,
  AzureNetworkCreateOptions,
  AzureNetworkExistingOptions,
  AzureNetworkOptions,
  AzureNodeOptions,
  AzureProviderOptions,
  AzureSystemNodesOptions,
} from "./options";
export * from "./serverless";

/**
 * Nodes in one location of Azure.
 *
 * Credentials and subscription are those of the azure-native provider that the mesh inherits (`providers: [azure]`, or the configuration `azure-native:…`). Zones
 * are written as AKS labels them, `westeurope-1`. A mesh node is a node pool of one machine, so that AKS itself replaces a machine that dies. A spec with local
 * disks puts the whole node on one, so that any folder of it is on local NVMe. Snapshots get their identity from Workload Identity; there is no key anywhere.
 *
 * Deploying needs `kubelogin` and the Azure CLI on the machine that deploys, and a way to the endpoint. Costs the control plane, a load balancer, a system node
 * per zone, and what `costs` says of nodes, pools and stores.
 *
 * @example
 * const provider = azureProvider({
 *   location: "westeurope", resourceGroup: "prices",
 *   network: { create: { cidr: "10.0.0.0/16" } },
 *   cluster: { create: { name: "prices", version: "1.34" } },
 * });
 * @throws MeshInputError for wrong options
 */
export function azureProvider(options: AzureProviderOptions): NodeProvider {
  checkAzureOptions(options);
  const table = azureTable(options.nodes?.families);
  return cloudProvider<AzureCluster>({
    name: "azure",
    region: options.location,
    clusterName: azureClusterName(options),
    adopts: options.nodes?.adopt === true,
    zones: zoneRules,
    storeKind: "azureBlob",
    machineOf: (spec) => machineOf(table, spec),
    taintsOf,
    checkMachine: (spec) => checkMachine(options, table, spec),
    checkStore: (request) => checkAzureStore(options, request),
    fixedCosts: () => fixedCosts(options, table),
    createCluster: (name, opts) => azureCluster(name, options, table, opts),
    createNode: (name, request, cluster, opts) => createAzureNode(name, options, cluster, request, opts),
    createPool: (name, request, cluster, opts) => createAzurePool(name, options, cluster, request, opts),
    createStore: (name, request, cluster, opts) => createAzureStore(name, options, cluster, request, opts),
  });
}

/** https://azure.microsoft.com/pricing/details/kubernetes-service/: 0.10 dollars per hour in the standard tier, as much as 1.1 of `priceUnit`. */
const controlPlanePriceClass = 1.1;

function fixedCosts(options: AzureProviderOptions, table: InstanceTable): FixedCosts {
  const { create } = options.cluster;
  if (create === undefined) {
    return { lines: [], store: "Blob Storage Hot, ZRS" };
  }
  const type = create.systemNodes?.instanceType ?? defaultSystemType;
  const count = create.systemNodes?.count ?? systemZones(options, create).length;
  const lines: CostLine[] = [
    { what: "control plane", type: "AKS Standard", count: 1, priceClass: controlPlanePriceClass },
    systemNodesLine(table, type, count),
    { what: "network", type: "Load Balancer Standard", count: 1, note: "paid by rules and traffic" },
  ];
  return { lines, store: "Blob Storage Hot, ZRS" };
}
