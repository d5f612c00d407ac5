/** What Gloo's routes do beside their action: time, tries, rewrites, headers, mirrors, faults, CORS, hashing. */
import type { GlooHeader, GlooHashPolicy, GlooRegexRewrite, GlooRouteOptions } from "../kubernetes/custom-resources";
import type { Edits, HashKey, PathMatch, RouteRule, RouteTable } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import { settingsOf, upstreamName } from "./gloo-upstreams";
import { escapeSubstitution, prefixPattern, retryConditions, seconds } from "./words";

/** A new prefix: a regular expression that keeps what is below. */
export function emitPrefix(matched: string, prefix: string): GlooRegexRewrite {
  const { match, rewrite } = prefixPattern(matched, prefix);
  return { pattern: { regex: match }, substitution: rewrite };
}

/** What a route does beside its action. */
export function emitOptions<N>(context: EmitContext<N>, rule: RouteRule, path: PathMatch, table: RouteTable): GlooRouteOptions<N> {
  const { timeoutSeconds, retries, rewrite, mirrors, fault, cors, webSocket } = rule;
  const headerManipulation = emitHeaders(context, rule);
  const [mirror] = mirrors;
  const hash = rule.backends.map(({ destination }) => settingsOf(destination, table)?.hash).find((keys) => keys !== undefined);
  const regexRewrite =
    rewrite?.path !== undefined
      ? { pattern: { regex: "^.*$" }, substitution: escapeSubstitution(rewrite.path) }
      : rewrite?.prefix !== undefined
        ? emitPrefix(path.value, rewrite.prefix)
        : rewrite?.regex && { pattern: { regex: rewrite.regex.pattern }, substitution: rewrite.regex.substitution };
  return {
    // Zero is no limit: a WebSocket ends when one side ends it.
    ...(webSocket ? { timeout: "0s", upgrades: [{ websocket: { enabled: true } }] } : {}),
    ...(timeoutSeconds === undefined ? {} : { timeout: seconds(timeoutSeconds) }),
    ...(retries === undefined
      ? {}
      : {
          retries: {
            retryOn: retries.on.map((condition) => retryConditions[condition]).join(","),
            numRetries: retries.attempts,
            ...(retries.perTrySeconds === undefined ? {} : { perTryTimeout: seconds(retries.perTrySeconds) }),
            ...(retries.backoffSeconds === undefined ? {} : { retryBackOff: { baseInterval: seconds(retries.backoffSeconds) } }),
          },
        }),
    ...(regexRewrite === undefined ? {} : { regexRewrite }),
    ...(rewrite?.host === undefined ? {} : { hostRewrite: rewrite.host }),
    ...(headerManipulation === undefined ? {} : { headerManipulation }),
    ...(mirror === undefined
      ? {}
      : {
          shadowing: {
            upstream: { name: upstreamName(context.name, mirror.destination), namespace: context.namespace },
            percentage: mirror.percent,
          },
        }),
    ...(fault === undefined
      ? {}
      : {
          faults: {
            ...(fault.delay === undefined ? {} : { delay: { fixedDelay: seconds(fault.delay.seconds), percentage: fault.delay.percent } }),
            ...(fault.abort === undefined ? {} : { abort: { httpStatus: fault.abort.status, percentage: fault.abort.percent } }),
          },
        }),
    ...(cors === undefined
      ? {}
      : {
          cors: {
            allowOrigin: cors.origins,
            ...(cors.methods === undefined ? {} : { allowMethods: cors.methods }),
            ...(cors.headers === undefined ? {} : { allowHeaders: cors.headers }),
            ...(cors.exposeHeaders === undefined ? {} : { exposeHeaders: cors.exposeHeaders }),
            ...(cors.maxAgeSeconds === undefined ? {} : { maxAge: String(cors.maxAgeSeconds) }),
            ...(cors.credentials === undefined ? {} : { allowCredentials: cors.credentials }),
          },
        }),
    ...(hash === undefined ? {} : { lbHash: { hashPolicies: hash.keys.flatMap(emitHashKey) } }),
  };
}

/** Query parameters are refused by the capability table. */
function emitHashKey({ kind, name }: HashKey): GlooHashPolicy[] {
  switch (kind) {
    case "header":
      return [{ header: name, terminal: true }];
    case "cookie":
      return [{ cookie: { name }, terminal: true }];
    case "source":
      return [{ sourceIp: true, terminal: true }];
    case "query":
      return [];
  }
}

function emitHeaders<N>(
  { namespace }: EmitContext<N>,
  { requestHeaders, responseHeaders, backends }: RouteRule,
): GlooRouteOptions<N>["headerManipulation"] {
  const secrets = backends.flatMap(({ destination }) => (destination.kind === "host" ? [destination.functionsKeySecret] : []));
  const keys = [...new Set(secrets.filter((name) => name !== undefined))].map((name): GlooHeader<N> => ({
    headerSecretRef: { name, namespace },
  }));
  const request = [...emitAdded<N>(requestHeaders), ...keys];
  const response = emitAdded<N>(responseHeaders);
  const parts = {
    ...(request.length === 0 ? {} : { requestHeadersToAdd: request }),
    ...(requestHeaders === undefined || requestHeaders.remove.length === 0 ? {} : { requestHeadersToRemove: requestHeaders.remove }),
    ...(response.length === 0 ? {} : { responseHeadersToAdd: response }),
    ...(responseHeaders === undefined || responseHeaders.remove.length === 0 ? {} : { responseHeadersToRemove: responseHeaders.remove }),
  };
  return Object.keys(parts).length === 0 ? undefined : parts;
}

function emitAdded<N>(edits: Edits | undefined): GlooHeader<N>[] {
  const header = ({ name, value }: { name: string; value: string }, append: boolean): GlooHeader<N> => ({
    header: { key: name, value },
    append,
  });
  return [...(edits?.set ?? []).map((pair) => header(pair, false)), ...(edits?.add ?? []).map((pair) => header(pair, true))];
}
