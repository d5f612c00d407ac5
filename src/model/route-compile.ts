/** One route as rules: its matches grouped by where they go. */
import { checkDnsLabel, checkInteger, checkKnownKeys, checkList, checkObject, exactlyOne } from "./checks";
import { joinPath, Problems } from "./errors";
import { stableJson } from "./names";
import { checkDestinations, checkOneDestination, kubernetesBackend, resolveDestinations, resolveService } from "./route-destinations";
import type { MirrorDestination, WeightedDestination } from "./route-destination-types";
import { expandDimensions } from "./route-each";
import { gathererDefaults, isGatherer } from "./route-gatherers";
import { guardName, type DraftRule } from "./route-guards";
import { normalizeHosts, type DimensionKeys } from "./route-hosts";
import { atomicMatches, normalizeMatch, type BareMatch, type DimensionValues } from "./route-input";
import { normalizeAction } from "./route-actions";
import { normalizePolicies, type RulePolicies } from "./route-policies";
import { impliedRewrite } from "./route-rewrite";
import { latestAlias, list, type DestinationContext, type KnownServices } from "./route-services";
import type { Backend, RouteAction, RouteRule, ServiceTarget } from "./route-table";
import type { MeshRoute, RouteMatch } from "./route-types";
import { checkConditionName } from "./route-values";

/** What all routes of a table have in common. */
export interface CompileContext {
  hosts: string[];
  keys: DimensionKeys;
  services: KnownServices;
}

/** A rule under construction, with what its name is made of. */
export interface NamedDraft extends DraftRule {
  /** What sets it apart from the other rules of its route: snapshot, version, shard. */
  marks: string[];
  /** Header of the buckets, where users stay on one version. */
  sticky?: string;
}

const actions = ["to", "redirect", "response", "delegate"] as const;
const routeKeys = [
  "name",
  "hosts",
  "match",
  ...actions,
  "timeoutSeconds",
  "retries",
  "rewrite",
  "requestHeaders",
  "responseHeaders",
  "mirrors",
  "fault",
  "cors",
  "sticky",
  "webSocket",
] as const;
/** What makes sense only where a request goes on to a destination. */
const forwardKeys = ["timeoutSeconds", "retries", "rewrite", "mirrors", "sticky", "webSocket"] as const;

/** Checks what can be seen without resolving anything. */
export function checkRoute(problems: Problems, path: string, route: unknown): route is MeshRoute {
  if (!checkObject(problems, path, route)) {
    return false;
  }
  checkKnownKeys(problems, path, route, routeKeys);
  if (checkDnsLabel(problems, joinPath(path, "name"), route["name"]) && route["name"] === guardName) {
    problems.add(
      joinPath(path, "name"),
      guardName,
      "another name is needed; this one belongs to the answer for snapshots that are not served",
    );
  }
  const action = exactlyOne(problems, path, route, actions);
  if (action !== "to") {
    forwardKeys
      .filter((key) => route[key] !== undefined)
      .forEach((key) =>
        problems.add(
          joinPath(path, key),
          route[key],
          `only a route with destinations in \`to\` can have it; this one has ${action ?? "none"}`,
        ),
      );
  }
  const hasMatches = checkList(problems, joinPath(path, "match"), route["match"]);
  if (hasMatches && (route["match"] as unknown[]).length === 0) {
    problems.add(joinPath(path, "match"), [], "at least one match is allowed; {} takes every request");
  }
  return hasMatches && action !== undefined;
}

/** One rule per different outcome: matches of one route that name different snapshots go to different Services. */
export function compileRoute(problems: Problems, path: string, route: MeshRoute, context: CompileContext): NamedDraft[] {
  const toPath = joinPath(path, "to");
  const hosts = route.hosts === undefined ? context.hosts : normalizeHosts(problems, joinPath(path, "hosts"), route.hosts);
  const resolvable = route.to !== undefined && checkDestinations(problems, toPath, route.to);
  const mirrorsUsable = checkMirrors(problems, joinPath(path, "mirrors"), route.mirrors);
  const policies = normalizePolicies(problems, path, route);
  const sticky = normalizeSticky(problems, joinPath(path, "sticky"), route);
  const action = route.to === undefined ? normalizeAction(problems, path, route) : undefined;
  const drafts = new Map<string, NamedDraft>();
  const noted = new Set<string>();
  const note = (found: Problems): void => {
    // Several matches of a route can meet the same wrong destination; it is said once.
    const fresh = found.all.filter((problem) => !noted.has(stableJson(problem)));
    fresh.forEach((problem) => noted.add(stableJson(problem)));
    problems.addAll("", fresh);
  };
  route.match.forEach((match, index) => {
    const matchPath = joinPath(joinPath(path, "match"), index);
    const bare = normalizeMatch(problems, matchPath, match, context.keys);
    if (bare === undefined) {
      return;
    }
    for (const values of expandDimensions(problems, matchPath, match, resolvable ? route.to : undefined, context.services)) {
      const mine = new Problems(problems.subject);
      const place: DestinationContext = { services: context.services, path: toPath, matchPath, match: values };
      const outcome = { action, policies, resolvable, mirrors: mirrorsUsable ? (route.mirrors ?? []) : [] };
      const rule = resolveRule(mine, path, { route, bare, place, hosts }, outcome);
      note(mine);
      const key = ruleKey(rule);
      const draft = drafts.get(key) ?? { rule, sources: [], marks: marksOf(values, match), ...(sticky === undefined ? {} : { sticky }) };
      drafts.set(key, draft);
      draft.sources.push(...atomicMatches(bare, values, context.keys).map((atom) => ({ match: atom, path: matchPath })));
    }
  });
  return [...drafts.values()];
}

/** Rules with equal keys are one. */
function ruleKey({ action, backends, rewrite, mirrors, alias }: RouteRule): string {
  const ids = backends.map(({ destination, weight }) => `${weight} ${destination.id}`);
  return JSON.stringify([action.kind, ids, rewrite, mirrors.map(({ destination }) => destination.id), alias]);
}

function resolveRule(
  problems: Problems,
  path: string,
  { route, bare, place, hosts }: { route: MeshRoute; bare: BareMatch; place: DestinationContext; hosts: string[] },
  given: { action: RouteAction | undefined; policies: RulePolicies; resolvable: boolean; mirrors: readonly MirrorDestination[] },
): RouteRule {
  const to: readonly WeightedDestination[] = route.to ?? [];
  const backends = given.resolvable ? (resolveDestinations(problems, to, place) ?? []) : [];
  const rewrite = impliedRewrite(problems, path, backends, bare.path, given.policies.rewrite, place.matchPath);
  const prefixed = route.redirect?.prefix !== undefined && bare.path.kind !== "prefix";
  if (prefixed) {
    problems.add(place.matchPath, bare.path.value, "a prefix is needed here, because the redirect replaces it");
  }
  const failover = backends.some(({ destination }) => destination.kind === "failover");
  const { retries: wanted, ...policies } = given.policies;
  const retries = failover ? failoverRetries(backends, wanted) : (wanted ?? gathererRetries(backends));
  return {
    name: route.name,
    route: route.name,
    hosts,
    matches: [],
    action: given.action ?? { kind: "forward", backends },
    backends,
    ...(meansLatest(to, place) ? { alias: latestAlias } : {}),
    ...policies,
    ...(retries === undefined || retries.attempts === 0 ? {} : { retries }),
    ...(rewrite === undefined ? {} : { rewrite }),
    mirrors: given.mirrors.flatMap((mirror, index) => resolveMirror(problems, joinPath(joinPath(path, "mirrors"), index), mirror, place)),
  };
}

/** Whether some destination moves with `latest`. */
function meansLatest(to: readonly WeightedDestination[], { match, services }: DestinationContext): boolean {
  return to
    .flatMap(({ service, failover }) => [service, ...(failover?.places ?? []).map((one) => one.service)])
    .some((wanted) => (wanted?.snapshot ?? match.snapshot) === latestAlias && services.get(wanted?.service ?? "")?.latest !== undefined);
}

/** A request that met a dead place goes on to the next one at once, before health checks have found out. */
function failoverRetries(backends: readonly Backend[], given: RouteRule["retries"]): RouteRule["retries"] {
  const places = backends.map(({ destination }) => (destination.kind === "failover" ? destination.places.length : 1));
  const conditions = ["connectFailure", "gatewayError", "refusedStream", "reset"] as const;
  return { ...(given ?? { attempts: Math.max(2, ...places), on: [...conditions] }), otherPlace: true };
}

/** Where some destination is none, a request could be done twice by somebody who does not expect it. */
function gathererRetries(backends: readonly Backend[]): RouteRule["retries"] {
  return backends.length > 0 && backends.every(({ destination }) => isGatherer(destination)) ? gathererDefaults.retries : undefined;
}

function checkMirrors(problems: Problems, path: string, given: unknown): boolean {
  const before = problems.all.length;
  if (given !== undefined && checkList(problems, path, given)) {
    given.forEach((mirror: unknown, index) => {
      const at = joinPath(path, index);
      if (checkObject(problems, at, mirror)) {
        checkKnownKeys(problems, at, mirror, ["service", "kubernetes", "percent"]);
        checkOneDestination(problems, at, mirror, ["service", "kubernetes"]);
        if (mirror["percent"] !== undefined) {
          checkInteger(problems, joinPath(at, "percent"), mirror["percent"], { min: 1, max: 100 });
        }
      }
    });
  }
  return problems.all.length === before;
}

function resolveMirror(problems: Problems, path: string, mirror: MirrorDestination, place: DestinationContext): RouteRule["mirrors"] {
  const percent = mirror.percent ?? 100;
  if (mirror.kubernetes !== undefined) {
    const { destination, label } = kubernetesBackend(mirror.kubernetes);
    return [{ destination, label, percent }];
  }
  const found = mirror.service && resolveService(problems, joinPath(path, "service"), mirror.service, place);
  if (found !== undefined && found.length !== 1) {
    problems.add(joinPath(path, "service"), mirror.service, `one version is needed; ${list(found.map(({ label }) => label))} fit`);
  }
  return (found ?? []).slice(0, 1).map(({ destination, label }): { destination: ServiceTarget; label: string; percent: number } => ({
    destination,
    label,
    percent,
  }));
}

function normalizeSticky(problems: Problems, path: string, { sticky }: MeshRoute): string | undefined {
  if (sticky === undefined || !checkObject(problems, path, sticky)) {
    return undefined;
  }
  checkKnownKeys(problems, path, sticky, ["header"]);
  const header: unknown = sticky["header"] ?? "x-mesh-bucket";
  return checkConditionName(problems, joinPath(path, "header"), "header", header) ? header.toLowerCase() : undefined;
}

function marksOf({ snapshot, version, shard }: DimensionValues, { snapshot: alias }: RouteMatch): string[] {
  const marks = [alias === "each" ? snapshot : (snapshot ?? alias), version, shard === undefined ? undefined : `shard-${shard}`];
  return marks
    .filter((mark) => mark !== undefined)
    .map((mark) =>
      mark
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, ""),
    )
    .filter((mark) => mark !== "");
}
