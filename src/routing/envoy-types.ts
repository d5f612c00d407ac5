/** Shapes of Envoy's configuration (API v3, as JSON): only the fields that we write. Durations are texts such as `1.5s`. */

/** How Envoy compares one text. */
export type EnvoyStringMatch = { exact: string } | { prefix: string } | { safe_regex: { regex: string } };

/** One condition on a header. */
export interface EnvoyHeaderMatch {
  name: string;
  string_match?: EnvoyStringMatch;
  present_match?: boolean;
}

/** One condition on a query parameter. */
export interface EnvoyQueryMatch {
  name: string;
  string_match?: EnvoyStringMatch;
  present_match?: boolean;
}

/** What a route takes; exactly one of the first four. */
export interface EnvoyMatch {
  path?: string;
  prefix?: string;
  path_separated_prefix?: string;
  safe_regex?: { regex: string };
  headers?: EnvoyHeaderMatch[];
  query_parameters?: EnvoyQueryMatch[];
}

/** A header that is set or added. */
export interface EnvoyHeaderOption {
  header: { key: string; value: string };
  append_action: "OVERWRITE_IF_EXISTS_OR_ADD" | "APPEND_IF_EXISTS_OR_ADD";
}

/** A share of all requests, in parts of a million. */
export interface EnvoyFraction {
  numerator: number;
  denominator: "MILLION";
}

/** One of several clusters of a route. */
export interface EnvoyWeightedCluster {
  name: string;
  weight: number;
  request_headers_to_add?: EnvoyHeaderOption[];
  host_rewrite_literal?: string;
}

/** Where a route forwards to. */
export interface EnvoyRouteAction {
  cluster?: string;
  weighted_clusters?: { clusters: EnvoyWeightedCluster[] };
  timeout?: string;
  prefix_rewrite?: string;
  regex_rewrite?: EnvoyRegexRewrite;
  host_rewrite_literal?: string;
  auto_host_rewrite?: boolean;
  retry_policy?: EnvoyRetryPolicy;
  request_mirror_policies?: { cluster: string; runtime_fraction: { default_value: EnvoyFraction } }[];
  hash_policy?: EnvoyHashPolicy[];
  upgrade_configs?: { upgrade_type: string }[];
}

/** A substitution of what an expression takes of the path. */
export interface EnvoyRegexRewrite {
  pattern: { regex: string };
  substitution: string;
}

/** Further tries. */
export interface EnvoyRetryPolicy {
  retry_on: string;
  num_retries: number;
  per_try_timeout?: string;
  retry_back_off?: { base_interval: string; max_interval: string };
  retry_priority?: { name: string; typed_config: EnvoyTyped };
}

/** One key of a hash. */
export interface EnvoyHashPolicy {
  header?: { header_name: string };
  cookie?: { name: string };
  query_parameter?: { name: string };
  connection_properties?: { source_ip: boolean };
  terminal: boolean;
}

/** An answer that sends the client elsewhere. */
export interface EnvoyRedirect {
  scheme_redirect?: string;
  host_redirect?: string;
  port_redirect?: number;
  path_redirect?: string;
  prefix_rewrite?: string;
  regex_rewrite?: EnvoyRegexRewrite;
  response_code: "MOVED_PERMANENTLY" | "FOUND" | "SEE_OTHER" | "TEMPORARY_REDIRECT" | "PERMANENT_REDIRECT";
}

/** Configuration of an extension. */
export interface EnvoyTyped {
  "@type": string;
  [field: string]: unknown;
}

/** One route; exactly one of `route`, `redirect` and `direct_response`. */
export interface EnvoyRoute {
  name: string;
  match: EnvoyMatch;
  route?: EnvoyRouteAction;
  redirect?: EnvoyRedirect;
  direct_response?: { status: number; body?: { inline_string: string } };
  request_headers_to_add?: EnvoyHeaderOption[];
  request_headers_to_remove?: string[];
  response_headers_to_add?: EnvoyHeaderOption[];
  response_headers_to_remove?: string[];
  typed_per_filter_config?: Record<string, EnvoyTyped>;
}

/** Routes of some hosts; the first that matches decides. */
export interface EnvoyVirtualHost {
  name: string;
  domains: string[];
  routes: EnvoyRoute[];
}

/** Where an endpoint or a listener is: an address, a DNS name, or a socket in the file system. */
export type EnvoyAddress = { socket_address: { address: string; port_value: number } } | { pipe: { path: string } };

/** Endpoints of one priority; 0 is tried first. */
export interface EnvoyLocality {
  priority?: number;
  lb_endpoints: { endpoint: { address: EnvoyAddress; hostname?: string }; metadata?: object }[];
}

/** A destination. */
export interface EnvoyCluster {
  name: string;
  type: "STATIC" | "STRICT_DNS" | "LOGICAL_DNS";
  connect_timeout: string;
  load_assignment: { cluster_name: string; endpoints: EnvoyLocality[] };
  [field: string]: unknown;
}

/** A port, or a socket, where Envoy takes requests. */
export interface EnvoyListener {
  name: string;
  address: EnvoyAddress;
  [field: string]: unknown;
}

/** Everything that a static Envoy needs beside its admin server. */
export interface EnvoyResources {
  listeners: EnvoyListener[];
  clusters: EnvoyCluster[];
}
