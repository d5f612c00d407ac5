/** Objects as they lie in Pulumi's state, in the official provider's form: a stack can go from one provider to the other and back. */
import { isMap, type JsonMap } from "./json";
import { isCoreSecret } from "./shape";
import { hasSecret, isSecret, renameKeys, secret, toPlain, underscored } from "./wire";

/** What the state says of one object. */
export interface ObjectState {
  /** The object as the program described it at the last update. */
  inputs: JsonMap;
  /** The object as the API server returned it. */
  live: JsonMap;
  initialApiVersion: string | undefined;
  /** The field manager that owns our fields in server-side apply. */
  fieldManager: string | undefined;
}

/** The live object plus `__inputs`, `__initialApiVersion` and `__fieldManager`, secrets marked wherever `marks` (wire inputs) has them. */
export function checkpoint(inputs: JsonMap, live: JsonMap, marks: JsonMap, initialApiVersion: string, fieldManager: string): JsonMap {
  return {
    ...annotateSecrets(renameMap(live), marks),
    __inputs: annotateSecrets(renameMap(inputs), marks),
    __initialApiVersion: initialApiVersion,
    __fieldManager: fieldManager,
  };
}

/** The reverse of `checkpoint`. */
export function parseState(properties: JsonMap): ObjectState {
  const { __inputs: inputs, __initialApiVersion: initialApiVersion, __fieldManager: fieldManager, ...live } = toPlain(properties);
  return {
    inputs: isMap(inputs) ? inputs : {},
    live,
    initialApiVersion: typeof initialApiVersion === "string" ? initialApiVersion : undefined,
    fieldManager: typeof fieldManager === "string" ? fieldManager : undefined,
  };
}

/**
 * A copy of `object` whose values are secret wherever `marks` has a secret; data of a Secret always is.
 * A list with a secret inside becomes secret as a whole: the API server may have changed its order or length.
 */
export function annotateSecrets(object: JsonMap, marks: JsonMap): JsonMap {
  const marked = annotate(object, marks);
  for (const key of isCoreSecret(object) ? ["data", "stringData"] : []) {
    if (marked[key] !== undefined) {
      marked[key] = secret(marked[key] ?? null);
    }
  }
  return marked;
}

function annotate(object: JsonMap, marks: JsonMap): JsonMap {
  const result: JsonMap = { ...object };
  for (const [name, mark] of Object.entries(marks)) {
    // Outputs have underscores; inputs have what the program wrote.
    for (const key of new Set([name, underscored(name)])) {
      const value = Object.hasOwn(result, key) ? result[key] : undefined;
      if (value === undefined || !hasSecret(mark)) {
        continue;
      }
      const nested = isMap(value) && isMap(mark) && !isSecret(mark) && !isSecret(value);
      result[key] = nested ? annotate(value, mark) : secret(value);
    }
  }
  return result;
}

function renameMap(object: JsonMap): JsonMap {
  return renameKeys(object, underscored) as JsonMap;
}
