/** Mesh nodes on Google Cloud: GKE clusters, made or adopted. */
import type { CostLine } from "../../src/model/costs";
import { cloudProvider } from "../cloud/assembly";
import { type FixedCosts, systemNodesLine } from "../cloud/costs";
import type { InstanceTable } from "../cloud/instance-choice";
import type { NodeProvider } from "../provider";
import { clusterNameOf, gcpCluster, type GcpCluster } from "./cluster";
import { checkMachine, gcpTable, machineOf } from "./machine";
import { createGcpNode } from "./node";
import { checkGcpOptions } from "./check-options";
import { defaultSystemType, type GcpProviderOptions, zoneRules } from "./options";
import { createGcpPool } from "./pool";
import { checkGcpStore, createGcpStore } from "./snapshot-store";

export { localDiskFolder } from "./machine";
export * from "./serverless";
export type {
  GcpClusterCreateOptions,
  GcpClusterExistingOptions,
  GcpClusterOptions,
  GcpNetworkCreateOptions,
  GcpNetworkExistingOptions,
  GcpNetworkOptions,
  GcpNodesOptions,
  GcpProviderOptions,
  GcpSystemNodesOptions,
} from "./options";

/**
 * Mesh nodes on GKE: one node pool of one machine per mesh node, in a regional cluster of its own or in one that is there.
 *
 * Private endpoint, private nodes, Workload Identity and Dataplane V2 are the defaults. Local disks are formatted and joined by GKE; a database on node disk
 * lies below `localDiskFolder`. Deploying needs `gke-gcloud-auth-plugin` on the machine that deploys, and a way to the endpoint.
 *
 * Costs the control plane, NAT, a system node per zone, and what `costs` says of nodes, pools and stores.
 *
 * @example
 * const provider = gcpProvider({
 *   project: "my-project", region: "europe-west4",
 *   network: { create: { cidr: "10.0.0.0/20" } },
 *   cluster: { create: { name: "prices" } },
 * });
 * @throws MeshInputError for wrong options
 */
export function gcpProvider(options: GcpProviderOptions): NodeProvider {
  checkGcpOptions(options);
  const table = gcpTable(options.nodes?.families);
  return cloudProvider<GcpCluster>({
    name: "gcp",
    region: options.region,
    clusterName: clusterNameOf(options),
    adopts: options.nodes?.adopt === true,
    zones: zoneRules,
    storeKind: "gcs",
    machineOf: (spec) => machineOf(table, spec),
    checkMachine: (spec) => checkMachine(table, spec),
    checkStore: (request) => checkGcpStore(options, request),
    fixedCosts: () => fixedCosts(options, table),
    createCluster: (name, opts) => gcpCluster(name, options, table, opts),
    createNode: (name, request, cluster, opts) => createGcpNode(name, options, cluster, request, opts),
    createPool: (name, request, cluster, opts) => createGcpPool(name, options, cluster, request, opts),
    createStore: (name, request, _cluster, opts) => createGcpStore(name, options, request, opts),
  });
}

/** https://cloud.google.com/kubernetes-engine/pricing: 0.10 dollars per hour for a cluster, as much as 1.5 of `priceUnit`. */
const controlPlanePriceClass = 1.5;

function fixedCosts(options: GcpProviderOptions, table: InstanceTable): FixedCosts {
  const { create } = options.cluster;
  const zones = create?.zones?.length ?? 3;
  const system = create?.systemNodes?.instanceType ?? defaultSystemType;
  const cluster: CostLine[] = [
    { what: "control plane", type: "regional GKE cluster", count: 1, priceClass: controlPlanePriceClass },
    systemNodesLine(table, system, zones * (create?.systemNodes?.perZone ?? 1)),
  ];
  const nat: CostLine = { what: "network", type: "Cloud NAT", count: 1, note: "paid by machines and traffic" };
  return {
    lines: [...(create === undefined ? [] : cluster), ...(options.network?.create === undefined ? [] : [nat])],
    store: "Cloud Storage Standard",
  };
}
