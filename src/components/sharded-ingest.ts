import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { KafkaArgs } from "../ingest/kafka";
import { type IngestSettings, renderIngestSettings } from "../ingest/settings";
import { renderStockConfig, type StockEngineArgs } from "../ingest/stock";
import { tableNames } from "../ingest/tables";
import { type ChildTransform, createChild, orFail } from "../kubernetes/children";
import { nodeDomains } from "../kubernetes/shown-args";
import { describeLabels } from "../kubernetes/labels";
import { createNodeIdentity, type NodeIdentityParts, type NodeIdentityTransforms } from "../kubernetes/node-identity";
import type { LocalDbFacts, SnapshotGroupFacts } from "../model/facts";
import { contentHash } from "../model/names";
import type { ShardMap } from "../model/shard-map";
import type { TableArgs } from "../model/tables";
import type { MeshNodeFacts } from "../model/topology";
import { normalizeShardedIngest, type ShardedIngestPlan } from "./sharded-ingest-plan";
import { ingestDaemonSet } from "./sharded-ingest-pods";

export type { StockEngineArgs } from "../ingest/stock";
export { normalizeShardedIngest } from "./sharded-ingest-plan";

/** A Kafka topic and its table. */
export interface IngestTopicArgs extends TableArgs {
  /** Number of partitions, as in Kafka; at least one for each shard. Fixed, because the shards cover fixed partitions. */
  partitions: number;
}

/** Our own ingest image: Bento with an input and an output of the mesh. */
export interface MeshEngineArgs {
  /** Default: `ghcr.io/compute-mesh/ingest` in the version of this package. */
  image?: string;
  /** Most records of one batch, which is one transaction. Default: 5000. */
  batchSize?: number;
  /** Most bytes of one batch. Default: 8 MiB. */
  batchBytes?: number;
  /** Longest wait for a batch to fill, in milliseconds. Default: 200. */
  batchPeriodMilliseconds?: number;
}

/** The program that reads Kafka, exactly one of these. */
export interface IngestEngineArgs {
  /** Our own image, for every database. */
  mesh?: MeshEngineArgs;
  /** An unmodified image, for PostgreSQL only and with limits. */
  stock?: StockEngineArgs;
}

/** Raw overrides of the children. */
export interface ShardedIngestTransforms extends NodeIdentityTransforms {
  /** The ConfigMap with the engine's settings. */
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
  /** The topics by name, each with its table. */
  topics: Record<string, IngestTopicArgs>;
  kafka: KafkaArgs;
  /** The database of the pod's own node; engine `postgres`, `singlestore`, `clickhouse` or `valkey`. */
  database: LocalDbFacts;
  /** Default: `{ mesh: {} }`. */
  engine?: IngestEngineArgs;
  /**
   * Topic for records that can never be stored, with headers that say where they came from and why. It must exist, and be no ingested one.
   * Default: none; such a record stops its node, which names it in its log and at `/ready`.
   */
  deadLetterTopic?: string;
  /**
   * A pod is ready once no partition of its shards has more records before it than this; it stays ready until one has ten times as many.
   * Default: 10000.
   */
  maxLagRecords?: number;
  /**
   * Records read and not yet written, as a Kubernetes quantity, at most half of `memory` and below 2Gi; beyond it Kafka is not asked for more.
   * Default: a quarter of `memory`, at most 1Gi.
   */
  bufferMemory?: string;
  /**
   * Facts of the snapshot group that restores missing shards, one with `tendsShards`. A shard is then read from Kafka only after its node's agent has
   * restored it from the newest complete snapshot, or has found none. Default: every shard begins at the oldest record that Kafka has.
   */
  restoreFrom?: SnapshotGroupFacts;
  /**
   * Whether an update waits until the pods of all nodes have caught up. The Kubernetes provider gives up after 10 minutes: where the first reading of a
   * topic takes longer, set this to false. Default: true.
   */
  awaitReady?: boolean;
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
 * offsets: the database does, in the table `mesh_offsets (topic, partition, next_offset, updated)`, changed in one transaction with the rows. So a
 * crash neither loses nor doubles a row, and every consistent copy of the database carries its own exact cut. Each topic has a table of its own:
 * `(part, off, ts, key)` with the primary key `(part, off)`, then the typed columns of `columns`, then, unless there are columns, the whole document
 * `doc`, null where the record was a tombstone. A value that is no JSON, or holds a NUL, is kept as `{"base64": "…"}`, a key that is no text as
 * `base64:…`.
 *
 * Aborted transactions are not read, and gaps in the log (markers of transactions, compaction) are passed over. A database that comes back empty or
 * older (memory-first storage, a restored snapshot) is prepared anew and filled from where it is. A pod is ready when it has caught up; wrong
 * credentials, a missing topic, another number of partitions and a table that does not fit are said in its log and at `/ready`.
 *
 * `engine: { stock: {} }` runs an unmodified image instead; its limits are in the docstring of `StockEngineArgs`.
 *
 * Costs on each node the CPU and memory of the engine.
 *
 * @example
 * const ingest = new ShardedIngest("ingest", {
 *   namespace, nodes, shardMap, database: db.facts, restoreFrom: hourly.facts,
 *   topics: {
 *     orders: { partitions: 16, columns: { customer: { type: "text", from: "customer.id" }, amount: { type: "decimal", required: true } } },
 *     "trade.log": { partitions: 32, table: "trades" },
 *   },
 *   kafka: { brokers: ["kafka-0.kafka:9093"], tls: {}, sasl: { mechanism: "SCRAM-SHA-512", secretName: "kafka-user" } },
 * });
 */
export class ShardedIngest extends pulumi.ComponentResource {
  /** Topic → its table; plain, known in preview. */
  public readonly tables: Record<string, string>;
  /** Name of the ConfigMap with the engine's settings. */
  public readonly settingsName: pulumi.Output<string>;
  /** Resolves to true when the pods of all nodes are ready; to false where `awaitReady` is, because nobody has looked. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: ShardedIngestArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:ShardedIngest", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeShardedIngest(name, args));
    const identity = createIdentity(this, args, plan);
    const files = settingsFiles(args, plan);
    const settings = createSettings(this, args, plan, files);
    const daemonSet = createDaemonSet(this, args, plan, identity, settings, files);
    this.tables = tableNames(plan.tables);
    this.settingsName = settings.metadata.name;
    this.ready = daemonSet.id.apply(() => plan.awaitReady);
    this.registerOutputs({ tables: this.tables, settingsName: this.settingsName, ready: this.ready });
  }
}

/** The args as policies see them: functions are none of their business. */
function shownArgs(args: ShardedIngestArgs): pulumi.Inputs {
  const { transforms: _transforms, nodes, ...shown } = args;
  return { ...shown, nodes: nodeDomains(nodes) };
}

function createIdentity(parent: ShardedIngest, args: ShardedIngestArgs, plan: ShardedIngestPlan): NodeIdentityParts {
  const reader = args.nodeReaderImage === undefined ? {} : { readerImage: args.nodeReaderImage };
  return createNodeIdentity(parent, plan.name, { namespace: args.namespace, plan: plan.identity, ...reader }, args.transforms);
}

/** All settings; the brokers can come from other resources. */
function settingsFiles(args: ShardedIngestArgs, plan: ShardedIngestPlan): pulumi.Output<Record<string, string>> {
  const { mesh, stock } = plan.engine;
  const common = { clientId: `compute-mesh-${plan.name}`, security: plan.security, database: args.database };
  return pulumi.output(args.kafka.brokers).apply((brokers): Record<string, string> => ({
    ...(mesh && { "settings.json": renderIngestSettings({ ...common, ...mesh, brokers, ...namesOf(args, plan) }) }),
    ...(stock && { "config.yaml": renderStockConfig({ ...common, ...stock, brokers }), ...stock.files }),
  }));
}

function namesOf(args: ShardedIngestArgs, plan: ShardedIngestPlan): Pick<IngestSettings, "name" | "shardMap" | "topics" | "tables"> {
  return { name: plan.name, shardMap: args.shardMap, topics: plan.shards.topics, tables: plan.tables };
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
