/** Property paths as Pulumi writes them: `spec.replicas`, `metadata.labels["a.b/c"]`, `spec.template.spec.containers[0].image`, `[*]`. */
import { isMap, type Json, type JsonMap, type Path } from "./json";
import { isCoreSecret } from "./shape";

/** Any key of a map or any index of a list. */
export const wildcard: unique symbol = Symbol("*");
export type Pattern = readonly (string | number | typeof wildcard)[];

/** One step of a path: `.name`, `[0]`, `[*]` or `["quoted"]`; the first may go without its dot. */
const step = /^(?:\.?(?<name>[^.[\]"]+)|\[(?<index>\d+)\]|\[(?<all>\*)\]|\.?\["(?<quoted>(?:[^"\\]|\\.)*)"\])/;

/** @throws Error when the text is no property path */
export function parsePattern(text: string): Pattern {
  const pattern: (string | number | typeof wildcard)[] = [];
  for (let rest = text; rest !== "";) {
    const found = step.exec(rest);
    if (!found?.groups) {
      throw new Error(`${JSON.stringify(text)} is no property path: cannot read ${JSON.stringify(rest)}`);
    }
    const { name, index, all, quoted } = found.groups;
    pattern.push(
      all !== undefined || name === "*" ? wildcard : index !== undefined ? Number(index) : (name ?? (quoted ?? "").replace(/\\(.)/g, "$1")),
    );
    rest = rest.slice(found[0].length);
  }
  return pattern;
}

/** The text of a path, in the form that `parsePattern` reads. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") {
      return `${text}[${key}]`;
    }
    if (key === "" || key === "*" || /[."[\]\\]/.test(key)) {
      return `${text}["${key.replace(/[\\"]/g, "\\$&")}"]`;
    }
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

/** The ignoreChanges of one object; `stringData` of a Secret is looked for where it is stored, in `data`. */
export function ignoredPatterns(object: JsonMap, texts: readonly string[]): Pattern[] {
  return texts.map((text) => {
    const [head, ...tail] = parsePattern(text);
    return head === undefined ? [] : [head === "stringData" && isCoreSecret(object) ? "data" : head, ...tail];
  });
}

/** True when `path` lies at or below what the pattern names. */
export function covers(pattern: Pattern, path: Path): boolean {
  return pattern.length > 0 && pattern.length <= path.length && pattern.every((step, index) => step === wildcard || step === path[index]);
}

/**
 * `object` with the values of `live` at every ignored path that `object` has: what the program says there is ignored, and what is sent agrees
 * with what is there, so that whoever manages the field (an autoscaler, a webhook) meets no conflict. A path that `live` lacks is left out.
 * A path that `object` lacks stays out: sending it would make us a manager of it.
 */
export function withIgnored(object: JsonMap, live: JsonMap, patterns: readonly Pattern[]): JsonMap {
  const copy = structuredClone(object);
  for (const pattern of patterns) {
    if (pattern.length > 0) {
      substitute(copy, live, pattern);
    }
  }
  return copy;
}

function substitute(target: Json | undefined, live: Json | undefined, pattern: Pattern): void {
  const [head, ...tail] = pattern;
  if (Array.isArray(target)) {
    const items = Array.isArray(live) ? live : [];
    const indices = head === wildcard ? [...target.keys()] : typeof head === "number" && head < target.length ? [head] : [];
    // A list item is replaced in place but never taken out, which would move its neighbours.
    for (const index of indices) {
      if (tail.length > 0) {
        substitute(target[index], items[index], tail);
      } else if (items[index] !== undefined) {
        target[index] = structuredClone(items[index]);
      }
    }
  } else if (isMap(target)) {
    const values = isMap(live) ? live : {};
    const keys = head === wildcard ? Object.keys(target) : typeof head === "string" && Object.hasOwn(target, head) ? [head] : [];
    for (const key of keys) {
      if (tail.length > 0) {
        substitute(target[key], values[key], tail);
      } else if (Object.hasOwn(values, key) && values[key] !== undefined) {
        target[key] = structuredClone(values[key]);
      } else {
        delete target[key];
      }
    }
  }
}
