/**
 * The mesh nodes as the args of a component show them to policies and in the state. Every part of a mesh is given the facts of all nodes; four copies of
 * their labels and taints would be most of a large state, and of the time to send it. The facts themselves are outputs of the mesh.
 *
 * Nothing has been checked yet where this is used.
 */
import { isObject } from "../model/checks";
import type { TopologyNode } from "../model/topology";

/** The nodes by name. */
export function nodeNames(nodes: unknown): string[] {
  return objects(nodes).map((node) => String(node["name"]));
}

/** The nodes and the failure domains that they lie in. */
export function nodeDomains(nodes: unknown): Partial<TopologyNode>[] {
  return objects(nodes).map(
    ({ name, zone, region, cluster, provider }) => ({ name, zone, region, cluster, provider }) as Partial<TopologyNode>,
  );
}

function objects(nodes: unknown): Record<string, unknown>[] {
  return Array.isArray(nodes) ? nodes.filter(isObject) : [];
}
