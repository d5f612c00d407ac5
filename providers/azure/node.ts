/** One mesh node: a node pool of one, whose machine AKS replaces by itself when it dies. */
import { AgentPool, type AgentPoolArgs } from "@pulumi/azure-native/containerservice";
import * as pulumi from "@pulumi/pulumi";
import { meshNodeLabels } from "../cloud/facts";
import { generation } from "../cloud/generation";
import type { InstanceTable } from "../cloud/instance-choice";
import type { ChildOptions, MeshNodeHandle, MeshNodeRequest, NodePoolSpec } from "../provider";
import type { AzureCluster } from "./cluster";
import { machineOf, spotTaint, systemDiskOf, taintsOf } from "./machine";
import { type AzureProviderOptions, tagsOf, zoneNumber } from "./options";

/**
 * Makes the node pool of one mesh node.
 *
 * What cannot be changed in place is part of the pool's name (`poolNameOf`): the new pool is there before the old one is cordoned, drained and removed; AKS
 * removes a pool only as PodDisruptionBudgets let it (https://learn.microsoft.com/azure/aks/delete-node-pool). A new Kubernetes version is an update in place
 * with a second machine for its time, which waits half an hour for budgets and fails rather than force them.
 */
export function createAzureNode(
  name: string,
  options: AzureProviderOptions,
  cluster: AzureCluster,
  request: MeshNodeRequest,
  opts: ChildOptions,
): MeshNodeHandle {
  const { spec, mesh, nodeName } = request;
  const immutable = immutableOf(options, cluster.table, spec);
  const pool = new AgentPool(
    `${name}-pool`,
    {
      ...poolArgs(options, cluster, spec, immutable),
      agentPoolName: poolNameOf([mesh, nodeName], { ...immutable, zone: spec.zone }),
      count: 1,
      availabilityZones: [zoneNumber(spec.zone)],
      nodeLabels: meshNodeLabels(request),
    },
    pulumi.mergeOptions({ ...newBeforeOld, dependsOn: [...cluster.dependsOn, ...cluster.order.enter(spec.zone)] }, opts),
  );
  cluster.order.add(pool);
  return { kubernetesNodeName: pool.id.apply(() => undefined), providerId: pool.id, ready: pool.id.apply(() => true) };
}

/** azure-native removes what has a name of its own before it makes the replacement (provider.go, Diff), unless it is told otherwise. */
export const newBeforeOld = { deleteBeforeReplace: false };

/**
 * The physical name of a pool: at most six letters and digits of its own name and six of a hash of its names and of all that forces other machines, because
 * AKS allows twelve in all (https://learn.microsoft.com/azure/aks/create-node-pools#limitations).
 */
export function poolNameOf(names: readonly string[], immutable: Readonly<Record<string, unknown>>): string {
  const own = (names[names.length - 1] ?? "").replace(/[^a-z0-9]/g, "").slice(0, 6);
  return `${own}${generation({ names, ...immutable })}`;
}

/** The part of a pool that forces other machines; plain. */
export function immutableOf(
  options: AzureProviderOptions,
  table: InstanceTable,
  spec: NodePoolSpec,
): Partial<AgentPoolArgs> & { vmSize: string } {
  return {
    vmSize: machineOf(table, spec).name,
    ...systemDiskOf(table, spec),
    osSKU: spec.imageFamily ?? "AzureLinux",
    ...(spec.spot === true ? { scaleSetPriority: "Spot", scaleSetEvictionPolicy: "Delete", spotMaxPrice: -1 } : {}),
    ...(options.nodes?.encryptionAtHost === true ? { enableEncryptionAtHost: true } : {}),
  };
}

/** What all pools that we make have alike. */
export function poolArgs(
  options: AzureProviderOptions,
  cluster: AzureCluster,
  spec: NodePoolSpec,
  immutable: Partial<AgentPoolArgs>,
): Omit<AgentPoolArgs, "agentPoolName" | "nodeLabels"> {
  return {
    resourceGroupName: cluster.resourceGroup,
    resourceName: cluster.name,
    mode: "User",
    type: "VirtualMachineScaleSets",
    osType: "Linux",
    ...immutable,
    ...(cluster.version === undefined ? {} : { orchestratorVersion: cluster.version }),
    ...(cluster.subnetId === undefined ? {} : { vnetSubnetID: cluster.subnetId }),
    // AKS sets the taint of spot nodes itself.
    nodeTaints: taintsOf(spec)
      .filter((taint) => taint !== spotTaint)
      .map(({ key, value, effect }) => `${key}=${value ?? ""}:${effect}`),
    // Spot pools cannot surge: https://learn.microsoft.com/azure/aks/spot-node-pool#limitations
    ...(spec.spot === true ? {} : { upgradeSettings: { maxSurge: "1", maxUnavailable: "0", drainTimeoutInMinutes: 30 } }),
    tags: tagsOf(options),
  };
}
