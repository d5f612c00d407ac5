/** Differences of two objects, leaf by leaf. */
import { isMap, type Json, type Path } from "./json";

export interface Change {
  readonly path: Path;
  readonly kind: "add" | "delete" | "update";
  readonly before?: Json;
  readonly after?: Json;
}

/** What turns `before` into `after`; empty exactly when they are equal. Lists are compared by position. */
export function diff(before: Json | undefined, after: Json | undefined, path: Path = []): Change[] {
  if (isMap(before) && isMap(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => diff(own(before, key), own(after, key), [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }).flatMap((_none, index) => diff(before[index], after[index], [...path, index]));
  }
  if (before === after) {
    return [];
  }
  if (before === undefined) {
    return [{ path, kind: "add", after }];
  }
  return after === undefined ? [{ path, kind: "delete", before }] : [{ path, kind: "update", before, after }];
}

function own(map: { [key: string]: Json | undefined }, key: string): Json | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
