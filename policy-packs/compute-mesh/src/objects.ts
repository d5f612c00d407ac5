/** Safe looks into properties of unknown shape: what is not there is `undefined`, never an exception. */

export type Properties = Record<string, unknown>;

/** `value` as an object, or an empty one. */
export function objectOf(value: unknown): Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Properties) : {};
}

/** `value` as a list of objects, or an empty one. */
export function objectsOf(value: unknown): Properties[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

/** The value at the end of a path of keys. */
export function valueAt(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => objectOf(inner)[key], value);
}
