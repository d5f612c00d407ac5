/**
 * The portable provider interface: all that a cloud has to do for compute-mesh.
 *
 * Create or adopt a cluster, create or adopt one mesh node, and say plain facts about them. Everything above the nodes is the same on every
 * cloud. A new cloud is one folder beside this file that implements `NodeProvider`, and one table of tests. What is optional in the interface,
 * a cloud may leave out: pools, snapshot stores, explanations and costs.
 */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { DataProtection } from "../src/kubernetes/children";
import type { InputProblem } from "../src/model/errors";
import type { CostLine } from "../src/model/costs";
import type { MeshNodeFacts, Taint } from "../src/model/topology";

/** A disk inside the machine. */
export interface LocalDisk {
  /** Size as a Kubernetes quantity, for example `200Gi`. */
  size: string;
  /** Where it is mounted on the node. Default: `/mnt/compute-mesh/<position>`. */
  mountPath?: string;
}

/** What one mesh node must have, in words that every cloud understands. */
export interface NodeSpec {
  /** Failure domain inside the region, for example `eu-west-1a`. */
  zone: string;
  /** Default: the region of the provider. */
  region?: string;
  /** CPU as a Kubernetes quantity. Default: `4`. */
  cpu?: string;
  /** Memory as a Kubernetes quantity. Default: `16Gi`. */
  memory?: string;
  /** `amd64` or `arm64`. Default: `amd64`. */
  architecture?: string;
  /** Disks inside the machine, for databases on node disk. Default: none. */
  localDisks?: LocalDisk[];
  /** Machines that the cloud may take back at any time. Default: false. */
  spot?: boolean;
  /** At least so much network bandwidth in Gbit/s; bursts do not count. Default: whatever the machine has. */
  networkGbps?: number;
  /** Key that encrypts the machine's network disk, in the cloud's own words. Disks are encrypted in any case. Default: the cloud's own key. */
  diskEncryptionKey?: string;
  /**
   * The cloud's own name of the machine, for example `m7gd.2xlarge`, in place of the choice from the table. What the table knows of it is still compared
   * with the rest of the spec. Default: the cheapest current one that has everything.
   */
  instanceType?: string;
  /** Family of the operating system image, in the cloud's own words. Default: the provider's. */
  imageFamily?: string;
  /** Taints on top of the provider's own. Default: none. */
  taints?: Taint[];
  /** Labels on top of the provider's own. Default: none. */
  labels?: Record<string, string>;
}

/** A cluster, made or adopted. */
export interface ClusterHandle {
  /** Name of the cluster as placement rules use it. */
  name: string;
  /** The Kubernetes provider through which everything in the cluster is made. */
  kubernetes: k8s.Provider;
  /** Resolves when the cluster takes objects. */
  ready: pulumi.Output<boolean>;
}

/** One mesh node to be made or adopted. */
export interface MeshNodeRequest {
  /** Name of the mesh node. */
  nodeName: string;
  /** Name of the mesh, for the label that all its nodes share. */
  mesh: string;
  weight: number;
  spec: NodeSpec;
}

/** One mesh node, made or adopted. */
export interface MeshNodeHandle {
  /** Name of the Kubernetes Node; undefined where the node is known by its label only. */
  kubernetesNodeName: pulumi.Output<string | undefined>;
  /** The cloud's id of the machine, or of the group of one that replaces a dead machine by itself; undefined where there is none. */
  providerId: pulumi.Output<string | undefined>;
  /** Resolves to true when the node is there and can take pods. */
  ready: pulumi.Output<boolean>;
}

/** What every node of a pool must have: a mesh node's spec without its zone. */
export type NodePoolSpec = Omit<NodeSpec, "zone">;

/** A pool of interchangeable nodes for services that need no data of their own node. No shard is ever on one. */
export interface NodePoolRequest {
  /** Name of the pool, a DNS label. */
  poolName: string;
  /** Name of the mesh, a DNS label. */
  mesh: string;
  /** Zones over which the nodes are spread, at least one, each once. */
  zones: string[];
  spec: NodePoolSpec;
  /** Fewest nodes, at least 0. */
  minNodes: number;
  /** Most nodes, at least `minNodes` and 1. Where it is more than `minNodes`, an autoscaler decides and updates leave the number alone. */
  maxNodes: number;
  /** Nodes at the start, between the two. Default: `minNodes`. */
  initialNodes?: number;
}

/** A pool, made or adopted. */
export interface NodePoolHandle {
  /** Labels that exactly the nodes of the pool carry; plain. */
  selector: Record<string, string>;
  /** Taints that pods on the pool must tolerate; plain. */
  taints: Taint[];
  /** Resolves to true when the pool takes pods. */
  ready: pulumi.Output<boolean>;
  /** What stays until the last pod is gone. Default: nothing. */
  dependsOn?: pulumi.Resource[];
}

/** Where snapshots go, and who may read and write there. */
export interface SnapshotStoreRequest {
  /** Name of the store, a DNS label; its objects in the cloud are named after it. */
  storeName: string;
  /** Name of the mesh, a DNS label. */
  mesh: string;
  /** Namespace and name of the Kubernetes ServiceAccount that gets access, and nobody else. */
  namespace: string;
  serviceAccountName: string;
  /**
   * Days for which what was removed or overwritten can still be brought back; then the store deletes it for good. Which snapshots stay is decided by the
   * snapshot group's `keep` alone: no rule of the store removes a current object, because a service may be bound to it. At least 1. Default: 7.
   */
  recoveryDays?: number;
  /** Days for which nobody, the owner included, can remove an object; it makes the store dearer and cannot be undone. Default: no lock. */
  objectLockDays?: number;
  /** Another region than that of the nodes, so that snapshots survive the loss of theirs. Default: the region of the nodes. */
  region?: string;
  /** Key that encrypts the objects, in the cloud's own words. Default: the cloud's own key; objects are encrypted in any case. */
  encryptionKey?: string;
  /** Default: the provider's, which protects. */
  dataProtection?: DataProtection;
}

/** The kinds of stores that a cloud makes; members of `store` of a SnapshotGroup. */
export type CloudStoreKind = "s3" | "gcs" | "azureBlob";

/** `store` of a SnapshotGroup, exactly one member: that of the provider's `snapshotStoreKind`. */
export interface CloudStore {
  s3?: { bucket: pulumi.Input<string>; region: pulumi.Input<string>; prefix?: string };
  gcs?: { bucket: pulumi.Input<string>; prefix?: string };
  azureBlob?: { account: pulumi.Input<string>; container: pulumi.Input<string>; prefix?: string };
}

/** A snapshot store. */
export interface SnapshotStoreHandle {
  /** `store` of the SnapshotGroup. */
  store: CloudStore;
  /** `serviceAccountAnnotations` of the SnapshotGroup: its identity in the cloud, in place of any key. */
  serviceAccountAnnotations: Record<string, pulumi.Input<string>>;
  /** Resolves to true when the ServiceAccount has access; pods that start before it would fail at first. */
  ready: pulumi.Output<boolean>;
  /** What must be there before the pods start, and stay until they are gone. */
  dependsOn: pulumi.Resource[];
}

/** All that a mesh asks of its cloud, for the notes of costs. */
export interface CostRequest {
  nodes: readonly MeshNodeRequest[];
  pools: readonly NodePoolRequest[];
  snapshotStores: readonly SnapshotStoreRequest[];
}

/** Options of what a provider makes below a component. */
export type ChildOptions = pulumi.CustomResourceOptions & { parent: pulumi.Resource };

/** One cloud. Implementations: `local` (this machine), `existing` (nodes that are there already), `aws`, `gcp` and `azure`. */
export interface NodeProvider {
  /** Name for topology and messages, for example `local`. */
  readonly name: string;

  /** Checks a request without touching anything: every problem at once, paths relative to the request. */
  check(request: MeshNodeRequest): InputProblem[];

  /** Plain facts of the node that `createNode` will make or adopt; pure, called in preview. `check` has passed. */
  facts(request: MeshNodeRequest): MeshNodeFacts;

  /** Why this machine, for example `m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe`; pure. `check` has passed. */
  describe?(request: MeshNodeRequest): string;

  /** What will run, by price class, for preview and summary; pure. Everything asked for has passed its check. */
  costs?(request: CostRequest): CostLine[];

  /** Makes or adopts a cluster. It comes before the first node, pool and store of the same provider object. */
  createCluster(name: string, opts?: pulumi.ComponentResourceOptions): ClusterHandle;

  /**
   * Makes or adopts one mesh node below `opts.parent`, with children named `${name}-…`.
   * The Kubernetes provider for Node objects is inherited from the parent.
   */
  createNode(name: string, request: MeshNodeRequest, opts: ChildOptions): MeshNodeHandle;

  /** Like `check`, for a pool. */
  checkPool?(request: NodePoolRequest): InputProblem[];

  /** Makes or adopts one pool below `opts.parent`, with children named `${name}-…`. Missing where the provider knows no pools. */
  createPool?(name: string, request: NodePoolRequest, opts: ChildOptions): NodePoolHandle;

  /** Which kind of store `createSnapshotStore` makes; missing where the provider makes none. */
  readonly snapshotStoreKind?: CloudStoreKind;

  /** Like `check`, for a snapshot store. */
  checkSnapshotStore?(request: SnapshotStoreRequest): InputProblem[];

  /** Makes one snapshot store below `opts.parent`, with children named `${name}-…`, and the identity that may use it. */
  createSnapshotStore?(name: string, request: SnapshotStoreRequest, opts: ChildOptions): SnapshotStoreHandle;
}
