/** The settings of a SnapshotGroup as its agents and tools read them. No secret is in them: paths and names of variables only. */
import * as pulumi from "@pulumi/pulumi";
import { databaseSettings } from "../ingest/database";
import { formatDocument } from "../model/documents";
import { contentHash } from "../model/names";
import { agentPaths } from "./agent-image";
import type { SnapshotGroupArgs } from "./snapshot-group";
import type { SnapshotGroupPlan } from "./snapshot-group-plan";

/** The two documents of the settings ConfigMap. */
export interface SnapshotSettings {
  /** `settings.json`: a change of it restarts the agents. */
  settings: pulumi.Output<string>;
  /** `retention.json`: the agents read it before every clean-up. */
  retention: string;
  /** For the config-hash annotation: everything but the retention. */
  hash: pulumi.Output<string>;
}

/** The file that holds the encryption key, and of an NFS or node-directory store. */
const keyFile = `${agentPaths.encryptionKey}/key`;

/** All settings; brokers and buckets can come from other resources. */
export function snapshotSettings(args: SnapshotGroupArgs, plan: SnapshotGroupPlan): SnapshotSettings {
  const settings = pulumi.all([args.kafka.brokers, storeSettings(args)]).apply(([brokers, store]) =>
    formatDocument("SnapshotGroupSettings", {
      name: plan.name,
      schedule: plan.facts.schedule,
      timeZone: "UTC",
      allowedLatenessSeconds: plan.allowedLatenessSeconds,
      timeoutSeconds: plan.timeoutSeconds,
      store,
      ...(args.encryption === undefined ? {} : { encryption: { keyFile } }),
      shardMap: { version: args.shardMap.version, shardCount: args.shardMap.shardCount, replicas: args.shardMap.replicas },
      topics: Object.fromEntries(
        Object.entries(plan.shards.topics).map(([topic, facts]) => [topic, { ...facts, table: plan.tables[topic] }]),
      ),
      kafka: { brokers, ...plan.security },
      database: databaseSettings(args.database),
      ...(args.deadLetterTopic === undefined ? {} : { deadLetterTopic: args.deadLetterTopic }),
      tends: plan.tends,
      unpinnedGraceSeconds: plan.unpinnedGraceSeconds,
    }),
  );
  return {
    settings,
    retention: formatDocument("SnapshotRetention", { keep: plan.keep, pinned: plan.facts.snapshots }),
    hash: settings.apply((text) => contentHash({ text, nodes: plan.identity.hash })),
  };
}

/** The store without its credentials; a mounted one has the path inside the pod. */
function storeSettings(args: SnapshotGroupArgs): pulumi.Output<unknown> {
  const { s3, gcs, azureBlob, nfs } = args.store;
  if (s3 !== undefined) {
    const { credentialsSecret: _secret, ...plain } = s3;
    return pulumi.output({ s3: plain });
  }
  if (gcs !== undefined) {
    return pulumi.output({ gcs });
  }
  return azureBlob === undefined
    ? pulumi.output({ directory: { path: agentPaths.store, shared: nfs !== undefined } })
    : pulumi.output({ azureBlob });
}
