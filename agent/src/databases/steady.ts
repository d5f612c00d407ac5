/**
 * Views of engines that cannot look at one moment for long.
 *
 * Rows below the next offset of a partition never change, so reading them needs no moment of its own. What would go wrong is a database that loses rows
 * meanwhile: a shard that is dropped, or a server in memory that starts again, empty. So every partition ends with a look at what the view began with.
 */
import type { TableFacts } from "../../../src/model/tables";
import type { PartitionBlock } from "../data-lines";
import { AgentError } from "../errors";
import type { DatabaseState, DatabaseView } from "./database";

/**
 * A view of what is there now.
 *
 * @param stateOf what is there, asked at the beginning and behind the rows of each partition
 * @param dumpRows the rows of a partition below an offset
 */
export async function steadyView<Connection extends { readonly name: string }>(
  connection: Connection,
  stateOf: (connection: Connection) => Promise<DatabaseState>,
  dumpRows: (connection: Connection, table: TableFacts, partition: number, to: bigint) => AsyncIterable<Buffer>,
): Promise<DatabaseView> {
  const read = (): Promise<DatabaseState> => stateOf(connection);
  const before = await read();
  return {
    ...before,
    rows: (block, table) => steadyRows(connection.name, block, dumpRows(connection, table, block.partition, block.to), before, read),
  };
}

/**
 * The rows of a partition, and then the proof that they were there all the time.
 *
 * @param before what the view began with
 * @param read asks again
 * @throws AgentError, to be tried again, where a shard or an offset is gone, or a shard is there anew
 */
async function* steadyRows(
  name: string,
  { topic, partition }: PartitionBlock,
  rows: AsyncIterable<Buffer>,
  before: DatabaseState,
  read: () => Promise<DatabaseState>,
): AsyncGenerator<Buffer> {
  yield* rows;
  const now = await read();
  for (const [shard, { since }] of before.shards) {
    if (now.shards.get(shard)?.since !== since) {
      throw changed(`${name}, shard ${shard}`, `the shard since ${since}`, now.shards.get(shard)?.since ?? "nothing of it");
    }
  }
  const was = before.offsets[topic]?.[partition];
  const is = now.offsets[topic]?.[partition];
  if (was !== undefined && (is === undefined || is < was)) {
    throw changed(`${name}, partition ${partition} of ${topic}`, `next offset ${was} or more`, String(is ?? "nothing"));
  }
}

function changed(what: string, expected: string, found: string): AgentError {
  const todo = "rows went away while they were read; the agent tries again";
  return new AgentError({ kind: "incomplete", what, expected, found, todo, retry: true });
}
