/** Mesh nodes that are there already: clusters and nodes that someone else made are adopted, never changed. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { meshLabel, nodeLabel } from "../../src/kubernetes/labels";
import { checkLabels, checkLabelValue } from "../../src/kubernetes/label-rules";
import { checkKnownKeys, checkObject } from "../../src/model/checks";
import { keyPath, Problems, type InputProblem } from "../../src/model/errors";
import type { MeshNodeFacts } from "../../src/model/topology";
import { adoptedPool } from "../cloud/facts";
import { kubernetesProvider } from "../cloud/kubernetes";
import { checkNodeRequest, checkPoolRequest, regionLabel, zoneLabel } from "../node-spec";
import type { ClusterHandle, MeshNodeHandle, MeshNodeRequest, NodeProvider } from "../provider";
import { checkLiveNode, isReady, type LiveNode } from "./live-node";

/** How to reach the cluster. */
export interface ExistingKubernetesOptions {
  /** Text or path of a kubeconfig; kept as a secret. Default: the ambient one (`KUBECONFIG`, then `~/.kube/config`). */
  kubeconfig?: pulumi.Input<string>;
  /** Context of the kubeconfig. Default: its current one. */
  context?: string;
  /** What makes it this cluster and no other; changing it replaces everything in it. Default: `existing/<clusterName>`. */
  clusterIdentifier?: string;
}

/** Options of the existing provider. */
export interface ExistingProviderOptions {
  /** How to reach the cluster, for `createCluster`. Default: the ambient kubeconfig. */
  kubernetes?: ExistingKubernetesOptions;
  /** Name of the cluster as placement rules use it. */
  clusterName: string;
  /** Region of nodes whose spec has none. Default: the name of the cluster. */
  region?: string;
  /** Labels that all adopted nodes carry, at least one; DaemonSets of the mesh run where they are. */
  selector: Record<string, string>;
  /** Mesh node → name of the Kubernetes Node, where it is known. */
  nodeNames?: Record<string, string>;
}

/**
 * Adopts nodes of a cluster that exists already; nothing is made, labelled or changed.
 *
 * A mesh node is either named in `nodeNames`, then its Node is read and compared with the spec in every preview; or it is the Node that its owner gave the
 * label `compute-mesh.dev/node: <mesh node>`, then nothing can be read beforehand and `ready` says only that it was taken as given.
 *
 * @example
 * const provider = existingProvider({ clusterName: "on-premises", selector: { "example.com/pool": "mesh" }, nodeNames: { n1: "rack1-host7" } });
 * @throws MeshInputError for wrong options
 */
export function existingProvider(options: ExistingProviderOptions): NodeProvider {
  checkOptions(options);
  const facts = (request: MeshNodeRequest): MeshNodeFacts => nodeFacts(options, request);
  return {
    name: "existing",
    check: (request) => checkRequest(options, request),
    facts,
    createCluster: (name, opts) => createCluster(options, name, opts),
    createNode: (name, request, opts) => adoptNode(name, request, facts(request), opts),
    checkPool: checkPoolRequest,
    // Their owner gave the nodes the label `compute-mesh.dev/pool`; how many there are is the owner's decision too.
    createPool: (_name, request) => adoptedPool(request),
  };
}

function checkOptions(options: ExistingProviderOptions): void {
  const problems = new Problems("existingProvider");
  checkKnownKeys(problems, "", options, ["kubernetes", "clusterName", "region", "selector", "nodeNames"]);
  checkLabelValue(problems, "clusterName", options.clusterName, true);
  if (options.region !== undefined) {
    checkLabelValue(problems, "region", options.region, true);
  }
  if (options.kubernetes !== undefined && checkObject(problems, "kubernetes", options.kubernetes)) {
    checkKnownKeys(problems, "kubernetes", options.kubernetes, ["kubeconfig", "context", "clusterIdentifier"]);
  }
  if (checkLabels(problems, "selector", options.selector) && Object.keys(options.selector).length === 0) {
    problems.add(
      "selector",
      options.selector,
      "at least one label is needed: without one, every node of the cluster would belong to the mesh",
    );
  }
  checkNodeNames(problems, options.nodeNames ?? {});
  problems.throwIfAny();
}

function checkNodeNames(problems: Problems, nodeNames: Readonly<Record<string, string>>): void {
  const owners = new Map<string, string>();
  for (const [meshNode, kubernetesName] of Object.entries(nodeNames)) {
    const path = keyPath("nodeNames", meshNode);
    const owner = owners.get(kubernetesName);
    if (typeof kubernetesName !== "string" || !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(kubernetesName)) {
      problems.add(path, kubernetesName, "the name of a Kubernetes Node is allowed: lower-case letters, digits, hyphens and dots");
    } else if (owner !== undefined) {
      problems.add(path, kubernetesName, `it is mesh node ${owner} already; a machine is one mesh node`);
    }
    owners.set(kubernetesName, meshNode);
  }
}

function checkRequest(options: ExistingProviderOptions, request: MeshNodeRequest): InputProblem[] {
  const problems = new Problems("node");
  problems.addAll("", checkNodeRequest(request));
  const selected = options.selector[meshLabel];
  if (selected !== undefined && selected !== request.mesh) {
    problems.add("mesh", request.mesh, `the provider selects nodes of mesh ${selected} (${meshLabel} in its selector)`);
  }
  return [...problems.all];
}

function nodeFacts(options: ExistingProviderOptions, request: MeshNodeRequest): MeshNodeFacts {
  const { spec } = request;
  const region = spec.region ?? options.region ?? options.clusterName;
  const kubernetesNodeName = options.nodeNames?.[request.nodeName];
  return {
    name: request.nodeName,
    zone: spec.zone,
    region,
    cluster: options.clusterName,
    provider: "existing",
    weight: request.weight,
    selector: options.selector,
    labels: {
      ...spec.labels,
      ...options.selector,
      [zoneLabel]: spec.zone,
      [regionLabel]: region,
      // A node that is known by its name need not carry our label.
      ...(kubernetesNodeName === undefined ? { [nodeLabel]: request.nodeName } : {}),
    },
    taints: spec.taints ?? [],
    ...(kubernetesNodeName === undefined ? {} : { kubernetesNodeName }),
  };
}

function createCluster(options: ExistingProviderOptions, name: string, opts?: pulumi.ComponentResourceOptions): ClusterHandle {
  const { clusterIdentifier: identifier = `existing/${options.clusterName}`, ...door } = options.kubernetes ?? {};
  const kubernetes = kubernetesProvider(name, { ...door, identifier }, opts);
  return { name: options.clusterName, kubernetes, ready: kubernetes.id.apply(() => true) };
}

function adoptNode(
  name: string,
  request: MeshNodeRequest,
  facts: MeshNodeFacts,
  opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource },
): MeshNodeHandle {
  if (facts.kubernetesNodeName === undefined) {
    return { kubernetesNodeName: pulumi.output(undefined), providerId: pulumi.output(undefined), ready: pulumi.output(true) };
  }
  const node = k8s.core.v1.Node.get(`${name}-node`, facts.kubernetesNodeName, opts);
  const live = pulumi.all([node.metadata, node.spec, node.status]).apply(([metadata, spec, status]): LiveNode => {
    const found = { metadata, spec, status } as LiveNode;
    checkLiveNode(facts, request.spec, found);
    return found;
  });
  return {
    kubernetesNodeName: live.apply((found) => found.metadata?.name ?? facts.kubernetesNodeName),
    providerId: live.apply((found) => found.spec?.providerID),
    ready: live.apply(isReady),
  };
}
