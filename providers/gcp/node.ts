/** One mesh node: a node pool of one, whose machine GKE replaces by itself when it dies. */
import * as container from "@pulumi/gcp/container";
import type { container as types } from "@pulumi/gcp/types/input";
import * as pulumi from "@pulumi/pulumi";
import { meshNodeLabels } from "../cloud/facts";
import { generation, generationName } from "../cloud/generation";
import type { InstanceTable } from "../cloud/instance-choice";
import { cloudEffect } from "../cloud/taints";
import type { ChildOptions, MeshNodeHandle, MeshNodeRequest, NodePoolSpec } from "../provider";
import type { GcpCluster } from "./cluster";
import { machineOf } from "./machine";
import { nodeConfig } from "./node-config";
import type { GcpProviderOptions } from "./options";

/** https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.nodePools: at most 40 characters. */
export const maxPoolName = 40;

/** New before old, one node at a time. Upgrades and removals wait up to an hour for PodDisruptionBudgets, which is all that GKE offers. */
export const gentleChanges = {
  management: { autoRepair: true, autoUpgrade: true },
  upgradeSettings: { strategy: "SURGE", maxSurge: 1, maxUnavailable: 0 },
  nodeDrainConfigs: [{ respectPdbDuringNodePoolDeletion: true }],
};

/**
 * Makes the node pool of one mesh node.
 *
 * What cannot be changed in place is part of the pool's name (`generation`): the new pool is there before the old one is cordoned, drained and removed. GKE
 * upgrades one node pool after the other, so its own upgrades take one mesh node at a time, too.
 */
export function createGcpNode(
  name: string,
  options: GcpProviderOptions,
  cluster: GcpCluster,
  request: MeshNodeRequest,
  opts: ChildOptions,
): MeshNodeHandle {
  const { spec } = request;
  const config = specConfig(cluster.table, spec);
  const pool = new container.NodePool(
    `${name}-pool`,
    {
      name: meshPoolName(cluster.table, request),
      project: options.project,
      location: cluster.location,
      cluster: cluster.name,
      nodeLocations: [spec.zone],
      nodeCount: 1,
      ...gentleChanges,
      nodeConfig: nodeConfig(options, cluster.serviceAccount, { ...config, ...changeable(meshNodeLabels(request), spec) }),
    },
    pulumi.mergeOptions({ dependsOn: [...cluster.dependsOn, ...cluster.order.enter(spec.zone)] }, opts),
  );
  cluster.order.add(pool);
  return { kubernetesNodeName: pulumi.output(undefined), providerId: pool.id, ready: pool.id.apply(() => true) };
}

/** The physical name of a mesh node's pool: another one for another machine. */
export function meshPoolName(table: InstanceTable, { mesh, nodeName, spec }: MeshNodeRequest): string {
  return generationName(maxPoolName, [mesh, nodeName], generation({ ...specConfig(table, spec), zone: spec.zone }));
}

/** The part of a node config that forces another machine; plain. */
export function specConfig(table: InstanceTable, spec: NodePoolSpec): types.NodePoolNodeConfig & Record<string, unknown> {
  const { name: machineType, type } = machineOf(table, spec);
  const disks = spec.localDisks === undefined || spec.localDisks.length === 0 ? 0 : (type?.localDisks.count ?? spec.localDisks.length);
  return {
    machineType,
    ...(spec.imageFamily === undefined ? {} : { imageType: spec.imageFamily }),
    ...(spec.spot === true ? { spot: true } : {}),
    ...(spec.diskEncryptionKey === undefined ? {} : { bootDiskKmsKey: spec.diskEncryptionKey }),
    // GKE formats the disks, joins them and mounts them as `localDiskFolder`.
    ...(disks === 0 ? {} : { ephemeralStorageLocalSsdConfig: { localSsdCount: disks } }),
  };
}

/** The part of a node config that GKE changes on a running machine. */
export function changeable(labels: Record<string, string>, spec: NodePoolSpec): types.NodePoolNodeConfig {
  return {
    labels,
    // GKE would put a taint of its own on Arm nodes, and the same mesh would not be the same on every cloud; a spec that wants one says so.
    // https://cloud.google.com/kubernetes-engine/docs/how-to/prepare-arm-workloads-for-deployment
    ...(spec.architecture === "arm64" ? { taintConfig: { architectureTaintBehavior: "NONE" } } : {}),
    taints: (spec.taints ?? []).map((taint) => ({ key: taint.key, value: taint.value ?? "", effect: cloudEffect(taint) })),
  };
}
