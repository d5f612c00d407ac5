/** A pool: one managed node group over several zones. */
import { NodeGroup } from "@pulumi/aws/eks";
import { generationName } from "../cloud/generation";
import { poolLabels } from "../cloud/facts";
import { poolSelector } from "../node-spec";
import type { ChildOptions, NodePoolHandle, NodePoolRequest } from "../provider";
import type { AwsCluster } from "./cluster";
import { awsMachine, launchTemplate } from "./machine";
import { tagsOf } from "./names";
import { awsClusterName, type AwsProviderOptions } from "./options";

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
  const zones = [...request.zones].sort();
  const machine = awsMachine(options, spec, { zones });
  const template = launchTemplate(name, options, spec, machine, [awsClusterName(options), mesh, "pool", poolName], opts);
  // The autoscaler decides the number between the two; an update that set it again would throw away what is in use.
  const scaled = maxNodes > minNodes ? ["scalingConfig.desiredSize"] : [];
  const group = new NodeGroup(
    `${name}-group`,
    {
      region: options.region,
      clusterName: cluster.name,
      nodeGroupName: generationName(63, [mesh, "pool", poolName], machine.generation),
      nodeRoleArn: cluster.nodeRoleArn ?? "",
      subnetIds: zones.map((zone) => cluster.subnetIds[zone] ?? ""),
      scalingConfig: { minSize: minNodes, maxSize: maxNodes, desiredSize: request.initialNodes ?? minNodes },
      instanceTypes: [machine.instanceType],
      amiType: machine.amiType,
      capacityType: machine.capacityType,
      ...(cluster.version === undefined ? {} : { version: cluster.version }),
      launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
      labels: poolLabels(request),
      taints: machine.taints,
      updateConfig: { maxUnavailable: 1, updateStrategy: "DEFAULT" },
      nodeRepairConfig: { enabled: true },
      tags: tagsOf(options, `${mesh}-pool-${poolName}`),
    },
    { ...opts, ignoreChanges: [...(opts.ignoreChanges ?? []), ...scaled], dependsOn: cluster.dependsOn },
  );
  return { selector: poolSelector(request), taints: spec.taints ?? [], ready: group.id.apply(() => true), dependsOn: [group] };
}
