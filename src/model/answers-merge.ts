/**
 * Merges partial answers.
 *
 * The result depends neither on the order of the partial answers nor on how the rows are spread over shards, for all operators but `concat`, whose rows keep the order in
 * which they were given, and with the reservation that doubles are rounded by every service that sums them.
 */
import type { Merge, TopKMerge } from "./answers";
import { isObject } from "./checks";
import { stableJson } from "./names";
import { compareAmounts, compareKeys, createSum, isSummable, quotient } from "./answers-numbers";

/** A row: an object of a list. */
export type Row = Record<string, unknown>;

/** Takes values one by one; holds no more than the operator needs. */
export interface Accumulator {
  /** Adds a value that `partialProblem` has nothing against; null and undefined are left out. */
  add(value: unknown): void;
  result(): unknown;
}

/** All partial answers as one; each must have passed `partialProblem` of answers-check.ts. */
export function mergePartials(merge: Merge, partials: readonly unknown[]): unknown {
  const all = createAccumulator(merge);
  partials.forEach((partial) => all.add(partial));
  return all.result();
}

/** An empty accumulator of one operator. */
export function createAccumulator(merge: Merge): Accumulator {
  switch (merge.operator) {
    case "fields":
      return accumulateFields(merge.fields);
    case "groupBy":
      return accumulateGroups(merge);
    case "sum":
      return present(createSum());
    case "count": {
      const sum = createSum();
      sum.add(0);
      return present(sum);
    }
    case "min":
      return accumulateExtreme(-1);
    case "max":
      return accumulateExtreme(1);
    case "topK":
      return accumulateTopK(merge);
    case "union":
      return accumulateUnion(merge.by);
    case "concat": {
      const rows: unknown[] = [];
      return eachRow(
        (row) => rows.push(row),
        () => rows,
      );
    }
    case "average":
    case "service":
      // An average is computed from its neighbours, and a service merges elsewhere.
      return { add: () => undefined, result: () => null };
    default:
      return merge satisfies never;
  }
}

/** Merges the members of objects, also of the rows of one group. A member that none of them has is left out: an earlier version may not know it. */
export function accumulateFields(fields: Readonly<Record<string, Merge>>): Accumulator {
  const members = Object.entries(fields).map(([name, merge]) => ({ name, merge, accumulator: createAccumulator(merge), seen: false }));
  return {
    add: (value) => {
      if (isObject(value)) {
        for (const member of members) {
          const own = value[member.name];
          member.seen ||= own !== undefined;
          member.accumulator.add(own);
        }
      }
    },
    result: () => {
      const result: Row = {};
      for (const { name, accumulator, seen } of members) {
        if (seen) {
          result[name] = accumulator.result();
        }
      }
      for (const { name, merge } of members) {
        if (merge.operator === "average" && merge.sum in result && merge.count in result) {
          result[name] = quotient(result[merge.sum], result[merge.count]);
        }
      }
      return result;
    },
  };
}

/** The values of the keys in a row. */
export function keysOf(keys: readonly string[], row: Row): unknown[] {
  return keys.map((key) => row[key]);
}

/** The order of rows by their keys; it is that in which streams must come. */
export function compareRows(keys: readonly string[], a: Row, b: Row): number {
  for (const key of keys) {
    const order = compareKeys(a[key], b[key]);
    if (order !== 0) {
      return order;
    }
  }
  return 0;
}

/** Of two rows with the same keys the one that a union keeps. */
export function keptRow<T>(a: T, b: T): T {
  return stableJson(a) <= stableJson(b) ? a : b;
}

function accumulateGroups(merge: Extract<Merge, { operator: "groupBy" }>): Accumulator {
  const groups = new Map<string, { head: Row; fields: Accumulator }>();
  return eachRow(
    (row) => {
      const values = keysOf(merge.keys, row as Row);
      const id = JSON.stringify(values);
      let group = groups.get(id);
      if (group === undefined) {
        group = { head: Object.fromEntries(merge.keys.map((key, index) => [key, values[index]])), fields: accumulateFields(merge.fields) };
        groups.set(id, group);
      }
      group.fields.add(row);
    },
    () => {
      const rows = [...groups.values()].map(({ head, fields }) => ({ ...head, ...(fields.result() as Row) }));
      rows.sort((a, b) => compareRows(merge.keys, a, b));
      if (merge.topK === undefined) {
        return rows;
      }
      const top = accumulateTopK(merge.topK);
      top.add(rows);
      return top.result();
    },
  );
}

function accumulateTopK({ k, by, ascending, thenBy }: TopKMerge): Accumulator {
  let rows: { row: Row; text?: string }[] = [];
  const textOf = (entry: { row: Row; text?: string }): string => (entry.text ??= stableJson(entry.row));
  const compare = (a: { row: Row }, b: { row: Row }): number => {
    const [left, right] = [a.row[by] ?? null, b.row[by] ?? null];
    const order =
      left === null || right === null ? Number(left === null) - Number(right === null) : (ascending ? 1 : -1) * compareAmounts(left, right);
    // Rows that are equal in `by` have an order, too, or the result would depend on who came first.
    return order || compareRows(thenBy, a.row, b.row) || compareKeys(textOf(a), textOf(b));
  };
  const cut = (): void => {
    rows = rows.sort(compare).slice(0, k);
  };
  return eachRow(
    (row) => {
      rows.push({ row: row as Row });
      // Sorting now and then costs less than keeping order with every row.
      if (rows.length >= 2 * k + 1000) {
        cut();
      }
    },
    () => {
      cut();
      return rows.map(({ row }) => row);
    },
  );
}

function accumulateUnion(by: readonly string[] | undefined): Accumulator {
  const values = new Map<string, unknown>();
  return eachRow(
    (value) => {
      const id = by === undefined ? stableJson(value) : stableJson(keysOf(by, value as Row).map((key) => key ?? null));
      const other = values.get(id);
      values.set(id, other === undefined ? value : keptRow(other, value));
    },
    () => [...values.values()].sort((a, b) => (by === undefined ? compareKeys(a, b) : compareRows(by, a as Row, b as Row))),
  );
}

/** Keeps the smallest (-1) or the largest (1); equal amounts that are written differently, as 1 and "1.0", have an order as well. */
function accumulateExtreme(direction: 1 | -1): Accumulator {
  let best: unknown = null;
  return {
    add: (value) => {
      if (value === null || value === undefined) {
        return;
      }
      const order = best === null ? 1 : direction * compareAmounts(value, best);
      if (order > 0 || (order === 0 && stableJson(value) < stableJson(best))) {
        best = value;
      }
    },
    result: () => best,
  };
}

function present(sum: { add(value: number | string): void; result(): unknown }): Accumulator {
  return {
    add: (value) => {
      if (isSummable(value)) {
        sum.add(value);
      }
    },
    result: () => sum.result(),
  };
}

function eachRow(add: (row: unknown) => void, result: () => unknown): Accumulator {
  return {
    add: (value) => {
      if (Array.isArray(value)) {
        value.forEach(add);
      }
    },
    result,
  };
}
