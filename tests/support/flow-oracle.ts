/**
 * A second, plain way to the same answers: minimum-cost flow by Bellman and Ford on the whole network, for every choice of node loads.
 * Slow and short on purpose; small cases only.
 */
import type { TopologyNode } from "../../src/model/topology";

interface Arc {
  to: number;
  capacity: number;
  cost: number;
}

/** Greatest flow from vertex 0 to vertex 1, and its least cost. */
function flow(
  vertexCount: number,
  edges: readonly [from: number, to: number, capacity: number, cost: number][],
): { units: number; cost: number } {
  // Arc 2k is an edge, arc 2k+1 its way back.
  const arcs: Arc[] = edges.flatMap(([from, to, capacity, cost]) => [
    { to, capacity, cost },
    { to: from, capacity: 0, cost: -cost },
  ]);
  let [units, total] = [0, 0];
  for (;;) {
    const distance = new Array<number>(vertexCount).fill(Infinity);
    const via = new Array<number>(vertexCount).fill(-1);
    distance[0] = 0;
    for (let changed = true; changed;) {
      changed = false;
      arcs.forEach((arc, index) => {
        const from = arcs[index ^ 1].to;
        if (arc.capacity > 0 && distance[from] + arc.cost < distance[arc.to]) {
          distance[arc.to] = distance[from] + arc.cost;
          via[arc.to] = index;
          changed = true;
        }
      });
    }
    if (distance[1] === Infinity) {
      return { units, cost: total };
    }
    for (let vertex = 1; vertex !== 0; vertex = arcs[via[vertex] ^ 1].to) {
      arcs[via[vertex]].capacity -= 1;
      arcs[via[vertex] ^ 1].capacity += 1;
    }
    units += 1;
    total += distance[1];
  }
}

/** Every way to round the even share of the nodes up or down such that it adds up. */
function evenLoads(nodeCount: number, copies: number): number[][] {
  const low = Math.floor(copies / nodeCount);
  const up = copies - low * nodeCount;
  return Array.from({ length: 2 ** nodeCount }, (_unused, bits) =>
    Array.from({ length: nodeCount }, (_none, node) => low + ((bits >> node) & 1)),
  ).filter((load) => load.reduce((sum, each) => sum + each, 0) === low * nodeCount + up);
}

/**
 * For nodes of equal weight: the most copies that can lie in a zone without another copy of their shard, and, where that is all of them, the least
 * number of copies that are on a node which did not have them in `before`.
 */
export function bestEvenPlacement(
  nodes: readonly TopologyNode[],
  shardCount: number,
  replicas: number,
  before: readonly (readonly string[])[],
): { spread: number; moves?: number } {
  const zones = [...new Set(nodes.map((node) => node.zone))];
  const copies = shardCount * replicas;
  let best: { spread: number; moves?: number } = { spread: 0 };
  for (const load of evenLoads(nodes.length, copies)) {
    const shardVertex = (shard: number): number => 2 + nodes.length + shard * (1 + zones.length);
    const edges: [number, number, number, number][] = load.map((units, node) => [2 + node, 1, units, 0]);
    for (let shard = 0; shard < shardCount; shard++) {
      edges.push([0, shardVertex(shard), replicas, 0]);
      zones.forEach((_zone, index) => edges.push([shardVertex(shard), shardVertex(shard) + 1 + index, 1, 0]));
      nodes.forEach(({ name, zone }, node) => {
        edges.push([shardVertex(shard) + 1 + zones.indexOf(zone), 2 + node, 1, before[shard]?.includes(name) ? 0 : 1]);
      });
    }
    const { units, cost } = flow(shardVertex(shardCount), edges);
    if (units > best.spread || (units === copies && cost < (best.moves ?? Infinity))) {
      best = { spread: units, ...(units === copies ? { moves: cost } : {}) };
    }
  }
  return best;
}
