/**
 * Valkey, and Redis 7. Keys as ingest writes them:
 *
 *     mesh:{<table>:<partition>}  stream of rows
 *     mesh_offsets                hash: <topic>/<partition> → next offset
 *     mesh_shards                 hash: <shard> → {"source": …, "since": …}
 *     mesh_cuts:<snapshot>        hash: <topic>/<partition> → first offset that is not in the snapshot
 *
 * and of the agent alone:
 *
 *     mesh_snapshots              set of the snapshots that are shown
 *     mesh_restoring:<shard>      the attempt that restores the shard just now, or was killed doing so
 *
 * There are no views: services read `XRANGE mesh:{<table>:<partition>} - (<cut>-0`. Rows below a cut never change, so a dump needs no view of one moment;
 * `steadyView` proves that nothing went away meanwhile. A restoration fills the streams first; offsets and the row of the shard follow at once. Where two
 * restore the same shard, the later one goes on alone.
 */
import { randomUUID } from "node:crypto";
import { setPartition } from "../../../src/model/cut";
import type { ByPartition } from "../../../src/model/offsets";
import { isSnapshotId } from "../../../src/model/snapshot-id";
import { cutsTable, offsetsTable, shardsTable } from "../../../src/model/tables";
import { AgentError } from "../errors";
import type { DatabaseEngine, DatabaseSession, DatabaseState, RowWriter, ShardTables } from "./database";
import { connectValkey, type ValkeyConnection, valkeyErrorOf } from "./valkey-connection";
import { steadyView } from "./steady";
import { dumpRows, firstOffsetOf, rowWriter, streamKey } from "./valkey-rows";
import { beginScript, endScript, holdScript } from "./valkey-scripts";

const snapshotsKey = "mesh_snapshots";

export const valkey: DatabaseEngine = {
  connect: async (settings) => {
    const connection = await connectValkey(settings);
    const session: DatabaseSession = {
      name: connection.name,
      version: () => version(connection),
      // Keys come with their first entry.
      prepare: () => Promise.resolve(),
      state: () => stateOf(connection),
      view: () => steadyView(connection, stateOf, dumpRows),
      remainsOf: (shard) => remainsOf(connection, shard),
      restore: (shard, source, offsets, fill) => restore(connection, shard, source, offsets, fill),
      firstOffsets: (shard) => firstOffsets(connection, shard),
      hold: async (shard, source) => {
        const keys = [shardsTable, offsetsTable, attemptKey(shard), ...streamsOf(shard)];
        const args = [String(shard.shard), shardValue(source), ...fieldsOf(shard)];
        return (await connection.command("EVAL", holdScript, String(keys.length), ...keys, ...args)) === 1;
      },
      drop: (shard) => drop(connection, shard),
      snapshots: () => snapshots(connection),
      createViews: async (snapshot) => {
        await connection.command("SADD", snapshotsKey, snapshot);
      },
      dropViews: async (snapshot) => {
        await connection.together([
          ["UNLINK", cutsKey(snapshot)],
          ["SREM", snapshotsKey, snapshot],
        ]);
      },
      cuts: (snapshot) => readOffsets(connection, cutsKey(snapshot)),
      addCuts: async (snapshot, offsets) => {
        // What is there stays, as a cut never changes.
        const cuts = entriesOf(offsets).map(([field, next]) => ["HSETNX", cutsKey(snapshot), field, next]);
        await connection.together([["SADD", snapshotsKey, snapshot], ...cuts]);
      },
      close: () => connection.close(),
    };
    return session;
  },
};

function cutsKey(snapshot: string): string {
  return `${cutsTable}:${snapshot}`;
}

function attemptKey({ shard }: ShardTables): string {
  return `mesh_restoring:${shard}`;
}

function streamsOf({ partitions, tables }: ShardTables): string[] {
  return Object.entries(partitions).flatMap(([topic, numbers]) => numbers.map((number) => streamKey(tables[topic], number)));
}

/** Fields of `mesh_offsets` and of the cuts. */
function fieldsOf({ partitions }: ShardTables): string[] {
  return Object.entries(partitions).flatMap(([topic, numbers]) => numbers.map((number) => `${topic}/${number}`));
}

function entriesOf(offsets: ByPartition<bigint>): [string, string][] {
  return Object.entries(offsets).flatMap(([topic, numbers]) =>
    Object.entries(numbers).map(([number, next]): [string, string] => [`${topic}/${number}`, String(next)]),
  );
}

function shardValue(source: string): string {
  return JSON.stringify({ source, since: new Date().toISOString() });
}

/** A user may be forbidden to ask. */
async function version(connection: ValkeyConnection): Promise<string> {
  try {
    const text = String(await connection.command("INFO", "server"));
    // Valkey says both; Redis' own is there for clients that ask for it.
    return (/^valkey_version:(\S+)/m.exec(text) ?? /^redis_version:(\S+)/m.exec(text))?.[1] ?? "unknown";
  } catch (error) {
    if (valkeyErrorOf(error) !== "NOPERM") {
      throw error;
    }
    return "unknown";
  }
}

/** The fields of a hash. */
async function readHash(connection: ValkeyConnection, key: string): Promise<[string, string][]> {
  const reply = (await connection.command("HGETALL", key)) as Buffer[];
  return reply.flatMap((field, at) => (at % 2 === 0 ? [[field.toString("utf8"), reply[at + 1].toString("utf8")] as [string, string]] : []));
}

async function readOffsets(connection: ValkeyConnection, key: string): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  for (const [field, next] of await readHash(connection, key)) {
    const [topic, partition] = field.split("/");
    if (partition === undefined || !/^\d+$/.test(next)) {
      throw unreadable(connection, key, "offsets by topic/partition", `${field}: ${next}`);
    }
    setPartition(offsets, topic, Number(partition), BigInt(next));
  }
  return offsets;
}

async function stateOf(connection: ValkeyConnection): Promise<DatabaseState> {
  const shards: DatabaseState["shards"] = new Map();
  for (const [shard, value] of await readHash(connection, shardsTable)) {
    try {
      const { source, since } = JSON.parse(value) as { source: string; since: string };
      shards.set(Number(shard), { source, since });
    } catch {
      throw unreadable(connection, shardsTable, "source and since of a shard", `${shard}: ${value}`);
    }
  }
  return { offsets: await readOffsets(connection, offsetsTable), shards };
}

function unreadable({ name }: ValkeyConnection, key: string, expected: string, found: string): AgentError {
  const todo = "look for what wrote it, and remove it";
  return new AgentError({ kind: "refused", what: `${key} in ${name}`, expected, found, todo });
}

async function remainsOf(connection: ValkeyConnection, shard: ShardTables): Promise<string | undefined> {
  const fields = fieldsOf(shard);
  const found = fields.length === 0 ? [] : ((await connection.command("HMGET", offsetsTable, ...fields)) as (Buffer | null)[]);
  const at = found.findIndex((next) => next !== null);
  return at < 0 ? undefined : `next offset ${String(found[at])} of ${fields[at]}`;
}

async function restore(
  connection: ValkeyConnection,
  shard: ShardTables,
  source: string,
  offsets: ByPartition<bigint>,
  fill: (writer: RowWriter) => Promise<void>,
): Promise<string | undefined> {
  const attempt = { key: attemptKey(shard), id: randomUUID() };
  const number = String(shard.shard);
  const keys = [shardsTable, offsetsTable, attempt.key];
  const streams = streamsOf(shard);
  const count = String(keys.length + streams.length);
  const taken = String(await connection.command("EVAL", beginScript, count, ...keys, ...streams, number, attempt.id, ...fieldsOf(shard)));
  if (taken !== "") {
    return taken;
  }
  try {
    await fill(rowWriter(connection, attempt));
    const args = [number, attempt.id, shardValue(source), ...entriesOf(offsets).flat()];
    await connection.command("EVAL", endScript, String(keys.length), ...keys, ...args);
  } catch (error) {
    if (valkeyErrorOf(error) !== "MESHTAKEN") {
      throw error;
    }
    const what = `shard ${number} in ${connection.name}`;
    const todo = "the agent tries again where the other one fails";
    throw new AgentError({
      kind: "incomplete",
      what,
      expected: "to be restored by this agent alone",
      found: "another one",
      todo,
      retry: true,
    });
  }
  return undefined;
}

async function firstOffsets(connection: ValkeyConnection, { partitions, tables }: ShardTables): Promise<ByPartition<bigint>> {
  const offsets: ByPartition<bigint> = {};
  for (const [topic, numbers] of Object.entries(partitions)) {
    for (const number of numbers) {
      const first = firstOffsetOf(await connection.command("XRANGE", streamKey(tables[topic], number), "-", "+", "COUNT", "1"));
      if (first !== undefined) {
        setPartition(offsets, topic, number, first);
      }
    }
  }
  return offsets;
}

async function drop(connection: ValkeyConnection, shard: ShardTables): Promise<number> {
  const [streams, fields] = [streamsOf(shard), fieldsOf(shard)];
  const cuts = (await snapshots(connection)).map((snapshot) => ["HDEL", cutsKey(snapshot), ...fields]);
  const replies = await connection.together([
    ...streams.map((stream) => ["XLEN", stream]),
    ["HDEL", shardsTable, String(shard.shard)],
    ["HDEL", offsetsTable, ...fields],
    ...cuts,
    ["UNLINK", attemptKey(shard), ...streams],
  ]);
  return replies.slice(0, streams.length).reduce((sum: number, length) => sum + Number(length), 0);
}

async function snapshots(connection: ValkeyConnection): Promise<string[]> {
  const ids = (await connection.command("SMEMBERS", snapshotsKey)) as Buffer[];
  return ids.map(String).filter(isSnapshotId).sort();
}
