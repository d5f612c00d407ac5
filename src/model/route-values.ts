/** Conditions on headers and query parameters: names, values, regular expressions. */
import { checkList, checkObject } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import { compareText } from "./route-match";
import { readValueRegex } from "./route-patterns";
import { parseRegex, valueRegexRule } from "./route-regex";
import type { ValueMatch } from "./route-table";
import type { RouteMatch } from "./route-types";

export type ConditionKind = "header" | "query";

/** RFC 9110 token: the name of a header, and of a query parameter where it must be portable. */
const token = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}$/;
/** Visible ASCII, spaces only inside. */
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/;
/** Gateways differ in whether they decode a query before they compare; these characters are never encoded. */
const queryText = /^[A-Za-z0-9._~-]{1,1024}$/;

/** Whether `name` can be the name of a header or a query parameter. */
export function checkConditionName(problems: Problems, path: string, kind: ConditionKind, name: unknown): name is string {
  if (typeof name !== "string" || !token.test(name)) {
    problems.add(
      path,
      name,
      `the name of a ${kind === "header" ? "header" : "query parameter"} is letters, digits and !#$%&'*+-.^_\`|~ (RFC 9110 token), at most 256`,
    );
    return false;
  }
  if (kind === "header" && name.toLowerCase() === "host") {
    problems.add(path, name, "the host is matched by `hosts`; gateways do not show it as a header");
    return false;
  }
  if (kind === "query" && !queryText.test(name)) {
    problems.add(path, name, "only letters, digits and ._~- are allowed in a query parameter, because gateways differ in what they decode");
    return false;
  }
  return true;
}

/** Whether `value` can be the value of a header or a query parameter. */
export function checkConditionValue(problems: Problems, path: string, kind: ConditionKind, value: unknown): value is string {
  if (typeof value === "string" && (kind === "header" ? headerValue : queryText).test(value)) {
    return true;
  }
  problems.add(
    path,
    value,
    kind === "header"
      ? "the value of a header is visible ASCII text, at most 4096 characters"
      : "letters, digits and ._~- are allowed in a query, at most 1024, because gateways differ in what they decode",
  );
  return false;
}

/** Whether `value` is a regular expression for values. */
export function checkValueRegex(problems: Problems, path: string, value: unknown): value is string {
  if (typeof value === "string" && value.length <= 1024 && readValueRegex(value) !== undefined) {
    return true;
  }
  problems.add(path, value, `${valueRegexRule}${whyRefused(value)}`);
  return false;
}

/** Why a regular expression is outside of the subset, as the end of a sentence. */
export function whyRefused(value: unknown): string {
  const parsed = typeof value === "string" ? parseRegex(value) : undefined;
  return parsed !== undefined && "refused" in parsed ? ` (${parsed.refused})` : "";
}

/** The members of a match that are about headers, or about the query. */
const members = {
  header: { exact: "headers", regex: "headersMatching", present: "headersPresent" },
  query: { exact: "query", regex: "queryMatching", present: "queryPresent" },
} as const;

/** The conditions of a match on its headers or its query, sorted by name. */
export function normalizeConditions(problems: Problems, path: string, match: RouteMatch, kind: ConditionKind): ValueMatch[] {
  const { exact, regex, present } = members[kind];
  const nameOf = (name: string): string => (kind === "header" ? name.toLowerCase() : name);
  const taken = new Set<string>();
  const take = (at: string, name: string): boolean => {
    const fresh = !taken.has(nameOf(name));
    if (!fresh) {
      const what = kind === "header" ? "header is allowed once; case does not count" : "query parameter is allowed once";
      problems.add(at, name, `each ${what}`);
    }
    taken.add(nameOf(name));
    return checkConditionName(problems, at, kind, name) && fresh;
  };
  const pairs = (member: "headers" | "headersMatching" | "query" | "queryMatching", how: "exact" | "regex"): ValueMatch[] => {
    const given: unknown = match[member];
    const at = joinPath(path, member);
    if (given === undefined || !checkObject(problems, at, given)) {
      return [];
    }
    return Object.entries(given).flatMap(([name, value]) => {
      const place = keyPath(at, name);
      const named = take(place, name);
      const valued = how === "exact" ? checkConditionValue(problems, place, kind, value) : checkValueRegex(problems, place, value);
      return named && valued ? [{ name: nameOf(name), kind: how, value: String(value) }] : [];
    });
  };
  const names: unknown = match[present];
  const there =
    names === undefined || !checkList(problems, joinPath(path, present), names)
      ? []
      : names.flatMap((name, index): ValueMatch[] =>
          take(joinPath(joinPath(path, present), index), String(name)) ? [{ name: nameOf(String(name)), kind: "present", value: "" }] : [],
        );
  return [...pairs(exact, "exact"), ...pairs(regex, "regex"), ...there].sort((a, b) => compareText(a.name, b.name));
}
