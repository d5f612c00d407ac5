/**
 * Which match takes a request: precedence as the Gateway API has it, for every target.
 *
 * Precedence (Gateway API v1.6, HTTPRouteRule.matches): exact path, then the longest prefix, then a method, then the most headers, then the most
 * query parameters. The Gateway API leaves the place of a regex open (kgateway: between exact and prefix), so the checks refuse routes where it would count.
 */
import type { AtomicMatch, NameValue, PathMatch, RouteEntry, RouteModel, RouteRequest } from "./route-types";

const kindRank = { exact: 0, regex: 1, prefix: 2 } as const;

/** Negative where `a` goes before `b`, 0 where the Gateway API sees no difference. */
export function comparePrecedence(a: AtomicMatch, b: AtomicMatch): number {
  return (
    kindRank[a.path.kind] - kindRank[b.path.kind] ||
    (a.path.kind === "prefix" ? b.path.value.length - a.path.value.length : 0) ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length
  );
}

/** A total order: precedence, then text, so that the same routes always give the same list. */
export function compareMatches(a: AtomicMatch, b: AtomicMatch): number {
  return comparePrecedence(a, b) || compareText(matchKey(a), matchKey(b));
}

/** Equal for equal matches only. */
export function matchKey(match: AtomicMatch): string {
  const pairs = (list: readonly NameValue[]): string[][] => list.map(({ name, value }) => [name, value]);
  return JSON.stringify([match.path.kind, match.path.value, match.method ?? "", pairs(match.headers), pairs(match.query)]);
}

/** By code units, whatever the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether one request satisfies one match. */
export function matches(match: AtomicMatch, request: RouteRequest): boolean {
  return (
    (match.method === undefined || match.method === request.method) &&
    match.headers.every(({ name, value }) => request.headers[name] === value) &&
    match.query.every(({ name, value }) => request.query[name] === value) &&
    matchesPath(match.path, request.path)
  );
}

function matchesPath(path: PathMatch, given: string): boolean {
  switch (path.kind) {
    case "exact":
      return given === path.value;
    case "prefix":
      return path.value === "/" || given === path.value || given.startsWith(`${path.value}/`);
    case "regex":
      return new RegExp(`^(?:${path.value})$`).test(given);
  }
}

/** Where a request goes, or `undefined` where no route takes it (the gateway answers 404). */
export function routeRequest(model: RouteModel, request: RouteRequest): RouteEntry | undefined {
  return model.hosts.some((host) => matchesHost(host, request.host)) ? firstMatch(model.order, request) : undefined;
}

/** The first entry of an ordered list that takes a request. */
export function firstMatch<Entry extends { match: AtomicMatch }>(order: readonly Entry[], request: RouteRequest): Entry | undefined {
  return order.find((entry) => matches(entry.match, request));
}

/** Whether a host name lies under a declared one; `*.example.com` takes names of any depth below, as the Gateway API and Envoy have it. */
export function matchesHost(declared: string, host: string): boolean {
  return (
    declared === "*" ||
    declared === host ||
    (declared.startsWith("*.") && host.endsWith(declared.slice(1)) && host.length >= declared.length)
  );
}

/** A match for the requests that both satisfy, or `undefined` where there is none. Both must have the same path. */
export function intersect(a: AtomicMatch, b: AtomicMatch): AtomicMatch | undefined {
  const headers = unite(a.headers, b.headers);
  const query = unite(a.query, b.query);
  if (headers === undefined || query === undefined || (a.method !== undefined && b.method !== undefined && a.method !== b.method)) {
    return undefined;
  }
  return { path: a.path, method: a.method ?? b.method, headers, query };
}

function unite(a: readonly NameValue[], b: readonly NameValue[]): NameValue[] | undefined {
  const values = new Map(a.map(({ name, value }) => [name, value]));
  for (const { name, value } of b) {
    if ((values.get(name) ?? value) !== value) {
      return undefined;
    }
    values.set(name, value);
  }
  return [...values].map(([name, value]) => ({ name, value })).sort((x, y) => compareText(x.name, y.name));
}

/** A match as one line, for example `GET /prices [x-mesh-snapshot: 20261121t0600z]`. */
export function formatMatch(match: AtomicMatch): string {
  const path = match.path.kind === "prefix" ? match.path.value : `${match.path.kind} ${match.path.value}`;
  return [match.method, withQuery(path, match.query), showHeaders(match.headers)]
    .filter((part) => part !== undefined && part !== "")
    .join(" ");
}

/** A request as one line, for example `GET http://mesh.example.test/prices?shard=3 [x-mesh-snapshot: 20261121t0600z]`. */
export function formatRequest(request: RouteRequest): string {
  const pairs = (values: Record<string, string>): NameValue[] => Object.entries(values).map(([name, value]) => ({ name, value }));
  const url = withQuery(`http://${request.host}${request.path}`, pairs(request.query));
  return `${request.method} ${url} ${showHeaders(pairs(request.headers))}`.trimEnd();
}

function withQuery(path: string, query: readonly NameValue[]): string {
  return query.length === 0 ? path : `${path}?${query.map(({ name, value }) => `${name}=${value}`).join("&")}`;
}

function showHeaders(headers: readonly NameValue[]): string {
  return headers.length === 0 ? "" : `[${headers.map(({ name, value }) => `${name}: ${value}`).join(", ")}]`;
}
