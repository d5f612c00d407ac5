/** A pool of interchangeable nodes, whose number GKE's autoscaler decides. */
import * as container from "@pulumi/gcp/container";
import * as pulumi from "@pulumi/pulumi";
import { poolLabels } from "../cloud/facts";
import { generation, generationName } from "../cloud/generation";
import { poolSelector } from "../node-spec";
import type { ChildOptions, NodePoolHandle, NodePoolRequest } from "../provider";
import type { GcpCluster } from "./cluster";
import { changeable, gentleChanges, maxPoolName, specConfig } from "./node";
import { nodeConfig } from "./node-config";
import type { GcpProviderOptions } from "./options";

/**
 * Makes a pool over several zones.
 *
 * The limits are of the whole pool. The number at the start is one of every zone in GKE, so it is rounded down and the autoscaler adds the rest; it counts
 * once and is ignored later, because the autoscaler owns the number from then on.
 */
export function createGcpPool(
  name: string,
  options: GcpProviderOptions,
  cluster: GcpCluster,
  request: NodePoolRequest,
  opts: ChildOptions,
): NodePoolHandle {
  const { spec, zones, minNodes, maxNodes, initialNodes = minNodes } = request;
  const config = specConfig(cluster.table, spec);
  const pool = new container.NodePool(
    `${name}-pool`,
    {
      name: generationName(maxPoolName, [request.mesh, request.poolName], generation(config)),
      project: options.project,
      location: cluster.location,
      cluster: cluster.name,
      nodeLocations: zones,
      initialNodeCount: Math.floor(initialNodes / zones.length),
      autoscaling: { totalMinNodeCount: minNodes, totalMaxNodeCount: maxNodes, locationPolicy: spec.spot === true ? "ANY" : "BALANCED" },
      ...gentleChanges,
      nodeConfig: nodeConfig(options, cluster.serviceAccount, { ...config, ...changeable(poolLabels(request), spec) }),
    },
    pulumi.mergeOptions({ dependsOn: cluster.dependsOn, ignoreChanges: ["initialNodeCount", "nodeCount"] }, opts),
  );
  return { selector: poolSelector(request), taints: spec.taints ?? [], ready: pool.id.apply(() => true), dependsOn: [pool] };
}
