/**
 * The shard map as a lock file, `mesh.lock.json`: kept in version control, reviewed like code, the same for everybody who deploys. It records the nodes it
 * was made for and the owners of every shard, one line each, so that a change shows as the lines that changed. With it a change of the nodes moves exactly
 * the fewest copies that restore balance and spread; nothing else in the world has to be asked.
 */
import { checkKnownKeys, checkObject, checkOneOf, isObject } from "./checks";
import { apiVersion, parseDocument } from "./documents";
import { joinPath, keyPath, MeshInputError, Problems } from "./errors";
import { contentHash, sortedEntries } from "./names";
import { computeShardMap, type PlacementResult } from "./placement";
import { checkPlacementRequest, type PlacementRequest } from "./placement-request";
import {
  checkShardMap,
  createShardMap,
  diffPrimaries,
  diffShardMaps,
  ownerRows,
  type PrimaryChange,
  type ShardMap,
  type ShardMove,
} from "./shard-map";
import type { TopologyNode } from "./topology";

/** Name of the file where nobody says otherwise. */
export const meshLockName = "mesh.lock.json";

/** What a lock file holds. */
export interface MeshLock {
  /** The nodes that the map was made for, in the order of their names. */
  nodes: TopologyNode[];
  zoneSpread: "preferred" | "required";
  map: ShardMap;
}

/** A lock brought up to date, and what that changes. */
export interface MeshLockUpdate {
  lock: MeshLock;
  placement: PlacementResult;
  /** In words, what the lock did not know or knew otherwise; empty where it was right already. */
  changes: string[];
  moves: ShardMove[];
  primaries: PrimaryChange[];
}

const members = ["version", "shardCount", "replicas", "zoneSpread", "nodes", "owners"] as const;
const nodeFields = ["zone", "region", "cluster", "provider", "weight", "maxShards"] as const satisfies (keyof TopologyNode)[];

/**
 * Brings a lock up to date, or makes the first one. Where the lock is right already, nothing changes, whatever computed it.
 *
 * @throws MeshInputError where the request is wrong, or has another number of shards than the lock
 */
export function updateMeshLock(lock: MeshLock | undefined, request: Omit<PlacementRequest, "previous">): MeshLockUpdate {
  const placement = computeShardMap({ ...request, ...(lock === undefined ? {} : { previous: lock.map }) });
  const nodes = sortedEntries(Object.fromEntries(request.nodes.map((node) => [node.name, node]))).map(([, node]) => lockedNode(node));
  const next: MeshLock = { nodes, zoneSpread: request.zoneSpread ?? "preferred", map: placement.map };
  const moves = lock === undefined ? [] : diffShardMaps(lock.map, next.map);
  const primaries = lock === undefined ? [] : diffPrimaries(lock.map, next.map);
  return { lock: next, placement, changes: lock === undefined ? [] : describeChanges(lock, next, moves, primaries), moves, primaries };
}

/** The text of a lock file. */
export function serializeMeshLock(lock: MeshLock): string {
  const { map } = lock;
  const head = {
    apiVersion,
    kind: "MeshLock",
    version: versionOf(lock),
    shardCount: map.shardCount,
    replicas: map.replicas,
    zoneSpread: lock.zoneSpread,
  };
  const lines = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const nodes = lock.nodes.map(
    ({ name, ...facts }) => `    ${JSON.stringify(name)}: ${JSON.stringify(lockedNode({ name, ...facts }), nodeFields)}`,
  );
  return `{\n${lines.join(",\n")},\n  "nodes": {\n${nodes.join(",\n")}\n  },\n  "owners": [\n${ownerRows(map).join(",\n")}\n  ]\n}\n`;
}

/**
 * Reads the text of `serializeMeshLock`.
 *
 * @param name of the file, for messages
 * @throws MeshInputError with everything that is wrong, by its path in the JSON; also where the content was edited by hand or merged line by line
 */
export function parseMeshLock(text: string, name = meshLockName): MeshLock {
  const problems = new Problems(name);
  const document = parseDocument(problems, text, "MeshLock", members);
  checkShardMap(problems, "", document);
  checkOneOf(problems, "zoneSpread", document["zoneSpread"], ["preferred", "required"]);
  const nodes = checkObject(problems, "nodes", document["nodes"]) ? parseNodes(problems, document["nodes"]) : [];
  if (!problems.any) {
    checkOwnersKnown(problems, nodes, document["owners"] as string[][]);
  }
  problems.throwIfAny();
  const map = createShardMap(document["owners"] as string[][], document["replicas"] as number);
  const lock: MeshLock = { nodes, zoneSpread: document["zoneSpread"] as MeshLock["zoneSpread"], map };
  const facts = new Problems(name);
  checkPlacementRequest(facts, requestOf(lock));
  const inFile = (path: string): string =>
    path.replace(/^nodes\[(\d+)\]/, (_all, index: string) => keyPath("nodes", nodes[Number(index)].name));
  problems.addAll(
    "",
    facts.all.map((problem) => ({ ...problem, path: inFile(problem.path) })),
  );
  if (document["version"] !== versionOf(lock)) {
    problems.add(
      "version",
      document["version"],
      `the content has version ${versionOf(lock)}: it was edited by hand, or two changes were merged`,
    );
  }
  problems.throwIfAny();
  return lock;
}

/** What a lock was made for, to compute from it what would be. */
export function requestOf(lock: MeshLock): PlacementRequest {
  return { nodes: lock.nodes, shardCount: lock.map.shardCount, replicas: lock.map.replicas, zoneSpread: lock.zoneSpread };
}

/**
 * The content of a lock file that cannot be mended by itself where it is broken: what was in it is what must not be lost.
 *
 * @param file its name for messages, its text, and the command that brings a good one up to date
 * @throws MeshInputError with everything that is wrong, and the way out
 */
export function readMeshLock({ path, text, mend }: { path: string; text: string; mend: string }): MeshLock {
  try {
    return parseMeshLock(text, path);
  } catch (error) {
    if (!(error instanceof MeshInputError)) {
      throw error;
    }
    const wayOut = `take the last good version of it, then run: ${mend}`;
    const problems = new Problems("shardMap");
    problems.add("lock", path, `${error.message.split("\n").join("; ")}; ${wayOut}`);
    problems.throwIfAny();
    throw error;
  }
}

/**
 * The placement that a lock file says, where it is right for the request.
 *
 * @param file its name for messages, its text (undefined where there is no such file) and the command that mends it
 * @throws MeshInputError with what is wrong with the file and how to mend it, or what is wrong with the request
 */
export function placementOfLock(
  request: Omit<PlacementRequest, "previous">,
  file: { path: string; text?: string | undefined; mend: string },
): PlacementResult {
  const problems = new Problems("shardMap");
  if (file.text === undefined) {
    problems.add("lock", file.path, `there is no such file; make it with: ${file.mend}`);
    problems.throwIfAny();
  }
  const lock = readMeshLock({ ...file, text: file.text ?? "" });
  const { changes, placement } = updateMeshLock(lock, request);
  if (changes.length > 0) {
    problems.add("lock", file.path, `it is out of date: ${changes.join("; ")}; bring it up to date with: ${file.mend}`);
    problems.throwIfAny();
  }
  return placement;
}

/** The fields of a node that a lock records. */
function lockedNode({ name, zone, region, cluster, provider, weight, maxShards }: TopologyNode): TopologyNode {
  return { name, zone, region, cluster, provider, weight, ...(maxShards === undefined ? {} : { maxShards }) };
}

/** The fields are checked as those of any other request, later and under their place in the list; here only what JSON can get wrong. */
function parseNodes(problems: Problems, nodes: Record<string, unknown>): TopologyNode[] {
  return sortedEntries(nodes).map(([name, facts]) => {
    const path = keyPath("nodes", name);
    if (!isObject(facts)) {
      problems.add(path, facts, "an object is allowed");
      return { name } as TopologyNode;
    }
    checkKnownKeys(problems, path, facts, nodeFields);
    for (const field of ["cluster", "provider"]) {
      if (typeof facts[field] !== "string") {
        problems.add(joinPath(path, field), facts[field], `the name of the ${field} is needed`);
      }
    }
    return lockedNode({ ...(facts as unknown as TopologyNode), name });
  });
}

function checkOwnersKnown(problems: Problems, nodes: readonly TopologyNode[], owners: readonly string[][]): void {
  const known = new Set(nodes.map((node) => node.name));
  owners.forEach((row, shard) => {
    row.forEach((owner, index) => {
      if (!known.has(owner)) {
        problems.add(joinPath(joinPath("owners", shard), index), owner, "there is no such node in `nodes`");
      }
    });
  });
}

function versionOf({ nodes, zoneSpread, map }: MeshLock): string {
  return contentHash({ nodes: nodes.map(lockedNode), zoneSpread, map: map.version });
}

function describeChanges(lock: MeshLock, next: MeshLock, moves: readonly ShardMove[], primaries: readonly PrimaryChange[]): string[] {
  const [before, after] = [lock, next].map(({ nodes }) => new Map(nodes.map((node) => [node.name, node])));
  const changes = [
    ...named(
      "new",
      [...after.keys()].filter((name) => !before.has(name)),
    ),
    ...named(
      "gone",
      [...before.keys()].filter((name) => !after.has(name)),
    ),
  ];
  for (const field of nodeFields) {
    const shown = (value: string | number | undefined): string => String(value ?? "not set");
    const different = [...after].filter(([name, node]) => before.has(name) && before.get(name)?.[field] !== node[field]);
    const [first, ...others] = different.map(
      ([name, node]) => `${field} of node ${name} is ${shown(node[field])}, it was ${shown(before.get(name)?.[field])}`,
    );
    changes.push(
      ...(first === undefined ? [] : [others.length === 0 ? first : `${first}, and ${field} of ${others.length} more nodes differs`]),
    );
  }
  if (lock.map.replicas !== next.map.replicas) {
    changes.push(`replicas is ${next.map.replicas}, it was ${lock.map.replicas}`);
  }
  if (lock.zoneSpread !== next.zoneSpread) {
    changes.push(`zoneSpread is ${next.zoneSpread}, it was ${lock.zoneSpread}`);
  }
  const copied = moves.filter((move) => move.to !== undefined).length;
  if (moves.length > 0) {
    changes.push(`${copied} of ${next.map.shardCount * next.map.replicas} shard copies must move`);
  } else if (primaries.length > 0) {
    changes.push(`${primaries.length} shards need another primary`);
  }
  return changes;
}

/** "nodes a, b and 7 more are new", in a list that is empty where there are none. */
function named(what: string, names: readonly string[]): string[] {
  if (names.length <= 1) {
    return names.map((name) => `node ${name} is ${what}`);
  }
  const few = names.slice(0, 5).join(", ");
  return [`nodes ${few}${names.length > 5 ? ` and ${names.length - 5} more` : ""} are ${what}`];
}
