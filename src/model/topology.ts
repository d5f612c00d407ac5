/** The mesh nodes and the failure domains they lie in. */

/** A level at which things die together, from the smallest to the largest. */
export const FailureDomain = { Node: "node", Zone: "zone", Region: "region", Cluster: "cluster", Provider: "provider" } as const;
export type FailureDomain = (typeof FailureDomain)[keyof typeof FailureDomain];

/** What placement needs to know of one mesh node; all of it known before deployment. */
export interface TopologyNode {
  /** Stable name of the mesh node, a DNS label. A replaced machine takes the same name. */
  name: string;
  zone: string;
  region: string;
  cluster: string;
  /** Name of the node provider, for example `local` or `aws`. */
  provider: string;
  /** Share of the work relative to the other nodes, above 0. Equal weights mean equal shares. */
  weight: number;
  /** Most shard copies that the node may hold. Default: no limit. */
  maxShards?: number;
}

/** A taint as Kubernetes has it. */
export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

/** What the other components need to know of one mesh node: plain values, known in preview. */
export interface MeshNodeFacts extends TopologyNode {
  /** Labels that all nodes of this mesh share; DaemonSets of the mesh select nodes by them. */
  selector: Record<string, string>;
  /** All labels that the node carries for placement. */
  labels: Record<string, string>;
  /** Taints that pods of the mesh must tolerate. */
  taints: Taint[];
  /** Name of the Kubernetes Node object where it is known before deployment. */
  kubernetesNodeName?: string;
}
