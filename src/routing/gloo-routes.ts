/** Routes of Gloo's VirtualServices: matchers, actions and options. */
import type { GlooDestination, GlooMatcher, GlooRedirect, GlooRoute, GlooValueMatch } from "../kubernetes/custom-resources";
import type { AtomicMatch, Backend, Destination, PathMatch, RouteEntry, RouteRule, RouteTable, ValueMatch } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import { emitOptions, emitPrefix } from "./gloo-options";
import { needsUpstream, upstreamName } from "./gloo-upstreams";
import { redirectCodes, textPaths } from "./words";

/** A route, and the path of its matches. */
export interface PlacedRoute<N> {
  path: PathMatch;
  route: GlooRoute<N>;
}

interface Group {
  rule: RouteRule;
  matches: AtomicMatch[];
}

/** The routes of one virtual host, in the order of its entries. */
export function emitGlooRoutes<N>(context: EmitContext<N>, order: readonly RouteEntry[], table: RouteTable): PlacedRoute<N>[] {
  return neighbours(order).map(({ rule, matches }) => {
    const path = matches[0]?.path ?? { kind: "prefix", value: "/" };
    const options = emitOptions(context, rule, path, table);
    return {
      path,
      route: {
        name: rule.name,
        matchers: matches.flatMap(emitMatchers),
        ...emitAction(context, rule, path, table),
        ...(Object.keys(options).length === 0 ? {} : { options }),
      },
    };
  });
}

/** Entries of one rule that follow each other become one route; with a new prefix only those of one path. */
function neighbours(order: readonly RouteEntry[]): Group[] {
  const groups: Group[] = [];
  for (const { rule, match } of order) {
    const last = groups[groups.length - 1];
    const sameClass = last?.matches[0]?.path.kind === match.path.kind;
    const samePath = sameClass && last?.matches[0]?.path.value === match.path.value;
    if (last?.rule === rule && (replacesPrefix(rule) ? samePath : sameClass || !isLarge(order))) {
      last.matches.push(match);
    } else {
      groups.push({ rule, matches: [match] });
    }
  }
  return groups;
}

/** Large lists are spread over RouteTables by the kind of their paths. */
function isLarge(order: readonly RouteEntry[]): boolean {
  return order.length > 1000;
}

function replacesPrefix({ action, rewrite }: RouteRule): boolean {
  return rewrite?.prefix !== undefined || (action.kind === "redirect" && action.prefix !== undefined);
}

function emitMatchers({ path, method, headers, query }: AtomicMatch): GlooMatcher[] {
  return textPaths(path).map((matcher) => ({
    ...matcher,
    ...(method === undefined ? {} : { methods: [method] }),
    ...(headers.length === 0 ? {} : { headers: headers.map(emitValue) }),
    ...(query.length === 0 ? {} : { queryParameters: query.map(emitValue) }),
  }));
}

function emitValue({ name, kind, value }: ValueMatch): GlooValueMatch {
  return kind === "present" ? { name } : { name, value, ...(kind === "regex" ? { regex: true } : {}) };
}

function emitAction<N>(
  context: EmitContext<N>,
  { action, backends }: RouteRule,
  path: PathMatch,
  table: RouteTable,
): Partial<GlooRoute<N>> {
  switch (action.kind) {
    case "redirect":
      return { redirectAction: emitRedirect(action, path) };
    case "respond":
      return { directResponseAction: { status: action.status, ...(action.body === "" ? {} : { body: action.body }) } };
    case "delegate":
      return { delegateAction: { ref: { name: action.name, namespace: action.namespace ?? context.namespace } } };
    case "forward": {
      const [only] = backends;
      if (only !== undefined && backends.length === 1) {
        return { routeAction: { single: emitDestination(context, only.destination, table) } };
      }
      const destinations = backends.map(({ destination, weight }: Backend) => ({
        destination: emitDestination(context, destination, table),
        weight,
      }));
      return { routeAction: { multi: { destinations } } };
    }
  }
}

function emitDestination<N>(context: EmitContext<N>, destination: Destination, table: RouteTable): GlooDestination<N> {
  if (destination.kind === "service" && !needsUpstream(destination, table)) {
    return { kube: { ref: { name: destination.name, namespace: destination.namespace ?? context.namespace }, port: destination.port } };
  }
  const upstream = { name: upstreamName(context.name, destination), namespace: context.namespace };
  if (destination.kind !== "lambda") {
    return { upstream };
  }
  const wrapped = destination.payload === "request" ? { requestTransformation: true, responseTransformation: true } : {};
  const aws = { logicalName: destination.functionName, ...(destination.async ? { invocationStyle: "ASYNC" as const } : {}), ...wrapped };
  return { upstream, destinationSpec: { aws } };
}

function emitRedirect(action: RouteRule["action"] & { kind: "redirect" }, matched: PathMatch): GlooRedirect {
  const { scheme, host, port, path, prefix, status } = action;
  return {
    ...(host === undefined ? {} : { hostRedirect: host }),
    ...(scheme === undefined ? {} : { httpsRedirect: scheme === "https" }),
    ...(port === undefined ? {} : { portRedirect: port }),
    ...(path === undefined ? {} : { pathRedirect: path }),
    ...(prefix === undefined ? {} : { regexRewrite: emitPrefix(matched.value, prefix) }),
    responseCode: redirectCodes[status] ?? "FOUND",
  };
}
