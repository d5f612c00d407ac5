/** The shard map: which mesh nodes own which shard. Plain data; `placement.ts` computes it. */
import { apiVersion, parseDocument } from "./documents";
import { checkDnsLabel, checkInteger, checkList, checkUnique } from "./checks";
import { joinPath, Problems } from "./errors";
import { groupBy } from "./groups";
import { contentHash } from "./names";
import { readableBytes } from "./quantity";
import { maxShardCount } from "./shards";

/** Shard → owning mesh nodes. */
export interface ShardMap {
  /** Hash of the content: equal maps have equal versions, on every machine. */
  version: string;
  shardCount: number;
  /** Number of owners of each shard. */
  replicas: number;
  /** For each shard the names of its owners, the primary first. */
  owners: string[][];
}

/** One shard's data going from one mesh node to another. */
export interface ShardMove {
  shard: number;
  /** The node that gives the shard up; absent where the shard gets one more owner. */
  from?: string;
  /** The node that takes the shard; absent where the shard gets one owner less. */
  to?: string;
  /** Size of the shard's data, where known. */
  bytes?: number;
}

/** A shard whose primary changes. No data moves where the new primary owned the shard before. */
export interface PrimaryChange {
  shard: number;
  from: string;
  to: string;
}

/** Makes a shard map of its owners, with its version. */
export function createShardMap(owners: readonly (readonly string[])[], replicas: number): ShardMap {
  const content = { shardCount: owners.length, replicas, owners: owners.map((nodes) => [...nodes]) };
  return { version: contentHash(content), ...content };
}

/** All shards that a node owns, as primary or not, in ascending order. */
export function shardsOfNode(map: ShardMap, node: string): number[] {
  return shardsWhere(map, (owners) => owners.includes(node));
}

/** The shards whose primary is the node, in ascending order. */
export function primaryShardsOfNode(map: ShardMap, node: string): number[] {
  return shardsWhere(map, (owners) => owners[0] === node);
}

/** The names of all nodes that own a shard, sorted. */
export function nodesOfShardMap(map: ShardMap): string[] {
  return [...new Set(map.owners.flat())].sort();
}

/**
 * What has to move to get from one map to another, in the order of the shards. A change of the primary alone moves nothing.
 *
 * @param bytesOfShard size of a shard's data in bytes, undefined where it is not known
 */
export function diffShardMaps(before: ShardMap, after: ShardMap, bytesOfShard?: (shard: number) => number | undefined): ShardMove[] {
  const moves: ShardMove[] = [];
  for (let shard = 0; shard < Math.max(before.shardCount, after.shardCount); shard++) {
    const had = before.owners[shard] ?? [];
    const has = after.owners[shard] ?? [];
    const gives = had.filter((node) => !has.includes(node));
    const takes = has.filter((node) => !had.includes(node));
    const bytes = bytesOfShard?.(shard);
    for (let index = 0; index < Math.max(gives.length, takes.length); index++) {
      const [from, to] = [gives[index], takes[index]];
      moves.push({
        shard,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(bytes === undefined ? {} : { bytes }),
      });
    }
  }
  return moves;
}

/** The shards that both maps have and whose primary differs. */
export function diffPrimaries(before: ShardMap, after: ShardMap): PrimaryChange[] {
  return before.owners.flatMap((owners, shard) => {
    const [from, to] = [owners[0], after.owners[shard]?.[0]];
    return from === undefined || to === undefined || from === to ? [] : [{ shard, from, to }];
  });
}

/**
 * Moves as lines to read: one for each pair of nodes, and a total, for example `shards 3, 7: node-a → node-b (2.0 GiB)`.
 * Volumes are shown where every move of the line has one. No moves give no lines.
 */
export function describeMoves(moves: readonly ShardMove[]): string[] {
  if (moves.length === 0) {
    return [];
  }
  const groups = groupBy(moves, (move) => `${move.from ?? "(new copy)"} → ${move.to ?? "(dropped)"}`);
  const lines = [...groups].map(([way, group]) => {
    return `${group.length === 1 ? "shard" : "shards"} ${group.map((move) => move.shard).join(", ")}: ${way}${volume(group)}`;
  });
  const copied = moves.filter((move) => move.to !== undefined);
  return lines.concat(`${copied.length} shard ${copied.length === 1 ? "copy" : "copies"} to fill in total${volume(copied)}`);
}

/** The map as JSON text with one line for each shard, so that a change in version control shows the shards that moved. */
export function serializeShardMap(map: ShardMap): string {
  const head = { apiVersion, kind: "ShardMap", version: map.version, shardCount: map.shardCount, replicas: map.replicas };
  const members = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{\n${members.join(",\n")},\n  "owners": [\n${ownerRows(map).join(",\n")}\n  ]\n}\n`;
}

/** The owners as JSON, one line for each shard. */
export function ownerRows(map: ShardMap): string[] {
  return map.owners.map((owners) => `    [${owners.map((node) => JSON.stringify(node)).join(", ")}]`);
}

/**
 * Reads the text of `serializeShardMap`.
 *
 * @throws MeshInputError with everything that is wrong, also where the version does not fit the content (edited by hand)
 */
export function parseShardMap(text: string): ShardMap {
  const problems = new Problems("shardMap");
  const document = parseDocument(problems, text, "ShardMap", ["version", "shardCount", "replicas", "owners"]);
  checkShardMap(problems, "", document);
  problems.throwIfAny();
  const map = createShardMap(document["owners"] as string[][], document["replicas"] as number);
  if (document["version"] !== map.version) {
    problems.add("version", document["version"], `the content has version ${map.version}; a shard map is computed, not edited by hand`);
  }
  problems.throwIfAny();
  return map;
}

/** Notes what is wrong with the numbers and the owners of a shard map that no compiler has seen. */
export function checkShardMap(problems: Problems, path: string, map: Record<string, unknown>): void {
  const { shardCount, replicas, owners } = map;
  checkInteger(problems, joinPath(path, "shardCount"), shardCount, { min: 1, max: maxShardCount });
  checkInteger(problems, joinPath(path, "replicas"), replicas, { min: 1 });
  const ownersPath = joinPath(path, "owners");
  if (checkList(problems, ownersPath, owners)) {
    if (owners.length !== shardCount) {
      problems.add(ownersPath, `${owners.length} entries`, `one entry for each of the ${String(shardCount)} shards is needed`);
    }
    owners.forEach((nodes, shard) => checkOwners(problems, joinPath(ownersPath, shard), nodes, replicas));
  }
}

function checkOwners(problems: Problems, path: string, nodes: unknown, replicas: unknown): void {
  if (!checkList(problems, path, nodes)) {
    return;
  }
  if (nodes.length !== replicas) {
    problems.add(path, nodes, `${String(replicas)} owners are needed`);
  }
  nodes.forEach((node, index) => checkDnsLabel(problems, joinPath(path, index), node));
  checkUnique(problems, path, nodes);
}

function shardsWhere(map: ShardMap, test: (owners: readonly string[]) => boolean): number[] {
  return map.owners.flatMap((owners, shard) => (test(owners) ? [shard] : []));
}

function volume(moves: readonly ShardMove[]): string {
  const known = moves.length > 0 && moves.every((move) => move.bytes !== undefined);
  return known ? ` (${readableBytes(moves.reduce((sum, move) => sum + (move.bytes ?? 0), 0))})` : "";
}
