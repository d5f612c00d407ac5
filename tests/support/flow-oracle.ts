/** A second, plain way to the same answers: minimum-cost flow by Bellman and Ford on the whole network. Slow and short on purpose; small cases only. */

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

/** What the best placement has, counted by `bestPlacement`. */
export interface BestPlacement {
  /** For each level the copies that share a domain with another copy of their shard. */
  conflicts: number[];
  /** Copies that are on a node which did not have them before. */
  moves: number;
}

/**
 * The best placement of nested domains: first every load between its bounds, then the fewest conflicts of the first level, of the second, and so on, then
 * the fewest moves.
 *
 * @param domains for each level, the finest first, the domain of each node
 */
export function bestPlacement(
  names: readonly string[],
  bounds: readonly { low: number; high: number }[],
  domains: readonly (readonly string[])[],
  shardCount: number,
  replicas: number,
  before: readonly (readonly string[])[],
): BestPlacement {
  // Each step outweighs all of the next: no placement has more conflicts or moves than copies.
  const copies = shardCount * replicas;
  const weights = domains.map((_level, index) => (copies + 1) ** (domains.length - index));
  const need = (copies + 1) ** (domains.length + 1);
  const edges: [from: number, to: number, capacity: number, cost: number][] = [];
  let vertices = 2 + names.length;
  bounds.forEach(({ low, high }, node) => edges.push([2 + node, 1, low, -need], [2 + node, 1, high - low, 0]));
  for (let shard = 0; shard < shardCount; shard++) {
    const root = vertices++;
    edges.push([0, root, replicas, 0]);
    // From the largest domains down to the nodes.
    let above = names.map(() => root);
    for (let level = domains.length - 1; level >= 0; level--) {
      const made = new Map<string, number>();
      above = above.map((parent, node) => {
        const known = made.get(domains[level][node]);
        const vertex = known ?? vertices++;
        if (known === undefined) {
          made.set(domains[level][node], vertex);
          edges.push([parent, vertex, 1, 0], [parent, vertex, replicas, weights[level]]);
        }
        return vertex;
      });
    }
    names.forEach((name, node) => edges.push([above[node], 2 + node, 1, before[shard]?.includes(name) ? 0 : 1]));
  }
  const { units, cost } = flow(vertices, edges);
  if (units < copies) {
    throw new Error("no placement has all copies");
  }
  let left = cost + need * bounds.reduce((sum, { low }) => sum + low, 0);
  if (left < 0 || left >= need) {
    throw new Error("no placement is within the bounds");
  }
  const conflicts = weights.map((weight) => {
    const count = Math.floor(left / weight);
    left -= count * weight;
    return count;
  });
  return { conflicts, moves: left };
}
