/**
 * What only shows when all routes are seen together: duplicates, ties, unreachable routes. Each finding comes with a witness, a request that proves it.
 *
 * Without ties the outcome depends on precedence alone, so one model means the same in a list (Gloo), in one HTTPRoute, and in rules spread over several
 * HTTPRoutes, whose age and names would decide a tie otherwise.
 */
import type { Problems } from "./errors";
import { httpMethods } from "./route-input";
import { formatMatch, formatRequest } from "./route-format";
import { comparePrecedence, compareText, matchKey, matches } from "./route-match";
import { readRegex } from "./route-regex";
import type { AtomicMatch, RouteEntry, RouteRequest, ValueMatch } from "./route-table";

/** An entry with the place where the user wrote it. */
export interface SourcedEntry extends RouteEntry {
  /** Property path of the match, for example `routes[1].match[0]`. */
  path: string;
}

type Conflict = (a: SourcedEntry, b: SourcedEntry) => string | undefined;

/**
 * Notes every finding. `order` holds all entries, most specific first.
 *
 * @param hosts the declared hosts, for witnesses
 */
export function checkOverlaps(problems: Problems, order: readonly SourcedEntry[], hosts: readonly string[]): void {
  const host = witnessHost(hosts);
  const reported = new Set<string>();
  const report = (later: SourcedEntry, earlier: SourcedEntry, allowed: string): void => {
    if (!reported.has(later.path)) {
      reported.add(later.path);
      problems.add(later.path, formatMatch(later.match), `${allowed} (${earlier.path} of route ${earlier.rule.route})`);
    }
  };
  const check = (group: readonly SourcedEntry[], conflict: Conflict): void => {
    forEachPair(group, (a, b) => {
      const allowed = conflict(a, b);
      if (allowed !== undefined) {
        report(b, a, allowed);
      }
    });
  };
  const equal = groupBy(order, ({ match }) => matchKey(match)).filter((group) => group.length > 1);
  equal.forEach((group) => check(group, (a) => duplicate(a, host)));
  const plain = order.filter(({ match }) => match.path.kind !== "regex");
  const comparable = groupBy(plain, rankKey).flatMap(splitByCommonNames);
  comparable.forEach((group) => check(group, (a, b) => tie(order, a, b, host)));
  for (const regex of order.filter(({ match }) => match.path.kind === "regex")) {
    order
      .filter((other) => other !== regex && other.match.path.kind !== "exact")
      .forEach((other) => {
        const allowed = regexOverlap(regex, other, host);
        if (allowed !== undefined) {
          report(regex, other, allowed);
        }
      });
  }
  // The first of two equal matches may be the one that gets nothing: that has been said.
  const doubled = equal.flat().map(({ path }) => path);
  checkReachable(problems, order, host, new Set([...reported, ...doubled]));
}

function duplicate(a: SourcedEntry, host: string): string {
  return `another match is needed, because this one is taken; both take ${formatRequest(minimalRequest(a.match, host))}`;
}

/** A request that two rules of equal precedence take, and that no more specific one takes away from them. */
function tie(order: readonly SourcedEntry[], a: SourcedEntry, b: SourcedEntry, host: string): string | undefined {
  const both = a.rule === b.rule ? undefined : intersect(a.match, b.match);
  const equal = both === undefined || matchKey(a.match) === matchKey(b.match);
  const witness = equal ? undefined : findWitness(order, both, host, (winner) => comparePrecedence(winner.match, a.match) === 0);
  if (both === undefined || witness === undefined) {
    return undefined;
  }
  return `a difference in precedence is needed: ${formatRequest(witness)} takes this match and ${formatMatch(a.match)} alike; add a route for ${formatMatch(both)} to decide`;
}

/** Two matches of which at least one is a regex: refused unless it is certain that no request takes both. */
function regexOverlap(regex: SourcedEntry, other: SourcedEntry, host: string): string | undefined {
  const apart =
    regex.rule === other.rule ||
    matchKey(regex.match) === matchKey(other.match) ||
    intersect(regex.match, { ...other.match, path: regex.match.path }) === undefined ||
    !mayShareAPath(regex.match, other.match);
  if (apart) {
    return undefined;
  }
  const example = formatRequest(minimalRequest(regex.match, host));
  return `gateways disagree on the precedence of a regex, so it must not meet ${formatMatch(other.match)}; tell them apart by method, header, query or the start of the path, or use prefixes; compare ${example}`;
}

function mayShareAPath(regex: AtomicMatch, other: AtomicMatch): boolean {
  const start = readRegex(regex.path.value)?.literalPrefix ?? "/";
  if (other.path.kind === "prefix") {
    const prefix = other.path.value;
    return prefix === "/" || start === prefix || start.startsWith(`${prefix}/`) || `${prefix}/`.startsWith(start);
  }
  const otherStart = readRegex(other.path.value)?.literalPrefix ?? "/";
  return start.startsWith(otherStart) || otherStart.startsWith(start);
}

/** Matches whose every request is taken away by more specific ones, for example by nine routes that name one method each. */
function checkReachable(problems: Problems, order: readonly SourcedEntry[], host: string, reported: ReadonlySet<string>): void {
  for (const entry of order) {
    if (
      reported.has(entry.path) ||
      entry.match.path.kind === "regex" ||
      findWitness(order, entry.match, host, (winner) => winner.rule === entry.rule)
    ) {
      continue;
    }
    const request = minimalRequest(entry.match, host);
    const winner = firstMatch(order, request);
    const taken = winner === undefined ? "" : `; ${formatRequest(request)} goes to route ${winner.rule.route}`;
    problems.add(
      entry.path,
      formatMatch(entry.match),
      `a match that some request takes is needed: more specific routes take every one of these${taken}`,
    );
  }
}

/**
 * A request that satisfies `wanted` and whose winner is accepted.
 *
 * It carries no header and no parameter more than `wanted` asks for, since each more could only make a more specific match win. So trying the methods,
 * the path itself and a path below it that no route names, is complete for exact and prefix matches.
 */
export function findWitness<Entry extends RouteEntry>(
  order: readonly Entry[],
  wanted: AtomicMatch,
  host: string,
  accept: (winner: Entry) => boolean,
): RouteRequest | undefined {
  const start = minimalRequest(wanted, host);
  for (const path of witnessPaths(order, wanted, start.path)) {
    for (const method of wanted.method === undefined ? httpMethods : [wanted.method]) {
      const request = { ...start, path, method };
      const winner = firstMatch(order, request);
      if (winner !== undefined && accept(winner)) {
        return request;
      }
    }
  }
  return undefined;
}

function* witnessPaths(order: readonly RouteEntry[], { path }: AtomicMatch, first: string): Generator<string> {
  yield first;
  if (path.kind === "prefix") {
    const parent = path.value === "/" ? "" : path.value;
    for (let number = 1; ; number++) {
      const fresh = `${parent}/any${number === 1 ? "" : number}`;
      if (!order.some(({ match }) => match.path.value.startsWith(fresh))) {
        yield fresh;
        return;
      }
    }
  }
}

/** The least request that satisfies a match; another match may still win it. */
export function minimalRequest(match: AtomicMatch, host: string): RouteRequest {
  return {
    host,
    method: match.method ?? "GET",
    path: match.path.kind === "regex" ? (readRegex(match.path.value)?.sample ?? "/") : match.path.value,
    headers: Object.fromEntries(match.headers.map(({ name, value }) => [name, value])),
    query: Object.fromEntries(match.query.map(({ name, value }) => [name, value])),
  };
}

/** A host name for witnesses. */
export function witnessHost(hosts: readonly string[]): string {
  const [first = "*"] = hosts;
  return first === "*" ? "mesh.example.test" : first.replace(/^\*/, "any");
}

/** Only equal paths of equal precedence can tie: two different prefixes of one path differ in length. Two different methods never meet. */
function rankKey({ match }: SourcedEntry): string {
  return JSON.stringify([match.path.kind, match.path.value, match.method ?? "", match.headers.length, match.query.length]);
}

function groupBy(entries: readonly SourcedEntry[], keyOf: (entry: SourcedEntry) => string): SourcedEntry[][] {
  const groups = new Map<string, SourcedEntry[]>();
  for (const entry of entries) {
    const group = groups.get(keyOf(entry));
    if (group === undefined) {
      groups.set(keyOf(entry), [entry]);
    } else {
      group.push(entry);
    }
  }
  return [...groups.values()];
}

/** All pairs of a group, each in the order in which the user wrote them. */
function forEachPair(group: readonly SourcedEntry[], visit: (earlier: SourcedEntry, later: SourcedEntry) => void): void {
  const sorted = [...group].sort((a, b) => comparePaths(a.path, b.path));
  for (const [index, later] of sorted.entries()) {
    for (const earlier of sorted.slice(0, index)) {
      visit(earlier, later);
    }
  }
}

/**
 * Splits a group by the values of a header or parameter that all its matches name: those with different values never meet. Routes for a thousand shards
 * are then compared each with its own few, instead of all with all.
 */
function splitByCommonNames(group: readonly SourcedEntry[]): SourcedEntry[][] {
  const [first] = group;
  for (const kind of ["headers", "query"] as const) {
    for (const { name } of first?.match[kind] ?? []) {
      const valueOf = ({ match }: SourcedEntry): string => match[kind].find((pair) => pair.name === name)?.value ?? "";
      const parts = groupBy(group, valueOf);
      // No value is empty, so "" is a match that does not name it.
      if (parts.length > 1 && group.every((entry) => valueOf(entry) !== "")) {
        return parts.flatMap(splitByCommonNames);
      }
    }
  }
  return [[...group]];
}

/** `routes[9]` before `routes[10]`. */
function comparePaths(a: string, b: string): number {
  const padded = (path: string): string => path.replace(/\d+/g, (digits) => digits.padStart(8, "0"));
  return compareText(padded(a), padded(b));
}

/** The first entry of an ordered list that takes a request. */
function firstMatch<Entry extends { match: AtomicMatch }>(order: readonly Entry[], request: RouteRequest): Entry | undefined {
  return order.find((entry) => matches(entry.match, request));
}

/** A match for the requests that both satisfy, or `undefined` where there is none. Both must have the same path. */
function intersect(a: AtomicMatch, b: AtomicMatch): AtomicMatch | undefined {
  const headers = unite(a.headers, b.headers);
  const query = unite(a.query, b.query);
  if (headers === undefined || query === undefined || (a.method !== undefined && b.method !== undefined && a.method !== b.method)) {
    return undefined;
  }
  return { path: a.path, method: a.method ?? b.method, headers, query };
}

function unite(a: readonly ValueMatch[], b: readonly ValueMatch[]): ValueMatch[] | undefined {
  const values = new Map(a.map((pair) => [pair.name, pair]));
  for (const pair of b) {
    if ((values.get(pair.name) ?? pair).value !== pair.value) {
      return undefined;
    }
    values.set(pair.name, pair);
  }
  return [...values.values()].sort((x, y) => compareText(x.name, y.name));
}
