/** Where requests can go, in the user's words. */

/** A versioned service, found through its facts. */
export interface ServiceDestination {
  /** Name of the VersionedService. */
  service: string;
  /** Default: the version that the match names, else all versions bound to the snapshot by their weights. */
  version?: string;
  /** A snapshot id, or `latest`. Default: the snapshot that the match names. */
  snapshot?: string;
  /** Pod of this ordinal, where the service runs as a StatefulSet. Default: the shard that the match names, else any pod. */
  shard?: number;
}

/** A Kubernetes Service that compute-mesh does not know. */
export interface KubernetesDestination {
  name: string;
  port: number;
  /** Default: the namespace of the routes. Another one needs a ReferenceGrant there (Gateway API). */
  namespace?: string;
}

/** An AWS Lambda function, invoked with a signed request; the function's answer becomes the response. */
export interface LambdaDestination {
  region: string;
  /** Twelve digits. */
  accountId: string;
  functionName: string;
  /** A version or an alias. Default: `$LATEST`. */
  qualifier?: string;
  /** Secret in the namespace of the routes with the keys `accessKey` and `secretKey`. Default: the identity of the gateway's own pod. */
  credentialsSecret?: string;
  /** Does not wait for the answer. Default: false. */
  async?: boolean;
  /** `request` wraps method, path, headers and body into JSON and unwraps the answer; `body` hands bodies through. Default: `request`. */
  payload?: "request" | "body";
  /** Another server that speaks Lambda's protocol, with a port, for example `http://127.0.0.1:9001`. */
  endpointUrl?: string;
}

/** A Cloud Run service; the gateway adds an identity token of its own service account. */
export interface CloudRunDestination {
  /** For example `scale-abc123-ew.a.run.app`. */
  host: string;
  /** Audience of the token. Default: `https://<host>`. */
  audience?: string;
  /** Without a token, for services that allow everybody. Default: false. */
  public?: boolean;
}

/** A Google Cloud function under its address `https://<region>-<project>.cloudfunctions.net/<function>`. */
export interface CloudFunctionDestination {
  region: string;
  project: string;
  function: string;
  /** Without an identity token, for functions that allow everybody. Default: false. */
  public?: boolean;
}

/** An HTTP-triggered Azure function, `https://<app>.azurewebsites.net/api/<function>`. */
export interface AzureFunctionDestination {
  app: string;
  function: string;
  /** Secret in the namespace of the routes whose key `x-functions-key` holds the function's key. Default: no key, for anonymous functions. */
  keySecret?: string;
}

/** A server outside of the cluster. */
export interface UrlDestination {
  /**
   * `https://host[:port][/path]` (or `http://`, without any protection). A path takes the place of the prefix that matched, or of the whole path where
   * the match is exact or a regular expression. The Host header becomes the URL's host.
   */
  url: string;
}

/** Routes of another team: their object decides. What it has no route for goes to the route that would take it without this one. */
export interface DelegateDestination {
  /** Name of their HTTPRoute, RouteTable or VirtualService. */
  name: string;
  /** Default: the namespace of the routes. */
  namespace?: string;
}

/** One place of a failover; exactly one member. */
export interface PlaceDestination {
  service?: ServiceDestination;
  kubernetes?: KubernetesDestination;
  url?: UrlDestination;
}

/**
 * The first place that is healthy gets everything: the local one first. Health checks, ejection of every endpoint, and retries at the next place are
 * set with it, because without all three gateways do not fail over.
 */
export interface FailoverDestination {
  /** At least two, the nearest first. */
  places: PlaceDestination[];
  /** Path that answers 200 where a place is healthy. Default: `/healthz`. */
  healthPath?: string;
}

/** One destination and its share; exactly one member beside `weight`. */
export interface WeightedDestination {
  /** Share relative to the route's other destinations, 0 to 1 000 000. Default: 1. */
  weight?: number;
  service?: ServiceDestination;
  kubernetes?: KubernetesDestination;
  failover?: FailoverDestination;
  lambda?: LambdaDestination;
  cloudRun?: CloudRunDestination;
  cloudFunction?: CloudFunctionDestination;
  azureFunction?: AzureFunctionDestination;
  url?: UrlDestination;
}

/** A copy of every request, whose answer is thrown away; exactly one of `service` and `kubernetes`. */
export interface MirrorDestination {
  service?: ServiceDestination;
  kubernetes?: KubernetesDestination;
  /** 1 to 100. Default: 100. */
  percent?: number;
}

/** Same key, same pod. The first member that the request has decides; at least one. */
export interface HashPolicy {
  header?: string;
  cookie?: string;
  query?: string;
  /** The client's address, where nothing else is there. */
  sourceAddress?: boolean;
  /** Default: `maglev`. */
  algorithm?: "maglev" | "ringHash";
}

/** Limits beyond which the gateway answers 503 instead of queueing. Each default is the gateway's own (Envoy: 1,024; 3 retries, and 1,024 of them for gatherers and failovers). */
export interface CircuitBreakerPolicy {
  maxConnections?: number;
  maxPendingRequests?: number;
  maxRequests?: number;
  maxRetries?: number;
}

/** Leaves out pods that answer with errors. Gatherers and failovers have it if nothing is said. */
export interface OutlierPolicy {
  /** Consecutive 5xx answers, or connections that could not be made. Default: 5; gatherers 3, failovers 2. */
  consecutiveErrors?: number;
  /** Default: 10; gatherers 5, failovers 1. */
  intervalSeconds?: number;
  /** Default: 30; gatherers 60, failovers 5. It grows with each time. */
  ejectionSeconds?: number;
  /** 0 to 100; 0 switches it off. Default: 10; gatherers 50, failovers 100, because they would never happen otherwise. */
  maxEjectionPercent?: number;
}

/** The gateway asks each pod on its own account. */
export interface HealthCheckPolicy {
  /** Path that answers 200; exactly one of `path` and `grpc`. */
  path?: string;
  /** Asks the standard gRPC health service, by this service name ("" is the whole server). */
  grpc?: string;
  /** Default: 2. */
  intervalSeconds?: number;
  /** Default: 1. */
  timeoutSeconds?: number;
  /** Default: 2. */
  unhealthyThreshold?: number;
  /** Default: 1. */
  healthyThreshold?: number;
}

/** TLS towards a destination. Its certificate must be valid for `serverName`. */
export interface UpstreamTlsPolicy {
  serverName: string;
  /** ConfigMap (Gateway API) or Secret with the certificate authority under the key `ca.crt`. Default: the public authorities. */
  ca?: string;
}

/** How a destination's pods are spoken to. Exactly one of `service` and `kubernetes` names it; a policy holds for every route that goes there. */
export interface UpstreamPolicy {
  /** Every Kubernetes Service of this VersionedService. */
  service?: string;
  kubernetes?: KubernetesDestination;
  /** `grpc` and `http2` speak HTTP/2 without TLS from the start. Default: `http1`. */
  protocol?: "http1" | "http2" | "grpc";
  /** Default: 1 for gatherers, else the gateway's own (5 or 10). */
  connectTimeoutSeconds?: number;
  hash?: HashPolicy;
  circuitBreaker?: CircuitBreakerPolicy;
  outlierDetection?: OutlierPolicy;
  healthCheck?: HealthCheckPolicy;
  tls?: UpstreamTlsPolicy;
}
