/** Restores shards into the database of the node: rows, offsets and the row of `mesh_shards` together, or nothing. */
import type { ShardCut } from "../../src/model/cut";
import type { ShardManifest } from "../../src/model/manifest";
import { partitionsOfShard } from "../../src/model/shards";
import { columnNames } from "../../src/model/tables";
import { findSnapshot } from "./catalog";
import { untypedColumns } from "./data-format";
import { connectDatabase } from "./databases";
import type { ShardTables } from "./databases/database";
import { AgentError } from "./errors";
import { type AgentContext, readShard } from "./shard-snapshot";
import { readWhole } from "./verify";

/** What was restored. */
export interface Restoration {
  snapshot: string;
  /** Restored shards. */
  shards: number[];
  /** Shards that the database had already, where that is allowed. */
  skipped: number[];
  rows: number;
}

/** One shard, restored; `occupied` says what was there already, where nothing was done for that. */
export type ShardRestoration = { rows: number; cut: ShardCut } | { occupied: string };

/**
 * @param shards which ones; by default all
 * @param ifEmpty skip a shard that has rows or offsets, instead of failing
 */
export async function restore(context: AgentContext, id: string, shards?: readonly number[], ifEmpty = false): Promise<Restoration> {
  const { settings, log } = context;
  const wanted = shards ?? Array.from({ length: settings.plan.shardCount }, (_unused, shard) => shard);
  const entry = await findSnapshot(context, id, wanted);
  const result: Restoration = { snapshot: entry.id, shards: [], skipped: [], rows: 0 };
  const missing = wanted.filter((shard) => !entry.shards.has(shard));
  if (missing.length > 0) {
    throw new AgentError({
      kind: "incomplete",
      what: `snapshot ${entry.id}`,
      expected: `the shards ${wanted.join(", ")}`,
      found: `no manifest of ${missing.join(", ")}`,
      todo: "restore another snapshot, or by --shard those that are there; nothing was changed",
    });
  }
  for (const shard of wanted) {
    const began = Date.now();
    const done = await restoreShard(context, entry.id, shard);
    if ("rows" in done) {
      result.shards.push(shard);
      result.rows += done.rows;
      log("info", "restored a shard", { snapshot: entry.id, shard, rows: done.rows, seconds: (Date.now() - began) / 1000 });
    } else if (ifEmpty) {
      result.skipped.push(shard);
      log("info", "the database has the shard already", { snapshot: entry.id, shard, found: done.occupied });
    } else {
      throw new AgentError({
        kind: "refused",
        what: `shard ${shard} in the database of this node`,
        expected: "no rows and no offsets",
        found: done.occupied,
        todo: "restore into an empty database; to replace the shard, stop ingest, remove its rows and offsets and try again. Nothing was changed",
      });
    }
  }
  return result;
}

/**
 * Restores one shard, unless something of it is there.
 *
 * @param moving called with every piece of rows; what it throws ends the restoration, and nothing stays
 */
export async function restoreShard(
  context: AgentContext,
  snapshot: string,
  shard: number,
  moving: () => void = () => undefined,
): Promise<ShardRestoration> {
  const { settings } = context;
  const found = await readShard(context, snapshot, shard);
  if (found === undefined) {
    const todo = "it was removed meanwhile; restore another snapshot";
    throw new AgentError({ kind: "incomplete", what: `shard ${shard} of ${snapshot}`, expected: "a manifest", found: "nothing", todo });
  }
  const { cut, manifest } = found;
  checkTopics(context, cut);
  checkFormat(context, manifest);
  const session = await connectDatabase(settings.database);
  try {
    await session.prepare(Object.values(settings.tables));
    const occupied = await session.restore(shardTables(context, shard), snapshot, cut.offsets, async (writer) => {
      await readWhole(context, cut, manifest, {
        begin: ({ topic }) => writer.begin(settings.tables[topic]),
        rows: (bytes) => {
          moving();
          return writer.rows(bytes);
        },
        end: () => writer.end(),
      });
    });
    return occupied === undefined ? { rows: manifest.rows, cut } : { occupied };
  } finally {
    await session.close();
  }
}

/** One shard in the tables of today's settings. */
export function shardTables({ settings }: AgentContext, shard: number): ShardTables {
  return { shard, partitions: partitionsOfShard(settings.plan, shard), tables: settings.tables };
}

/** Old snapshots may lack a topic that is new; none may have one that is not ingested, or other partitions. */
function checkTopics({ settings }: AgentContext, cut: ShardCut): void {
  const covered = partitionsOfShard(settings.plan, cut.shard);
  for (const [topic, partitions] of Object.entries(cut.offsets)) {
    const expected = covered[topic];
    const found = Object.keys(partitions).join(", ");
    if (expected === undefined || expected.join(", ") !== found) {
      throw new AgentError({
        kind: "refused",
        what: `topic ${topic} in shard ${cut.shard} of ${cut.snapshot}`,
        expected: expected === undefined ? "a topic of the settings" : `the partitions ${expected.join(", ")}`,
        found: expected === undefined ? "a topic that is not among them" : `the partitions ${found}`,
        todo: "restore with the topics, partitions and number of shards that the snapshot was taken with",
      });
    }
  }
}

/** The rows are text of the engine that wrote them, and say nothing of columns: both must be the same. A table may have another name than then. */
function checkFormat({ settings }: AgentContext, manifest: ShardManifest): void {
  const refuse = (what: string, expected: string, found: string, todo: string): AgentError =>
    new AgentError({ kind: "refused", what: `${what} in shard ${manifest.shard} of ${manifest.snapshot}`, expected, found, todo });
  const { engine } = settings.database;
  if (manifest.engine !== engine) {
    throw refuse("the data", `rows of ${engine}, as the settings say`, `rows of ${manifest.engine}`, `restore into ${manifest.engine}`);
  }
  for (const topic of Object.keys(manifest.ranges)) {
    const expected = columnNames(settings.tables[topic]).join(", ");
    const found = (manifest.columns?.[topic] ?? untypedColumns).join(", ");
    if (found !== expected) {
      const todo =
        "restore with the columns that the snapshot was taken with, or let ingest fill the new table from Kafka. Nothing was changed";
      throw refuse(`the rows of topic ${topic}`, `the columns ${expected}, as the settings say`, `the columns ${found}`, todo);
    }
  }
}
