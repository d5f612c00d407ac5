/** Rules in the words of Envoy: one route for each match, in order of precedence. */
import type { Backend, CorsPolicy, Destination, Edits, HashKey, Retries, RouteEntry, RouteRule, Upstream } from "../model/routes";
import { emitRedirect, emitRewrite } from "./envoy-address";
import { emitEnvoyMatch } from "./envoy-match";
import type {
  EnvoyFraction,
  EnvoyHashPolicy,
  EnvoyHeaderOption,
  EnvoyRetryPolicy,
  EnvoyRoute,
  EnvoyRouteAction,
  EnvoyTyped,
  EnvoyWeightedCluster,
} from "./envoy-types";
import { lambdaHost } from "./lambda";
import { retryConditions, seconds } from "./words";

/** What routes need to know beside their rule. */
export interface EnvoyRouteContext {
  /** Name of the cluster of a destination. */
  clusterName(destination: Destination): string;
  /** How a destination is spoken to. */
  upstream(destination: Destination): Upstream | undefined;
  /** The key of an Azure function from its Secret. */
  functionsKey(secret: string): string;
}

/** A route for one match. */
export function emitEnvoyRoute(context: EnvoyRouteContext, { match, rule }: RouteEntry): EnvoyRoute {
  const filters = emitFilters(rule);
  return {
    name: rule.name,
    match: emitEnvoyMatch(match),
    ...emitAction(context, { match, rule }),
    ...(rule.requestHeaders === undefined ? {} : emitEdits("request", rule.requestHeaders)),
    ...(rule.responseHeaders === undefined ? {} : emitEdits("response", rule.responseHeaders)),
    ...(Object.keys(filters).length === 0 ? {} : { typed_per_filter_config: filters }),
  };
}

function emitAction(context: EnvoyRouteContext, { match, rule }: RouteEntry): Partial<EnvoyRoute> {
  const { action } = rule;
  switch (action.kind) {
    case "forward":
      return { route: { ...emitForward(context, rule), ...(rule.rewrite === undefined ? {} : emitRewrite(rule.rewrite, match.path)) } };
    case "redirect":
      return { redirect: emitRedirect(action, match.path) };
    case "respond":
      return { direct_response: { status: action.status, ...(action.body === "" ? {} : { body: { inline_string: action.body } }) } };
    case "delegate":
      throw new Error(`route ${rule.route}: Envoy alone cannot delegate to ${action.name}: there is no object of that name`);
  }
}

function emitForward(context: EnvoyRouteContext, rule: RouteRule): EnvoyRouteAction {
  const hashKeys = rule.backends.flatMap(({ destination }) => context.upstream(destination)?.settings.hash?.keys ?? []);
  return {
    ...emitBackends(context, rule.backends),
    ...(rule.webSocket ? { timeout: "0s", upgrade_configs: [{ upgrade_type: "websocket" }] } : {}),
    ...(rule.timeoutSeconds === undefined ? {} : { timeout: seconds(rule.timeoutSeconds) }),
    ...(rule.retries === undefined ? {} : { retry_policy: emitRetries(rule.retries) }),
    ...(rule.mirrors.length === 0
      ? {}
      : {
          request_mirror_policies: rule.mirrors.map(({ destination, percent }) => ({
            cluster: context.clusterName(destination),
            runtime_fraction: { default_value: emitPercent(percent) },
          })),
        }),
    ...(hashKeys.length === 0 ? {} : { hash_policy: hashKeys.map(emitHashKey) }),
  };
}

/** An Azure function gets its key; a Lambda function its own host, which is signed. */
function emitBackends(context: EnvoyRouteContext, backends: readonly Backend[]): EnvoyRouteAction {
  const clusters = backends.map(({ weight, destination }): EnvoyWeightedCluster => {
    const name = context.clusterName(destination);
    const key = destination.kind === "host" ? destination.functionsKeySecret : undefined;
    const headers = key === undefined ? [] : setHeaders([{ name: "x-functions-key", value: context.functionsKey(key) }]);
    return {
      name,
      weight,
      ...(headers.length === 0 ? {} : { request_headers_to_add: headers }),
      ...(destination.kind === "lambda" ? { host_rewrite_literal: lambdaHost(destination) } : {}),
    };
  });
  const [only] = clusters;
  const plain = only !== undefined && clusters.length === 1 && Object.keys(only).length === 2;
  return { ...(plain ? { cluster: only.name } : { weighted_clusters: { clusters } }), ...hostOfPlace(backends) };
}

/** A failover to a server outside of the cluster gives each place its own host name. */
function hostOfPlace(backends: readonly Backend[]): Pick<EnvoyRouteAction, "auto_host_rewrite"> {
  const outside = backends.some(
    ({ destination }) => destination.kind === "failover" && destination.places.some(({ kind }) => kind === "host"),
  );
  return outside ? { auto_host_rewrite: true } : {};
}

function emitRetries({ attempts, on, perTrySeconds, backoffSeconds, otherPlace }: Retries): EnvoyRetryPolicy {
  return {
    retry_on: on.map((condition) => retryConditions[condition]).join(","),
    num_retries: attempts,
    ...(perTrySeconds === undefined ? {} : { per_try_timeout: seconds(perTrySeconds) }),
    // Envoy's own ratio between the first and the longest pause.
    ...(backoffSeconds === undefined
      ? {}
      : { retry_back_off: { base_interval: seconds(backoffSeconds), max_interval: seconds(10 * backoffSeconds) } }),
    ...(otherPlace
      ? {
          retry_priority: {
            name: "envoy.retry_priorities.previous_priorities",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
              update_frequency: 1,
            },
          },
        }
      : {}),
  };
}

function emitHashKey({ kind, name }: HashKey): EnvoyHashPolicy {
  switch (kind) {
    case "header":
      return { header: { header_name: name }, terminal: true };
    case "cookie":
      return { cookie: { name }, terminal: true };
    case "query":
      return { query_parameter: { name }, terminal: true };
    case "source":
      return { connection_properties: { source_ip: true }, terminal: true };
  }
}

type EditsOf = Pick<EnvoyRoute, `${"request" | "response"}_headers_to_${"add" | "remove"}`>;

function emitEdits(side: "request" | "response", { set, add, remove }: Edits): EditsOf {
  const added = add.map(({ name, value }): EnvoyHeaderOption => option(name, value, "APPEND_IF_EXISTS_OR_ADD"));
  const options = [...setHeaders(set), ...added];
  return {
    ...(options.length === 0 ? {} : { [`${side}_headers_to_add`]: options }),
    ...(remove.length === 0 ? {} : { [`${side}_headers_to_remove`]: [...remove] }),
  };
}

function setHeaders(headers: readonly { name: string; value: string }[]): EnvoyHeaderOption[] {
  return headers.map(({ name, value }) => option(name, value, "OVERWRITE_IF_EXISTS_OR_ADD"));
}

/** A percent sign begins a command of Envoy's, and two are one. */
function option(key: string, value: string, action: EnvoyHeaderOption["append_action"]): EnvoyHeaderOption {
  return { header: { key, value: value.replace(/%/g, "%%") }, append_action: action };
}

function emitFilters({ fault, cors }: RouteRule): Record<string, EnvoyTyped> {
  return {
    ...(fault === undefined ? {} : { "envoy.filters.http.fault": emitFault(fault) }),
    ...(cors === undefined ? {} : { "envoy.filters.http.cors": emitCors(cors) }),
  };
}

function emitFault({ delay, abort }: NonNullable<RouteRule["fault"]>): EnvoyTyped {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
    ...(delay === undefined ? {} : { delay: { fixed_delay: seconds(delay.seconds), percentage: emitPercent(delay.percent) } }),
    ...(abort === undefined ? {} : { abort: { http_status: abort.status, percentage: emitPercent(abort.percent) } }),
  };
}

function emitCors({ origins, methods, headers, exposeHeaders, maxAgeSeconds, credentials }: CorsPolicy): EnvoyTyped {
  const list = (field: string, values: readonly string[] | undefined): object =>
    values === undefined ? {} : { [field]: values.join(", ") };
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
    allow_origin_string_match: origins.map((exact) => ({ exact })),
    ...list("allow_methods", methods),
    ...list("allow_headers", headers),
    ...list("expose_headers", exposeHeaders),
    ...(maxAgeSeconds === undefined ? {} : { max_age: String(maxAgeSeconds) }),
    ...(credentials === undefined ? {} : { allow_credentials: credentials }),
  };
}

function emitPercent(percent: number): EnvoyFraction {
  return { numerator: Math.round(percent * 10_000), denominator: "MILLION" };
}
