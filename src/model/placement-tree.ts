/**
 * Failure domains as one tree over the nodes.
 *
 * The zones, regions, clusters and providers of a topology are partitions of its nodes. Partitions that refine one another make a tree, and on a tree
 * all of them can be spread over at once (see `placement-shares.ts`). A partition that cuts across one that comes before it, for example two clusters
 * that both span all zones, cannot: no polynomial method is known for it (it contains three-dimensional matching; Karp 1972), so
 * `placement-swaps.ts` improves it afterwards without harm to the others.
 */
import type { FailureDomain, TopologyNode } from "./topology";

/** The levels over which replicas are spread, the most important first. */
export const spreadLevels = ["zone", "region", "cluster", "provider"] as const satisfies FailureDomain[];
export type SpreadLevel = (typeof spreadLevels)[number];

/** Vertices: first the nodes, then the domains, the smaller before the larger, and last the root, which holds every node. */
export interface DomainTree {
  nodeCount: number;
  /** The vertex above; that of the root is -1. It is always greater than the vertex itself. */
  parent: Int32Array;
  /** Levels that are in the tree, the finest first, each with the vertices that partition the nodes. */
  levels: { level: SpreadLevel; vertices: number[] }[];
  /** Levels that cut across those in the tree: for each node its domain. */
  crossing: { level: SpreadLevel; domainOf: number[] }[];
}

/** What names the domain of a node, the same for two nodes only where they share it: zones of two regions are different, even where both are called `1`. */
export function domainName(node: TopologyNode, level: SpreadLevel): string {
  switch (level) {
    case "zone":
      return `${node.region}/${node.zone}`;
    case "cluster":
      return `${node.provider}/${node.cluster}`;
    default:
      return node[level];
  }
}

/** For each node the number of its domain, from 0 in the order of the names, and those names. */
export function domainsOf(nodes: readonly TopologyNode[], level: SpreadLevel): { names: string[]; domainOf: number[] } {
  const all = nodes.map((node) => domainName(node, level));
  const names = [...new Set(all)].sort();
  const index = new Map(names.map((name, domain) => [name, domain]));
  return { names, domainOf: all.map((name) => index.get(name) ?? 0) };
}

/** Makes the tree of the nodes, which must come in an order of their own, whatever the order of the input was. */
export function domainTree(nodes: readonly TopologyNode[]): DomainTree {
  const nodeCount = nodes.length;
  const chain: { level: SpreadLevel; groups: number[][]; domainOf: number[] }[] = [];
  const crossing: DomainTree["crossing"] = [];
  for (const level of spreadLevels) {
    const { names, domainOf } = domainsOf(nodes, level);
    const groups: number[][] = names.map(() => []);
    domainOf.forEach((domain, node) => groups[domain].push(node));
    const finer = chain.filter((other) => refines(other.groups, domainOf)).length;
    if (chain.slice(finer).every((other) => refines(groups, other.domainOf))) {
      chain.splice(finer, 0, { level, groups, domainOf });
    } else {
      crossing.push({ level, domainOf });
    }
  }
  return { nodeCount, crossing, ...grow(nodeCount, chain) };
}

function refines(groups: readonly number[][], domainOf: readonly number[]): boolean {
  return groups.every((group) => group.every((node) => domainOf[node] === domainOf[group[0]]));
}

/** Joins the partitions into one tree; domains of one node, and equal ones of two levels, become one vertex. */
function grow(nodeCount: number, chain: readonly { level: SpreadLevel; groups: number[][] }[]): Pick<DomainTree, "parent" | "levels"> {
  const parent: number[] = new Array<number>(nodeCount).fill(-1);
  const top = Array.from({ length: nodeCount }, (_unused, node) => node);
  const levels: DomainTree["levels"] = [];
  const join = (group: readonly number[]): number => {
    const children = new Set(group.map((node) => top[node]));
    if (children.size === 1) {
      return top[group[0]];
    }
    const vertex = parent.push(-1) - 1;
    children.forEach((child) => (parent[child] = vertex));
    group.forEach((node) => (top[node] = vertex));
    return vertex;
  };
  for (const { level, groups } of chain) {
    levels.push({ level, vertices: groups.map((group) => join(group)) });
  }
  // One root above everything, also above a single node.
  if (join(top.map((_vertex, node) => node)) < nodeCount) {
    parent[0] = parent.push(-1) - 1;
  }
  return { parent: Int32Array.from(parent), levels };
}
