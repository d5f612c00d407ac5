/**
 * Small checks that every component's args need. Each notes what is wrong in `Problems` and returns whether the value is usable,
 * so that one run reports everything. Values are `unknown` where they come from YAML or plain JavaScript, which no compiler has seen.
 */
import { joinPath, keyPath, type Problems } from "./errors";
import { dnsLabelRule, isDnsLabel } from "./names";
import { parseQuantity } from "./quantity";

/** Longest name of a component: its children append their own part and the result is still a DNS label of 63 characters. */
export const maxComponentName = 40;

/** Notes every key of `value` that is not known, with the nearest known one as a suggestion. */
export function checkKnownKeys(problems: Problems, path: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      const nearest = nearestWord(key, known);
      const allowed = known.length === 0 ? "no key is known here" : `known keys are ${known.join(", ")}`;
      problems.add(
        keyPath(path, key),
        key,
        nearest === undefined ? `unknown key; ${allowed}` : `unknown key, perhaps ${nearest} is meant; ${allowed}`,
      );
    }
  }
}

/** Whether `value` is a DNS label (what a Kubernetes Service can be called). */
export function checkDnsLabel(problems: Problems, path: string, value: unknown): value is string {
  if (typeof value === "string" && isDnsLabel(value)) {
    return true;
  }
  problems.add(path, value, dnsLabelRule);
  return false;
}

/** Whether `name` can name a component: a DNS label of at most 40 characters. Reported at path `name`. */
export function checkComponentName(problems: Problems, name: unknown): name is string {
  if (!checkDnsLabel(problems, "name", name)) {
    return false;
  }
  if (name.length > maxComponentName) {
    problems.add(
      "name",
      name,
      `at most ${maxComponentName} characters are allowed, because the names of its Kubernetes objects begin with it`,
    );
    return false;
  }
  return true;
}

/** Whether `value` is a whole number from `min` to `max`, both included and both optional. */
export function checkInteger(
  problems: Problems,
  path: string,
  value: unknown,
  range: { min?: number; max?: number } = {},
): value is number {
  const { min, max } = range;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= (min ?? -Infinity) && value <= (max ?? Infinity)) {
    return true;
  }
  problems.add(path, shownNumber(value), `a whole number${rangeText(min, max)} is allowed`);
  return false;
}

/** Whether `value` is true or false. */
export function checkBoolean(problems: Problems, path: string, value: unknown): value is boolean {
  if (typeof value === "boolean") {
    return true;
  }
  problems.add(path, value, "true or false is allowed");
  return false;
}

/** Whether `value` is one of the words of `allowed`. */
export function checkOneOf(problems: Problems, path: string, value: unknown, allowed: readonly string[]): boolean {
  if (typeof value === "string" && allowed.includes(value)) {
    return true;
  }
  const nearest = typeof value === "string" ? nearestWord(value, allowed) : undefined;
  problems.add(path, value, `${nearest === undefined ? "" : `perhaps ${nearest} is meant; `}${listWords(allowed)} is allowed`);
  return false;
}

/**
 * The plain number (bytes, cores) of a Kubernetes quantity such as `8Gi` or `500m`.
 *
 * @param range `min` in the same unit, included; without it the quantity must be above 0
 * @returns undefined where a problem was noted
 */
export function checkQuantity(problems: Problems, path: string, value: unknown, range: { min?: number } = {}): number | undefined {
  const number = typeof value === "string" ? parseQuantity(value) : undefined;
  if (number === undefined) {
    problems.add(path, value, 'a Kubernetes quantity as text is allowed, for example "8Gi", "500Mi" or "500m"');
    return undefined;
  }
  if (range.min === undefined ? number <= 0 : number < range.min) {
    problems.add(path, value, range.min === undefined ? "it must be above 0" : `it must be at least ${range.min}`);
    return undefined;
  }
  return number;
}

/**
 * The one key of `keys` that `value` sets ("one of" is an object with optional members, so that other languages can use it).
 *
 * @returns undefined where none or several are set, which is noted
 */
export function exactlyOne(problems: Problems, path: string, value: object, keys: readonly string[]): string | undefined {
  const given = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (given.length === 1) {
    return given[0];
  }
  problems.add(path, given.length === 0 ? undefined : given.join(" and "), `exactly one of ${keys.join(", ")} is allowed`);
  return undefined;
}

/** Whether `value` is an object with keys, not null and not an array. */
export function checkObject(problems: Problems, path: string, value: unknown): value is Record<string, unknown> {
  if (isObject(value)) {
    return true;
  }
  problems.add(path, value, "an object is allowed");
  return false;
}

/** Whether `value` is a list. */
export function checkList(problems: Problems, path: string, value: unknown): value is unknown[] {
  if (Array.isArray(value)) {
    return true;
  }
  problems.add(path, value, "a list is allowed");
  return false;
}

/** Notes every entry of `values` that was there before, at `path[index]` or `path[index].key`. */
export function checkUnique(problems: Problems, path: string, values: readonly unknown[], key = ""): void {
  const first = new Map<unknown, number>();
  values.forEach((value, index) => {
    const before = first.get(value);
    if (before === undefined) {
      first.set(value, index);
    } else {
      problems.add(joinPath(joinPath(path, index), key), value, `it is taken already by ${joinPath(joinPath(path, before), key)}`);
    }
  });
}

/** Whether `value` is an object with keys, not null and not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The word of `words` that differs least from `word`, where it differs by at most a third. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    // Half of a short word is not a slip of the finger: `s3` is not `gcs`.
    if (distance < least && distance * 2 < candidate.length + 1) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Number of inserted, removed and replaced characters (Levenshtein 1966), by the usual table of one row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_unused, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1] ?? ""}`;
}

function rangeText(min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) {
    return ` from ${min} to ${max}`;
  }
  return min !== undefined ? ` of at least ${min}` : max !== undefined ? ` of at most ${max}` : "";
}

/** NaN and Infinity would be shown as null. */
function shownNumber(value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
