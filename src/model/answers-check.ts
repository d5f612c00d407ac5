/** Checks partial answers before they are merged: a service that answers with something else than its rule says must not spoil the whole. */
import type { Merge } from "./answers";
import { isSummable } from "./answers-numbers";
import { isObject } from "./checks";
import { joinPath, keyPath } from "./errors";

/** What is wrong with a partial answer, as one line with the place; undefined where nothing is. */
export function partialProblem(merge: Merge, value: unknown): string | undefined {
  return value === null || value === undefined ? `${show(value)} is no answer` : memberProblem(merge, value, "");
}

/** What is wrong with one row of a list that is merged by `merge`. */
export function rowProblem(merge: Merge, row: unknown, path = ""): string | undefined {
  switch (merge.operator) {
    case "groupBy": {
      if (!isObject(row)) {
        return wrong(path, row, "an object");
      }
      const missing = merge.keys.find((key) => row[key] === undefined || (typeof row[key] === "object" && row[key] !== null));
      return missing === undefined
        ? fieldsProblem(merge.fields, row, path)
        : wrong(keyPath(path, missing), row[missing], "a text, a number, a boolean or null");
    }
    case "topK":
      return isObject(row) ? undefined : wrong(path, row, "an object");
    case "union":
      return merge.by === undefined || isObject(row) ? undefined : wrong(path, row, "an object");
    default:
      return undefined;
  }
}

function memberProblem(merge: Merge, value: unknown, path: string): string | undefined {
  if (value === null || value === undefined) {
    return undefined;
  }
  switch (merge.operator) {
    case "fields":
      return isObject(value) ? fieldsProblem(merge.fields, value, path) : wrong(path, value, "an object");
    case "sum":
      return isSummable(value) ? undefined : wrong(path, value, "a number, or a decimal as text");
    case "count":
      return isCount(value) ? undefined : wrong(path, value, "a whole number of at least 0, or its digits as text");
    case "min":
    case "max":
      return typeof value === "object" || (typeof value === "number" && !Number.isFinite(value))
        ? wrong(path, value, "a number, a text or a boolean")
        : undefined;
    case "groupBy":
    case "topK":
    case "union":
    case "concat":
      return Array.isArray(value) ? firstRowProblem(merge, value, path) : wrong(path, value, "a list");
    case "average":
    case "service":
      return undefined;
    default:
      return merge satisfies never;
  }
}

function fieldsProblem(fields: Readonly<Record<string, Merge>>, value: Record<string, unknown>, path: string): string | undefined {
  for (const name of Object.keys(fields)) {
    const found = memberProblem(fields[name], value[name], keyPath(path, name));
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

function firstRowProblem(merge: Merge, rows: readonly unknown[], path: string): string | undefined {
  for (let index = 0; index < rows.length; index++) {
    const found = rowProblem(merge, rows[index], joinPath(path, index));
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

function isCount(value: unknown): boolean {
  return typeof value === "number" ? Number.isSafeInteger(value) && value >= 0 : typeof value === "string" && /^\d+$/.test(value);
}

function wrong(path: string, value: unknown, expected: string): string {
  return `${path === "" ? "" : `${path}: `}${show(value)} is not ${expected}`;
}

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
