import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createChild, orFail, serviceWithoutWait, type ChildTransform } from "../kubernetes/children";
import type { LocalDbFacts, SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import type { ShardMap } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import { normalizeVersionedService, type ServicePair, type VersionedServicePlan } from "./versioned-service-plan";
import { podTemplate } from "./versioned-service-pods";

/** One version of a service. */
export interface ServiceVersionArgs {
  /** Container image with a tag or a digest; `latest` is refused. It must run as a user other than root and write nowhere but below `/tmp` (and `/data`). */
  image: string;
  /** Snapshot ids that this version answers for, at least one, each kept by the snapshot group. Every one gets pods of its own. */
  snapshots: string[];
  /** Share of the requests that name no version, relative to the other versions. Default: 1; 0 is no share. */
  weight?: number;
  /**
   * Environment on top of what the component sets. A value may use the component's variables, for example
   * `postgres://$(DATABASE_USER):$(DATABASE_PASSWORD)@$(DATABASE_HOST)/$(DATABASE_NAME)`.
   */
  env?: Record<string, pulumi.Input<string>>;
  /** Program in place of the image's own. */
  command?: string[];
  /** Arguments in place of the image's own. */
  args?: string[];
}

/** One pod on every mesh node. */
export interface DaemonSetPlacementArgs {
  /** Pods that may be missing at once while an update rolls. Default: 1. */
  maxUnavailable?: number;
}

/** A volume of its own for every pod of a StatefulSet, mounted at `/data`. It stays when the workload goes. */
export interface ServiceStorageArgs {
  /** Size as a Kubernetes quantity, for example `10Gi`. Fixed at creation. */
  size: string;
  /** Default: the default class of the cluster. Fixed at creation. */
  storageClassName?: string;
}

/** A number of pods with stable names, at most one on a mesh node, spread over the zones. */
export interface StatefulSetPlacementArgs {
  /** Pods per version and snapshot, at most one per mesh node. */
  replicas: number;
  /** Default: none. */
  storage?: ServiceStorageArgs;
}

/** Where the pods run, exactly one of these. */
export interface ServicePlacementArgs {
  daemonSet?: DaemonSetPlacementArgs;
  statefulSet?: StatefulSetPlacementArgs;
}

/** Raw changes of single children, the same for every (version, snapshot); tell them apart by their args. */
export interface VersionedServiceTransforms {
  daemonSet?: ChildTransform<k8s.apps.v1.DaemonSetArgs>;
  statefulSet?: ChildTransform<k8s.apps.v1.StatefulSetArgs>;
  /** The Service of one (version, snapshot). */
  service?: ChildTransform<k8s.core.v1.ServiceArgs>;
  /** The headless Service of one StatefulSet. */
  headlessService?: ChildTransform<k8s.core.v1.ServiceArgs>;
  /** The Service of a single pod. */
  podService?: ChildTransform<k8s.core.v1.ServiceArgs>;
  podDisruptionBudget?: ChildTransform<k8s.policy.v1.PodDisruptionBudgetArgs>;
}

export interface VersionedServiceArgs {
  /** Namespace of all objects; that of the database, too. */
  namespace: pulumi.Input<string>;
  /** Name of the service in object names, labels and routes; a DNS label. Fixed at creation. Default: the component's name. */
  serviceName?: string;
  /** The mesh nodes that the pods run on. */
  nodes: MeshNodeFacts[];
  /** The database of the pod's own node. Default: none, and no `DATABASE_…` variables. */
  database?: LocalDbFacts;
  /** The snapshots that versions are bound to. */
  snapshotGroup: SnapshotGroupFacts;
  /** The versions by name, a DNS label each. */
  versions: Record<string, ServiceVersionArgs>;
  /** Port that the container listens on, 1 to 65535; the Services have the same. */
  port: number;
  /** Path that answers 200 once the pod can serve its snapshot. Default: `/healthz`. */
  readinessPath?: string;
  /** Default: `{ daemonSet: {} }`. */
  placement?: ServicePlacementArgs;
  /** Which mesh node owns which shard: every shard must then have a pod beside it. Default: not checked. */
  shardMap?: ShardMap;
  /** CPU of one pod as a Kubernetes quantity, request and limit. Default: `500m`. */
  cpu?: string;
  /** Memory of one pod as a Kubernetes quantity, request and limit. Default: `512Mi`. */
  memory?: string;
  transforms?: VersionedServiceTransforms;
}

/**
 * One service in several versions at once, each bound to one or more snapshots, with its pods beside the data.
 *
 * Every (version, snapshot) has its own workload and its own Kubernetes Service, both named `<service>-<version>-<snapshot>`, so that a question
 * about one snapshot can never be answered from another, and a version comes or goes without touching the others. StatefulSet pods have a
 * Service each, too, for asking every pod once.
 *
 * Pods find in their environment: `MESH_SERVICE`, `MESH_VERSION`, `MESH_SNAPSHOT`, `NODE_NAME`; with a database `DATABASE_HOST`, `DATABASE_PORT`,
 * `DATABASE_NAME`, `DATABASE_USER` and `DATABASE_PASSWORD`; with a shard map `MESH_SHARD_COUNT`.
 *
 * Cost: three objects per (version, snapshot) whatever the number of nodes; for a StatefulSet one more, and one per pod. CPU and memory are
 * reserved once per pod. Needs Kubernetes 1.30 or later (preStop sleep).
 *
 * @example
 * const prices = new VersionedService("prices", {
 *   namespace, nodes, database: db.facts, snapshotGroup: hourly.facts, port: 8080,
 *   versions: {
 *     v1: { image: "ghcr.io/acme/prices:1.4.2", snapshots: ["20261121t0600z"], weight: 90 },
 *     v2: { image: "ghcr.io/acme/prices:2.0.0", snapshots: ["20261121t0600z", "20261121t0700z"], weight: 10 },
 *   },
 * });
 */
export class VersionedService extends pulumi.ComponentResource {
  /** What routes bind to: versions, weights and one endpoint per (version, snapshot); plain, known in preview. */
  public readonly facts: VersionedServiceFacts;
  /** Names of the Kubernetes Services, one per (version, snapshot), in the order of `facts.endpoints`. */
  public readonly endpointNames: pulumi.Output<string[]>;
  /** Resolves to true when every pod is ready and every Service is there. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: VersionedServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:VersionedService", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeVersionedService(name, args));
    const workloads = plan.pairs.map((pair) => createWorkload(this, args, plan, pair));
    const services = plan.pairs.map((pair) => createService(this, args, plan, pair));
    const podServices = plan.pairs.flatMap((pair) => createPodServices(this, args, plan, pair));
    plan.pairs.forEach((pair) => createDisruptionBudget(this, args, plan, pair));
    this.facts = plan.facts;
    this.endpointNames = pulumi.all(services.map((service) => service.metadata.name));
    this.ready = pulumi.all([...workloads, ...services, ...podServices].map((resource) => resource.id)).apply(() => true);
    this.registerOutputs({ facts: this.facts, endpointNames: this.endpointNames, ready: this.ready });
  }
}

/** The args as they are kept in the state: without functions. */
function shownArgs({ transforms: _transforms, ...shown }: VersionedServiceArgs): pulumi.Inputs {
  return shown;
}

function createWorkload(
  parent: VersionedService,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.apps.v1.DaemonSet | k8s.apps.v1.StatefulSet {
  const metadata = { name: pair.objectName, namespace: args.namespace, labels: pair.labels };
  const common = { selector: { matchLabels: pair.selector }, template: podTemplate(args, plan, pair) };
  if (plan.statefulSet === undefined) {
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: plan.maxUnavailable } };
    const daemonSet = { metadata, spec: { ...common, updateStrategy } };
    return createChild(k8s.apps.v1.DaemonSet, pair.childName, daemonSet, { parent }, args.transforms?.daemonSet);
  }
  const { replicas, storage } = plan.statefulSet;
  const statefulSet = {
    metadata,
    spec: {
      ...common,
      replicas,
      serviceName: pair.headlessName,
      // Pods of one set do not wait for each other: none needs another one to start.
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "RollingUpdate" },
      ...(storage === undefined
        ? {}
        : { volumeClaimTemplates: [claimTemplate(storage)], persistentVolumeClaimRetentionPolicy: keepClaims }),
    },
  };
  return createChild(k8s.apps.v1.StatefulSet, pair.childName, statefulSet, { parent }, args.transforms?.statefulSet);
}

const keepClaims = { whenDeleted: "Retain", whenScaled: "Retain" };

function claimTemplate(storage: ServiceStorageArgs): k8s.types.input.core.v1.PersistentVolumeClaim {
  const storageClass = storage.storageClassName === undefined ? {} : { storageClassName: storage.storageClassName };
  return {
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], ...storageClass, resources: { requests: { storage: storage.size } } },
  };
}

function createService(
  parent: VersionedService,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.core.v1.Service {
  const service = {
    metadata: { name: pair.objectName, namespace: args.namespace, labels: pair.labels, annotations: serviceWithoutWait },
    spec: { type: "ClusterIP", selector: pair.selector, ports: servicePorts(plan) },
  };
  return createChild(k8s.core.v1.Service, pair.childName, service, { parent }, args.transforms?.service);
}

/** The headless Service of a StatefulSet and one Service for each of its pods; none for a DaemonSet. */
function createPodServices(
  parent: VersionedService,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.core.v1.Service[] {
  if (pair.headlessName === undefined) {
    return [];
  }
  const headless = {
    metadata: { name: pair.headlessName, namespace: args.namespace, labels: pair.labels },
    // Pods can find each other before they are ready; otherwise pods that wait for their peers would wait for ever.
    spec: { clusterIP: "None", publishNotReadyAddresses: true, selector: pair.selector, ports: servicePorts(plan) },
  };
  const single = pair.podServiceNames.map((podName, ordinal) => {
    const service = {
      metadata: { name: podName, namespace: args.namespace, labels: pair.labels, annotations: serviceWithoutWait },
      // Not before it is ready: a pod that has not loaded its snapshot must not answer.
      spec: { type: "ClusterIP", selector: { "statefulset.kubernetes.io/pod-name": podName }, ports: servicePorts(plan) },
    };
    return createChild(k8s.core.v1.Service, `${pair.childName}-${ordinal}`, service, { parent }, args.transforms?.podService);
  });
  return [createChild(k8s.core.v1.Service, `${pair.childName}-pods`, headless, { parent }, args.transforms?.headlessService), ...single];
}

function servicePorts(plan: VersionedServicePlan): { name: string; port: number; targetPort: string }[] {
  return [{ name: "http", port: plan.port, targetPort: "http" }];
}

function createDisruptionBudget(parent: VersionedService, args: VersionedServiceArgs, plan: VersionedServicePlan, pair: ServicePair): void {
  const budget = {
    metadata: { name: pair.objectName, namespace: args.namespace, labels: pair.labels },
    spec: {
      selector: { matchLabels: pair.selector },
      // One pod at a time. A DaemonSet has no scale subresource, so only a whole minAvailable works for its pods.
      ...(plan.statefulSet === undefined ? { minAvailable: plan.nodeCount - 1 } : { maxUnavailable: 1 }),
      // A pod that is broken anyway must not keep its node from being drained.
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  };
  createChild(k8s.policy.v1.PodDisruptionBudget, pair.childName, budget, { parent }, args.transforms?.podDisruptionBudget);
}
