/**
 * The route table: routes in the one normal form that every target is emitted from, and that our own matcher reads.
 *
 * Everything is spelled out: hosts are grouped, methods and dimensions are atomic matches, services are Kubernetes Services, defaults are filled in.
 * All lists are sorted, so that the same routes give the same table whatever the order in which they were written. Durations are seconds.
 */
import type { CircuitBreakerPolicy, HealthCheckPolicy, OutlierPolicy, UpstreamTlsPolicy } from "./route-destination-types";
import type { CorsPolicy, RegexRewrite, RetryCondition } from "./route-policy-types";

/** The path part of a match. A `prefix` is per element and has no slash at its end, except `/` itself; a `rawPrefix` is plain text. */
export interface PathMatch {
  kind: "exact" | "prefix" | "rawPrefix" | "regex";
  value: string;
}

/** A condition on one header or query parameter. A regular expression takes the whole value; `present` has the value "". */
export interface ValueMatch {
  name: string;
  kind: "exact" | "regex" | "present";
  value: string;
}

/** The smallest unit of matching: one path, at most one method, all headers, all query parameters. Each name is there once. */
export interface AtomicMatch {
  path: PathMatch;
  method?: string;
  /** Names in lower case, sorted. */
  headers: ValueMatch[];
  /** Sorted by name. */
  query: ValueMatch[];
  /** Set on the matches of a guard (see `RouteRule.guards`): the kind of its condition on the snapshot, which counts for half. */
  guard?: "header" | "query";
  /** Set where the user did not write it: a match that names no snapshot also stands for requests that name that of its pods. */
  own?: true;
}

/** A Kubernetes Service: of all pods of a version and snapshot, or of one pod. */
export interface ServiceTarget {
  kind: "service";
  /** Equal for equal destinations only; so for every kind. */
  id: string;
  name: string;
  port: number;
  /** Namespace where it is not the one of the routes. */
  namespace?: string;
  /** The versioned service that it belongs to, where that is known, and which part of it. */
  service?: string;
  version?: string;
  snapshot?: string;
  shard?: number;
  /** Set where its pods are gatherers, of which each answers for all shards. */
  gatherer?: true;
}

/** A server outside of the cluster. */
export interface HostTarget {
  kind: "host";
  id: string;
  host: string;
  port: number;
  /** Its base path, "" for the root; the rule's rewrite says what becomes of the request's path. */
  path: string;
  tls: boolean;
  /** Identity token that the gateway gets from the metadata server and sends as `Authorization: Bearer`. */
  googleAudience?: string;
  /** Secret whose key `x-functions-key` is sent in the header of that name. */
  functionsKeySecret?: string;
  /** What it is in the user's words. */
  origin: "url" | "cloudRun" | "cloudFunction" | "azureFunction";
}

/** An AWS Lambda function. */
export interface LambdaTarget {
  kind: "lambda";
  id: string;
  region: string;
  accountId: string;
  functionName: string;
  qualifier: string;
  /** Default: the identity of the gateway's own pod. */
  credentialsSecret?: string;
  async: boolean;
  payload: "request" | "body";
  endpointUrl?: string;
}

/** Places in the order in which they are tried; all requests go to the first that is healthy. */
export interface FailoverTarget {
  kind: "failover";
  id: string;
  places: (ServiceTarget | HostTarget)[];
  /** Path that answers 200 where a place is healthy. */
  healthPath: string;
}

/** Where a request can go. */
export type Destination = ServiceTarget | HostTarget | LambdaTarget | FailoverTarget;

/** A destination with its share. */
export interface Backend {
  weight: number;
  /** What it is in the mesh's words, for example `prices v1`. */
  label: string;
  destination: Destination;
}

/** One way to hash a request; `source` is the client's address and has no name. */
export interface HashKey {
  kind: "header" | "cookie" | "query" | "source";
  name: string;
}

/** How a destination is spoken to. What is absent is the gateway's own default. */
export interface UpstreamSettings {
  protocol: "http1" | "http2" | "grpc";
  connectTimeoutSeconds?: number;
  /** The first key that a request has decides. */
  hash?: { algorithm: "maglev" | "ringHash"; keys: HashKey[] };
  circuitBreaker?: CircuitBreakerPolicy;
  outlierDetection?: Required<OutlierPolicy>;
  healthCheck?: HealthCheckPolicy & Required<Omit<HealthCheckPolicy, "path" | "grpc">>;
  tls?: UpstreamTlsPolicy;
}

/** A destination that some rule uses, with its settings; a failover has those of all its places. */
export interface Upstream {
  destination: Destination;
  settings: UpstreamSettings;
}

/** Tries after the first. */
export interface Retries {
  attempts: number;
  on: RetryCondition[];
  perTrySeconds?: number;
  backoffSeconds?: number;
  /** Whether a further try goes to the next place of a failover. */
  otherPlace: boolean;
}

/** What happens to the address of a request; at most one of `prefix`, `path` and `regex`. */
export interface Rewrite {
  prefix?: string;
  path?: string;
  regex?: RegexRewrite;
  host?: string;
}

/** Changes of headers; names in lower case, sorted. */
export interface Edits {
  set: { name: string; value: string }[];
  add: { name: string; value: string }[];
  remove: string[];
}

/** What a rule does with a request. */
export type RouteAction =
  | { kind: "forward"; backends: Backend[] }
  | { kind: "redirect"; scheme?: "http" | "https"; host?: string; port?: number; path?: string; prefix?: string; status: number }
  | { kind: "respond"; status: number; body: string }
  | { kind: "delegate"; name: string; namespace?: string };

/** Matches with one and the same outcome. */
export interface RouteRule {
  /** Unique, a DNS label: the route's name, with what sets it apart where one route has several outcomes. */
  name: string;
  /** Name of the route. */
  route: string;
  /** Sorted. */
  hosts: string[];
  /** Most specific first. */
  matches: AtomicMatch[];
  action: RouteAction;
  /** The action's backends; none where it does not forward. */
  backends: Backend[];
  timeoutSeconds?: number;
  retries?: Retries;
  rewrite?: Rewrite;
  requestHeaders?: Edits;
  responseHeaders?: Edits;
  mirrors: { destination: ServiceTarget; label: string; percent: number }[];
  fault?: { delay?: { seconds: number; percent: number }; abort?: { status: number; percent: number } };
  cors?: CorsPolicy;
  webSocket: boolean;
  /**
   * Set where the rule is not the user's: it answers requests that name a snapshot which is not served, so that no rule without a snapshot answers them
   * from another one. Among matches of one path and method each stands after those that name a snapshot, and before the one that it guards.
   */
  guards?: "snapshot";
  /** Set where the destinations are those of `latest`, so that they change when it moves. */
  alias?: "latest";
}

/** One match of one rule. */
export interface RouteEntry {
  match: AtomicMatch;
  rule: RouteRule;
}

/** Hosts with the same rules. A request is answered by the virtual host that names its host most exactly, and by no other. */
export interface VirtualHost {
  /** Sorted; `*` alone takes every host, `*.example.com` all names below it. */
  hosts: string[];
  /** Every match, most specific first; the first that matches a request decides. */
  order: RouteEntry[];
}

/** A certificate for some hosts. */
export interface TableTls {
  hosts: string[];
  certificateSecret: string;
  certificateNamespace?: string;
}

/** Checked routes. In one virtual host no two entries of different rules with equal precedence match the same request. */
export interface RouteTable {
  /** Every host, sorted. */
  hosts: string[];
  /** Sorted by their first host. Each host is in one of them. */
  virtualHosts: VirtualHost[];
  /** Sorted by name. */
  rules: RouteRule[];
  /** Every destination that a rule forwards or mirrors to, sorted by id. */
  upstreams: Upstream[];
  tls: TableTls[];
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

/** Where a request goes, and why. */
export interface RouteDecision {
  /** The virtual host that answers; absent: none, the gateway answers 404. */
  virtualHost?: VirtualHost;
  /** The match that decided; absent: none, the gateway answers 404. */
  entry?: RouteEntry;
  /** Where it can go, with shares that sum to 1; those with weight 0 are left out. */
  destinations: { backend: Backend; share: number }[];
  /** In words, most decisive first. */
  why: string[];
}
