/** The shape of objects: what only the server writes, what it rewrites, and live state cut down to what the program said. */
import { isMap, type Json, type JsonMap, mapAt } from "./json";
import { unknown } from "./wire";

/** Metadata that only the API server writes; it never counts as a change. */
const serverMetadata = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "uid",
];

export function isCoreSecret(object: JsonMap): boolean {
  return object["apiVersion"] === "v1" && object["kind"] === "Secret";
}

/** A copy without server-owned metadata and, for custom resource definitions, without status: the form in which objects are compared. */
export function normalise(object: JsonMap): JsonMap {
  const copy = foldStringData(withoutServerMetadata(object));
  if (copy["kind"] === "CustomResourceDefinition") {
    delete copy["status"];
  }
  return copy;
}

export function withoutServerMetadata(object: JsonMap): JsonMap {
  const copy = structuredClone(object);
  const metadata = mapAt(copy, "metadata");
  for (const key of metadata ? serverMetadata : []) {
    delete metadata?.[key];
  }
  return copy;
}

/**
 * `stringData` of a Secret moved into `data`, as the API server stores it. Reading never returns `stringData`; and a key that is removed from
 * `stringData` would stay in `data` for ever under server-side apply, because ownership is recorded under the name that was sent.
 */
export function foldStringData(object: JsonMap): JsonMap {
  const stringData = object["stringData"];
  if (!isCoreSecret(object) || !isMap(stringData)) {
    return object;
  }
  const { stringData: _folded, ...rest } = object;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    value === unknown || value === undefined
      ? value
      : Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64"),
  ]);
  return { ...rest, data: { ...mapAt(object, "data"), ...(Object.fromEntries(encoded) as JsonMap) } };
}

/** The part of `source` that has the shape of `target`: live state without what the server or others added. */
export function prune(source: Json, target: Json | undefined): Json {
  if (isMap(source) && isMap(target)) {
    const kept = Object.entries(source).filter(([key, value]) => Object.hasOwn(target, key) && value !== undefined);
    return Object.fromEntries(kept.map(([key, value]) => [key, prune(value as Json, target[key])]));
  }
  if (Array.isArray(source) && Array.isArray(target)) {
    return source.slice(0, target.length).map((item, index) => prune(item, target[index]));
  }
  return source;
}

export function pruneMap(source: JsonMap, target: JsonMap): JsonMap {
  return prune(source, target) as JsonMap;
}
