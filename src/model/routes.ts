/**
 * Routes: from what the user wrote to one checked model that every target is emitted from.
 *
 * Pipeline: normalise (hosts, methods, dimensions → atomic matches) → resolve destinations → total order → checks. Nothing here depends on the order in
 * which routes are written.
 */
import { checkList, checkOneOf, checkUnique } from "./checks";
import { joinPath, Problems } from "./errors";
import { groupBy } from "./groups";
import { expandIslands } from "./islands";
import { contentHash, dnsName } from "./names";
import { checkOverlaps, type SourcedEntry } from "./route-checks";
import { checkRoute, compileRoute, type NamedDraft } from "./route-compile";
import { checkFeatures } from "./route-features";
import { checkGatewayLimits, checkGatewayOrder } from "./route-gateway";
import { checkLeaks, guardSnapshots, type DraftRule } from "./route-guards";
import { normalizeDimensions, normalizeHosts } from "./route-hosts";
import { resolveLatest } from "./route-latest";
import { compareMatches, compareText } from "./route-match";
import { checkGrants, checkReferences } from "./route-references";
import { checkServices } from "./route-services";
import { stickyRules } from "./route-sticky";
import type { RouteTable, VirtualHost } from "./route-table";
import { normalizeTls } from "./route-tls";
import { RouteTarget, type RoutesSpec } from "./route-types";
import { collectUpstreams, normalizeUpstreams } from "./route-upstreams";

export * from "./island-types";
export { islandWorkloads, type PlacedWorkload } from "./island-workloads";
export * from "./route-destination-types";
export { capabilities, capabilityOf, Support, type Capability, type CapabilityRow, type RouteFeature } from "./route-capabilities";
export { formatAction, routesFacts, routeWitnesses } from "./route-facts";
export { featuresOf, routeNotices, type FeatureUse } from "./route-features";
export { formatMatch, formatRequest } from "./route-format";
export { httpRouteLimits } from "./route-gateway";
export { matchRequest, routeRequest } from "./route-lookup";
export * from "./route-policy-types";
export { forwardedRequest } from "./route-rewrite";
export * from "./route-table";
export * from "./route-types";
export { unroutedNotices } from "./route-unrouted";

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
  const knownTarget = checkOneOf(problems, "target", target, Object.values(RouteTarget));
  const hosts = normalizeHosts(problems, "hosts", spec.hosts);
  const keys = normalizeDimensions(problems, spec.dimensions);
  const services = resolveLatest(problems, spec.latest, checkServices(problems, spec.services));
  const settings = normalizeUpstreams(problems, spec.upstreams, services);
  const islands = expandIslands(problems, spec.islandTypes, spec.islands);
  const own: unknown[] = checkList(problems, "routes", spec.routes) ? spec.routes : [];
  const routes = [...own.map((route, index) => ({ path: joinPath("routes", index), route })), ...islands];
  if (routes.length === 0) {
    problems.add("routes", spec.routes, "at least one route is allowed");
  }
  const valid = routes.map(({ path, route }) => (checkRoute(problems, path, route) ? route : undefined));
  const names = valid.map((route, index) => route?.name ?? index);
  checkUnique(problems, "routes", names, "name");
  const named = routes.flatMap(({ path }, index) => {
    const route = valid[index];
    return route === undefined ? [] : compileRoute(problems, path, route, { hosts, keys, services });
  });
  nameRules(
    named,
    names.map((name) => String(name)),
  );
  const drafts: DraftRule[] = named.flatMap((draft) => [draft, ...(draft.sticky === undefined ? [] : stickyRules(draft, draft.sticky))]);
  drafts.push(...guardSnapshots(drafts, keys.snapshot));
  drafts.forEach((draft) => (draft.rule.matches = draft.sources.map(({ match }) => match).sort(compareMatches)));
  const ordered = groupHosts(drafts);
  ordered.forEach(({ hosts: names, order }) => checkOverlaps(problems, order, names));
  checkLeaks(problems, drafts, keys.snapshot);
  const rules = drafts.map(({ rule }) => rule).sort((a, b) => compareText(a.name, b.name));
  const allHosts = [...new Set(rules.flatMap((rule) => rule.hosts))].sort();
  const table: RouteTable = {
    hosts: allHosts,
    virtualHosts: ordered.map(({ hosts: names, order }): VirtualHost => ({
      hosts: names,
      order: order.map(({ match, rule }) => ({ match, rule })),
    })),
    rules,
    upstreams: collectUpstreams(problems, rules, settings),
    tls: normalizeTls(problems, spec.tls, allHosts),
  };
  const paths = new Map(names.map((name, index) => [name, routes[index]?.path ?? "routes"]));
  const pathOf = (route: string): string => paths.get(route) ?? "routes";
  checkGrants(problems, spec.grants);
  checkReferences(problems, table, spec, pathOf);
  if (knownTarget) {
    checkFeatures(problems, table, target, pathOf);
  }
  if (target === RouteTarget.GatewayApi) {
    ordered.forEach(({ hosts: some, order }) => checkGatewayOrder(problems, order, some));
    checkGatewayLimits(problems, table, pathOf);
  }
  return table;
}

/** Hosts with the same rules share one list of entries, most specific first. */
function groupHosts(drafts: readonly DraftRule[]): { hosts: string[]; order: SourcedEntry[] }[] {
  const sets = groupBy(drafts, ({ rule }) => rule.hosts.join());
  const hosts = [...new Set(drafts.flatMap(({ rule }) => rule.hosts))].sort();
  const setsOf = (host: string): string[] => [...sets.keys()].filter((set) => set.split(",").includes(host));
  return [...groupBy(hosts, (host) => setsOf(host).join(" "))].map(([key, members]) => {
    const order = key
      .split(" ")
      .flatMap((set) => sets.get(set) ?? [])
      .flatMap(({ sources, rule }) => sources.map(({ match, path }): SourcedEntry => ({ match, path, rule })));
    order.sort((a, b) => compareMatches(a.match, b.match) || compareText(a.rule.name, b.rule.name));
    return { hosts: members, order };
  });
}

/** A route with one outcome gives its rule its own name; otherwise the dimensions are added, and a checksum where that is not enough. */
function nameRules(compiled: readonly NamedDraft[], routeNames: readonly string[]): void {
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
