/** One mesh node: a managed node group of one machine, which EKS replaces where it dies. */
import { NodeGroup } from "@pulumi/aws/eks";
import { generationName } from "../cloud/generation";
import { meshNodeLabels } from "../cloud/facts";
import type { ChildOptions, MeshNodeHandle, MeshNodeRequest } from "../provider";
import type { AwsCluster } from "./cluster";
import { awsMachine, launchTemplate } from "./machine";
import { tagsOf } from "./names";
import { awsClusterName, type AwsProviderOptions } from "./options";

/**
 * Makes the launch template and the group. Both carry the generation in their names, so that a change of the machine makes the new one first; EKS then cordons and
 * drains the old one by evictions, which heed PodDisruptionBudgets for five minutes, and ends it
 * (https://docs.aws.amazon.com/eks/latest/userguide/delete-managed-node-group.html). A new Kubernetes version is an update in place, which EKS does in the same order,
 * heeds budgets for fifteen minutes, and fails rather than force them.
 */
export function createAwsNode(
  name: string,
  options: AwsProviderOptions,
  cluster: AwsCluster,
  request: MeshNodeRequest,
  opts: ChildOptions,
): MeshNodeHandle {
  const { spec, nodeName, mesh } = request;
  const machine = awsMachine(options, spec, { zone: spec.zone });
  const template = launchTemplate(name, options, spec, machine, [awsClusterName(options), mesh, nodeName], opts);
  const group = new NodeGroup(
    `${name}-group`,
    {
      region: options.region,
      clusterName: cluster.name,
      nodeGroupName: generationName(63, [mesh, nodeName], machine.generation),
      nodeRoleArn: cluster.nodeRoleArn ?? "",
      subnetIds: [cluster.subnetIds[spec.zone] ?? ""],
      scalingConfig: { minSize: 1, maxSize: 1, desiredSize: 1 },
      instanceTypes: [machine.instanceType],
      amiType: machine.amiType,
      capacityType: machine.capacityType,
      ...(cluster.version === undefined ? {} : { version: cluster.version }),
      launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
      labels: meshNodeLabels(request),
      taints: machine.taints,
      // The new machine first, then the old one goes.
      updateConfig: { maxUnavailable: 1, updateStrategy: "DEFAULT" },
      // A machine that is there but does not answer is replaced as well.
      nodeRepairConfig: { enabled: true },
      tags: tagsOf(options, `${mesh}-${nodeName}`),
    },
    { ...opts, dependsOn: [...cluster.dependsOn, ...cluster.order.enter(spec.zone)] },
  );
  cluster.order.add(group);
  return { kubernetesNodeName: group.id.apply(() => undefined), providerId: group.arn, ready: group.id.apply(() => true) };
}
