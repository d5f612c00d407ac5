/** Emits checked routes as Gateway API v1 objects (standard channel). Pure: plain values in, plain Kubernetes objects out. */
import type {
  CustomObject,
  GatewaySpec,
  HttpRouteMatch,
  HttpRouteRule,
  HttpRouteSpec,
  HttpValueMatch,
} from "../kubernetes/custom-resources";
import { componentLabel, describeLabels } from "../kubernetes/labels";
import { dnsName } from "../model/names";
import { matchKey } from "../model/route-match";
import { httpRouteLimits, type AtomicMatch, type Backend, type RouteRule, type RouteTable, type ValueMatch } from "../model/routes";
import { splitByName } from "./pages";

const apiVersion = "gateway.networking.k8s.io/v1";
const pathTypes = { exact: "Exact", prefix: "PathPrefix", rawPrefix: "RegularExpression", regex: "RegularExpression" } as const;

/** What every object of one GlooRoutes has in common. */
export interface EmitContext<N> {
  /** Name of the GlooRoutes. */
  name: string;
  namespace: N;
}

/** One HTTPRoute and its page key, "" where there is one page only. */
export interface HttpRoutePage<N> {
  key: string;
  object: CustomObject<N, HttpRouteSpec>;
}

/** A Gateway with one plain HTTP listener that takes routes of its own namespace. */
export function emitGateway<N>({ name, namespace }: EmitContext<N>, className: string, port: number): CustomObject<N, GatewaySpec> {
  return {
    apiVersion,
    kind: "Gateway",
    metadata: { name: dnsName(name, "gateway"), namespace, labels: { ...describeLabels(name, "gateway"), [componentLabel]: name } },
    spec: {
      gatewayClassName: className,
      listeners: [{ name: "http", port, protocol: "HTTP", allowedRoutes: { namespaces: { from: "Same" } } }],
    },
  };
}

/**
 * The HTTPRoutes: one, or several pages where its limits are exceeded.
 *
 * Pages are safe because the model has no ties: rules on different pages are told apart by precedence alone, never by the age or the name of their
 * HTTPRoute. Pages are keyed by a hash of the rules' names (see pages.ts) and not by their number, which would rename all later pages when a rule is
 * added, nor by their first rule, which would rename a page when that rule goes.
 */
export function emitHttpRoutes<N>(
  context: EmitContext<N>,
  model: RouteTable,
  parent: { name: string; namespace?: string },
): HttpRoutePage<N>[] {
  const pieces = model.rules.flatMap(emitRule);
  const pages = splitByName(pieces, ({ name }) => name, fitsOneRoute);
  const hostnames = model.hosts.filter((host) => host !== "*");
  const parentRefs = [{ name: parent.name, ...(parent.namespace === undefined ? {} : { namespace: parent.namespace }) }];
  const { name, namespace } = context;
  return pages.map(({ key, things: rules }) => {
    const metadata = {
      name: dnsName(name, "routes", ...(key === "" ? [] : [key])),
      namespace,
      labels: { ...describeLabels(name, "routes"), [componentLabel]: name },
    };
    return {
      key,
      object: { apiVersion, kind: "HTTPRoute", metadata, spec: { parentRefs, ...(hostnames.length === 0 ? {} : { hostnames }), rules } },
    };
  });
}

function fitsOneRoute(rules: readonly HttpRouteRule[]): boolean {
  const matches = rules.reduce((sum, rule) => sum + rule.matches.length, 0);
  return rules.length <= httpRouteLimits.rules && matches <= httpRouteLimits.matches;
}

/** One rule, or several with the same outcome where it has too many matches. */
function emitRule(rule: RouteRule): HttpRouteRule[] {
  const pieces = splitByName(rule.matches, matchKey, (matches) => matches.length <= httpRouteLimits.matchesPerRule);
  return pieces.map(({ key, things }) => ({
    name: dnsName(rule.name, ...(key === "" ? [] : [key])),
    matches: things.map(emitMatch),
    backendRefs: rule.backends.flatMap(emitBackend),
    ...(rule.timeoutSeconds === undefined ? {} : { timeouts: { request: formatDuration(rule.timeoutSeconds) } }),
  }));
}

function emitBackend({ weight, destination }: Backend): HttpRouteRule["backendRefs"] {
  if (destination.kind !== "service") {
    return [];
  }
  const { name, namespace, port } = destination;
  return [{ name, ...(namespace === undefined ? {} : { namespace }), port, weight }];
}

function emitMatch(match: AtomicMatch): HttpRouteMatch {
  return {
    path: { type: pathTypes[match.path.kind], value: match.path.value },
    ...(match.method === undefined ? {} : { method: match.method }),
    ...(match.headers.length === 0 ? {} : { headers: match.headers.map(emitValue) }),
    ...(match.query.length === 0 ? {} : { queryParams: match.query.map(emitValue) }),
  };
}

function emitValue({ name, value }: ValueMatch): HttpValueMatch {
  return { type: "Exact", name, value };
}

/** A GEP-2257 duration, which has no fractions: 1.5 → `1s500ms`. */
function formatDuration(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000);
  const [whole, rest] = [Math.floor(milliseconds / 1000), milliseconds % 1000];
  return `${whole === 0 ? "" : `${whole}s`}${rest === 0 ? "" : `${rest}ms`}`;
}
