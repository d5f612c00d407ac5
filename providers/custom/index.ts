/** A cloud of your own: the parts that differ, and everything that all clouds do alike around them. */
import type * as pulumi from "@pulumi/pulumi";
import { Problems, type InputProblem } from "../../src/model/errors";
import type { MeshNodeFacts } from "../../src/model/topology";
import { cloudNodeFacts } from "../cloud/facts";
import { Kept } from "../cloud/kept";
import { checkRegion } from "../cloud/zones";
import { checkNodeRequest } from "../node-spec";
import type { ChildOptions, ClusterHandle, MeshNodeHandle, MeshNodeRequest, NodeProvider } from "../provider";

export { meshNodeLabels } from "../cloud/facts";
export { generation, generationName } from "../cloud/generation";
export { chooseInstanceType, type InstanceChoice, type InstanceTable, type InstanceType } from "../cloud/instance-choice";
export { type ExecAuthentication, execKubeconfig, kubernetesProvider } from "../cloud/kubernetes";
export { fullNodeSpec, type FullNodeSpec } from "../node-spec";

/** What a cloud brings of its own; `Cluster` is what its nodes need to know of the cluster. */
export interface CustomNodeProviderParts<Cluster extends ClusterHandle> {
  /** Name for topology and messages, a DNS label. */
  name: string;
  /** Name of the cluster as placement rules use it. */
  clusterName: string;
  /** Region of the nodes. */
  region: string;
  /** What is wrong with a request on this cloud alone; paths are relative to the request. Default: nothing. */
  check?(request: MeshNodeRequest): InputProblem[];
  /** Why this machine; pure. Default: no reasons are given. */
  describe?(request: MeshNodeRequest): string;
  /** Makes or adopts the cluster. */
  createCluster(name: string, opts: pulumi.ComponentResourceOptions): Cluster;
  /**
   * Makes one mesh node below `opts.parent`, with children named `${name}-…`. Its Kubernetes Node must carry `facts.labels` that the cloud does not set by
   * itself (`meshNodeLabels`), and `facts.taints`; a machine that dies must come back with the same.
   */
  createNode(name: string, request: MeshNodeRequest, made: { facts: MeshNodeFacts; cluster: Cluster }, opts: ChildOptions): MeshNodeHandle;
}

/**
 * A node provider for a cloud that the library does not know.
 *
 * The parts make a cluster and a node; checks that hold on every cloud, facts, labels, and the order of the calls are added. `stacks/custom` holds a whole one
 * for Cluster API in less than 150 lines.
 *
 * @example
 * const provider = customNodeProvider({
 *   name: "racks", clusterName: "on-premises", region: "basement",
 *   createCluster: (name, opts) => ({ name: "on-premises", kubernetes: new k8s.Provider(`${name}-kubernetes`, { kubeconfig }, opts), ready: pulumi.output(true) }),
 *   createNode: (name, request, made, opts) => rack(name, request.spec, meshNodeLabels(request), opts),
 * });
 */
export function customNodeProvider<Cluster extends ClusterHandle>(parts: CustomNodeProviderParts<Cluster>): NodeProvider {
  const { name, clusterName, region } = parts;
  const kept = new Kept<Cluster>(`${name}Provider`);
  const facts = (request: MeshNodeRequest): MeshNodeFacts => cloudNodeFacts(request, { provider: name, cluster: clusterName, region });
  return {
    name,
    check: (request) => check(parts, request),
    facts,
    ...(parts.describe === undefined ? {} : { describe: (request) => parts.describe?.(request) ?? "" }),
    createCluster: (child, opts) => kept.keep(child, () => parts.createCluster(child, opts ?? {})),
    createNode: (child, request, opts) =>
      parts.createNode(child, request, { facts: facts(request), cluster: kept.get("createNode", child) }, opts),
  };
}

/** The cloud's own check sees only requests that are sound everywhere. */
function check<Cluster extends ClusterHandle>(parts: CustomNodeProviderParts<Cluster>, request: MeshNodeRequest): InputProblem[] {
  const problems = new Problems("node");
  problems.addAll("", checkNodeRequest(request));
  if (!problems.any) {
    checkRegion(problems, "spec.region", request.spec.region, parts.region);
    problems.addAll("", parts.check?.(request) ?? []);
  }
  return [...problems.all];
}
