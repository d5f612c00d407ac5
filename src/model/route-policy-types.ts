/** What a route does to the requests that it takes, beside choosing a destination. Durations are seconds, in whole milliseconds. */

/** When a request is tried again. The names say what the gateway saw; none of them has sent the client anything yet. */
export const RetryCondition = {
  /** No connection could be made. */
  ConnectFailure: "connectFailure",
  /** The server refused the stream before it looked at it. */
  RefusedStream: "refusedStream",
  /** The connection ended without an answer. The server may have done the work: only for requests that can be done twice. */
  Reset: "reset",
  /** 502, 503 or 504, or no answer. */
  GatewayError: "gatewayError",
  /** Any 5xx, or no answer. */
  ServerError: "serverError",
} as const;
export type RetryCondition = (typeof RetryCondition)[keyof typeof RetryCondition];

/** Tries after the first one. */
export interface RetryPolicy {
  /** Further tries, 0 to 10; 0 also takes away those that a failover or a route to gatherers has if nothing is said. */
  attempts: number;
  /** Default: `connectFailure` and `refusedStream`, after which the server has done nothing. */
  on?: RetryCondition[];
  /** Time for one try; must be shorter than the route's timeout. Default: the route's timeout. */
  perTrySeconds?: number;
  /** First pause between tries; it doubles. Default: the gateway's own (25 ms). */
  backoffSeconds?: number;
}

/** Replaces parts of the address before the request goes on; at most one of `prefix`, `path` and `regex`. */
export interface RewritePolicy {
  /** Replaces the prefix that matched; every match of the route must be a `prefix`. */
  prefix?: string;
  /** Replaces the whole path. */
  path?: string;
  /** Replaces what a regular expression takes of the path; `\1` in the substitution is the first group. */
  regex?: RegexRewrite;
  /** Replaces the host. */
  host?: string;
}

/** A substitution in the path. */
export interface RegexRewrite {
  pattern: string;
  substitution: string;
}

/** Changes of headers; names in any case. */
export interface HeaderEdits {
  /** Replaces the header, or adds it. */
  set?: Record<string, string>;
  /** Adds a value beside those that are there. */
  add?: Record<string, string>;
  remove?: string[];
}

/** An answer that sends the client elsewhere. What is left out stays as in the request. */
export interface RedirectPolicy {
  scheme?: "http" | "https";
  host?: string;
  port?: number;
  /** Replaces the whole path; at most one of `path` and `prefix`. */
  path?: string;
  /** Replaces the prefix that matched; every match of the route must be a `prefix`. */
  prefix?: string;
  /** 301, 302, 303, 307 or 308. Default: 302. */
  status?: number;
}

/** An answer of the gateway itself. */
export interface ResponsePolicy {
  /** 200 to 599. */
  status: number;
  /** At most 4,096 bytes. Default: empty. */
  body?: string;
}

/** Errors and delays on purpose. */
export interface FaultPolicy {
  delay?: { seconds: number; /** 0 to 100, default 100. */ percent?: number };
  abort?: { status: number; /** 0 to 100, default 100. */ percent?: number };
}

/** Cross-origin requests of browsers. */
export interface CorsPolicy {
  /** Origins such as `https://app.example.com`, or `*` alone. */
  origins: string[];
  /** Default: none beyond the simple ones. */
  methods?: string[];
  headers?: string[];
  exposeHeaders?: string[];
  maxAgeSeconds?: number;
  credentials?: boolean;
}

/**
 * Keeps one user on one version of a weighted route. The client, or what stands before the gateway, puts a number from 0 to 99 into a header, made from
 * the user; each destination owns a range of these numbers in the proportion of its weight. Requests without the header are spread by weight.
 */
export interface StickyPolicy {
  /** Default: `x-mesh-bucket`. */
  header?: string;
}
