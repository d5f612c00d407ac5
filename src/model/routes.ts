/**
 * Routes: from what the user wrote to one checked model that every target is emitted from.
 *
 * Pipeline: normalise (hosts, methods, dimensions → atomic matches) → resolve destinations → total order → checks. Nothing here depends on the order in
 * which routes are written.
 */
import { checkDnsLabel, checkKnownKeys, checkList, checkObject, checkOneOf, checkUnique } from "./checks";
import { joinPath, Problems } from "./errors";
import type { VersionedServiceFacts } from "./facts";
import { contentHash, dnsName, stableJson } from "./names";
import { checkOverlaps, findWitness, minimalRequest, witnessHost, type SourcedEntry } from "./route-checks";
import { checkDestinations, checkServices, resolveDestinations } from "./route-destinations";
import { normalizeDimensions, normalizeHosts, normalizeMatch, type DimensionKeys } from "./route-input";
import { formatMatch, formatRequest } from "./route-format";
import { compareMatches, compareText } from "./route-match";
import type { AtomicMatch, Backend, RouteEntry, RouteRule, RouteTable, Upstream } from "./route-table";
import { RouteTarget, type GlooRoutesFacts, type MeshRoute, type RouteMatch, type RoutesSpec } from "./route-types";

export * from "./route-destination-types";
export { formatMatch, formatRequest } from "./route-format";
export { matchRequest, routeRequest } from "./route-lookup";
export * from "./route-policy-types";
export * from "./route-table";
export * from "./route-types";

/** The longest time that a route may wait, in seconds: one day. */
const maxTimeoutSeconds = 86_400;

/** Limits of one `HTTPRoute` (Gateway API v1.6.1, standard channel). Rules and matches are spread over several; the rest cannot be. */
export const httpRouteLimits = {
  hostnames: 16,
  rules: 16,
  matchesPerRule: 64,
  matches: 128,
  backendRefs: 16,
  headers: 16,
  queryParams: 16,
} as const;

/**
 * The checked model of a set of routes.
 *
 * @throws MeshInputError with every problem, each finding about several routes with a request that proves it
 */
export function normalizeRoutes(name: string, spec: RoutesSpec): RouteTable {
  const problems = new Problems(`glooRoutes "${name}"`);
  const model = compileRoutes(problems, spec);
  problems.throwIfAny();
  return model;
}

/** As `normalizeRoutes`, noting problems instead of throwing; the model is complete only where none was noted. */
export function compileRoutes(problems: Problems, spec: RoutesSpec): RouteTable {
  const target = spec.target ?? RouteTarget.GatewayApi;
  checkOneOf(problems, "target", target, Object.values(RouteTarget));
  const hosts = normalizeHosts(problems, spec.hosts);
  const keys = normalizeDimensions(problems, spec.dimensions);
  const services = checkServices(problems, spec.services);
  const routes: unknown[] = checkList(problems, "routes", spec.routes) ? spec.routes : [];
  if (routes.length === 0) {
    problems.add("routes", spec.routes, "at least one route is allowed");
  }
  const valid = routes.map((route, index) => (checkRoute(problems, joinPath("routes", index), route) ? route : undefined));
  checkUnique(
    problems,
    "routes",
    valid.map((route, index) => route?.name ?? index),
    "name",
  );
  const compiled = valid.flatMap((route, index) =>
    route === undefined ? [] : compileRoute(problems, joinPath("routes", index), route, keys, services),
  );
  nameRules(
    compiled,
    valid.map((route) => route?.name ?? ""),
  );
  const order = compiled.flatMap(({ rule, sources }) => sources.map((source): SourcedEntry => ({ ...source, rule })));
  order.sort((a, b) => compareMatches(a.match, b.match) || compareText(a.rule.name, b.rule.name));
  checkOverlaps(problems, order, hosts);
  if (target === RouteTarget.GatewayApi) {
    checkHttpRouteLimits(problems, hosts, order);
  }
  const rules = compiled.map(({ rule }) => rule).sort((a, b) => compareText(a.name, b.name));
  const sortedHosts = [...hosts].sort();
  rules.forEach((rule) => (rule.hosts = sortedHosts));
  const entries = order.map(({ match, rule }): RouteEntry => ({ match, rule }));
  return { hosts: sortedHosts, virtualHosts: [{ hosts: sortedHosts, order: entries }], rules, upstreams: upstreamsOf(rules), tls: [] };
}

function checkRoute(problems: Problems, path: string, route: unknown): route is MeshRoute {
  if (!checkObject(problems, path, route)) {
    return false;
  }
  checkKnownKeys(problems, path, route, ["name", "match", "to", "timeoutSeconds"]);
  checkDnsLabel(problems, joinPath(path, "name"), route["name"]);
  checkTimeout(problems, joinPath(path, "timeoutSeconds"), route["timeoutSeconds"]);
  const hasMatches = checkList(problems, joinPath(path, "match"), route["match"]);
  if (hasMatches && (route["match"] as unknown[]).length === 0) {
    problems.add(joinPath(path, "match"), [], "at least one match is allowed; {} takes every request");
  }
  return hasMatches;
}

function checkTimeout(problems: Problems, path: string, seconds: unknown): void {
  const whole = (milliseconds: number): boolean => Math.abs(milliseconds - Math.round(milliseconds)) < 1e-6;
  if (seconds !== undefined && !(typeof seconds === "number" && seconds > 0 && seconds <= maxTimeoutSeconds && whole(seconds * 1000))) {
    problems.add(path, seconds, `seconds above 0 and up to ${maxTimeoutSeconds}, in whole milliseconds, are allowed`);
  }
}

/** A rule under construction and where its matches were written. */
interface CompiledRule {
  rule: RouteRule;
  sources: { match: AtomicMatch; path: string }[];
  /** What sets it apart from the other rules of its route. */
  marks: string[];
}

/** One rule per different outcome: matches of one route that name different snapshots go to different Services. */
function compileRoute(
  problems: Problems,
  path: string,
  route: MeshRoute,
  keys: DimensionKeys,
  services: readonly VersionedServiceFacts[],
): CompiledRule[] {
  const toPath = joinPath(path, "to");
  const resolvable = checkDestinations(problems, toPath, route.to);
  const rules = new Map<string, CompiledRule>();
  const noted = new Set<string>();
  route.match.forEach((match, index) => {
    const matchPath = joinPath(joinPath(path, "match"), index);
    const atoms = normalizeMatch(problems, matchPath, match, keys);
    const mine = new Problems(problems.subject);
    const backends =
      resolvable && atoms.length > 0 ? resolveDestinations(mine, route.to ?? [], { services, path: toPath, matchPath, match }) : [];
    // Several matches of a route can meet the same wrong destination; it is said once.
    const fresh = mine.all.filter((problem) => !noted.has(stableJson(problem)));
    fresh.forEach((problem) => noted.add(stableJson(problem)));
    problems.addAll("", fresh);
    const key = stableJson(backends ?? []);
    const rule = rules.get(key) ?? { rule: newRule(route, backends ?? []), sources: [], marks: marksOf(match) };
    rules.set(key, rule);
    rule.sources.push(...atoms.map((atom) => ({ match: atom, path: matchPath })));
    rule.rule.matches = rule.sources.map((source) => source.match).sort(compareMatches);
  });
  return [...rules.values()];
}

function newRule(route: MeshRoute, backends: Backend[]): RouteRule {
  return {
    name: route.name,
    route: route.name,
    hosts: [],
    matches: [],
    action: { kind: "forward", backends },
    backends,
    mirrors: [],
    webSocket: false,
    ...(route.timeoutSeconds === undefined ? {} : { timeoutSeconds: route.timeoutSeconds }),
  };
}

function marksOf({ snapshot, version, shard }: RouteMatch): string[] {
  const marks = [snapshot, version, shard === undefined ? undefined : `shard-${shard}`].filter((mark) => typeof mark === "string");
  return marks
    .map((mark) =>
      mark
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, ""),
    )
    .filter((mark) => mark !== "");
}

/** A route with one outcome gives its rule its own name; otherwise the dimensions are added, and a checksum where that is not enough. */
function nameRules(compiled: readonly CompiledRule[], routeNames: readonly string[]): void {
  const outcomes = countBy(compiled.map(({ rule }) => rule.route));
  const split = compiled.filter(({ rule }) => (outcomes.get(rule.route) ?? 0) > 1);
  const wanted = split.map(({ rule, marks }) => dnsName(rule.route, ...marks));
  const uses = countBy([...wanted, ...routeNames]);
  split.forEach(({ rule }, index) => {
    const name = wanted[index] ?? rule.route;
    rule.name = (uses.get(name) ?? 0) > 1 ? dnsName(name, contentHash(rule.backends).slice(0, 8)) : name;
  });
}

function countBy(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  words.forEach((word) => counts.set(word, (counts.get(word) ?? 0) + 1));
  return counts;
}

/** Every destination once. */
function upstreamsOf(rules: readonly RouteRule[]): Upstream[] {
  const byId = new Map(rules.flatMap(({ backends }) => backends.map(({ destination }) => [destination.id, destination])));
  return [...byId.values()]
    .sort((a, b) => compareText(a.id, b.id))
    .map((destination) => ({ destination, settings: { protocol: "http1" } }));
}

/** The limits that paging cannot help with. */
function checkHttpRouteLimits(problems: Problems, hosts: readonly string[], order: readonly SourcedEntry[]): void {
  const limits = httpRouteLimits;
  if (hosts.length > limits.hostnames) {
    problems.add("hosts", hosts.length, `an HTTPRoute takes at most ${limits.hostnames} host names; use a wildcard or a second GlooRoutes`);
  }
  for (const [path, entries] of new Map(order.map((entry) => [entry.path, entry]))) {
    const { headers, query } = entries.match;
    if (headers.length > limits.headers || query.length > limits.queryParams) {
      problems.add(
        path,
        formatMatch(entries.match),
        `an HTTPRoute match takes at most ${limits.headers} headers and ${limits.queryParams} query parameters, dimensions included`,
      );
    }
  }
  const crowded = new Map(order.filter(({ rule }) => rule.backends.length > limits.backendRefs).map(({ rule, path }) => [rule, path]));
  crowded.forEach((path, rule) => {
    const to = path.replace(/\.match\[\d+\]$/, ".to");
    problems.add(
      to,
      `${rule.backends.length} destinations`,
      `an HTTPRoute rule takes at most ${limits.backendRefs}, versions counted one by one`,
    );
  });
}

/** What people and tools need to know of checked routes. */
export function routesFacts(name: string, model: RouteTable): GlooRoutesFacts {
  const host = witnessHost(model.hosts);
  const routes = model.rules.map((rule) => {
    const destination = formatBackends(rule.backends);
    const summary = `${formatMatches(rule)} → ${destination}`;
    const witnesses = rule.matches.map((match) =>
      findWitness(model.virtualHosts[0]?.order ?? [], match, host, (winner) => winner.rule === rule),
    );
    const [first] = rule.matches;
    const witness = witnesses.find((request) => request !== undefined) ?? (first && minimalRequest(first, host));
    return { name: rule.name, summary, destination, witness: witness === undefined ? "" : formatRequest(witness) };
  });
  return { name, hosts: model.hosts, routes };
}

function formatMatches({ matches }: RouteRule): string {
  const [first, ...others] = matches;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return first === undefined ? "" : `${formatMatch(first)}${more}`;
}

function formatBackends(backends: readonly Backend[]): string {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  const percent = (weight: number): string => `${Number(((100 * weight) / total).toPrecision(3))} %`;
  return backends.map(({ label, weight }) => (backends.length === 1 ? label : `${label} ${percent(weight)}`)).join(", ");
}
