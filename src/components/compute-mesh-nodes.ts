/** All mesh nodes of a ComputeMesh below one component: a component for each would double their number in the state, and the time of an update. */
import * as pulumi from "@pulumi/pulumi";
import type { MeshNodeRequest, NodeProvider } from "../../providers/provider";
import type { DataProtection } from "../kubernetes/children";
import { nodeOptions } from "./compute-mesh-node";

/** One of the nodes, checked. */
export interface PlannedMeshNode {
  request: MeshNodeRequest;
  dataProtection?: DataProtection;
}

export interface ComputeMeshNodesArgs {
  mesh: string;
  nodeProvider: NodeProvider;
  nodes: readonly PlannedMeshNode[];
}

/**
 * The mesh nodes of one mesh.
 *
 * Costs what the node provider makes for each node (local and existing: one resource), and itself. It carries the cluster's provider down to them.
 */
export class ComputeMeshNodes extends pulumi.ComponentResource {
  /** Resolves when all nodes are there: true where all of them take pods. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, { mesh, nodeProvider, nodes }: ComputeMeshNodesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:ComputeMeshNodes", name, { mesh, nodeProvider: nodeProvider.name }, opts);
    const made = nodes.map(({ request, dataProtection }) =>
      nodeProvider.createNode(`${name}-${request.nodeName}`, request, nodeOptions(this, dataProtection)),
    );
    this.ready = pulumi.all(made.map((node) => node.ready)).apply((all) => all.every(Boolean));
    this.registerOutputs({ ready: this.ready });
  }
}
