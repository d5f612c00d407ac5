/** One mesh node: a managed node group of one machine, which EKS replaces where it dies. */
import { meshNodeLabels } from "../cloud/facts";
import type { ChildOptions, MeshNodeHandle, MeshNodeRequest } from "../provider";
import type { AwsCluster } from "./cluster";
import { createGroup } from "./group";
import type { AwsProviderOptions } from "./options";

/** Makes the group of one mesh node, after those of the zone before. */
export function createAwsNode(
  name: string,
  options: AwsProviderOptions,
  cluster: AwsCluster,
  request: MeshNodeRequest,
  opts: ChildOptions,
): MeshNodeHandle {
  const { spec, nodeName, mesh } = request;
  const parts = {
    names: [mesh, nodeName],
    zones: [spec.zone],
    spec,
    size: { minSize: 1, maxSize: 1, desiredSize: 1 },
    labels: meshNodeLabels(request),
    groupOptions: { dependsOn: cluster.order.enter(spec.zone) },
  };
  const group = createGroup(name, options, cluster, parts, opts);
  cluster.order.add(group);
  return { kubernetesNodeName: group.id.apply(() => undefined), providerId: group.arn, ready: group.id.apply(() => true) };
}
