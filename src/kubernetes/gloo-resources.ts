/** Shapes of Gloo's edge API (v1.22): only the fields that we write. `N` is the type of a namespace. */

/** `gateway.solo.io/v1 Gateway`. */
export interface GlooGatewaySpec<N> {
  bindAddress: string;
  bindPort: number;
  proxyNames: string[];
  ssl?: boolean;
  httpGateway: { virtualServices: GlooRef<N>[] };
}

/** A name and a namespace. */
export interface GlooRef<N> {
  name: string;
  namespace: N | string;
}

/** `gateway.solo.io/v1 VirtualService`. */
export interface GlooVirtualServiceSpec<N> {
  virtualHost: { domains: string[]; routes: GlooRoute<N>[] };
  sslConfig?: { secretRef: GlooRef<N>; sniDomains?: string[] };
}

/** `gateway.solo.io/v1 RouteTable`. */
export interface GlooRouteTableSpec<N> {
  routes: GlooRoute<N>[];
}

/** One route; the first that matches decides. Exactly one of the actions. */
export interface GlooRoute<N> {
  name?: string;
  matchers: GlooMatcher[];
  routeAction?: { single: GlooDestination<N> } | { multi: { destinations: { destination: GlooDestination<N>; weight: number }[] } };
  redirectAction?: GlooRedirect;
  directResponseAction?: { status: number; body?: string };
  delegateAction?: { ref: GlooRef<N> };
  options?: GlooRouteOptions<N>;
}

/** One matcher of a route: exactly one of `exact`, `prefix` (raw text, not per element) and `regex`. */
export interface GlooMatcher {
  exact?: string;
  prefix?: string;
  regex?: string;
  methods?: string[];
  headers?: GlooValueMatch[];
  queryParameters?: GlooValueMatch[];
}

/** A condition; without a value any takes it. */
export interface GlooValueMatch {
  name: string;
  value?: string;
  regex?: boolean;
}

/** A Kubernetes Service, or an Upstream with the function of it. */
export type GlooDestination<N> =
  { kube: { ref: GlooRef<N>; port: number } } | { upstream: GlooRef<N>; destinationSpec?: { aws: GlooAwsDestination } };

/** Which function of an AWS Upstream is called, and how. */
export interface GlooAwsDestination {
  logicalName: string;
  invocationStyle?: "ASYNC";
  requestTransformation?: boolean;
  responseTransformation?: boolean;
}

/** A redirect; `responseCode` is a word of Envoy's. */
export interface GlooRedirect {
  hostRedirect?: string;
  httpsRedirect?: boolean;
  portRedirect?: number;
  pathRedirect?: string;
  regexRewrite?: GlooRegexRewrite;
  responseCode: string;
}

/** A substitution. */
export interface GlooRegexRewrite {
  pattern: { regex: string };
  substitution: string;
}

/** A header to add: a value, or all entries of a Secret. */
export interface GlooHeader<N> {
  header?: { key: string; value: string };
  headerSecretRef?: GlooRef<N>;
  append?: boolean;
}

/** What a route does beside its action. Durations are in the JSON form of protobuf: seconds with a fraction. */
export interface GlooRouteOptions<N> {
  timeout?: string;
  retries?: {
    retryOn: string;
    numRetries: number;
    perTryTimeout?: string;
    retryBackOff?: { baseInterval: string };
  };
  regexRewrite?: GlooRegexRewrite;
  hostRewrite?: string;
  headerManipulation?: {
    requestHeadersToAdd?: GlooHeader<N>[];
    requestHeadersToRemove?: string[];
    responseHeadersToAdd?: GlooHeader<N>[];
    responseHeadersToRemove?: string[];
  };
  shadowing?: { upstream: GlooRef<N>; percentage: number };
  faults?: { delay?: { fixedDelay: string; percentage: number }; abort?: { httpStatus: number; percentage: number } };
  cors?: {
    allowOrigin: string[];
    allowMethods?: string[];
    allowHeaders?: string[];
    exposeHeaders?: string[];
    maxAge?: string;
    allowCredentials?: boolean;
  };
  lbHash?: { hashPolicies: GlooHashPolicy[] };
  upgrades?: { websocket: { enabled: boolean } }[];
}

/** A hash policy: exactly one of `header`, `cookie` and `sourceIp`. */
export interface GlooHashPolicy {
  header?: string;
  cookie?: { name: string };
  sourceIp?: boolean;
  terminal: boolean;
}

/** `gloo.solo.io/v1 Upstream`: exactly one of `kube`, `static` and `aws`. */
export interface GlooUpstreamSpec<N> {
  kube?: { serviceName: string; serviceNamespace: N | string; servicePort: number };
  static?: { hosts: { addr: string; port: number; sniAddr?: string }[]; useTls?: boolean };
  aws?: {
    region: string;
    awsAccountId: string;
    secretRef?: GlooRef<N>;
    lambdaFunctions: { logicalName: string; lambdaFunctionName: string; qualifier: string }[];
  };
  useHttp2?: boolean;
  loadBalancerConfig?: { maglev?: Record<string, never>; ringHash?: Record<string, never> };
  outlierDetection?: {
    consecutive5xx: number;
    enforcingConsecutive5xx: number;
    interval: string;
    baseEjectionTime: string;
    maxEjectionPercent: number;
  };
  healthChecks?: {
    timeout: string;
    interval: string;
    unhealthyThreshold: number;
    healthyThreshold: number;
    httpHealthCheck?: { path: string };
    grpcHealthCheck?: { serviceName?: string };
  }[];
  circuitBreakers?: { maxConnections?: number; maxPendingRequests?: number; maxRequests?: number; maxRetries?: number };
  connectionConfig?: { connectTimeout: string };
  sslConfig?: { secretRef?: GlooRef<N>; sni: string; verifySubjectAltName: string[]; oneWayTls: boolean };
}
