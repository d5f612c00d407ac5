/** Reads partial answers: whole ones into memory, rows of NDJSON batch by batch. */
import type { IncomingMessage } from "node:http";
import type { Merge } from "../../../src/model/answers";
import { partialProblem, rowProblem } from "../../../src/model/answers-check";
import { compareRows, createAccumulator, type Row } from "../../../src/model/answers-merge";
import { PartialFailure } from "./failure";
import type { Lease } from "./limits";
import { createLineReader, parseLine } from "./lines";
import { connectionFailure } from "./upstream";

/** Whether the answer is rows as NDJSON. */
export function isLines(response: IncomingMessage): boolean {
  const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return ["application/x-ndjson", "application/ndjson", "application/jsonl"].includes(type);
}

/**
 * A partial answer as one value that `merge` can take. Rows of `topK` are thrown away as better ones come.
 *
 * @throws PartialFailure, and QuestionError where it does not fit into memory
 */
export async function readWhole(response: IncomingMessage, merge: Merge, lease: Lease): Promise<unknown> {
  let taken = 0;
  const take = (bytes: number): void => {
    lease.take(bytes);
    taken += bytes;
  };
  try {
    const value = isLines(response) ? await readRows(response, merge, take) : await readJson(response, take);
    const problem = partialProblem(merge, value);
    if (problem !== undefined) {
      throw new PartialFailure("malformed", `malformed: ${problem}`, true);
    }
    return value;
  } catch (error) {
    lease.give(taken);
    response.destroy();
    throw connectionFailure(error);
  }
}

async function readJson(response: IncomingMessage, take: (bytes: number) => void): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    take(chunk.length);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    const start = Buffer.concat(chunks).toString("utf8", 0, 60);
    throw new PartialFailure("malformed", `malformed: ${JSON.stringify(start)} is not JSON`, true);
  }
}

async function readRows(response: IncomingMessage, merge: Merge, take: (bytes: number) => void): Promise<unknown[]> {
  const top = merge.operator === "topK" ? createAccumulator(merge) : undefined;
  const rows: unknown[] = [];
  const lines = createLineReader();
  const add = (line: string): void => {
    const row = checkedRow(merge, parseLine(line));
    if (top === undefined) {
      // Counted per row, because what is kept are the rows and not the chunks.
      take(line.length);
      rows.push(row);
    } else {
      top.add([row]);
    }
  };
  for await (const chunk of response as AsyncIterable<Buffer>) {
    lines.push(chunk).forEach(add);
  }
  lines.end().forEach(add);
  return top === undefined ? rows : (top.result() as unknown[]);
}

function checkedRow(merge: Merge, row: unknown): unknown {
  const problem = rowProblem(merge, row);
  if (problem !== undefined) {
    throw new PartialFailure("malformed", `malformed: ${problem}`, true);
  }
  return row;
}

/** Rows of one pod as they come; nothing is read ahead of who takes them but what the connection holds. */
export interface RowSource<T> {
  /** The next rows, at least one; undefined at the end. @throws PartialFailure where the stream breaks, stalls or is malformed */
  next(): Promise<T[] | undefined>;
}

/**
 * A source of the rows of one answer; `make` turns a checked row into what is needed. An answer that is a JSON list is read as a whole.
 *
 * @param idleMilliseconds longest time between two batches while somebody waits for them
 * @param sortedBy members that a JSON list is sorted by here; streams must come sorted
 */
export async function openRows<T>(
  response: IncomingMessage,
  merge: Merge,
  make: (row: unknown, line: string) => T,
  lease: Lease,
  idleMilliseconds: number,
  sortedBy: readonly string[] | undefined,
): Promise<RowSource<T>> {
  if (!isLines(response)) {
    const rows = (await readWhole(response, merge, lease)) as unknown[];
    if (sortedBy !== undefined) {
      rows.sort((a, b) => compareRows(sortedBy, a as Row, b as Row));
    }
    const batches = rows.length === 0 ? [] : [rows.map((row) => make(row, JSON.stringify(row)))];
    return { next: () => Promise.resolve(batches.pop()) };
  }
  const chunks = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const lines = createLineReader();
  let ended = false;
  const nextLines = async (): Promise<string[]> => {
    const chunk = await chunks.next();
    ended = chunk.done === true;
    return chunk.done === true ? lines.end() : lines.push(chunk.value);
  };
  return {
    next: async () => {
      const timer = setTimeout(
        () => response.destroy(new PartialFailure("timeout", `timeout: the stream stood still for ${idleMilliseconds} ms`, false)),
        idleMilliseconds,
      );
      try {
        while (!ended) {
          const batch = await nextLines();
          if (batch.length > 0) {
            return batch.map((line) => make(checkedRow(merge, parseLine(line)), line));
          }
          timer.refresh();
        }
        return undefined;
      } catch (error) {
        response.destroy();
        throw connectionFailure(error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
