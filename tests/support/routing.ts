/** Evaluators of emitted routing objects, written from the targets' own rules and not from our model: what would the gateway do with a request? */
import type {
  CustomObject,
  GlooMatcher,
  GlooValueMatch,
  GlooVirtualServiceSpec,
  HttpRouteMatch,
  HttpRouteSpec,
  HttpValueMatch,
} from "../../src/kubernetes/custom-resources";
import type { VersionedServiceFacts } from "../../src/model/facts";
import type { Backend, RouteRequest } from "../../src/model/routes";

/** Where requests go, with shares; `none` is a 404. */
export interface Outcome {
  /** Name of the rule that decided. */
  rule: string;
  /** `namespace/name:port weight`, in the order written. */
  backends: string[];
  timeout: string | undefined;
}

/** A backend of the model in the form of `Outcome.backends`. */
export function showBackend({ destination, weight }: Backend): string {
  return destination.kind === "service"
    ? `${destination.namespace ?? "mesh"}/${destination.name}:${destination.port} ${weight}`
    : `${destination.id} ${weight}`;
}

const hostMatches = (declared: string, host: string): boolean =>
  declared === "*" || (declared.startsWith("*.") ? host.endsWith(declared.slice(1)) && host !== declared.slice(2) : declared === host);

/** Gloo edge: the first route with a matcher that matches; prefix is raw text. */
export function evaluateGloo({ spec }: CustomObject<string, GlooVirtualServiceSpec<string>>, request: RouteRequest): Outcome | undefined {
  if (!spec.virtualHost.domains.some((domain) => hostMatches(domain, request.host))) {
    return undefined;
  }
  const route = spec.virtualHost.routes.find(({ matchers }) => matchers.some((matcher) => glooMatches(matcher, request)));
  if (route === undefined) {
    return undefined;
  }
  const action = route.routeAction;
  const destinations =
    action === undefined ? [] : "single" in action ? [{ destination: action.single, weight: 1 }] : action.multi.destinations;
  const backends = destinations.map(({ destination, weight }) =>
    "kube" in destination
      ? `${destination.kube.ref.namespace}/${destination.kube.ref.name}:${destination.kube.port} ${weight}`
      : `${destination.upstream.name} ${weight}`,
  );
  return { rule: route.name ?? "", backends, timeout: route.options?.timeout };
}

function glooMatches(matcher: GlooMatcher, request: RouteRequest): boolean {
  return (
    (matcher.exact === undefined || request.path === matcher.exact) &&
    (matcher.prefix === undefined || request.path.startsWith(matcher.prefix)) &&
    (matcher.regex === undefined || wholeText(matcher.regex, request.path)) &&
    (matcher.methods?.includes(request.method) ?? true) &&
    (matcher.headers ?? []).every((header) => glooValue(header, request.headers[header.name.toLowerCase()])) &&
    (matcher.queryParameters ?? []).every((parameter) => glooValue(parameter, request.query[parameter.name]))
  );
}

function glooValue({ value, regex }: GlooValueMatch, given: string | undefined): boolean {
  return given !== undefined && (value === undefined || (regex === true ? wholeText(value, given) : value === given));
}

const wholeText = (regex: string, text: string): boolean => new RegExp(`^(?:${regex})$`).test(text);

/** What every request has when Envoy looks for a route. */
const setByEnvoy = { host: "mesh.example.test", "x-forwarded-proto": "http", "x-request-id": "4bf92f35" };

/**
 * Gateway API v1: among all matches of all rules of all routes the one with the highest precedence; a regular expression goes before every prefix, as
 * in kgateway.
 *
 * @returns every rule that shares the highest precedence; more than one is a tie that age and names would decide
 */
export function evaluateHttpRoutes(routes: readonly CustomObject<string, HttpRouteSpec>[], { headers, ...rest }: RouteRequest): Outcome[] {
  const request = { ...rest, headers: { ...setByEnvoy, ...headers } };
  const candidates = routes
    .filter(({ spec }) => spec.hostnames?.some((host) => hostMatches(host, request.host)) ?? true)
    .flatMap(({ spec, metadata }) =>
      spec.rules.flatMap((rule) => rule.matches.map((match) => ({ match, rule, namespace: metadata.namespace }))),
    )
    .filter(({ match }) => httpRouteMatches(match, request))
    .map((candidate) => ({ ...candidate, rank: precedence(candidate.match) }));
  const best = candidates.map(({ rank }) => rank).sort(compareRank)[0];
  return candidates
    .filter(({ rank }) => best !== undefined && compareRank(rank, best) === 0)
    .map(({ rule, namespace }) => ({
      rule: rule.name,
      backends: rule.backendRefs.map((ref) => `${ref.namespace ?? namespace}/${ref.name}:${ref.port} ${ref.weight}`),
      timeout: rule.timeouts?.request,
    }));
}

function httpRouteMatches(match: HttpRouteMatch, request: RouteRequest): boolean {
  const { type, value } = match.path;
  const elements = (path: string): string[] =>
    path.split("/").filter((element, index, all) => index > 0 && !(index === all.length - 1 && element === ""));
  const onPath =
    type === "Exact"
      ? request.path === value
      : type === "PathPrefix"
        ? elements(value).every((element, index) => elements(request.path)[index] === element)
        : wholeText(value, request.path);
  return (
    onPath &&
    (match.method === undefined || match.method === request.method) &&
    (match.headers ?? []).every((header) => httpValue(header, request.headers[header.name.toLowerCase()])) &&
    (match.queryParams ?? []).every((param) => httpValue(param, request.query[param.name]))
  );
}

function httpValue({ type, value }: HttpValueMatch, given: string | undefined): boolean {
  return given !== undefined && (type === "RegularExpression" ? wholeText(value, given) : value === given);
}

/** Larger goes first: path kind, characters of a prefix, method, headers, query parameters. */
function precedence(match: HttpRouteMatch): number[] {
  const kinds = ["PathPrefix", "RegularExpression", "Exact"];
  return [
    kinds.indexOf(match.path.type),
    match.path.type === "PathPrefix" ? match.path.value.length : 0,
    match.method === undefined ? 0 : 1,
    match.headers?.length ?? 0,
    match.queryParams?.length ?? 0,
  ];
}

function compareRank(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, position) => value !== b[position]);
  return index < 0 ? 0 : (b[index] ?? 0) - (a[index] ?? 0);
}

/** Two snapshots; `prices` in v1 and v2 (90/10, v2 on the later snapshot only), `risk` in v1 with three pods. */
export const exampleServices: VersionedServiceFacts[] = [
  {
    name: "prices",
    weights: { v1: 90, v2: 10 },
    endpoints: [
      { version: "v1", snapshot: "s1", serviceName: "prices-v1-s1", port: 8080, podServiceNames: [] },
      { version: "v1", snapshot: "s2", serviceName: "prices-v1-s2", port: 8080, podServiceNames: [] },
      { version: "v2", snapshot: "s2", serviceName: "prices-v2-s2", port: 8080, podServiceNames: [] },
    ],
  },
  {
    name: "risk",
    weights: { v1: 1 },
    endpoints: [{ version: "v1", snapshot: "s1", serviceName: "risk-v1-s1", port: 9090, podServiceNames: ["risk-0", "risk-1", "risk-2"] }],
  },
];
