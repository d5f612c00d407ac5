/** What `npm run placement` works on: the topology of a stack, its lock file, the sizes of its shards, and changes to think through. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject } from "../src/model/checks";
import { MeshInputError, Problems } from "../src/model/errors";
import { type MeshLock, readMeshLock } from "../src/model/mesh-lock";
import type { PlacementRequest } from "../src/model/placement-request";
import type { TopologyNode } from "../src/model/topology";
import { projectRoot } from "./paths";

/** A stack as its configuration describes it. */
export interface StackPlacement {
  request: PlacementRequest;
  /** Name of the lock file, where the stack has one. */
  lock?: string;
}

/** Asks the program of the stack, in a process of its own: it is the user's, and this is a tool. */
export function readStack(stack: string): StackPlacement {
  const program = ["-r", "ts-node/register", join(projectRoot, "stacks", "placement.ts"), stack];
  const env = { ...process.env, TS_NODE_PROJECT: join(projectRoot, "stacks", "tsconfig.json") };
  const child = spawnSync(process.execPath, program, { cwd: projectRoot, encoding: "utf8", env, maxBuffer: 2 ** 28 });
  if (child.status !== 0) {
    throw new Error(child.stderr.trim() || child.error?.message || `the program of the stack ${stack} ended with ${String(child.status)}`);
  }
  return JSON.parse(child.stdout) as StackPlacement;
}

/** The command that brings the lock file of a stack up to date. */
export const updateCommand = (stack: string): string => `npm run placement -- update --stack ${stack}`;

/** The lock file of a stack; undefined where there is none. Throws MeshInputError where it is broken, with the way out. */
export function readLock(stack: string, path: string, name: string): MeshLock | undefined {
  return existsSync(path) ? readMeshLock({ path: name, text: readFileSync(path, "utf8"), mend: updateCommand(stack) }) : undefined;
}

/**
 * Sizes of shards in bytes from a JSON file: a list with one number for each shard, or a list of snapshot manifests.
 *
 * @throws MeshInputError with every entry that is neither
 */
export function readSizes(path: string): (shard: number) => number | undefined {
  const problems = new Problems(path);
  const entries: unknown = JSON.parse(readFileSync(path, "utf8"));
  const sizes = new Map<number, number>();
  if (!Array.isArray(entries)) {
    problems.add("", entries, "a list is allowed: the bytes of each shard, or manifests of a snapshot");
  } else {
    entries.forEach((entry: unknown, index) => {
      const [shard, bytes] = isObject(entry) ? [entry["shard"], entry["bytes"]] : [index, entry];
      if (typeof shard === "number" && typeof bytes === "number" && bytes >= 0) {
        sizes.set(shard, bytes);
      } else {
        problems.add(`[${index}]`, entry, "a number of bytes is allowed, or a manifest with `shard` and `bytes`");
      }
    });
  }
  problems.throwIfAny();
  return (shard) => sizes.get(shard);
}

/** Changes of a topology, as the options of `what-if` name them. */
export interface TopologyChanges {
  /** `3@zone-c`: so many nodes more in a zone. */
  add: readonly string[];
  /** Names of nodes that are lost. */
  lose: readonly string[];
  /** Names of zones that are lost with all their nodes. */
  loseZone: readonly string[];
  /** `n-2=2`: another weight. */
  weight: readonly string[];
  /** `n-2=10`: another limit of shard copies. */
  limit: readonly string[];
  replicas?: string;
}

/**
 * A request after changes.
 *
 * @throws MeshInputError with every change that names nothing that is there, or is not understood
 */
export function changeTopology(request: PlacementRequest, changes: TopologyChanges): PlacementRequest {
  const problems = new Problems("what-if");
  let nodes = [...request.nodes];
  const lose = (option: string, word: string, lost: (node: TopologyNode) => boolean, known: string[]): void => {
    if (!nodes.some(lost)) {
      problems.add(option, word, `there are: ${known.join(", ")}`);
    }
    nodes = nodes.filter((node) => !lost(node));
  };
  const names = request.nodes.map((node) => node.name);
  const zones = [...new Set(request.nodes.map((node) => node.zone))].sort();
  changes.loseZone.forEach((zone) => lose("--lose-zone", zone, (node) => node.zone === zone, zones));
  changes.lose.forEach((name) => lose("--lose", name, (node) => node.name === name, names));
  for (const [option, field, words] of [
    ["--weight", "weight", changes.weight],
    ["--limit", "maxShards", changes.limit],
  ] as const) {
    for (const word of words) {
      const [, name, value] = /^(.+)=(\d+(?:\.\d+)?)$/.exec(word) ?? [];
      if (!nodes.some((node) => node.name === name)) {
        problems.add(option, word, `<node>=<number> is allowed, with one of the nodes ${names.join(", ")}`);
      }
      nodes = nodes.map((node) => (node.name === name ? { ...node, [field]: Number(value) } : node));
    }
  }
  changes.add.forEach((word) => nodes.push(...added(problems, request.nodes, nodes, word)));
  const replicas = changes.replicas === undefined ? {} : { replicas: Number(changes.replicas) };
  problems.throwIfAny();
  return { ...request, nodes, ...replicas };
}

/** New nodes like those of their zone; in a new zone like the first of all. */
function added(problems: Problems, all: readonly TopologyNode[], now: readonly TopologyNode[], word: string): TopologyNode[] {
  const [, count, zone] = /^(?:(\d+)@)?([^@]+)$/.exec(word) ?? [];
  const like = all.find((node) => node.zone === zone) ?? all[0];
  if (zone === undefined || like === undefined) {
    problems.add("--add", word, "<number>@<zone> is allowed, for example 3@zone-c");
    return [];
  }
  const taken = now.filter((node) => node.name.startsWith("new-")).length;
  const { region, cluster, provider } = like;
  return Array.from({ length: Number(count ?? 1) }, (_unused, index) => {
    return { name: `new-${taken + index + 1}`, zone, region, cluster, provider, weight: 1 };
  });
}

/** A message for people of what is wrong with an input; anything else is thrown on. */
export function inputMessage(error: unknown): string {
  if (error instanceof MeshInputError) {
    return error.message;
  }
  throw error;
}
