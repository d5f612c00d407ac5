/** Shapes of the custom resources that we emit: only the fields that we write. `N` is the type of a namespace, which may be known later than the rest. */

/** Metadata of an emitted object. */
export interface ObjectMeta<N> {
  name: string;
  namespace: N;
  labels: Record<string, string>;
}

/** An emitted object. */
export interface CustomObject<N, Spec> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta<N>;
  spec: Spec;
}

/** `gateway.networking.k8s.io/v1 Gateway`. */
export interface GatewaySpec {
  gatewayClassName: string;
  listeners: { name: string; port: number; protocol: string; allowedRoutes: { namespaces: { from: string } } }[];
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
  backendRefs: { name: string; namespace?: string; port: number; weight: number }[];
  timeouts?: { request: string };
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

/** `gateway.solo.io/v1 Gateway`. */
export interface GlooGatewaySpec<N> {
  bindAddress: string;
  bindPort: number;
  proxyNames: string[];
  httpGateway: { virtualServices: { name: string; namespace: N }[] };
}

/** `gateway.solo.io/v1 VirtualService`. */
export interface GlooVirtualServiceSpec<N> {
  virtualHost: { domains: string[]; routes: GlooRoute<N>[] };
}

/** One route of a VirtualService; the first that matches decides. */
export interface GlooRoute<N> {
  name: string;
  matchers: GlooMatcher[];
  routeAction: { single: GlooDestination<N> } | { multi: { destinations: { destination: GlooDestination<N>; weight: number }[] } };
  options?: { timeout: string };
}

/** One matcher of a route: exactly one of `exact`, `prefix` (raw text, not per element) and `regex`. */
export interface GlooMatcher {
  exact?: string;
  prefix?: string;
  regex?: string;
  methods?: string[];
  headers?: { name: string; value: string }[];
  queryParameters?: { name: string; value: string }[];
}

/** A Kubernetes Service as Gloo names it. */
export interface GlooDestination<N> {
  kube: { ref: { name: string; namespace: N | string }; port: number };
}
