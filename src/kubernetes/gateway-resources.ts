/** Shapes of the Gateway API (v1.6.1, standard channel) and of kgateway (v2.4): only the fields that we write. `N` is the type of a namespace. */

/** `gateway.networking.k8s.io/v1 Gateway`. */
export interface GatewaySpec {
  gatewayClassName: string;
  listeners: GatewayListener[];
}

/** One listener of a Gateway. */
export interface GatewayListener {
  name: string;
  /** Absent: every host. */
  hostname?: string;
  port: number;
  protocol: string;
  tls?: { certificateRefs: { name: string; namespace?: string }[] };
  allowedRoutes: { namespaces: { from: string } };
}

/** `gateway.networking.k8s.io/v1 HTTPRoute`. */
export interface HttpRouteSpec {
  parentRefs: { name: string; namespace?: string }[];
  /** Absent: every host. */
  hostnames?: string[];
  rules: HttpRouteRule[];
}

/** One rule of an HTTPRoute. */
export interface HttpRouteRule {
  name: string;
  matches: HttpRouteMatch[];
  filters?: HttpRouteFilter[];
  backendRefs: HttpBackendRef[];
  timeouts?: { request: string };
}

/** A destination of an HTTPRoute: a Service, or another kind where `group` and `kind` are there. */
export interface HttpBackendRef {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  port?: number;
  weight?: number;
}

/** One match of an HTTPRoute. */
export interface HttpRouteMatch {
  path: { type: string; value: string };
  method?: string;
  headers?: HttpValueMatch[];
  queryParams?: HttpValueMatch[];
}

/** A header or query parameter of an HTTPRoute match. */
export interface HttpValueMatch {
  type: string;
  name: string;
  value: string;
}

/** A path that a filter gives to a request or a redirect. */
export type HttpPathModifier =
  { type: "ReplaceFullPath"; replaceFullPath: string } | { type: "ReplacePrefixMatch"; replacePrefixMatch: string };

/** Changes of headers. */
export interface HttpHeaderFilter {
  set?: { name: string; value: string }[];
  add?: { name: string; value: string }[];
  remove?: string[];
}

/** One filter of a rule. */
export type HttpRouteFilter =
  | { type: "RequestHeaderModifier"; requestHeaderModifier: HttpHeaderFilter }
  | { type: "ResponseHeaderModifier"; responseHeaderModifier: HttpHeaderFilter }
  | { type: "RequestMirror"; requestMirror: { backendRef: HttpBackendRef; percent?: number } }
  | {
      type: "RequestRedirect";
      requestRedirect: { scheme?: string; hostname?: string; port?: number; path?: HttpPathModifier; statusCode: number };
    }
  | { type: "URLRewrite"; urlRewrite: { hostname?: string; path?: HttpPathModifier } }
  | { type: "ExtensionRef"; extensionRef: { group: string; kind: string; name: string } }
  | { type: "CORS"; cors: HttpCors };

/** The CORS filter. */
export interface HttpCors {
  allowOrigins: string[];
  allowMethods?: string[];
  allowHeaders?: string[];
  exposeHeaders?: string[];
  maxAge?: number;
  allowCredentials?: boolean;
}

/** What a policy is about. */
export interface PolicyTarget {
  group: string;
  kind: string;
  name: string;
  /** Name of a rule. */
  sectionName?: string;
}

/** `gateway.networking.k8s.io/v1beta1 ReferenceGrant`. */
export interface ReferenceGrantSpec<N> {
  from: { group: string; kind: string; namespace: N }[];
  to: { group: string; kind: string }[];
}

/** `gateway.networking.k8s.io/v1 BackendTLSPolicy`. */
export interface BackendTlsPolicySpec {
  targetRefs: PolicyTarget[];
  validation: {
    hostname: string;
    wellKnownCACertificates?: "System";
    caCertificateRefs?: { group: string; kind: string; name: string }[];
  };
}

/** `gateway.kgateway.dev/v1alpha1 DirectResponse`. */
export interface DirectResponseSpec {
  status: number;
  body?: string;
}

/** `gateway.kgateway.dev/v1alpha1 TrafficPolicy`, without its targets. */
export interface TrafficPolicyBody {
  retry?: { attempts: number; retryOn: string[]; perTryTimeout?: string; backoffBaseInterval?: string };
  urlRewrite?: { pathRegex: { pattern: string; substitution: string } };
  faultInjection?: {
    delay?: { fixedDelay: string; percentage: number };
    abort?: { httpStatus: number; percentage: number };
  };
  headerModifiers?: { request: { set: { name: string; secretRef: { name: string } }[] } };
}

/** `gateway.kgateway.dev/v1alpha1 TrafficPolicy`. */
export interface TrafficPolicySpec extends TrafficPolicyBody {
  targetRefs: PolicyTarget[];
}

/** `gateway.kgateway.dev/v1alpha1 Backend`: exactly one member. */
export interface KgatewayBackendSpec<N> {
  aws?: {
    region: string;
    accountId: string;
    auth?: { type: "Secret"; secretRef: { name: string } };
    lambda: {
      functionName: string;
      qualifier: string;
      invocationMode: "Sync" | "Async";
      payloadTransformMode: "None" | "Envoy";
      endpointURL?: string;
    };
  };
  gcp?: { host: string; audience: string };
  static?: { hosts: { host: string | N; port: number }[]; appProtocol?: string };
  priorityGroups?: { backendRefs: { name: string }[] }[];
}

/** A hash policy of a load balancer: exactly one of `header`, `cookie` and `sourceIP`. */
export interface KgatewayHashPolicy {
  header?: { name: string };
  cookie?: { name: string };
  sourceIP?: Record<string, never>;
  terminal: boolean;
}

/** `gateway.kgateway.dev/v1alpha1 BackendConfigPolicy`, without its targets. */
export interface BackendConfigBody {
  connectTimeout?: string;
  loadBalancer?: { maglev?: { hashPolicies: KgatewayHashPolicy[] }; ringHash?: { hashPolicies: KgatewayHashPolicy[] } };
  circuitBreakers?: { maxConnections?: number; maxPendingRequests?: number; maxRequests?: number; maxRetries?: number };
  outlierDetection?: { consecutive5xx: number; interval: string; baseEjectionTime: string; maxEjectionPercent: number };
  healthCheck?: {
    http?: { path: string };
    grpc?: { serviceName?: string };
    interval: string;
    timeout: string;
    unhealthyThreshold: number;
    healthyThreshold: number;
  };
  tls?: { wellKnownCACertificates: "System"; sni: string; verifySubjectAltNames: string[] };
}

/** `gateway.kgateway.dev/v1alpha1 BackendConfigPolicy`. */
export interface BackendConfigPolicySpec extends BackendConfigBody {
  targetRefs: PolicyTarget[];
}

/** `gateway.kgateway.dev/v1alpha1 ListenerPolicy`. */
export interface ListenerPolicySpec {
  targetRefs: PolicyTarget[];
  default: { httpSettings: { upgradeConfig: { enabledUpgrades: string[] } } };
}
