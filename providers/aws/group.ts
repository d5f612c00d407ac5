/** A managed node group of EKS and its launch template: what mesh nodes and pools are made of. */
import { LaunchTemplate } from "@pulumi/aws/ec2";
import { NodeGroup } from "@pulumi/aws/eks";
import * as pulumi from "@pulumi/pulumi";
import { generationName } from "../cloud/generation";
import { localDisks } from "../node-spec";
import type { ChildOptions, NodePoolSpec } from "../provider";
import type { AwsCluster } from "./cluster";
import { awsMachine, type AwsMachine } from "./machine";
import { tagsOf } from "./names";
import { awsClusterName, type AwsProviderOptions } from "./options";
import { nodeUserData } from "./user-data";

/** The disk for images, logs and empty directories; EKS's own default of 20 GiB is soon full with several versions of services. */
const systemDiskGiB = 50;

/** What differs between groups. */
export interface MachineGroupRequest {
  /** What the physical names are made of, beside the cluster and the generation. */
  names: readonly string[];
  /** Zones of the machines. */
  zones: readonly string[];
  spec: NodePoolSpec;
  size: { minSize: number; maxSize: number; desiredSize: number };
  labels: Record<string, string>;
  /** Options of the group alone, and not of its template. */
  groupOptions: pulumi.CustomResourceOptions;
}

/**
 * Makes the launch template and the group. Both carry the generation in their names, so that a change of the machine makes the new one first; EKS then cordons and
 * drains the old one by evictions, which heed PodDisruptionBudgets for five minutes, and ends it
 * (https://docs.aws.amazon.com/eks/latest/userguide/delete-managed-node-group.html). A new Kubernetes version is an update in place, which EKS does in the same order,
 * heeds budgets for fifteen minutes, and fails rather than force them
 * (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html).
 */
export function createGroup(
  name: string,
  options: AwsProviderOptions,
  cluster: AwsCluster,
  request: MachineGroupRequest,
  opts: ChildOptions,
): NodeGroup {
  const { names, zones, spec, size, labels, groupOptions } = request;
  const machine = awsMachine(cluster.table, spec, { zones });
  const template = launchTemplate(name, options, spec, machine, [awsClusterName(options), ...names], opts);
  return new NodeGroup(
    `${name}-group`,
    {
      region: options.region,
      clusterName: cluster.name,
      nodeGroupName: generationName(63, names, machine.generation),
      nodeRoleArn: cluster.nodeRoleArn ?? "",
      subnetIds: zones.map((zone) => cluster.subnetIds[zone] ?? ""),
      scalingConfig: size,
      instanceTypes: [machine.instanceType],
      amiType: machine.amiType,
      capacityType: machine.capacityType,
      ...(cluster.version === undefined ? {} : { version: cluster.version }),
      launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
      labels,
      taints: machine.taints,
      // The new machine first, then the old one goes.
      updateConfig: { maxUnavailable: 1, updateStrategy: "DEFAULT" },
      // A machine that is there but does not answer is replaced as well.
      nodeRepairConfig: { enabled: true },
      tags: tagsOf(options, names.join("-")),
    },
    pulumi.mergeOptions(pulumi.mergeOptions(opts, groupOptions), { dependsOn: cluster.dependsOn }),
  );
}

/**
 * The launch template: an encrypted disk, instance metadata for the machine alone, local disks mounted.
 *
 * All of it is in the generation, so that it never changes in place; EKS would answer a new version of it by replacing machines in its own order.
 */
function launchTemplate(
  name: string,
  options: AwsProviderOptions,
  spec: NodePoolSpec,
  machine: AwsMachine,
  names: readonly string[],
  opts: ChildOptions,
): LaunchTemplate {
  const tags = tagsOf(options, names.join("-"));
  const userData = nodeUserData(localDisks(spec));
  return new LaunchTemplate(
    `${name}-template`,
    {
      region: options.region,
      name: generationName(125, names, machine.generation),
      blockDeviceMappings: [
        {
          // Bottlerocket keeps everything but itself on its second disk.
          deviceName: spec.imageFamily === "bottlerocket" ? "/dev/xvdb" : "/dev/xvda",
          ebs: {
            volumeType: "gp3",
            volumeSize: systemDiskGiB,
            encrypted: "true",
            deleteOnTermination: "true",
            ...(spec.diskEncryptionKey === undefined ? {} : { kmsKeyId: spec.diskEncryptionKey }),
          },
        },
      ],
      // One hop: pods do not reach the credentials of the machine.
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      ...(userData === undefined ? {} : { userData: Buffer.from(userData).toString("base64") }),
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
      tags,
    },
    // A changed tag would be a new version of the template, for which EKS replaces the machine.
    pulumi.mergeOptions(opts, { ignoreChanges: ["tagSpecifications"] }),
  );
}
