import fc from "fast-check";
import type { PlacementRequest } from "../../src/model/placement-request";
import type { ShardMap } from "../../src/model/shard-map";
import type { TopologyNode } from "../../src/model/topology";

/** A mesh node in a zone of the one region `r`. */
export function meshNode(name: string, zone: string, weight = 1): TopologyNode {
  return { name, zone, region: "r", cluster: "c", provider: "local", weight };
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

/** Number of copies that share a zone with another copy of their shard. */
export function zoneConflicts(map: ShardMap, nodes: readonly TopologyNode[]): number {
  const zones = new Map(nodes.map((node) => [node.name, node.zone]));
  return map.owners.reduce((sum, owners) => sum + owners.length - new Set(owners.map((owner) => zones.get(owner))).size, 0);
}
