/**
 * Which match goes before which, and which requests it takes: precedence as the Gateway API has it, for every target.
 *
 * Precedence (Gateway API v1.6, HTTPRouteRule.matches): exact path, then the longest prefix, then a method, then the most headers, then the most query
 * parameters. The Gateway API leaves the place of a regular expression open; here, as in kgateway, it is between exact paths and prefixes.
 */
import type { AtomicMatch, PathMatch, RouteRequest, ValueMatch } from "./route-table";

const kindRank = { exact: 0, regex: 1, prefix: 2, rawPrefix: 2 } as const;

/** Negative where `a` goes before `b`, 0 where neither does. */
export function comparePrecedence(a: AtomicMatch, b: AtomicMatch): number {
  return (
    comparePaths(a.path, b.path) ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    headerLevel(b) - headerLevel(a) ||
    queryLevel(b) - queryLevel(a)
  );
}

/** Longer prefixes first; of two of equal length the one by elements, which takes less. */
function comparePaths(a: PathMatch, b: PathMatch): number {
  if (kindRank[a.kind] !== kindRank[b.kind] || kindRank[a.kind] < kindRank.prefix) {
    return kindRank[a.kind] - kindRank[b.kind];
  }
  return b.value.length - a.value.length || Number(a.kind === "rawPrefix") - Number(b.kind === "rawPrefix");
}

/** A guard's condition counts for half: it yields to every match that names a snapshot, and goes before the match without. */
function headerLevel(match: AtomicMatch): number {
  return match.headers.length - (match.guard === "header" ? 0.5 : 0);
}

function queryLevel(match: AtomicMatch): number {
  return match.query.length - (match.guard === "query" ? 0.5 : 0);
}

/** A total order: precedence, then text, so that the same routes always give the same list. */
export function compareMatches(a: AtomicMatch, b: AtomicMatch): number {
  return comparePrecedence(a, b) || compareText(matchKey(a), matchKey(b));
}

/** Equal for equal matches only. No name and no value has a line break. */
export function matchKey({ path, method = "", headers, query, guard }: AtomicMatch): string {
  return `${path.kind}\n${path.value}\n${method}\n${valuesKey(headers)}\n\n${valuesKey(query)}\n\n${guard ?? ""}`;
}

function valuesKey(list: readonly ValueMatch[]): string {
  return list.map(({ name, kind, value }) => `${name}\n${kind}\n${value}`).join("\n");
}

/** By code units, whatever the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether one request satisfies one match. */
export function matches(match: AtomicMatch, request: RouteRequest): boolean {
  return (
    (match.method === undefined || match.method === request.method) &&
    match.headers.every((condition) => matchesValue(condition, request.headers[condition.name])) &&
    match.query.every((condition) => matchesValue(condition, request.query[condition.name])) &&
    matchesPath(match.path, request.path)
  );
}

/** Whether a value, or its absence, satisfies a condition. */
export function matchesValue({ kind, value }: ValueMatch, given: string | undefined): boolean {
  switch (kind) {
    case "exact":
      return given === value;
    case "regex":
      return given !== undefined && wholeText(value).test(given);
    case "present":
      return given !== undefined;
  }
}

/** Whether a path satisfies a path match. */
export function matchesPath(path: PathMatch, given: string): boolean {
  switch (path.kind) {
    case "exact":
      return given === path.value;
    case "prefix":
      return path.value === "/" || given === path.value || given.startsWith(`${path.value}/`);
    case "rawPrefix":
      return given.startsWith(path.value);
    case "regex":
      return wholeText(path.value).test(given);
  }
}

/** As RE2 matches in full: `.` takes no line break, and no flag is set. */
function wholeText(regex: string): RegExp {
  return new RegExp(`^(?:${regex})$`);
}

/** Whether a host name lies under a declared one; `*.example.com` takes names of any depth below, as the Gateway API and Envoy have it. */
export function matchesHost(declared: string, host: string): boolean {
  return (
    declared === "*" ||
    declared === host ||
    (declared.startsWith("*.") && host.endsWith(declared.slice(1)) && host.length >= declared.length)
  );
}
