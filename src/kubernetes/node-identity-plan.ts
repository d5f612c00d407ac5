/** The file of every mesh node, planned before deployment. */
import { checkUnique } from "../model/checks";
import type { Problems } from "../model/errors";
import { contentHash, dnsName } from "../model/names";
import { formatBytes } from "../model/quantity";
import { nodesOfShardMap, primaryShardsOfNode, type ShardMap, shardsOfNode } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import { commonSelector } from "./pods";

/** Kubernetes refuses a ConfigMap whose data is larger (`MaxSecretSize` in its validation). */
export const maxConfigMapBytes = 1024 * 1024;

/** Everything about the identity of the pods that is known before deployment. */
export interface NodeIdentityPlan {
  /** How a pod finds its mesh node: by the name of its Kubernetes node, or by the label of it. */
  mode: "nodeName" | "nodeLabel";
  /** Name of the ConfigMap with one key per node. */
  configMapName: string;
  /** Key → content of the node's file. */
  files: Record<string, string>;
  /** Checksum of all files; belongs into the config-hash annotation of the pods. */
  hash: string;
}

/**
 * Checks nodes and shard map against each other and plans the files of all nodes.
 *
 * Notes problems at the paths `nodes` and `shardMap`: no nodes, a name twice, nodes without a common selector, owners that are no nodes,
 * and more text than a ConfigMap holds.
 */
export function planNodeIdentity(problems: Problems, name: string, nodes: readonly MeshNodeFacts[], shardMap: ShardMap): NodeIdentityPlan {
  checkNodes(problems, nodes, shardMap);
  const kubernetesNames = nodes.map((node) => node.kubernetesNodeName);
  const mode = kubernetesNames.every((known) => known !== undefined) ? "nodeName" : "nodeLabel";
  const files = Object.fromEntries(
    nodes
      .map((node): [string, string] => [
        (mode === "nodeName" ? node.kubernetesNodeName : undefined) ?? node.name,
        nodeFile(node.name, shardMap),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  checkConfigMapSize(problems, "shardMap", files, "fewer nodes or shards per component are needed: split the mesh into several components");
  return { mode, configMapName: dnsName(name, "shards"), files, hash: contentHash(files) };
}

/** The content of one node's file, lines of `KEY=value` that a shell can read with `.`. */
export function nodeFile(node: string, shardMap: ShardMap): string {
  return [
    `MESH_NODE=${node}`,
    `MESH_SHARDS=${shardsOfNode(shardMap, node).join(",")}`,
    `MESH_PRIMARY_SHARDS=${primaryShardsOfNode(shardMap, node).join(",")}`,
    "",
  ].join("\n");
}

/** Notes a ConfigMap that Kubernetes would refuse for its size. */
export function checkConfigMapSize(problems: Problems, path: string, data: Record<string, string>, wayOut: string): void {
  const bytes = Object.entries(data).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > maxConfigMapBytes) {
    problems.add(
      path,
      `${Object.keys(data).length} keys with ${bytes} bytes`,
      `a ConfigMap holds at most ${formatBytes(maxConfigMapBytes)}; ${wayOut}`,
    );
  }
}

function checkNodes(problems: Problems, nodes: readonly MeshNodeFacts[], shardMap: ShardMap): void {
  if (nodes.length === 0) {
    problems.add("nodes", [], "at least one mesh node is needed");
    return;
  }
  const names = nodes.map((node) => node.name);
  checkUnique(problems, "nodes", names, "name");
  checkUnique(
    problems,
    "nodes",
    nodes.map((node, index) => node.kubernetesNodeName ?? index),
    "kubernetesNodeName",
  );
  const selector = commonSelector(nodes);
  if (Object.keys(selector).length === 0) {
    problems.add(
      "nodes",
      nodes.map((node) => node.selector),
      "the selectors of all nodes must share a label, else the pods would run on every node of the cluster",
    );
  }
  const strangers = nodesOfShardMap(shardMap).filter((owner) => !names.includes(owner));
  if (strangers.length > 0) {
    problems.add("shardMap", strangers, `only the given nodes can own shards: ${names.join(", ")}`);
  }
}
