/** A pool of interchangeable nodes, whose number AKS's autoscaler decides. */
import { AgentPool } from "@pulumi/azure-native/containerservice";
import * as pulumi from "@pulumi/pulumi";
import { poolLabels } from "../cloud/facts";
import { poolSelector } from "../node-spec";
import type { ChildOptions, NodePoolHandle, NodePoolRequest } from "../provider";
import type { AzureCluster } from "./cluster";
import { taintsOf } from "./machine";
import { immutableOf, newBeforeOld, poolArgs, poolNameOf } from "./node";
import { type AzureProviderOptions, zoneNumber } from "./options";

/** Makes a pool over several zones. The number at the start counts once and is ignored later, because the autoscaler owns it from then on. */
export function createAzurePool(
  name: string,
  options: AzureProviderOptions,
  cluster: AzureCluster,
  request: NodePoolRequest,
  opts: ChildOptions,
): NodePoolHandle {
  const { spec, zones, minNodes, maxNodes, initialNodes = minNodes } = request;
  const immutable = immutableOf(options, cluster.table, spec);
  const pool = new AgentPool(
    `${name}-pool`,
    {
      ...poolArgs(options, cluster, spec, immutable),
      agentPoolName: poolNameOf([request.mesh, request.poolName], { ...immutable, zones }),
      enableAutoScaling: true,
      minCount: minNodes,
      maxCount: maxNodes,
      count: initialNodes,
      availabilityZones: zones.map(zoneNumber),
      nodeLabels: poolLabels(request),
    },
    pulumi.mergeOptions({ ...newBeforeOld, dependsOn: cluster.dependsOn, ignoreChanges: ["count"] }, opts),
  );
  return { selector: poolSelector(request), taints: taintsOf(spec), ready: pool.id.apply(() => true), dependsOn: [pool] };
}
