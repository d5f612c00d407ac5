/**
 * Routes in the user's words. What they mean is in route-table.ts, the checked form that every target is emitted from.
 *
 * One meaning for all targets: a prefix is per path element, the most specific match wins, list order never counts.
 */
import type { VersionedServiceFacts } from "./facts";
import type { Island, IslandType } from "./island-types";
import type { DelegateDestination, MirrorDestination, UpstreamPolicy, WeightedDestination } from "./route-destination-types";
import type {
  CorsPolicy,
  FaultPolicy,
  HeaderEdits,
  RedirectPolicy,
  ResponsePolicy,
  RetryPolicy,
  RewritePolicy,
  StickyPolicy,
} from "./route-policy-types";

/** Kind of the custom resources that routes become. */
export const RouteTarget = {
  /** Gateway API v1 (`Gateway`, `HTTPRoute`) with kgateway's own kinds beside it. */
  GatewayApi: "gatewayApi",
  /** Gloo edge (`gateway.solo.io/v1 VirtualService`). Its open-source releases end on 31 Dec 2026. */
  Gloo: "gloo",
  /** Istio (`networking.istio.io/v1 VirtualService`). */
  Istio: "istio",
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

/** A gRPC call. */
export interface GrpcMatch {
  /** Full name of the service, for example `mesh.v1.Quotes`. */
  service: string;
  /** Default: every method of the service. */
  method?: string;
}

/**
 * One way in which a request can match; all members must hold. At most one of `prefix`, `exact`, `rawPrefix`, `regex` and `grpc`; default: `prefix: "/"`.
 *
 * Regular expressions are of the subset that RE2 and JavaScript read alike, and take the whole path or value.
 */
export interface RouteMatch {
  /** Path by whole elements: `/prices` takes `/prices` and `/prices/eu`, never `/prices2`. */
  prefix?: string;
  /** Exactly this path. */
  exact?: string;
  /** Path that starts with these characters: `/prices` takes `/prices2` as well. */
  rawPrefix?: string;
  /** Regular expression for the whole path. It goes before every prefix, however long; two of them must not meet with equal precedence. */
  regex?: string;
  /** A gRPC call instead of a path. */
  grpc?: GrpcMatch;
  /** HTTP methods. Default: any. */
  methods?: string[];
  /** Headers with exactly these values; names in any case. */
  headers?: Record<string, string>;
  /** Headers whose values a regular expression takes. */
  headersMatching?: Record<string, string>;
  /** Headers that are there, whatever their values. */
  headersPresent?: string[];
  /** Query parameters with exactly these values. */
  query?: Record<string, string>;
  /** Query parameters whose values a regular expression takes. */
  queryMatching?: Record<string, string>;
  /** Query parameters that are there, whatever their values. */
  queryPresent?: string[];
  /**
   * Snapshot that the request names: a snapshot id, `latest` (see `RoutesSpec.latest`) or another alias where the destination names the snapshot, or `each`
   * for every snapshot that the route's services are bound to.
   */
  snapshot?: string;
  /** Version that the request names, or `each`. */
  version?: string;
  /** Shard that the request names, or `each` for every pod of the route's services. */
  shard?: number | "each";
}

/** One route. The order of routes never counts: the most specific match wins. Exactly one of `to`, `redirect`, `response` and `delegate`. */
export interface MeshRoute {
  /** Unique, a DNS label. */
  name: string;
  /** Host names of this route alone. Default: those of all routes. */
  hosts?: string[];
  /** A request that matches any of these takes the route; `[{}]` matches every request. */
  match: RouteMatch[];
  to?: WeightedDestination[];
  redirect?: RedirectPolicy;
  response?: ResponsePolicy;
  delegate?: DelegateDestination;
  /** Time until the gateway gives up on a request, in seconds (whole milliseconds). Default: the gateway's own. */
  timeoutSeconds?: number;
  /** Default: none; three where all destinations are gatherers, and what a failover needs. */
  retries?: RetryPolicy;
  rewrite?: RewritePolicy;
  requestHeaders?: HeaderEdits;
  responseHeaders?: HeaderEdits;
  mirrors?: MirrorDestination[];
  fault?: FaultPolicy;
  cors?: CorsPolicy;
  /** Keeps users on one version of a weighted route. */
  sticky?: StickyPolicy;
  /** Lets the connection become a WebSocket; such a route has no timeout. Default: false. */
  webSocket?: boolean;
}

/** HTTPS for some hosts, ended at the gateway. */
export interface RoutesTls {
  /** Default: every host. */
  hosts?: string[];
  /** Secret of type `kubernetes.io/tls` with the certificate. */
  certificateSecret: string;
  /** Its namespace. Default: that of the routes. */
  certificateNamespace?: string;
}

/** Another namespace that lets these routes refer to what is in it (Gateway API: a ReferenceGrant). */
export interface NamespaceGrant {
  namespace: string;
  /** Makes the ReferenceGrant there. Default: false, it is there already. */
  create?: boolean;
}

/** A Kubernetes Service that exists. */
export interface KubernetesServiceFacts {
  name: string;
  /** Default: the namespace of the routes. */
  namespace?: string;
  ports: number[];
}

/** What `latest` means for the services of one snapshot group: the newest complete snapshot that all of them are bound to. */
export interface LatestSnapshot {
  /** Name of the snapshot group. */
  group: string;
  /** Names of the services that are bound to its snapshots; each service is of one group. */
  services: string[];
  /** Ids of the snapshots of which every shard has its manifest. */
  complete: string[];
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
  /** At least one, unless there are islands. */
  routes: MeshRoute[];
  /** Types of islands. */
  islandTypes?: IslandType[];
  /** Instances of these types; their routes are checked together with all others. */
  islands?: Island[];
  /** What `latest` means in matches and destinations. Default: nothing, and then a destination beside it names the snapshot. */
  latest?: LatestSnapshot[];
  /** How destinations are spoken to. */
  upstreams?: UpstreamPolicy[];
  /** Default: plain HTTP. */
  tls?: RoutesTls[];
  /** Other namespaces that destinations may be in. The Gateway API answers 500 without. */
  grants?: NamespaceGrant[];
  /** Every Kubernetes Service that `kubernetes` destinations can name. Default: not checked. */
  kubernetesServices?: KubernetesServiceFacts[];
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
