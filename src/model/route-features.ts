/** Which features a table uses, and what its target makes of them. */
import { joinPath, type Problems } from "./errors";
import { capabilityOf, type RouteFeature } from "./route-capabilities";
import type { AtomicMatch, Destination, RouteRule, RouteTable, Upstream } from "./route-table";
import type { RouteTarget } from "./route-types";

/** A feature and the place where it is used: a member of a route, or "" for the whole. */
export interface FeatureUse {
  feature: RouteFeature;
  /** Property path below the route, or below the spec where `route` is "". */
  at: string;
  /** Name of the route. */
  route: string;
}

/** Every use of a feature, each feature once for each place. */
export function featuresOf(table: RouteTable): FeatureUse[] {
  const uses = new Map<string, FeatureUse>();
  const add = (route: string, at: string, features: readonly (RouteFeature | false | undefined)[]): void =>
    features.forEach((feature) => {
      if (feature !== undefined && feature !== false && !uses.has(`${feature} ${route} ${at}`)) {
        uses.set(`${feature} ${route} ${at}`, { feature, at, route });
      }
    });
  for (const rule of table.rules) {
    if (rule.guards !== undefined) {
      add("", "", ["guard"]);
    } else {
      for (const match of rule.matches) {
        add(rule.route, "match", matchFeatures(match));
      }
      policyFeatures(rule).forEach(([at, feature]) => add(rule.route, at, [feature]));
      rule.backends.forEach(({ destination }) => add(rule.route, "to", destinationFeatures(destination)));
    }
  }
  table.upstreams.forEach((upstream) => add("", "upstreams", settingsFeatures(upstream)));
  add("", "tls", [table.tls.length > 0 && "tls"]);
  return [...uses.values()];
}

function matchFeatures({ path, method, headers, query }: AtomicMatch): (RouteFeature | false)[] {
  const paths = { exact: "pathExact", prefix: "pathPrefix", rawPrefix: "pathRawPrefix", regex: "pathRegex" } as const;
  const some = (list: AtomicMatch["headers"], kind: string): boolean => list.some((condition) => condition.kind === kind);
  return [
    paths[path.kind],
    method !== undefined && "methods",
    some(headers, "regex") && "headerRegex",
    some(headers, "present") && "headerPresent",
    some(query, "regex") && "queryRegex",
    some(query, "present") && "queryPresent",
  ];
}

/** The features of a rule's policies with the members of the route that ask for them. */
function policyFeatures(rule: RouteRule): [at: string, feature: RouteFeature][] {
  const { action, backends, retries, rewrite, mirrors } = rule;
  const asked: [boolean, string, RouteFeature][] = [
    [backends.length > 1, "to", "weights"],
    [mixesLambda(rule), "to", "lambdaMixed"],
    [rule.timeoutSeconds !== undefined, "timeoutSeconds", "timeout"],
    [retries !== undefined, "retries", "retries"],
    [retries?.perTrySeconds !== undefined, "retries.perTrySeconds", "perTry"],
    [retries?.backoffSeconds !== undefined, "retries.backoffSeconds", "backoff"],
    [rewrite?.prefix !== undefined, "rewrite", "rewritePrefix"],
    [rewrite?.path !== undefined, "rewrite", "rewritePath"],
    [rewrite?.regex !== undefined, "rewrite", "rewriteRegex"],
    [rewrite?.host !== undefined, "rewrite", "rewriteHost"],
    [rule.requestHeaders !== undefined, "requestHeaders", "requestHeaders"],
    [rule.responseHeaders !== undefined, "responseHeaders", "responseHeaders"],
    [action.kind === "redirect", "redirect", "redirect"],
    [action.kind === "redirect" && action.prefix !== undefined, "redirect.prefix", "redirectPrefix"],
    [action.kind === "redirect" && action.scheme === undefined && action.port === undefined, "redirect", "redirectSamePort"],
    [takesPrefixAway(rule), "redirect.prefix", "redirectRoot"],
    [action.kind === "respond", "response", "response"],
    [action.kind === "delegate", "delegate", "delegate"],
    [mirrors.length > 0, "mirrors", "mirror"],
    [mirrors.length > 1, "mirrors", "mirrorSeveral"],
    [rule.fault !== undefined, "fault", "fault"],
    [rule.cors !== undefined, "cors", "cors"],
    [rule.webSocket, "webSocket", "webSocket"],
  ];
  return asked.filter(([used]) => used).map(([, at, feature]) => [at, feature]);
}

function takesPrefixAway({ action, matches }: RouteRule): boolean {
  return action.kind === "redirect" && action.prefix === "/" && matches.some(({ path }) => path.value !== "/");
}

/** Functions of AWS under one name can be said of the whole route. */
function mixesLambda({ backends }: RouteRule): boolean {
  const places = backends.map(({ destination }) => destination.kind === "lambda" && (destination.endpointUrl ?? destination.region));
  return places.some((place) => place !== false) && new Set(places).size > 1;
}

function destinationFeatures(destination: Destination): (RouteFeature | false)[] {
  switch (destination.kind) {
    case "service":
      return [];
    case "failover":
      return ["failover", ...destination.places.flatMap(destinationFeatures)];
    case "lambda":
      return [
        "lambda",
        destination.async && "lambdaAsync",
        destination.payload === "request" && "lambdaRequest",
        destination.credentialsSecret === undefined && "lambdaIdentity",
        destination.endpointUrl !== undefined && "lambdaEndpoint",
      ];
    case "host":
      return [
        "host",
        destination.googleAudience !== undefined && "googleToken",
        destination.functionsKeySecret !== undefined && "functionsKey",
      ];
  }
}

/** A failover brings health checks along: that a target has none is said of the failover. */
function settingsFeatures({ destination, settings }: Upstream): (RouteFeature | false)[] {
  return [
    settings.hash?.keys.some(({ kind }) => kind !== "query") === true && "hash",
    settings.hash?.keys.some(({ kind }) => kind === "query") === true && "hashQuery",
    settings.circuitBreaker !== undefined && "circuitBreaker",
    settings.outlierDetection !== undefined && "outlierDetection",
    settings.healthCheck !== undefined && destination.kind !== "failover" && "healthCheck",
    settings.connectTimeoutSeconds !== undefined && "connectTimeout",
    settings.protocol !== "http1" && "http2",
    settings.tls !== undefined && "upstreamTls",
  ];
}

/** Notes every feature that the target refuses. `pathOf`: the property path of a route by its name. */
export function checkFeatures(problems: Problems, table: RouteTable, target: RouteTarget, pathOf: (route: string) => string): void {
  for (const { feature, at, route } of featuresOf(table)) {
    const { support, reason } = capabilityOf(feature, target);
    if (support === "refused") {
      problems.add(route === "" ? at : joinPath(pathOf(route), at), feature, `not with the target ${target}: ${reason}`);
    }
  }
}

/** What means a little less with a target than it says, one sentence each. */
export function routeNotices(table: RouteTable, target: RouteTarget): string[] {
  const notices = featuresOf(table).flatMap(({ feature, at, route }) => {
    const { support, reason } = capabilityOf(feature, target);
    return support === "degraded"
      ? [`${route === "" ? at : `route ${route}, ${at}`}: ${feature} with the target ${target}: ${reason}`]
      : [];
  });
  return [...new Set(notices)];
}
