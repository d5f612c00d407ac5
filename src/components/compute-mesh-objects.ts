/** The objects that are the mesh's own: its namespace, and the records of how topics are cut into shards. */
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { createChild, dataOptions } from "../kubernetes/children";
import { dataLabel, describeLabels } from "../kubernetes/labels";
import { contentHash, dnsName, isDnsLabel, stableJson } from "../model/names";
import type { ComputeMeshArgs } from "./compute-mesh";
import type { ComputeMeshPlan } from "./compute-mesh-plan";

type ChildOptions = pulumi.CustomResourceOptions & { parent: pulumi.Resource };

/** The namespace of everything. */
export function createNamespace(name: string, args: ComputeMeshArgs, plan: ComputeMeshPlan, opt: ChildOptions): k8s.core.v1.Namespace {
  const metadata = {
    name: plan.namespace,
    labels: {
      ...describeLabels(name, "mesh"),
      "pod-security.kubernetes.io/enforce": plan.podSecurity,
    },
  };
  // Deleting a namespace deletes everything in it, protected or not: it is as valuable as the databases.
  const protection = dataOptions(args.database?.dataProtection);
  return createChild(k8s.core.v1.Namespace, `${name}-namespace`, { metadata }, { ...opt, ...protection }, args.transforms?.namespace);
}

/**
 * One record per topic of how its partitions are cut into shards. It is immutable and protected, so that a change of the shard count or of the
 * partitions, which would silently put rows into other shards, is refused in preview. New topics are new records.
 */
export function createTopicRecords(
  name: string,
  args: ComputeMeshArgs,
  plan: ComputeMeshPlan,
  namespace: pulumi.Input<string>,
  opt: ChildOptions,
): void {
  const protection = dataOptions(args.database?.dataProtection);
  for (const [topic, { partitions }] of Object.entries(plan.topics)) {
    const record = {
      metadata: {
        name: topicRecordName(name, topic),
        namespace,
        labels: { ...describeLabels(name, "topic"), [dataLabel]: "shard-plan" },
      },
      immutable: true,
      data: { "plan.json": stableJson({ topic, partitions, shardCount: plan.shardMap.shardCount }) },
    };
    createChild(k8s.core.v1.ConfigMap, `${name}-topic-${topic}`, record, { ...opt, ...protection }, args.transforms?.topic);
  }
}

/** Topic names may hold capitals, dots and underscores; where they do, a hash keeps `a.b` and `a_b` apart. */
function topicRecordName(name: string, topic: string): string {
  return isDnsLabel(topic) ? dnsName(name, "topic", topic) : dnsName(name, "topic", contentHash(topic));
}
