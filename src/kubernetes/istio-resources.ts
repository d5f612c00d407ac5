/** Shapes of Istio's resources (`networking.istio.io/v1`): only the fields that we write. `N` is the type of a text that may be known later than the rest. */

/** How Istio compares one text; `{}` is true where it is there. */
export interface IstioStringMatch {
  exact?: string;
  prefix?: string;
  regex?: string;
}

/** One way to match; all members must hold. */
export interface IstioMatch {
  uri?: IstioStringMatch;
  method?: IstioStringMatch;
  headers?: Record<string, IstioStringMatch>;
  queryParams?: Record<string, IstioStringMatch>;
}

/** A port of a service; a host without dots is a Service in the namespace of the object. */
export interface IstioDestination {
  host: string;
  port: { number: number };
}

/** Changes of the headers of one direction. */
export interface IstioHeaderOperations {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

/** A destination with its share. */
export interface IstioRouteDestination {
  destination: IstioDestination;
  weight: number;
}

/** Further tries. */
export interface IstioRetries {
  attempts: number;
  retryOn?: string;
  perTryTimeout?: string;
  backoff?: string;
  retryRemoteLocalities?: boolean;
}

/** One route; exactly one of `route`, `redirect`, `directResponse` and `delegate`. */
export interface IstioHttpRoute {
  name: string;
  match: IstioMatch[];
  route?: IstioRouteDestination[];
  redirect?: { scheme?: string; authority?: string; port?: number; uri?: string; redirectCode: number };
  directResponse?: { status: number; body?: { string: string } };
  delegate?: { name: string; namespace?: string };
  rewrite?: { authority?: string; uriRegexRewrite?: { match: string; rewrite: string } };
  timeout?: string;
  retries?: IstioRetries;
  mirrors?: { destination: IstioDestination; percentage: { value: number } }[];
  fault?: {
    delay?: { fixedDelay: string; percentage: { value: number } };
    abort?: { httpStatus: number; percentage: { value: number } };
  };
  corsPolicy?: {
    allowOrigins: IstioStringMatch[];
    allowMethods?: string[];
    allowHeaders?: string[];
    exposeHeaders?: string[];
    maxAge?: string;
    allowCredentials?: boolean;
  };
  headers?: { request?: IstioHeaderOperations; response?: IstioHeaderOperations };
}

/** `networking.istio.io/v1 VirtualService`; the first route that matches decides. */
export interface IstioVirtualServiceSpec {
  hosts: string[];
  gateways: string[];
  http: IstioHttpRoute[];
}

/** `networking.istio.io/v1 Gateway`. */
export interface IstioGatewaySpec {
  selector: Record<string, string>;
  servers: {
    port: { number: number; name: string; protocol: string };
    hosts: string[];
    tls?: { mode: string; credentialName: string };
  }[];
}

/** `networking.istio.io/v1 DestinationRule`. */
export interface IstioDestinationRuleSpec {
  host: string;
  trafficPolicy: IstioTrafficPolicy;
}

/** How a destination is spoken to. */
export interface IstioTrafficPolicy {
  connectionPool?: {
    tcp?: { maxConnections?: number; connectTimeout?: string };
    http?: { http1MaxPendingRequests?: number; http2MaxRequests?: number; maxRetries?: number; h2UpgradePolicy?: string };
  };
  loadBalancer?: {
    consistentHash?: {
      httpHeaderName?: string;
      httpCookie?: { name: string; ttl: string };
      httpQueryParameterName?: string;
      useSourceIp?: boolean;
      maglev?: { tableSize: number };
      ringHash?: object;
    };
    localityLbSetting?: { enabled: boolean; failoverPriority: string[] };
  };
  outlierDetection?: { consecutive5xxErrors: number; interval: string; baseEjectionTime: string; maxEjectionPercent: number };
  tls?: { mode: string; sni: string; subjectAltNames: string[]; credentialName?: string };
}

/** `networking.istio.io/v1 ServiceEntry`. */
export interface IstioServiceEntrySpec<N> {
  hosts: string[];
  location: string;
  resolution: string;
  ports: { number: number; name: string; protocol: string; targetPort?: number }[];
  endpoints: { address: string | N; ports: Record<string, number>; labels?: Record<string, string> }[];
}
