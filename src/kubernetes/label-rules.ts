/** What labels and taints may be: the rules of the API server, applied before anything is sent to it. */
import { checkObject, checkOneOf, isObject } from "../model/checks";
import { joinPath, keyPath, type Problems } from "../model/errors";
import type { Taint } from "../model/topology";

/** apimachinery `validation.IsQualifiedName`: an optional DNS name and one slash, then at most 63 characters. */
const namePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const prefixPart = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** apimachinery `validation.IsValidLabelValue`. */
const valuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const valueRule = "at most 63 letters, digits, hyphens, underscores and dots are allowed, beginning and ending with a letter or digit";

/** The effects that a taint can have. */
export const taintEffects = ["NoSchedule", "PreferNoSchedule", "NoExecute"] as const;

/** Whether `key` is a key of labels, annotations and taints: `name` or `prefix/name`. */
export function checkLabelKey(problems: Problems, path: string, key: unknown): key is string {
  const parts = typeof key === "string" ? key.split("/") : [];
  if (parts.length > 2) {
    problems.add(path, key, "only one slash is allowed, between a DNS name and the name, for example example.com/pool");
    return false;
  }
  const [first = "", second] = parts;
  const valid = second === undefined ? namePart.test(first) : prefixPart.test(first) && first.length <= 253 && namePart.test(second);
  if (!valid) {
    problems.add(path, key, `"name" or "example.com/name" is allowed: ${valueRule}`);
  }
  return valid;
}

/** Whether `value` is a label value; empty ones are allowed unless `required`. */
export function checkLabelValue(problems: Problems, path: string, value: unknown, required = false): value is string {
  if (typeof value === "string" && valuePattern.test(value) && !(required && value === "")) {
    return true;
  }
  problems.add(path, value, required && (value === "" || value === undefined) ? "it must not be empty; it becomes a label" : valueRule);
  return false;
}

/** Checks a map of labels. */
export function checkLabels(problems: Problems, path: string, labels: unknown): labels is Record<string, string> {
  if (!isObject(labels)) {
    problems.add(path, labels, "a map of labels is allowed");
    return false;
  }
  const results = Object.entries(labels).map(([key, value]) => {
    const where = keyPath(path, key);
    return checkLabelKey(problems, where, key) && checkLabelValue(problems, where, value);
  });
  return results.every((valid) => valid);
}

/** Checks a list of taints; two with the same key and effect are one taint to Kubernetes, which refuses the second. */
export function checkTaints(problems: Problems, path: string, taints: readonly Taint[]): void {
  const seen = new Map<string, string>();
  taints.forEach((taint, index) => {
    const where = joinPath(path, index);
    if (!checkObject(problems, where, taint)) {
      return;
    }
    checkLabelKey(problems, joinPath(where, "key"), taint.key);
    checkOneOf(problems, joinPath(where, "effect"), taint.effect, taintEffects);
    if (taint.value !== undefined) {
      checkLabelValue(problems, joinPath(where, "value"), taint.value);
    }
    const identity = `${taint.key}:${taint.effect}`;
    const before = seen.get(identity);
    if (before === undefined) {
      seen.set(identity, where);
    } else {
      problems.add(where, identity, `the taint is there already as ${before}; key and effect together must be unique`);
    }
  });
}
