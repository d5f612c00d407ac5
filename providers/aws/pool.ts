/** A pool: one managed node group over several zones. */
import { poolLabels } from "../cloud/facts";
import { poolSelector } from "../node-spec";
import type { ChildOptions, NodePoolHandle, NodePoolRequest } from "../provider";
import type { AwsCluster } from "./cluster";
import { createGroup } from "./group";
import type { AwsProviderOptions } from "./options";

/**
 * Makes the pool. EKS itself scales no group: that does the Cluster Autoscaler (`cluster.create.autoscaler`, or one of your own), which finds the group by
 * the tags that EKS gives to it (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html).
 */
export function createAwsPool(
  name: string,
  options: AwsProviderOptions,
  cluster: AwsCluster,
  request: NodePoolRequest,
  opts: ChildOptions,
): NodePoolHandle {
  const { spec, poolName, mesh, minNodes, maxNodes } = request;
  const parts = {
    names: [mesh, "pool", poolName],
    zones: [...request.zones].sort(),
    spec,
    size: { minSize: minNodes, maxSize: maxNodes, desiredSize: request.initialNodes ?? minNodes },
    labels: poolLabels(request),
    // The autoscaler decides the number between the two; an update that set it again would throw away what is in use.
    groupOptions: { ignoreChanges: maxNodes > minNodes ? ["scalingConfig.desiredSize"] : [] },
  };
  const group = createGroup(name, options, cluster, parts, opts);
  return { selector: poolSelector(request), taints: spec.taints ?? [], ready: group.id.apply(() => true), dependsOn: [group] };
}
