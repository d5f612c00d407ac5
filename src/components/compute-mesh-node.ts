import * as pulumi from "@pulumi/pulumi";
import type { MeshNodeRequest, NodeProvider, NodeSpec } from "../../providers/provider";
import { orFail, type ChildTransform, type DataProtection } from "../kubernetes/children";
import { checkComponentName, checkKnownKeys, isObject } from "../model/checks";
import { Problems } from "../model/errors";
import type { MeshNodeFacts, Taint } from "../model/topology";

/** Raw overrides of the children of a ComputeMeshNode. */
export interface ComputeMeshNodeTransforms {
  /** Of each resource that the node provider makes for the node; what its args are is the provider's choice. */
  node?: ChildTransform<pulumi.Inputs>;
}

/** What one mesh node is. */
export interface ComputeMeshNodeArgs {
  /** Name of the mesh, a DNS label; all its nodes share a label with it. */
  mesh: string;
  /** Name of the mesh node, a DNS label; a replaced machine takes the same. Default: the name of the resource. */
  nodeName?: string;
  /** Who makes or adopts the node, for example `localProvider(…)`. */
  nodeProvider: NodeProvider;
  /** What the node must have, in words that every cloud understands. */
  spec: NodeSpec;
  /** Share of the work relative to the other nodes, above 0. Default: 1. */
  weight?: number;
  /** Protection of the machine. Default: the provider's; machines with data are protected, simulated and adopted nodes are not. */
  dataProtection?: DataProtection;
  transforms?: ComputeMeshNodeTransforms;
}

const argsKeys = ["mesh", "nodeName", "nodeProvider", "spec", "weight", "dataProtection", "transforms"];

/**
 * One named place that owns shards: a node made or adopted through a `NodeProvider`, the same on every cloud.
 *
 * Its name is its identity: adding or removing a node renames no other, and a replaced machine takes over the name with its shards.
 * Costs one machine; the number of resources is the provider's (local and existing: one).
 *
 * @example
 * const node = new ComputeMeshNode("n1", { mesh: "prices", nodeProvider: localProvider({ kubeconfig, clusterName: "local" }), spec: { zone: "zone-a" } });
 */
export class ComputeMeshNode extends pulumi.ComponentResource {
  /** What placement and the other components need; plain, known in preview. */
  public readonly facts: MeshNodeFacts;
  /** Name of the Kubernetes Node; undefined where the node is known by its label only. */
  public readonly kubernetesNodeName: pulumi.Output<string | undefined>;
  /** All labels that the node carries for placement. */
  public readonly labels: pulumi.Output<Record<string, string>>;
  /** Taints that pods of the mesh must tolerate. */
  public readonly taints: pulumi.Output<Taint[]>;
  /** The cloud's id of the machine, where there is one. */
  public readonly providerId: pulumi.Output<string | undefined>;
  /** Resolves when the node is there: true where it takes pods. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: ComputeMeshNodeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:ComputeMeshNode", name, shownArgs(args), opts);
    const request = orFail(this, () => normalizeComputeMeshNode(name, args));
    const node = args.nodeProvider.createNode(name, request, nodeOptions(this, args.dataProtection, args.transforms?.node));
    this.facts = args.nodeProvider.facts(request);
    this.kubernetesNodeName = node.kubernetesNodeName;
    this.labels = pulumi.output(this.facts.labels);
    this.taints = pulumi.output(this.facts.taints);
    this.providerId = node.providerId;
    this.ready = node.ready;
    this.registerOutputs({
      facts: this.facts,
      kubernetesNodeName: this.kubernetesNodeName,
      labels: this.labels,
      taints: this.taints,
      providerId: this.providerId,
      ready: this.ready,
    });
  }
}

/**
 * The request for the node provider, with the defaults filled in.
 *
 * @throws MeshInputError with every problem, the provider's own ones included
 */
export function normalizeComputeMeshNode(name: string, args: ComputeMeshNodeArgs): MeshNodeRequest {
  const problems = new Problems(`computeMeshNode "${name}"`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  if (args.dataProtection !== undefined) {
    checkKnownKeys(problems, "dataProtection", args.dataProtection, ["protect", "retainOnDelete"]);
  }
  if (args.transforms !== undefined) {
    checkKnownKeys(problems, "transforms", args.transforms, ["node"]);
  }
  const request: MeshNodeRequest = { nodeName: args.nodeName ?? name, mesh: args.mesh, weight: args.weight ?? 1, spec: args.spec };
  if (isNodeProvider(args.nodeProvider)) {
    problems.addAll("", args.nodeProvider.check(request));
  } else {
    problems.add(
      "nodeProvider",
      args.nodeProvider,
      "a node provider is allowed, for example localProvider({ … }) or existingProvider({ … })",
    );
  }
  problems.throwIfAny();
  return request;
}

function isNodeProvider(provider: unknown): provider is NodeProvider {
  return isObject(provider) && typeof provider["check"] === "function" && typeof provider["createNode"] === "function";
}

/** The args as policies see them: a provider is known by its name, because its options can hold credentials. */
function shownArgs(args: ComputeMeshNodeArgs): pulumi.Inputs {
  const { nodeProvider, transforms: _transforms, ...shown } = args;
  return { ...shown, nodeProvider: isNodeProvider(nodeProvider) ? nodeProvider.name : undefined };
}

/** Protection is passed on only where it is asked for: each provider knows whether its nodes hold data. */
export function nodeOptions(
  parent: pulumi.Resource,
  { protect, retainOnDelete }: DataProtection = {},
  transform?: ComputeMeshNodeTransforms["node"],
): pulumi.CustomResourceOptions & { parent: pulumi.Resource } {
  return {
    parent,
    ...(protect === undefined ? {} : { protect }),
    ...(retainOnDelete === undefined ? {} : { retainOnDelete }),
    // The provider makes the children, so the override reaches them through Pulumi and not through createChild.
    ...(transform === undefined
      ? {}
      : {
          transformations: [
            ({ props, opts }) => {
              const changed = transform(props, opts) ?? {};
              return { props: changed.args ?? props, opts: changed.opts ?? opts };
            },
          ],
        }),
  };
}
