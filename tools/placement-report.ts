/** What a change of the shard map means, as a table and as a picture. */
import { groupBy } from "../src/model/groups";
import { readableBytes } from "../src/model/quantity";
import { diffPrimaries, diffShardMaps, type ShardMap } from "../src/model/shard-map";
import type { TopologyNode } from "../src/model/topology";
import { textTable } from "./text-table";

/** One node before and after. */
export interface NodeChange {
  name: string;
  zone: string;
  /** `stays`, `joins` or `leaves`. */
  fate: "stays" | "joins" | "leaves";
  before: number;
  after: number;
  /** Shard copies that come to it and go from it. */
  comes: number;
  goes: number;
  /** Data that it has to fetch, where the size of every shard that comes is known. */
  bytes?: number;
}

/** A change of the shard map, node by node. */
export interface MapChange {
  nodes: NodeChange[];
  /** Copies that move, and how many there are. */
  moves: number;
  copies: number;
  primaries: number;
  bytes?: number;
}

/** Compares two maps. Nodes come by zone and name. */
export function compareMaps(
  before: { map: ShardMap; nodes: readonly TopologyNode[] },
  after: { map: ShardMap; nodes: readonly TopologyNode[] },
  bytesOfShard?: (shard: number) => number | undefined,
): MapChange {
  const zones = new Map([...before.nodes, ...after.nodes].map((node) => [node.name, node.zone]));
  const [had, has] = [before, after].map(({ map, nodes }) => ({ loads: loadsOf(map), names: new Set(nodes.map((node) => node.name)) }));
  const moves = diffShardMaps(before.map, after.map, bytesOfShard);
  const [coming, going] = [groupBy(moves, (move) => move.to), groupBy(moves, (move) => move.from)];
  const nodes = [...zones].map(([name, zone]): NodeChange => {
    const comes = coming.get(name) ?? [];
    const known = comes.every((move) => move.bytes !== undefined);
    return {
      ...{ name, zone, fate: !had.names.has(name) ? "joins" : !has.names.has(name) ? "leaves" : "stays" },
      ...{ before: had.loads.get(name) ?? 0, after: has.loads.get(name) ?? 0 },
      ...{ comes: comes.length, goes: going.get(name)?.length ?? 0 },
      ...(known && bytesOfShard !== undefined ? { bytes: sumOf(comes) } : {}),
    };
  });
  const copied = moves.filter((move) => move.to !== undefined);
  const known = bytesOfShard !== undefined && copied.every((move) => move.bytes !== undefined);
  return {
    nodes: nodes.sort((a, b) => (a.zone === b.zone ? (a.name < b.name ? -1 : 1) : a.zone < b.zone ? -1 : 1)),
    moves: copied.length,
    copies: after.map.shardCount * after.map.replicas,
    primaries: diffPrimaries(before.map, after.map).length,
    ...(known ? { bytes: sumOf(copied) } : {}),
  };
}

/** The change as lines: a table of the nodes that it touches, and the sum. */
export function formatChange(change: MapChange): string[] {
  const touched = change.nodes.filter((node) => node.comes + node.goes > 0 || node.fate !== "stays");
  const sized = change.bytes !== undefined;
  const rows = touched.map((node) => [
    ...[node.name, node.zone, node.fate === "stays" ? "" : node.fate, node.before, node.after, node.comes, node.goes],
    ...(sized ? [readableBytes(node.bytes ?? 0)] : []),
  ]);
  const head = ["node", "zone", "", "before", "after", "comes", "goes", ...(sized ? ["to fetch"] : [])];
  const untouched = change.nodes.length - touched.length;
  return [
    ...(rows.length === 0 ? [] : textTable(head, rows)),
    ...(rows.length > 0 && untouched > 0 ? [`(${untouched} ${untouched === 1 ? "node stays" : "nodes stay"} as they are)`] : []),
    `${change.moves} of ${change.copies} shard copies move${sized ? ` (${readableBytes(change.bytes ?? 0)})` : ""}; ` +
      `${change.primaries} ${change.primaries === 1 ? "shard gets" : "shards get"} another primary`,
  ];
}

function loadsOf(map: ShardMap): Map<string, number> {
  const loads = new Map<string, number>();
  map.owners.flat().forEach((owner) => loads.set(owner, (loads.get(owner) ?? 0) + 1));
  return loads;
}

function sumOf(moves: readonly { bytes?: number }[]): number {
  return moves.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
}
