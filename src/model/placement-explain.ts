/** Why a shard is where it is, in words. */
import { costOfPair, type Scores } from "./placement-scores";
import type { TopologyNode } from "./topology";

/** A finished placement with what led to it; nodes and zones are numbered from 0. */
export interface Placed {
  nodes: readonly TopologyNode[];
  /** Names of the zones, with the region where there are several. */
  zones: readonly string[];
  zoneOfNode: readonly number[];
  shardCount: number;
  replicas: number;
  scores: Scores;
  /** For each shard its owners in the previous map that are still there. */
  before: readonly (readonly number[])[];
  /** For each shard its owners, the primary first. */
  owners: readonly (readonly number[])[];
}

/** One line on why each replica of a shard is where it is. */
export function explainShard(placed: Placed, shard: number): string {
  const owners = placed.owners[shard];
  if (owners === undefined) {
    return `shard ${shard}: there is no such shard, the last is ${placed.shardCount - 1}`;
  }
  return `shard ${shard}: ${owners.map((node, index) => explainReplica(placed, shard, node, index === 0)).join("; ")}`;
}

function explainReplica(placed: Placed, shard: number, node: number, primary: boolean): string {
  const { nodes, zones, zoneOfNode, before } = placed;
  const where = `${nodes[node].name} (${primary && placed.replicas > 1 ? "primary, " : ""}zone ${zones[zoneOfNode[node]]})`;
  return `${where} ${before[shard].includes(node) ? "had it before and" : ""} ${explainChoice(placed, shard, node)}`.replace("  ", " ");
}

/** The rank of the node in the shard's preference, and why the better ones were passed over. */
function explainChoice(placed: Placed, shard: number, node: number): string {
  const { nodes, scores, owners, zoneOfNode } = placed;
  const costs = nodes.map((_node, other) => costOfPair(scores, shard, other));
  const better = costs.flatMap((cost, other) => (cost < costs[node] || (cost === costs[node] && other < node) ? [other] : []));
  const passed = better.filter((other) => !owners[shard].includes(other));
  const choice = `is its ${ordinal(better.length + 1)} choice by rendezvous score`;
  if (passed.length === 0) {
    return choice;
  }
  // A better node that was passed over either shares a zone with another owner, or its share went to shards that lose more without it.
  const taken = passed.filter((other) => owners[shard].some((owner) => owner !== node && zoneOfNode[owner] === zoneOfNode[other]));
  const full = passed.filter((other) => !taken.includes(other));
  const names = (group: readonly number[]): string => {
    const few = group.slice(0, 3).map((other) => nodes[other].name);
    return `${few.join(", ")}${group.length > 3 ? ` and ${group.length - 3} more` : ""}`;
  };
  const reasons = [
    ...(taken.length === 0 ? [] : [`${names(taken)} would share a zone with another replica`]),
    ...(full.length === 0
      ? []
      : [
          `${names(full)} ${full.length === 1 ? "has its share" : "have their shares"} of shards that rank ${full.length === 1 ? "it" : "them"} higher or have no better way`,
        ]),
  ];
  return `${choice} (${reasons.join("; ")})`;
}

/** Which shards have two replicas in one zone, and why; undefined where there are none. */
export function describeZoneConflicts(placed: Placed): string | undefined {
  const { owners, zoneOfNode, zones, nodes, replicas, shardCount } = placed;
  const shards: number[] = [];
  const crowded = new Set<number>();
  owners.forEach((own, shard) => {
    const twice = own.map((node) => zoneOfNode[node]).filter((zone, index, all) => all.indexOf(zone) !== index);
    twice.forEach((zone) => crowded.add(zone));
    if (twice.length > 0) {
      shards.push(shard);
    }
  });
  if (shards.length === 0) {
    return undefined;
  }
  const list = `${shards.slice(0, 10).join(", ")}${shards.length > 10 ? ` and ${shards.length - 10} more` : ""}`;
  const names = [...crowded]
    .sort((a, b) => a - b)
    .map((zone) => `${zones[zone]} (${count(zoneOfNode.filter((other) => other === zone).length, "node")})`);
  const reason =
    zones.length < replicas
      ? `${replicas} replicas need ${replicas} zones, and there ${zones.length === 1 ? "is 1" : `are ${zones.length}`}`
      : `even shares give ${names.length === 1 ? "this zone" : "these zones"} more than the ${shardCount} copies that fit without a second one of the same shard; ` +
        "add nodes in other zones, or lower the weights here";
  return `${shards.length} of ${count(shardCount, "shard")} ${shards.length === 1 ? "has" : "have"} two or more replicas in one zone (${list}), in ${names.join(", ")} of ${count(nodes.length, "node")}: ${reason}`;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function ordinal(rank: number): string {
  const teen = rank % 100 >= 11 && rank % 100 <= 13;
  return `${rank}${teen ? "th" : (["th", "st", "nd", "rd"][rank % 10] ?? "th")}`;
}
