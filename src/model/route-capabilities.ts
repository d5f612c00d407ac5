/**
 * What each gateway can do with each feature of a route, as data. Emitters, checks in preview, the table in docs/routes.md and the tests all read it here.
 *
 * Versions: Gateway API v1.6.1 with kgateway v2.4, Gloo edge v1.22 (open source), Istio 1.30.
 */
import type { RouteTarget } from "./route-types";

/** How a gateway supports a feature. */
export const Support = {
  /** It has the feature. */
  Native: "native",
  /** It is said in other words, with the same meaning. */
  Lowered: "lowered",
  /** It means a little less there; preview warns. */
  Degraded: "degraded",
  /** It cannot be said there; preview fails. */
  Refused: "refused",
} as const;
export type Support = (typeof Support)[keyof typeof Support];

/** One cell of the table: everything but native has a reason. */
export interface Capability {
  support: Support;
  reason: string;
}

/** One row of the table. */
export type CapabilityRow = Record<RouteTarget, Capability> & {
  /** The feature in words. */
  title: string;
};

const native: Capability = { support: "native", reason: "" };
const lowered = (reason: string): Capability => ({ support: "lowered", reason });
const degraded = (reason: string): Capability => ({ support: "degraded", reason });
const refused = (reason: string): Capability => ({ support: "refused", reason });
const row = (title: string, gatewayApi: Capability, gloo: Capability, istio: Capability): CapabilityRow => ({
  title,
  gatewayApi,
  gloo,
  istio,
});

const rawPrefix = "its prefix is plain text: an exact match and a prefix with a slash";
const perMethod = lowered("one match for each method");
const flattened = lowered("written out for each value that is deployed");
const noFunctions = "it does not sign requests for AWS";
const noTokens = "it adds no identity token of Google Cloud";
const enterprise = (what: string): Capability => refused(`${what} is in the enterprise edition only`);
const passive = "no active health checks at the gateway";

/** The table. The keys are the names by which the rest of the code speaks of features. */
export const capabilities = {
  pathExact: row("exact path", native, native, native),
  pathPrefix: row("prefix by path elements", native, lowered(rawPrefix), lowered(rawPrefix)),
  pathRawPrefix: row(
    "raw prefix",
    lowered("a regular expression, which goes before every prefix; checked to change nothing"),
    native,
    native,
  ),
  pathRegex: row("regular expression for the path", native, native, native),
  grpc: row("gRPC service and method", lowered("path and method of an HTTPRoute"), lowered("path and method"), lowered("path and method")),
  methods: row("methods", perMethod, native, lowered("one match for each method")),
  headerRegex: row("regular expression for a header", native, native, native),
  headerPresent: row("header is there", lowered("a regular expression for any value"), native, native),
  queryRegex: row("regular expression for a query parameter", native, native, native),
  queryPresent: row("query parameter is there", lowered("a regular expression for any value"), native, native),
  dimensions: row(
    "snapshot, version, shard",
    lowered("headers or query parameters"),
    lowered("headers or query parameters"),
    lowered("headers or query parameters"),
  ),
  each: row("`each` snapshot, version or shard", flattened, flattened, flattened),
  guard: row(
    "no answer from another snapshot",
    lowered("a direct response, and one more header that Envoy always sets in the matches that go before it"),
    lowered("a direct response, in order"),
    lowered("a direct response, in order"),
  ),
  weights: row("weighted destinations", native, native, native),
  sticky: row(
    "users stay on one version",
    lowered("ranges of the bucket header"),
    lowered("ranges of the bucket header"),
    lowered("ranges of the bucket header"),
  ),
  hash: row("same key, same pod (header, cookie, address)", native, native, native),
  hashQuery: row(
    "same key, same pod (query parameter)",
    refused("its hash policies have no query parameters"),
    refused("its hash policies have no query parameters"),
    native,
  ),
  timeout: row("timeout", native, native, native),
  retries: row("retries", native, native, native),
  perTry: row("timeout of one try", native, native, native),
  backoff: row("pause between tries", native, native, native),
  circuitBreaker: row("circuit breaker", native, native, native),
  outlierDetection: row("outlier detection", native, native, native),
  healthCheck: row("health checks", native, native, refused(passive)),
  connectTimeout: row("connect timeout", native, native, native),
  http2: row("HTTP/2 or gRPC to the pods", degraded("the port of the Service needs `appProtocol: kubernetes.io/h2c`"), native, native),
  failover: row(
    "failover, local first",
    degraded("a retry can meet a dead place again until its pods are ejected, so more tries are made"),
    enterprise("failover of an Upstream"),
    degraded(`${passive}: dead pods are found by requests, which are tried again`),
  ),
  requestHeaders: row("changes of request headers", native, native, native),
  responseHeaders: row("changes of response headers", native, native, native),
  rewritePrefix: row(
    "new prefix",
    native,
    lowered("a regular expression that keeps what is below"),
    lowered("a regular expression for the start of the path"),
  ),
  rewritePath: row(
    "new path",
    native,
    lowered("a regular expression for the whole path"),
    lowered("a regular expression for the whole path"),
  ),
  rewriteRegex: row("new path by regular expression", native, native, native),
  rewriteHost: row("new host", native, native, native),
  redirect: row("redirect", native, native, native),
  redirectSamePort: row(
    "redirect to the port of the request",
    degraded("it names the port of the listener where that is neither 80 nor 443, whatever the port of the request"),
    native,
    native,
  ),
  redirectPrefix: row(
    "redirect with a new prefix",
    native,
    lowered("a regular expression that keeps what is below"),
    refused("a redirect replaces the whole path there"),
  ),
  redirectRoot: row(
    "redirect that takes the prefix away",
    refused("kgateway 2.4 leaves two slashes at the start of the path"),
    lowered("a regular expression that keeps what is below"),
    refused("a redirect replaces the whole path there"),
  ),
  response: row("answer of the gateway", native, native, native),
  mirror: row("mirror", native, native, native),
  mirrorSeveral: row("several mirrors", native, refused("a route has one shadow"), native),
  fault: row("delays and errors on purpose", native, native, native),
  cors: row("CORS", native, native, native),
  webSocket: row("WebSocket", native, native, native),
  tls: row("HTTPS", native, native, degraded("the certificate must be in the namespace of the gateway's pods")),
  upstreamTls: row("TLS to the destination", native, native, native),
  delegate: row("routes of another team", native, native, degraded("one level only, and their matches must lie within")),
  lambda: row("AWS Lambda", native, native, refused(noFunctions)),
  lambdaAsync: row("AWS Lambda without waiting", native, native, refused(noFunctions)),
  lambdaRequest: row("AWS Lambda: request as JSON", native, native, refused(noFunctions)),
  lambdaMixed: row(
    "AWS Lambda beside other destinations",
    degraded("the host that the client asked for is signed and sent in the place of AWS's own, which AWS takes"),
    native,
    refused(noFunctions),
  ),
  lambdaIdentity: row("AWS Lambda by the pod's own identity", native, degraded("Gloo's Settings must allow it"), refused(noFunctions)),
  lambdaEndpoint: row("AWS Lambda at another address", native, refused("the address of an Upstream of AWS is fixed"), refused(noFunctions)),
  googleToken: row(
    "Cloud Run and Cloud Functions with identity token",
    native,
    enterprise("an Upstream of Google Cloud"),
    refused(noTokens),
  ),
  functionsKey: row(
    "Azure function with key",
    lowered("a static Backend with TLS and a header from the Secret"),
    degraded("the Secret must be of type `gloo.solo.io/header`"),
    refused("a header cannot come from a Secret there"),
  ),
  host: row(
    "server outside of the cluster",
    lowered("a static Backend with TLS"),
    lowered("a static Upstream with TLS"),
    lowered("a ServiceEntry and a DestinationRule with TLS"),
  ),
} as const satisfies Record<string, CapabilityRow>;

/** Name of a feature in the table. */
export type RouteFeature = keyof typeof capabilities;

/** What a target can do with a feature. */
export function capabilityOf(feature: RouteFeature, target: RouteTarget): Capability {
  return capabilities[feature][target];
}
