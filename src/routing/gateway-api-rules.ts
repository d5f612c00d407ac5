/** Rules of HTTPRoutes: matches, filters and destinations. */
import type {
  HttpBackendRef,
  HttpHeaderFilter,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  HttpValueMatch,
} from "../kubernetes/custom-resources";
import { dnsName } from "../model/names";
import { trueConditions } from "../model/route-extra";
import { matchKey } from "../model/route-match";
import {
  httpRouteLimits,
  type AtomicMatch,
  type Backend,
  type Destination,
  type Edits,
  type RouteRule,
  type ServiceTarget,
  type ValueMatch,
  type VirtualHost,
} from "../model/routes";
import { backendName, directResponseName, kgatewayGroup } from "./kgateway-names";
import { commonLambdaHost } from "./lambda";
import { splitByName } from "./pages";
import { gepDuration, quoteRegex } from "./words";

/** A rule of an HTTPRoute, and the rule of the table that it comes from. */
export interface EmittedRule {
  rule: RouteRule;
  emitted: HttpRouteRule;
}

/** The rules of one virtual host. `extra`: conditions more that each match needs for its place in the order. */
export function emitRules(name: string, { order }: VirtualHost, extra: ReadonlyMap<AtomicMatch, number>): EmittedRule[] {
  const matches = new Map<RouteRule, AtomicMatch[]>();
  for (const { rule, match } of order) {
    const list = matches.get(rule) ?? [];
    matches.set(rule, list);
    list.push(match);
  }
  return [...matches]
    .flatMap(([rule, list]) => emitRule(name, rule, list, extra).map((emitted) => ({ rule, emitted })))
    .sort((a, b) => (a.emitted.name < b.emitted.name ? -1 : 1));
}

/** One rule, or several with the same outcome where it has too many matches. */
function emitRule(name: string, rule: RouteRule, matches: AtomicMatch[], extra: ReadonlyMap<AtomicMatch, number>): HttpRouteRule[] {
  const limit = replacesPrefix(rule) ? 1 : httpRouteLimits.matchesPerRule;
  const pieces = splitByName(matches, matchKey, (list) => list.length <= limit);
  // Zero is no limit: a WebSocket ends when one side ends it.
  const timeout = rule.webSocket ? "0s" : rule.timeoutSeconds === undefined ? undefined : gepDuration(rule.timeoutSeconds);
  return pieces.map(({ key, things }) => {
    const filters = emitFilters(name, rule, things[0]?.path.value);
    return {
      name: dnsName(rule.name, ...(key === "" ? [] : [key])),
      matches: things.map((match) => emitMatch(match, extra.get(match) ?? 0)),
      ...(filters.length === 0 ? {} : { filters }),
      backendRefs: emitBackends(name, rule),
      ...(timeout === undefined ? {} : { timeouts: { request: timeout } }),
    };
  });
}

/** The Gateway API allows one match beside a new prefix. */
function replacesPrefix({ action, rewrite }: RouteRule): boolean {
  return rewrite?.prefix !== undefined || (action.kind === "redirect" && action.prefix !== undefined);
}

function emitBackends(name: string, { action, backends }: RouteRule): HttpBackendRef[] {
  if (action.kind === "delegate") {
    const namespace = action.namespace === undefined ? {} : { namespace: action.namespace };
    return [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: action.name, ...namespace }];
  }
  return backends.map(({ destination, weight }: Backend) => ({ ...emitDestination(name, destination), weight }));
}

function emitDestination(name: string, destination: Destination): HttpBackendRef {
  return destination.kind === "service"
    ? emitService(destination)
    : { group: kgatewayGroup, kind: "Backend", name: backendName(name, destination) };
}

function emitService({ name, namespace, port }: ServiceTarget): HttpBackendRef {
  return { name, ...(namespace === undefined ? {} : { namespace }), port };
}

function emitMatch(match: AtomicMatch, extra: number): HttpRouteMatch {
  const { path, method, headers, query } = match;
  const always = trueConditions(match, extra).map((name): HttpValueMatch => ({ type: "RegularExpression", name, value: ".+" }));
  const allHeaders = [...headers.map(emitValue), ...always];
  return {
    path: emitPath(path),
    ...(method === undefined ? {} : { method }),
    ...(allHeaders.length === 0 ? {} : { headers: allHeaders }),
    ...(query.length === 0 ? {} : { queryParams: query.map(emitValue) }),
  };
}

function emitPath({ kind, value }: AtomicMatch["path"]): HttpRouteMatch["path"] {
  const types = { exact: "Exact", prefix: "PathPrefix", regex: "RegularExpression" } as const;
  return kind === "rawPrefix" ? { type: "RegularExpression", value: `${quoteRegex(value)}.*` } : { type: types[kind], value };
}

function emitValue({ name, kind, value }: ValueMatch): HttpValueMatch {
  return kind === "exact" ? { type: "Exact", name, value } : { type: "RegularExpression", name, value: kind === "present" ? ".*" : value };
}

/** `matched`: the path that a new prefix replaces the prefix of. */
function emitFilters(name: string, rule: RouteRule, matched: string | undefined): HttpRouteFilter[] {
  const { action, rewrite, requestHeaders, responseHeaders, mirrors, cors } = rule;
  const filters: HttpRouteFilter[] = [];
  if (cors !== undefined) {
    filters.push({
      type: "CORS",
      cors: {
        allowOrigins: cors.origins,
        ...(cors.methods === undefined ? {} : { allowMethods: cors.methods }),
        ...(cors.headers === undefined ? {} : { allowHeaders: cors.headers }),
        ...(cors.exposeHeaders === undefined ? {} : { exposeHeaders: cors.exposeHeaders }),
        ...(cors.maxAgeSeconds === undefined ? {} : { maxAge: cors.maxAgeSeconds }),
        ...(cors.credentials === undefined ? {} : { allowCredentials: cors.credentials }),
      },
    });
  }
  if (requestHeaders !== undefined) {
    filters.push({ type: "RequestHeaderModifier", requestHeaderModifier: emitEdits(requestHeaders) });
  }
  if (responseHeaders !== undefined) {
    filters.push({ type: "ResponseHeaderModifier", responseHeaderModifier: emitEdits(responseHeaders) });
  }
  for (const { destination, percent } of mirrors) {
    const backendRef = emitService(destination);
    filters.push({ type: "RequestMirror", requestMirror: { backendRef, ...(percent === 100 ? {} : { percent }) } });
  }
  const host = rewrite?.host ?? commonLambdaHost(rule);
  if (host !== undefined || rewrite?.path !== undefined || rewrite?.prefix !== undefined) {
    const path = emitNewPath(rewrite ?? {}, matched);
    const hostname = host === undefined ? {} : { hostname: host };
    filters.push({ type: "URLRewrite", urlRewrite: { ...hostname, ...(path === undefined ? {} : { path }) } });
  }
  if (action.kind === "redirect") {
    const { scheme, host, port, status } = action;
    const path = emitNewPath(action, matched);
    filters.push({
      type: "RequestRedirect",
      requestRedirect: {
        ...(scheme === undefined ? {} : { scheme }),
        ...(host === undefined ? {} : { hostname: host }),
        ...(port === undefined ? {} : { port }),
        ...(path === undefined ? {} : { path }),
        statusCode: status,
      },
    });
  }
  if (action.kind === "respond") {
    filters.push({
      type: "ExtensionRef",
      extensionRef: { group: kgatewayGroup, kind: "DirectResponse", name: directResponseName(name, action.status, action.body) },
    });
  }
  return filters;
}

type NewPath = { type: "ReplaceFullPath"; replaceFullPath: string } | { type: "ReplacePrefixMatch"; replacePrefixMatch: string };

/** kgateway 2.4 replaces the prefix `/` by characters: `/a` would become `/newa` with the new prefix `/new`. */
function emitNewPath({ path, prefix }: { path?: string; prefix?: string }, matched: string | undefined): NewPath | undefined {
  if (path !== undefined) {
    return { type: "ReplaceFullPath", replaceFullPath: path };
  }
  if (prefix === undefined) {
    return undefined;
  }
  return { type: "ReplacePrefixMatch", replacePrefixMatch: matched === "/" && prefix !== "/" ? `${prefix}/` : prefix };
}

function emitEdits({ set, add, remove }: Edits): HttpHeaderFilter {
  return {
    ...(set.length === 0 ? {} : { set }),
    ...(add.length === 0 ? {} : { add }),
    ...(remove.length === 0 ? {} : { remove }),
  };
}
