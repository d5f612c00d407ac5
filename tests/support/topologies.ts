import fc from "fast-check";
import type { PlacementRequest } from "../../src/model/placement-request";
import type { ShardMap } from "../../src/model/shard-map";
import type { MeshNodeFacts, TopologyNode } from "../../src/model/topology";
import { type BestPlacement, bestPlacement } from "./flow-oracle";

/** A mesh node in a zone of the one region `r`. */
export function meshNode(name: string, zone: string, weight = 1): TopologyNode {
  return { name, zone, region: "r", cluster: "c", provider: "local", weight };
}

/** What a component is told of a node of the mesh `demo`, without labels and taints of its own. */
export function meshNodeFacts(name: string, kubernetesNodeName?: string): MeshNodeFacts {
  return {
    ...meshNode(name, "z"),
    selector: { "compute-mesh.dev/mesh": "demo" },
    labels: {},
    taints: [],
    ...(kubernetesNodeName === undefined ? {} : { kubernetesNodeName }),
  };
}

/** `count` nodes `node-0`, `node-1`, … going round `zones` zones. */
export function meshNodes(count: number, zones: number): TopologyNode[] {
  return Array.from({ length: count }, (_unused, index) => meshNode(`node-${index}`, `zone-${index % zones}`));
}

/** Random requests; replicas never exceed the nodes. */
export function requests(
  most: { nodes: number; shards: number; zones?: number },
  weight: fc.Arbitrary<number> = fc.constant(1),
): fc.Arbitrary<PlacementRequest> {
  const node = fc.record({ zone: fc.integer({ min: 0, max: (most.zones ?? 6) - 1 }), weight, salt: fc.integer({ min: 0, max: 999 }) });
  return fc
    .record({
      nodes: fc.array(node, { minLength: 1, maxLength: most.nodes, size: "max" }),
      shardCount: fc.integer({ min: 1, max: most.shards }),
      replicas: fc.integer({ min: 1, max: 4 }),
    })
    .map(({ nodes, shardCount, replicas }) => ({
      nodes: nodes.map((each, index) => meshNode(`n${index}-${each.salt}`, `zone-${each.zone}`, each.weight)),
      shardCount,
      replicas: Math.min(replicas, nodes.length),
    }));
}

/** Number of shards of each node by name, as primary only where `primary` is set. */
export function loads(map: ShardMap, nodes: readonly TopologyNode[], primary = false): Map<string, number> {
  const counts = new Map(nodes.map((node) => [node.name, 0]));
  for (const owners of map.owners) {
    for (const owner of primary ? owners.slice(0, 1) : owners) {
      counts.set(owner, (counts.get(owner) ?? NaN) + 1);
    }
  }
  return counts;
}

/** Number of copies that share a domain with another copy of their shard. */
export function conflicts(
  map: ShardMap,
  nodes: readonly TopologyNode[],
  level: (node: TopologyNode) => string = (node) => node.zone,
): number {
  const domains = new Map(nodes.map((node) => [node.name, level(node)]));
  return map.owners.reduce((sum, owners) => sum + owners.length - new Set(owners.map((owner) => domains.get(owner))).size, 0);
}

/** Number of copies that are on a node which did not have them. */
export function arrivals(before: ShardMap, after: ShardMap): number {
  return after.owners.reduce((sum, owners, shard) => sum + owners.filter((owner) => !before.owners[shard]?.includes(owner)).length, 0);
}

/** Exact shares the slow way: the level at which filling all nodes in proportion, none above the number of shards or its limit, uses up all copies. */
export function sharesByFilling({ nodes, shardCount, replicas = 1 }: PlacementRequest): Map<string, number> {
  const at = (level: number): number[] => nodes.map((node) => Math.min(shardCount, node.maxShards ?? shardCount, node.weight * level));
  let [low, high] = [0, (shardCount * replicas) / Math.min(...nodes.map((node) => node.weight))];
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    [low, high] = at(middle).reduce((sum, share) => sum + share, 0) < shardCount * replicas ? [middle, high] : [low, middle];
  }
  return new Map(nodes.map((node, index) => [node.name, at(high)[index]]));
}

/** The best that `bestPlacement` knows for a request with nested domains: zone, cluster, region, provider. */
export function bestOf(request: PlacementRequest, before: readonly (readonly string[])[]): BestPlacement {
  const { nodes, shardCount, replicas = 1 } = request;
  const shares = sharesByFilling(request);
  const bounds = nodes.map((node) => {
    const share = shares.get(node.name) ?? NaN;
    const whole = Math.round(share);
    return Math.abs(share - whole) < 1e-6 ? { low: whole, high: whole } : { low: Math.floor(share), high: Math.ceil(share) };
  });
  const names = nodes.map((node) => node.name);
  return bestPlacement(
    names,
    bounds,
    nestedLevels.map((level) => nodes.map(level)),
    shardCount,
    replicas,
    before,
  );
}

/** Names of domains where zones lie in clusters, those in regions, those in providers. */
export const nestedLevels: ((node: TopologyNode) => string)[] = [
  (node) => `${node.region}/${node.zone}`,
  (node) => `${node.provider}/${node.cluster}`,
  (node) => node.region,
  (node) => node.provider,
];

/** Random small requests whose domains nest, some nodes with limits; `weight` as in `requests`. */
export function nestedRequests(
  most: { nodes: number; shards: number; replicas: number },
  weight: fc.Arbitrary<number>,
): fc.Arbitrary<PlacementRequest> {
  const node = fc.record({
    path: fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
    weight,
    limit: fc.option(fc.integer({ min: 0, max: most.shards })),
  });
  return fc
    .record({
      nodes: fc.array(node, { minLength: 1, maxLength: most.nodes, size: "max" }),
      shardCount: fc.integer({ min: 1, max: most.shards }),
      replicas: fc.integer({ min: 1, max: most.replicas }),
    })
    .map(({ nodes, shardCount, replicas }) => ({
      nodes: nodes.map(({ path: [p, r, c, z], weight: each, limit }, index) => ({
        ...{ name: `n${index}`, provider: `p${p}`, region: `r${p}${r}`, cluster: `c${r}${c}`, zone: `z${c}${z}`, weight: each },
        ...(limit === null ? {} : { maxShards: limit }),
      })),
      shardCount,
      replicas: Math.min(replicas, nodes.length),
    }))
    .filter(
      (request) =>
        request.nodes.reduce((sum, { maxShards = Infinity }) => sum + Math.min(request.shardCount, maxShards), 0) >=
        request.shardCount * request.replicas,
    );
}
