/** Merges streams of rows into one with constant memory: nothing is read from a pod before the client has taken what came before. */
import type { Merge } from "../../../src/model/answers";
import { accumulateFields, compareRows, createAccumulator, keptRow, keysOf, type Row } from "../../../src/model/answers-merge";
import { PartialFailure } from "./failure";
import type { RowSource } from "./partials";

/** Operators whose rows can be merged while they come. */
export type StreamMerge = Extract<Merge, { operator: "groupBy" }> | { operator: "union"; by: string[] } | { operator: "concat" };

/** The stream form of a rule, undefined where the whole partial answers are needed. */
export function streamMergeOf(merge: Merge): StreamMerge | undefined {
  if (merge.operator === "groupBy" || merge.operator === "concat") {
    return merge as StreamMerge;
  }
  return merge.operator === "union" && merge.by !== undefined ? { operator: "union", by: merge.by } : undefined;
}

/** The members that streams must be sorted by, undefined where any order will do. */
export function sortKeysOf(merge: StreamMerge): string[] | undefined {
  return merge.operator === "groupBy" ? merge.keys : merge.operator === "union" ? merge.by : undefined;
}

/** Where merged lines go; resolves when there is room for more. */
export type WriteLine = (line: string) => Promise<void> | undefined;

/** A source broke; what it has given stays in the answer. */
export type NoteBroken<S> = (source: S, failure: PartialFailure, rowsGiven: number) => void;

/** All lines of all sources as they come. */
export async function concatenate<S extends RowSource<string>>(
  sources: readonly S[],
  write: WriteLine,
  broken: NoteBroken<S>,
): Promise<void> {
  await Promise.all(
    sources.map(async (source) => {
      let given = 0;
      try {
        for (let batch = await source.next(); batch !== undefined; batch = await source.next()) {
          for (const line of batch) {
            given += 1;
            const full = write(line);
            // Only where it must wait: a promise for every row would cost more than the row.
            if (full !== undefined) {
              await full;
            }
          }
        }
      } catch (error) {
        broken(source, partialFailure(error), given);
      }
    }),
  );
}

interface Cursor<S> {
  source: S;
  batch: Row[];
  index: number;
  row: Row;
  given: number;
}

/** Merges sorted sources: rows with the same keys, from whichever source, become one line. */
export async function mergeSorted<S extends RowSource<Row>>(
  sources: readonly S[],
  merge: Exclude<StreamMerge, { operator: "concat" }>,
  write: WriteLine,
  broken: NoteBroken<S>,
): Promise<void> {
  const keys = merge.operator === "groupBy" ? merge.keys : merge.by;
  const top = merge.operator === "groupBy" && merge.topK !== undefined ? createAccumulator(merge.topK) : undefined;
  const heap = createHeap<Cursor<S>>((a, b) => compareRows(keys, a.row, b.row));
  const fail = (cursor: { source: S; given: number }, error: unknown): void => broken(cursor.source, partialFailure(error), cursor.given);
  await Promise.all(
    sources.map(async (source) => {
      try {
        const batch = await source.next();
        if (batch?.[0] !== undefined) {
          heap.push({ source, batch, index: 0, row: batch[0], given: 0 });
        }
      } catch (error) {
        fail({ source, given: 0 }, error);
      }
    }),
  );
  /** The row that comes after that of the first cursor takes its place. */
  const advance = async (cursor: Cursor<S>): Promise<void> => {
    try {
      const batch = await cursor.source.next();
      if (batch === undefined) {
        heap.removeFirst();
        return;
      }
      cursor.batch = batch;
      cursor.index = -1;
      step(cursor);
    } catch (error) {
      heap.removeFirst();
      fail(cursor, error);
    }
  };
  const step = (cursor: Cursor<S>): void => {
    const next = cursor.batch[cursor.index + 1];
    if (compareRows(keys, cursor.row, next) > 0) {
      const [before, after] = [keysOf(keys, cursor.row), keysOf(keys, next)].map((values) => JSON.stringify(values));
      throw new PartialFailure(
        "malformed",
        `malformed: rows must come sorted by ${keys.join(", ")}, and ${after} came after ${before}`,
        false,
      );
    }
    cursor.index += 1;
    cursor.row = next;
    heap.settleFirst();
  };
  for (let first = heap.first(); first !== undefined; first = heap.first()) {
    const head = first.row;
    const group = merge.operator === "groupBy" ? accumulateFields(merge.fields) : undefined;
    let kept = head;
    for (
      let cursor = first as Cursor<S> | undefined;
      cursor !== undefined && compareRows(keys, head, cursor.row) === 0;
      cursor = heap.first()
    ) {
      if (group === undefined) {
        kept = keptRow(kept, cursor.row);
      } else {
        group.add(cursor.row);
      }
      cursor.given += 1;
      if (cursor.index + 1 < cursor.batch.length) {
        try {
          step(cursor);
        } catch (error) {
          heap.removeFirst();
          fail(cursor, error);
        }
      } else {
        await advance(cursor);
      }
    }
    const row = group === undefined ? kept : { ...Object.fromEntries(keys.map((key) => [key, head[key]])), ...(group.result() as Row) };
    if (top === undefined) {
      const full = write(JSON.stringify(row));
      if (full !== undefined) {
        await full;
      }
    } else {
      top.add([row]);
    }
  }
  for (const row of (top?.result() ?? []) as Row[]) {
    await write(JSON.stringify(row));
  }
}

function partialFailure(error: unknown): PartialFailure {
  if (error instanceof PartialFailure) {
    return error;
  }
  throw error;
}

interface Heap<T> {
  first(): T | undefined;
  push(item: T): void;
  removeFirst(): void;
  /** Puts the first item where it belongs after its value has grown. */
  settleFirst(): void;
}

/** A binary heap, smallest first. */
function createHeap<T>(compare: (a: T, b: T) => number): Heap<T> {
  const items: T[] = [];
  const swap = (a: number, b: number): void => {
    [items[a], items[b]] = [items[b], items[a]];
  };
  const settle = (): void => {
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < items.length && compare(items[child], items[least]) < 0) {
          least = child;
        }
      }
      if (least === at) {
        return;
      }
      swap(at, least);
      at = least;
    }
  };
  return {
    first: () => items[0],
    push: (item) => {
      items.push(item);
      for (let at = items.length - 1; at > 0;) {
        const parent = (at - 1) >> 1;
        if (compare(items[at], items[parent]) >= 0) {
          return;
        }
        swap(at, parent);
        at = parent;
      }
    },
    removeFirst: () => {
      const last = items.pop();
      if (items.length > 0 && last !== undefined) {
        items[0] = last;
        settle();
      }
    },
    settleFirst: settle,
  };
}
