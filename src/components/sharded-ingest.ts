import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type BentoArgs, renderBentoConfig } from "../ingest/bento";
import type { KafkaArgs } from "../ingest/kafka";
import { type ChildTransform, createChild, orFail } from "../kubernetes/children";
import { describeLabels } from "../kubernetes/labels";
import { createNodeIdentity, type NodeIdentityParts, type NodeIdentityTransforms } from "../kubernetes/node-identity";
import type { LocalDbFacts } from "../model/facts";
import { contentHash } from "../model/names";
import type { ShardMap } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import { normalizeShardedIngest, type ShardedIngestPlan } from "./sharded-ingest-plan";
import { ingestDaemonSet } from "./sharded-ingest-pods";

export { normalizeShardedIngest } from "./sharded-ingest-plan";

/** A Kafka topic and its table. */
export interface IngestTopicArgs {
  /** Number of partitions, as in Kafka; at least one for each shard. Fixed, because the shards cover fixed partitions. */
  partitions: number;
  /** Table for the rows. Default: the topic's name in lower case with underscores for dots and hyphens. */
  table?: string;
}

/** The program that reads Kafka, exactly one of these. */
export interface IngestEngineArgs {
  bento?: BentoArgs;
}

/** Raw overrides of the children. */
export interface ShardedIngestTransforms extends NodeIdentityTransforms {
  /** The ConfigMap with the engine's configuration, SQL and scripts. */
  settings?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
  daemonSet?: ChildTransform<k8s.apps.v1.DaemonSetArgs>;
}

export interface ShardedIngestArgs {
  /** Namespace of all objects; that of the database, too. */
  namespace: pulumi.Input<string>;
  /** The mesh nodes. */
  nodes: MeshNodeFacts[];
  /** Which mesh node owns which shard; every owner ingests its shards, the primary and the others alike. */
  shardMap: ShardMap;
  /** The topics by name. */
  topics: Record<string, IngestTopicArgs>;
  kafka: KafkaArgs;
  /** The database of the pod's own node; engine `postgres`. */
  database: LocalDbFacts;
  /** Default: `{ bento: {} }`. */
  engine?: IngestEngineArgs;
  /** Image with `sh`, `sed`, `psql` and `pg_isready`. Default: `docker.io/library/postgres:17.6`. */
  databaseClientImage?: string;
  /** Image with `sh`, `sed` and `curl`, used where a pod must read its Node's label. Default: `docker.io/curlimages/curl:8.11.1`. */
  nodeReaderImage?: string;
  /** CPU of the engine as a Kubernetes quantity, request and limit. Default: `500m`. */
  cpu?: string;
  /** Memory of the engine as a Kubernetes quantity, request and limit, at least `128Mi`. Default: `512Mi`. */
  memory?: string;
  transforms?: ShardedIngestTransforms;
}

/**
 * Kafka topics into the database of every mesh node: each node reads exactly the partitions of the shards that it owns.
 *
 * One DaemonSet and one ConfigMap of settings however many shards and nodes, and one ConfigMap of which node owns which shards. Kafka keeps no
 * offsets: the database does, in the table `mesh_offsets (topic, partition, next_offset, updated)`, changed by the same statement as the rows. So a
 * crash neither loses nor doubles a row, and every consistent copy of the database carries its own exact cut. Each topic has a table of its own,
 * `(part, off, ts, key, doc)` with the primary key `(part, off)`; `doc` is null where the record was a tombstone. A value that is no JSON, or holds
 * a NUL, is kept as `{"base64": "…"}`, a key that is no text as `base64:…`.
 *
 * Before the engine starts, the pod waits for its own node's database, creates missing tables and reads the start offsets; a partition without one
 * starts at the oldest record. It goes on watching: where the database comes back empty or older (memory-first storage, a restored snapshot), the
 * engine is restarted from what is there.
 *
 * Limits. The engine may hand a failed batch back after its successor, so the statement refuses a batch that begins above the next offset; the
 * right one comes again. For the same reason a partition stands still where offsets are missing in the log between two batches: Kafka transactions
 * leave such gaps (their markers take an offset), compaction does, and so does retention that overtakes the ingest. Use it for topics that are
 * neither compacted nor written in transactions; records of aborted transactions would be read as well. A record whose header is named like one
 * of the engine's own fields (`kafka_offset`) stops its partition, too.
 *
 * Costs on each node the CPU and memory of the engine, and 20m and 64Mi beside it.
 *
 * @example
 * const ingest = new ShardedIngest("ingest", {
 *   namespace, nodes, shardMap, database: db.facts,
 *   topics: { orders: { partitions: 16 }, "trade.log": { partitions: 32, table: "trades" } },
 *   kafka: { brokers: ["kafka-0.kafka:9093"], tls: {}, sasl: { mechanism: "SCRAM-SHA-512", secretName: "kafka-user" } },
 * });
 */
export class ShardedIngest extends pulumi.ComponentResource {
  /** Topic → its table; plain, known in preview. */
  public readonly tables: Record<string, string>;
  /** Name of the ConfigMap with the engine's configuration, SQL and scripts. */
  public readonly settingsName: pulumi.Output<string>;
  /** Resolves to true when the pods of all nodes are ready. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: ShardedIngestArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:ShardedIngest", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeShardedIngest(name, args));
    const identity = createIdentity(this, args, plan);
    const files = settingsFiles(args, plan);
    const settings = createSettings(this, args, plan, files);
    const daemonSet = createDaemonSet(this, args, plan, identity, settings, files);
    this.tables = plan.tables;
    this.settingsName = settings.metadata.name;
    this.ready = daemonSet.id.apply(() => true);
    this.registerOutputs({ tables: this.tables, settingsName: this.settingsName, ready: this.ready });
  }
}

/** The args as policies see them: functions are none of their business. */
function shownArgs(args: ShardedIngestArgs): pulumi.Inputs {
  const { transforms: _transforms, ...shown } = args;
  return shown;
}

function createIdentity(parent: ShardedIngest, args: ShardedIngestArgs, plan: ShardedIngestPlan): NodeIdentityParts {
  const reader = args.nodeReaderImage === undefined ? {} : { readerImage: args.nodeReaderImage };
  return createNodeIdentity(parent, plan.name, { namespace: args.namespace, plan: plan.identity, ...reader }, args.transforms);
}

/** All settings; the brokers can come from other resources. */
function settingsFiles(args: ShardedIngestArgs, plan: ShardedIngestPlan): pulumi.Output<Record<string, string>> {
  return pulumi.output(args.kafka.brokers).apply((brokers): Record<string, string> => ({
    "config.yaml": renderBentoConfig({
      clientId: `compute-mesh-${plan.name}`,
      brokers,
      security: plan.security,
      tables: plan.tables,
      database: args.database,
      batchSize: plan.engine.batchSize,
      batchPeriodMilliseconds: plan.engine.batchPeriodMilliseconds,
    }),
    ...plan.files,
  }));
}

function createSettings(
  parent: ShardedIngest,
  args: ShardedIngestArgs,
  plan: ShardedIngestPlan,
  files: pulumi.Output<Record<string, string>>,
): k8s.core.v1.ConfigMap {
  const settings = {
    metadata: { name: plan.settingsName, namespace: args.namespace, labels: describeLabels(plan.name, "settings") },
    data: files,
  };
  return createChild(k8s.core.v1.ConfigMap, `${plan.name}-settings`, settings, { parent }, args.transforms?.settings);
}

function createDaemonSet(
  parent: ShardedIngest,
  args: ShardedIngestArgs,
  plan: ShardedIngestPlan,
  identity: NodeIdentityParts,
  settings: k8s.core.v1.ConfigMap,
  files: pulumi.Output<Record<string, string>>,
): k8s.apps.v1.DaemonSet {
  const configHash = files.apply((texts) => contentHash({ texts, nodes: plan.identity.hash }));
  const daemonSet = ingestDaemonSet({ args, plan, identity, settingsName: settings.metadata.name, configHash });
  const opts = { parent, dependsOn: identity.dependsOn };
  return createChild(k8s.apps.v1.DaemonSet, `${plan.name}-daemon-set`, daemonSet, opts, args.transforms?.daemonSet);
}
