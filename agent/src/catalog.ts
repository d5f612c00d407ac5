/** What snapshots the store holds. */
import { MeshInputError } from "../../src/model/errors";
import { describeCompleteness, type ShardManifest } from "../../src/model/manifest";
import { isSnapshotId, snapshotIdRule } from "../../src/model/snapshot-id";
import { AgentError, messageOf } from "./errors";
import { readKey } from "./layout";
import { type AgentContext, readManifest } from "./shard-snapshot";

/** One snapshot as its keys show it. */
export interface SnapshotEntry {
  id: string;
  /** Shards with a manifest. */
  shards: Set<number>;
  /** All its keys. */
  keys: string[];
}

/** How much of a snapshot is there, by its manifests. */
export interface SnapshotState {
  id: string;
  complete: boolean;
  /** Shards without a manifest. */
  missing: number[];
  /** Manifests that cannot be read or contradict each other. */
  problems: string[];
  /** Whether another version of the agent wrote manifests of it, which this one cannot judge. */
  otherVersion: boolean;
  rows: number;
  bytes: number;
}

/** Objects that are read at the same time. */
const parallel = 16;

/** All snapshots of the group, oldest first. */
export async function listSnapshots({ settings, store }: AgentContext): Promise<SnapshotEntry[]> {
  const entries = new Map<string, SnapshotEntry>();
  for await (const { key } of store.list(`${settings.name}/`)) {
    const read = readKey(settings.name, key);
    if (read !== undefined) {
      const entry = entries.get(read.snapshot) ?? { id: read.snapshot, shards: new Set(), keys: [] };
      entries.set(read.snapshot, entry);
      entry.keys.push(key);
      if (read.part === "manifest") {
        entry.shards.add(read.shard);
      }
    }
  }
  return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** @param expected the shards that must be there; by default all. Where each node has a store of its own, those of the node */
export async function stateOf(context: AgentContext, entry: SnapshotEntry, expected?: readonly number[]): Promise<SnapshotState> {
  const { settings, store } = context;
  const manifests: ShardManifest[] = [];
  const problems: string[] = [];
  let otherVersion = false;
  const shards = [...entry.shards].sort((a, b) => a - b);
  for (let at = 0; at < shards.length; at += parallel) {
    await Promise.all(
      shards.slice(at, at + parallel).map(async (shard) => {
        try {
          const manifest = await readManifest(store, settings.name, entry.id, shard);
          if (manifest !== undefined) {
            manifests.push(manifest);
          }
        } catch (error) {
          if (!(error instanceof AgentError) || error.kind !== "corrupted") {
            throw error;
          }
          problems.push(messageOf(error));
          otherVersion ||= isOtherVersion(error);
        }
      }),
    );
  }
  const { missing, conflicts } = describeCompleteness(manifests, settings.plan.shardCount, entry.id);
  const wanted = expected === undefined ? missing : missing.filter((shard) => expected.includes(shard));
  return {
    id: entry.id,
    complete: wanted.length === 0 && conflicts.length === 0 && problems.length === 0,
    missing: wanted,
    problems: [...problems, ...conflicts],
    otherVersion,
    rows: manifests.reduce((sum, { rows }) => sum + rows, 0),
    bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function isOtherVersion({ cause }: AgentError): boolean {
  return cause instanceof MeshInputError && cause.problems.some(({ path }) => path === "apiVersion");
}

/** The newest complete snapshot; undefined where there is none. */
export async function newestComplete(
  context: AgentContext,
  entries: readonly SnapshotEntry[],
  expected?: readonly number[],
): Promise<string | undefined> {
  for (const entry of [...entries].reverse()) {
    const wanted = expected?.length ?? context.settings.plan.shardCount;
    if (entry.shards.size >= wanted && (await stateOf(context, entry, expected)).complete) {
      return entry.id;
    }
  }
  return undefined;
}

/**
 * The snapshot that a command names: an id, or `newest` for the newest complete one.
 *
 * @throws AgentError where there is none
 */
export async function findSnapshot(context: AgentContext, id: string, expected?: readonly number[]): Promise<SnapshotEntry> {
  if (id !== "newest" && !isSnapshotId(id)) {
    throw new AgentError({
      kind: "usage",
      what: "snapshot",
      expected: `newest, or: ${snapshotIdRule}`,
      found: id,
      todo: "run `compute-mesh-agent list`",
    });
  }
  const entries = await listSnapshots(context);
  const name = id === "newest" ? await newestComplete(context, entries, expected) : id;
  const entry = entries.find((candidate) => candidate.id === name);
  if (entry === undefined) {
    const known = entries.map((candidate) => candidate.id);
    throw new AgentError({
      kind: "unknownSnapshot",
      what: `${context.settings.name} in ${context.store.name}`,
      expected: id === "newest" ? "a complete snapshot" : `snapshot ${id}`,
      found:
        known.length === 0 ? "no snapshots" : `the snapshots ${known.slice(-10).join(", ")}${known.length > 10 ? " and older ones" : ""}`,
      todo: id === "newest" ? "wait until the first one is complete" : "run `compute-mesh-agent list`",
    });
  }
  return entry;
}
