/**
 * Facts: what one component tells the others, as plain values that are known in preview.
 *
 * Components are linked by these, never by each other's classes, so that a link can cross stacks and languages.
 */

/** A Kafka topic that is ingested. */
export interface TopicFacts {
  /** Number of partitions; fixed, because the shards cover fixed partitions. */
  partitions: number;
}

/** TLS to the databases. Their certificates must be for `serviceName` as it is, because that is what the pods of the namespace connect to. */
export interface DatabaseTlsFacts {
  /** Secret key with the certificate authority of the databases, PEM. Default: the authorities of the client's image. */
  caSecret?: { name: string; key: string };
}

/** How pods of the same namespace reach the database of their own node. */
export interface LocalDbFacts {
  /** Name of the LocalDbDaemonSet. */
  name: string;
  /** Name of the database engine: `postgres`, `singlestore`, `clickhouse` or `valkey`. */
  engine: string;
  /** Name of the Service; with `internalTrafficPolicy: Local` it is the database of the pod's own node. */
  serviceName: string;
  port: number;
  /** Name of the database inside the engine. */
  database: string;
  /** Name of the Secret with the keys `username` and `password`. */
  secretName: string;
  /** Default: no TLS; the connection does not leave the node. */
  tls?: DatabaseTlsFacts;
}

/** What services and policies need to know of a snapshot group. */
export interface SnapshotGroupFacts {
  /** Name of the SnapshotGroup. */
  name: string;
  /** Cron expression, time zone UTC. */
  schedule: string;
  /** Kind of the store: `s3`, `gcs`, `azureBlob`, `nfs` or `nodeDirectory`. */
  storeKind: string;
  /** Name of the ConfigMap with all settings. */
  settingsName: string;
  /** Snapshot ids that services can be bound to; retention keeps them. */
  snapshots: string[];
  /**
   * Whether the group's agents keep the shards of the databases: restore them where they are missing, and show the rows of `snapshots` there.
   * Default: false.
   */
  tends?: boolean;
}

/** One (version, snapshot) pair of a versioned service and the Kubernetes Service in front of it. */
export interface ServiceEndpointFacts {
  version: string;
  snapshot: string;
  /** Name of the Kubernetes Service: of the gatherer where the service has one, else of the pods. */
  serviceName: string;
  /** Name of the Service of the pods, where `serviceName` is that of the gatherer; for asking one pod directly. */
  directServiceName?: string;
  port: number;
  /** Names of the Services of single pods by ordinal, where the workload is a StatefulSet. */
  podServiceNames: string[];
}

/** What routes need to know of a versioned service. */
export interface VersionedServiceFacts {
  /** Name of the service. */
  name: string;
  /** Weight of each version for routes that do not name one, version → weight (0 or more). */
  weights: Record<string, number>;
  endpoints: ServiceEndpointFacts[];
}
