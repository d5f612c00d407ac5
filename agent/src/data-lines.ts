/** The lines of a shard's data: what is a row and in its place, and what is not. */
import { AgentError } from "./errors";

/** One partition of a shard. */
export interface PartitionBlock {
  topic: string;
  partition: number;
  table: string;
  /** The cut: the first offset that is not in it. */
  to: bigint;
}

/** A line that is no row, or a run of rows. */
export type Piece = { line: Buffer } | { rows: Buffer; count: number; first: bigint; last: bigint };

/** Lines, or, where `next` is given a block, runs of its rows until the line `\.`, which is given as a line. */
export async function* readLines(source: AsyncIterable<Buffer>, place: string): AsyncGenerator<Piece, void, PartitionBlock | undefined> {
  let block: PartitionBlock | undefined;
  let carry: Buffer | undefined;
  for await (const chunk of source) {
    const buffer: Buffer = carry === undefined ? chunk : Buffer.concat([carry, chunk]);
    let at = 0;
    let run: { start: number; count: number; first: number; last: number } | undefined;
    for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10, at)) {
      if (block !== undefined && buffer[at] !== 0x5c) {
        const offset = offsetOfRow(buffer, at, end, block, place);
        if (run !== undefined && offset <= run.last) {
          throw damaged(place, `ascending offsets in partition ${block.partition} of ${block.topic}`, `${offset} after ${run.last}`);
        }
        run ??= { start: at, count: 0, first: offset, last: offset };
        run.count++;
        run.last = offset;
        at = end + 1;
        continue;
      }
      if (run !== undefined) {
        const { start, count, first, last } = run;
        run = undefined;
        block = yield { rows: buffer.subarray(start, at), count, first: BigInt(first), last: BigInt(last) };
      }
      const line = buffer.subarray(at, end);
      if (block !== undefined && line.toString("latin1") !== "\\.") {
        throw damaged(place, `a row of partition ${block.partition} of ${block.topic}`, line.toString("utf8"));
      }
      at = end + 1;
      block = yield { line };
    }
    if (run !== undefined) {
      block = yield { rows: buffer.subarray(run.start, at), count: run.count, first: BigInt(run.first), last: BigInt(run.last) };
    }
    carry = at < buffer.length ? buffer.subarray(at) : undefined;
  }
  if (carry !== undefined) {
    throw damaged(place, "a whole line at the end", carry.toString("utf8"));
  }
}

/** Offsets are numbers here, for speed: a partition has less than 2^53 records, and beyond that the check below fails rather than err. */
function offsetOfRow(buffer: Buffer, start: number, end: number, block: PartitionBlock, place: string): number {
  let at = start;
  const number = (): number => {
    let value = 0;
    const from = at;
    for (let digit = buffer[at] - 48; at < end && digit >= 0 && digit <= 9; digit = buffer[++at] - 48) {
      value = value * 10 + digit;
    }
    const isTab = at < end && at > from && buffer[at] === 9;
    at++;
    return isTab && Number.isSafeInteger(value) ? value : Number.NaN;
  };
  const partition = number();
  const offset = number();
  if (partition !== block.partition || !(offset < block.to)) {
    const expected = `a row of partition ${block.partition} of ${block.topic} below offset ${block.to}`;
    throw damaged(place, expected, buffer.subarray(start, Math.min(end, start + 60)).toString("utf8"));
  }
  return offset;
}

/** The failure of data that is not as it was written. */
export function damaged(place: string, expected: string, found: string, cause?: unknown): AgentError {
  return new AgentError({
    kind: "corrupted",
    what: place,
    expected,
    found: found.length > 200 ? `${found.slice(0, 200)}…` : found,
    todo: "the object in the store is damaged; restore from another snapshot",
    cause,
  });
}
