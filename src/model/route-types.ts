/**
 * Routes in the user's words, and the checked model that every target is emitted from.
 *
 * One meaning for all targets: a prefix is per path element, the most specific match wins, list order never counts.
 */
import type { VersionedServiceFacts } from "./facts";

/** Kind of the custom resources that routes become. */
export const RouteTarget = {
  /** Gateway API v1 (`Gateway`, `HTTPRoute`), by default with kgateway. */
  GatewayApi: "gatewayApi",
  /** Gloo edge (`gateway.solo.io/v1 VirtualService`). Its open-source releases end on 31 Dec 2026. */
  Gloo: "gloo",
} as const;
export type RouteTarget = (typeof RouteTarget)[keyof typeof RouteTarget];

/** Where a request carries the value of one dimension. With both, either is enough, and the header wins where they differ. */
export interface DimensionKey {
  /** Name of the header. Default: the dimension's own header where no `query` is given either. */
  header?: string;
  /** Name of the query parameter. Default: none. */
  query?: string;
}

/** How requests name a snapshot, a version or a shard: declared once, used by every route. */
export interface RouteDimensions {
  /** Default: header `x-mesh-snapshot`. */
  snapshot?: DimensionKey;
  /** Default: header `x-mesh-version`. */
  version?: DimensionKey;
  /** Default: header `x-mesh-shard`. */
  shard?: DimensionKey;
}

/** One way in which a request can match; all members must hold. At most one of `prefix`, `exact` and `regex`; default: `prefix: "/"`. */
export interface RouteMatch {
  /** Path by whole elements: `/prices` takes `/prices` and `/prices/eu`, never `/prices2`. */
  prefix?: string;
  /** Exactly this path. */
  exact?: string;
  /**
   * Regular expression for the whole path, in the subset that RE2 and JavaScript read alike. Gateways disagree on whether a regex or a prefix wins,
   * so it is refused wherever it could meet a prefix or another regex that sends the request elsewhere.
   */
  regex?: string;
  /** HTTP methods. Default: any. */
  methods?: string[];
  /** Headers with exactly these values; names in any case. */
  headers?: Record<string, string>;
  /** Query parameters with exactly these values. */
  query?: Record<string, string>;
  /** Snapshot that the request names; a snapshot id, or an alias such as `latest` where the destination names the snapshot. */
  snapshot?: string;
  /** Version that the request names. */
  version?: string;
  /** Shard that the request names. */
  shard?: number;
}

/** A versioned service, found through its facts. */
export interface ServiceDestination {
  /** Name of the VersionedService. */
  service: string;
  /** Default: the version that the match names, else all versions bound to the snapshot by their weights. */
  version?: string;
  /** Default: the snapshot that the match names. */
  snapshot?: string;
}

/** A Kubernetes Service that compute-mesh does not know. */
export interface KubernetesDestination {
  name: string;
  port: number;
  /** Default: the namespace of the routes. Another one needs a ReferenceGrant there (Gateway API). */
  namespace?: string;
}

/** One destination and its share; exactly one of `service` and `kubernetes`. */
export interface WeightedDestination {
  /** Share relative to the route's other destinations, 0 to 1 000 000. Default: 1. */
  weight?: number;
  service?: ServiceDestination;
  kubernetes?: KubernetesDestination;
}

/** One route. The order of routes never counts: the most specific match wins. */
export interface MeshRoute {
  /** Unique, a DNS label. */
  name: string;
  /** A request that matches any of these takes the route; `[{}]` matches every request. */
  match: RouteMatch[];
  to: WeightedDestination[];
  /** Time until the gateway gives up on a request, in seconds (whole milliseconds). Default: the gateway's own. */
  timeoutSeconds?: number;
}

/** All that decides where requests go. */
export interface RoutesSpec {
  /** Host names; `*.example.com` takes all names below it, a lone `*` every host. */
  hosts: string[];
  /** Default: `gatewayApi`. */
  target?: RouteTarget;
  dimensions?: RouteDimensions;
  /** The services that destinations name. */
  services: VersionedServiceFacts[];
  routes: MeshRoute[];
}

/** The path part of a match. A prefix is per element and has no slash at its end, except `/` itself. */
export interface PathMatch {
  kind: "exact" | "prefix" | "regex";
  value: string;
}

/** A header or a query parameter and its exact value. */
export interface NameValue {
  name: string;
  value: string;
}

/** The smallest unit of matching: one path, at most one method, all headers, all query parameters. */
export interface AtomicMatch {
  path: PathMatch;
  method?: string;
  /** Names in lower case, sorted. */
  headers: NameValue[];
  /** Sorted by name. */
  query: NameValue[];
}

/** A Kubernetes Service with its share. */
export interface Backend {
  name: string;
  port: number;
  /** Namespace where it is not the one of the routes. */
  namespace?: string;
  weight: number;
  /** What it is in the mesh's words, for example `prices v1`. */
  label: string;
}

/** Matches with one and the same outcome. */
export interface RouteRule {
  /** Unique, a DNS label: the route's name, with what sets it apart where one route has several outcomes. */
  name: string;
  /** Name of the route. */
  route: string;
  /** Most specific first. */
  matches: AtomicMatch[];
  backends: Backend[];
  timeoutSeconds?: number;
}

/** One match of one rule. */
export interface RouteEntry {
  match: AtomicMatch;
  rule: RouteRule;
}

/** Checked routes. No two entries of different rules with equal precedence match the same request. */
export interface RouteModel {
  hosts: string[];
  /** Sorted by name. */
  rules: RouteRule[];
  /** Every match, most specific first; the first that matches a request decides. */
  order: RouteEntry[];
}

/** A request as routing sees it. */
export interface RouteRequest {
  host: string;
  method: string;
  /** Without the query. */
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  query: Record<string, string>;
}

/** What people and tools need to know of the routes: plain values, known in preview. */
export interface GlooRoutesFacts {
  name: string;
  hosts: string[];
  routes: RouteFacts[];
}

/** One outcome of one route. */
export interface RouteFacts {
  /** Name of the rule. */
  name: string;
  /** For example `/prices [x-mesh-snapshot: 20261121t0600z] → prices v1 90 %, prices v2 10 %`. */
  summary: string;
  /** Where its requests go, for example `prices v1 90 %, prices v2 10 %`. */
  destination: string;
  /** A request that takes it, for example `GET http://mesh.example.test/prices [x-mesh-snapshot: 20261121t0600z]`. */
  witness: string;
}
