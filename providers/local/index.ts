/** Mesh nodes on this machine: Node objects for the embedded cluster, whose nodes and pods KWOK simulates. */
import { existsSync, readFileSync } from "node:fs";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { labelPrefix, meshLabel, nodeLabel } from "../../src/kubernetes/labels";
import { checkLabelValue } from "../../src/kubernetes/label-rules";
import { checkKnownKeys } from "../../src/model/checks";
import { Problems } from "../../src/model/errors";
import { dnsName } from "../../src/model/names";
import { formatBytes } from "../../src/model/quantity";
import type { MeshNodeFacts } from "../../src/model/topology";
import {
  architectureLabel,
  checkNodeRequest,
  checkPoolRequest,
  fullNodeSpec,
  hostnameLabel,
  localDiskBytes,
  osLabel,
  poolSelector,
  regionLabel,
  zoneLabel,
  type FullNodeSpec,
} from "../node-spec";
import { Kept } from "../cloud/kept";
import { kubernetesProvider } from "../cloud/kubernetes";
import type {
  ChildOptions,
  ClusterHandle,
  MeshNodeHandle,
  MeshNodeRequest,
  NodePoolHandle,
  NodePoolRequest,
  NodeProvider,
} from "../provider";

/** On a simulated Node: what the stage `tools/kwok/node-initialize.yaml` copies into its status as capacity and architecture. */
export const capacityAnnotations = {
  cpu: `${labelPrefix}/capacity-cpu`,
  memory: `${labelPrefix}/capacity-memory`,
  /** Sum of the local disks, as `ephemeral-storage`. */
  disk: `${labelPrefix}/capacity-disk`,
} as const;

/** On a simulated Node: its disks, `<mount path>=<size>` with commas between. */
export const disksAnnotation = `${labelPrefix}/local-disks`;

/** Space for images and logs on a node without local disks. */
const rootDiskBytes = 50 * 1024 ** 3;

/** Options of the local provider. */
export interface LocalProviderOptions {
  /** Kubeconfig of the embedded cluster: its text, or the path of the file. */
  kubeconfig: string;
  /** Name of the cluster as placement rules use it. */
  clusterName: string;
  /** Region of nodes whose spec has none. Default: `local`. */
  region?: string;
}

/**
 * Nodes that are simulated on this machine.
 *
 * They have capacity, zones, labels and taints like real ones, and no machine behind them: pods on them run in name only, `spot` and `imageFamily` mean nothing.
 * They hold no data, so they are not protected unless `dataProtection` asks for it.
 *
 * @example
 * const provider = localProvider({ kubeconfig: ".compute-mesh/local/kubeconfig", clusterName: "local" });
 * @throws MeshInputError for wrong options, and from `createCluster` where the kubeconfig file is missing
 */
export function localProvider(options: LocalProviderOptions): NodeProvider {
  checkOptions(options);
  const specOf = (request: MeshNodeRequest): FullNodeSpec => fullNodeSpec(request.spec, options.region ?? "local");
  const facts = (request: MeshNodeRequest): MeshNodeFacts => nodeFacts(options, request, specOf(request));
  const cluster = new Kept<ClusterHandle>("localProvider");
  return {
    name: "local",
    check: checkNodeRequest,
    facts,
    createCluster: (name, opts) => cluster.replace(createCluster(options, name, opts)),
    createNode: (name, request, opts) => createNode(name, facts(request), specOf(request), opts),
    checkPool: checkPoolRequest,
    createPool: (name, request, opts) =>
      createPool(name, options, request, { ...opts, provider: cluster.get("createPool", name).kubernetes }),
  };
}

function checkOptions(options: LocalProviderOptions): void {
  const problems = new Problems("localProvider");
  checkKnownKeys(problems, "", options, ["kubeconfig", "clusterName", "region"]);
  checkLabelValue(problems, "clusterName", options.clusterName, true);
  if (options.region !== undefined) {
    checkLabelValue(problems, "region", options.region, true);
  }
  if (typeof options.kubeconfig !== "string" || options.kubeconfig.trim() === "") {
    // Not shown: the text holds credentials.
    problems.add("kubeconfig", "empty text", "the text of a kubeconfig or the path of one is allowed");
  }
  problems.throwIfAny();
}

function nodeFacts(options: LocalProviderOptions, request: MeshNodeRequest, spec: FullNodeSpec): MeshNodeFacts {
  return {
    name: request.nodeName,
    zone: spec.zone,
    region: spec.region,
    cluster: options.clusterName,
    provider: "local",
    weight: request.weight,
    selector: { [meshLabel]: request.mesh },
    labels: {
      ...request.spec.labels,
      [nodeLabel]: request.nodeName,
      [meshLabel]: request.mesh,
      ...machineLabels(request.nodeName, spec),
    },
    taints: request.spec.taints ?? [],
    kubernetesNodeName: request.nodeName,
  };
}

function machineLabels(hostname: string, spec: FullNodeSpec): Record<string, string> {
  return {
    [zoneLabel]: spec.zone,
    [regionLabel]: spec.region,
    [hostnameLabel]: hostname,
    [architectureLabel]: spec.architecture,
    [osLabel]: "linux",
    // The mark that KWOK's own manifests put on simulated nodes.
    type: "kwok",
  };
}

function createCluster(options: LocalProviderOptions, name: string, opts?: pulumi.ComponentResourceOptions): ClusterHandle {
  // The text and not the path, so that a state made in one folder works in another; a new start brings new credentials, hence the identifier.
  const kubeconfig = kubeconfigText(options.kubeconfig);
  const kubernetes = kubernetesProvider(name, { kubeconfig, identifier: `local/${options.clusterName}` }, opts);
  return { name: options.clusterName, kubernetes, ready: kubernetes.id.apply(() => true) };
}

function kubeconfigText(kubeconfig: string): string {
  if (kubeconfig.includes("\n") || kubeconfig.trimStart().startsWith("{")) {
    return kubeconfig;
  }
  if (!existsSync(kubeconfig)) {
    const problems = new Problems("localProvider");
    problems.add("kubeconfig", kubeconfig, "there is no such file; is the cluster up (npm run cluster -- up)?");
    problems.throwIfAny();
  }
  return readFileSync(kubeconfig, "utf8");
}

function createNode(
  name: string,
  facts: Pick<MeshNodeFacts, "name" | "labels" | "taints">,
  spec: FullNodeSpec,
  opts: ChildOptions,
): MeshNodeHandle & { node: k8s.core.v1.Node } {
  const node = new k8s.core.v1.Node(
    `${name}-node`,
    {
      metadata: {
        name: facts.name,
        labels: facts.labels,
        annotations: {
          // KWOK plays only nodes with this annotation.
          "kwok.x-k8s.io/node": "fake",
          ...capacity(spec),
        },
      },
      spec: facts.taints.length === 0 ? {} : { taints: facts.taints },
    },
    opts,
  );
  // KWOK makes the node Ready within a second of its creation.
  return { node, kubernetesNodeName: node.metadata.name, providerId: pulumi.output(undefined), ready: node.id.apply(() => true) };
}

/** The nodes of a pool over its zones in turn. No autoscaler plays here, so there are as many as at the start. */
function createPool(name: string, options: LocalProviderOptions, request: NodePoolRequest, opts: ChildOptions): NodePoolHandle {
  const zones = [...request.zones].sort();
  const taints = request.spec.taints ?? [];
  const selector = poolSelector(request);
  const made = Array.from({ length: request.initialNodes ?? request.minNodes }, (_unused, index) => {
    const spec = fullNodeSpec({ ...request.spec, zone: zones[index % zones.length] ?? "" }, options.region ?? "local");
    const nodeName = dnsName(request.mesh, "pool", request.poolName, String(index));
    const labels = { ...request.spec.labels, ...selector, ...machineLabels(nodeName, spec) };
    return createNode(`${name}-${index}`, { name: nodeName, labels, taints }, spec, opts);
  });
  const ready = pulumi.all(made.map((node) => node.ready)).apply((all) => all.every(Boolean));
  return { selector, taints, ready, dependsOn: made.map(({ node }) => node) };
}

function capacity(spec: FullNodeSpec): Record<string, string> {
  const disks = spec.localDisks;
  const diskBytes = localDiskBytes(spec);
  return {
    [capacityAnnotations.cpu]: spec.cpu,
    [capacityAnnotations.memory]: spec.memory,
    [capacityAnnotations.disk]: formatBytes(diskBytes === 0 ? rootDiskBytes : diskBytes),
    ...(disks.length === 0 ? {} : { [disksAnnotation]: disks.map((disk) => `${disk.mountPath}=${disk.size}`).join(",") }),
  };
}
