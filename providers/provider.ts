/**
 * The portable provider interface: all that a cloud has to do for compute-mesh.
 *
 * Create or adopt a cluster, create or adopt one mesh node, and say plain facts about them. Everything above the nodes is the same on every
 * cloud. A new cloud is one folder beside this file that implements `NodeProvider`, and one table of tests.
 */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { InputProblem } from "../src/model/errors";
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
  /** The cloud's id of the machine, where there is one. */
  providerId: pulumi.Output<string | undefined>;
  /** Resolves to true when the node is there and can take pods. */
  ready: pulumi.Output<boolean>;
}

/** One cloud. Implementations: `local` (this machine), `existing` (nodes that are there already), and one per cloud. */
export interface NodeProvider {
  /** Name for topology and messages, for example `local`. */
  readonly name: string;

  /** Checks a request without touching anything: every problem at once, paths relative to the request. */
  check(request: MeshNodeRequest): InputProblem[];

  /** Plain facts of the node that `createNode` will make or adopt; pure, called in preview. `check` has passed. */
  facts(request: MeshNodeRequest): MeshNodeFacts;

  /** Makes or adopts a cluster. */
  createCluster(name: string, opts?: pulumi.ComponentResourceOptions): ClusterHandle;

  /**
   * Makes or adopts one mesh node below `opts.parent`, with children named `${name}-…`.
   * The Kubernetes provider for Node objects is inherited from the parent.
   */
  createNode(name: string, request: MeshNodeRequest, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource }): MeshNodeHandle;
}
