/** Restores shards into the database of the node: rows and offsets of a shard in one transaction, or nothing. */
import type { ShardCut } from "../../src/model/cut";
import { partitionsOfShard } from "../../src/model/shards";
import { findSnapshot } from "./catalog";
import type { DataSink } from "./data-format";
import { connect, type Connection } from "./database";
import { AgentError } from "./errors";
import { type AgentContext, readShard } from "./shard-snapshot";
import { columnsSql, createTablesSql, offsetsTable } from "./sql";
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
    const rows = await restoreShard(context, entry.id, shard, ifEmpty);
    if (rows === undefined) {
      result.skipped.push(shard);
      log("info", "the database has the shard already", { snapshot: entry.id, shard });
    } else {
      result.shards.push(shard);
      result.rows += rows;
      log("info", "restored a shard", { snapshot: entry.id, shard, rows, seconds: (Date.now() - began) / 1000 });
    }
  }
  return result;
}

/** The number of rows; undefined where the shard is there already and that is allowed. */
async function restoreShard(context: AgentContext, snapshot: string, shard: number, ifEmpty: boolean): Promise<number | undefined> {
  const found = await readShard(context, snapshot, shard);
  if (found === undefined) {
    const todo = "it was removed meanwhile; restore another snapshot";
    throw new AgentError({ kind: "incomplete", what: `shard ${shard} of ${snapshot}`, expected: "a manifest", found: "nothing", todo });
  }
  const { cut, manifest } = found;
  checkTopics(context, cut);
  const connection = await connect(context.settings.database);
  try {
    await connection.query(createTablesSql(Object.keys(cut.offsets).map((topic) => tableOf(context, topic))));
    await connection.query("BEGIN");
    // Ingest that starts meanwhile waits here, and then finds the offsets or fails on its own.
    await connection.query(`LOCK TABLE ${offsetsTable} IN SHARE ROW EXCLUSIVE MODE`);
    const occupied = await findOccupied(context, connection, cut);
    if (occupied !== undefined) {
      if (ifEmpty) {
        return undefined;
      }
      throw new AgentError({
        kind: "refused",
        what: `shard ${shard} in the database of this node`,
        expected: "no rows and no offsets",
        found: occupied,
        todo: "restore into an empty database; to replace the shard, stop ingest, remove its rows and offsets and try again. Nothing was changed",
      });
    }
    await readWhole(context, cut, manifest, copyInto(context, connection));
    for (const [topic, partitions] of Object.entries(cut.offsets)) {
      for (const [partition, next] of Object.entries(partitions)) {
        await connection.query(`INSERT INTO ${offsetsTable} (topic, partition, next_offset) VALUES ($1, $2, $3)`, [
          topic,
          partition,
          String(next),
        ]);
      }
    }
    await connection.query("COMMIT");
    return manifest.rows;
  } finally {
    await connection.close();
  }
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

async function findOccupied(context: AgentContext, connection: Connection, cut: ShardCut): Promise<string | undefined> {
  for (const [topic, partitions] of Object.entries(cut.offsets)) {
    const numbers = Object.keys(partitions).map(Number);
    const sql = `SELECT partition, next_offset FROM ${offsetsTable} WHERE topic = $1 AND partition = ANY ($2::int[]) LIMIT 1`;
    const [offset] = await connection.query<{ partition: number; next_offset: string }>(sql, [topic, numbers]);
    if (offset !== undefined) {
      return `next offset ${offset.next_offset} of partition ${offset.partition} of ${topic}`;
    }
    const table = tableOf(context, topic);
    const [row] = await connection.query<{ part: number }>(`SELECT part FROM "${table}" WHERE part = ANY ($1::int[]) LIMIT 1`, [numbers]);
    if (row !== undefined) {
      return `rows of partition ${row.part} in table ${table}`;
    }
  }
  return undefined;
}

/** The table of today's settings: it may have another name than when the snapshot was taken. */
function tableOf({ settings }: AgentContext, topic: string): string {
  return settings.tables[topic];
}

function copyInto(context: AgentContext, connection: Connection): DataSink {
  let copy: ReturnType<Connection["copyIn"]> | undefined;
  return {
    begin: ({ topic }) => {
      copy = connection.copyIn(`COPY "${tableOf(context, topic)}" (${columnsSql}) FROM STDIN`);
    },
    rows: (bytes) => copy?.write(bytes),
    end: () => copy?.finish(),
  };
}
