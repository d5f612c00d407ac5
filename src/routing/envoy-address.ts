/** Rewrites of the path and redirects in the words of Envoy. */
import type { PathMatch, Rewrite, RouteAction } from "../model/routes";
import type { EnvoyRedirect, EnvoyRegexRewrite, EnvoyRouteAction } from "./envoy-types";
import { escapeSubstitution, prefixPattern, redirectCodes } from "./words";

type PathRewrite = { prefix_rewrite: string } | { regex_rewrite: EnvoyRegexRewrite };
type Redirect = Extract<RouteAction, { kind: "redirect" }>;

/** The part of a route action that rewrites the address. `matched`: what the path has matched. */
export function emitRewrite({ prefix, path, regex, host }: Rewrite, matched: PathMatch): Partial<EnvoyRouteAction> {
  return {
    ...(prefix === undefined ? {} : replacePrefix(matched, prefix)),
    ...(path === undefined ? {} : { regex_rewrite: replaceWhole(path) }),
    ...(regex === undefined ? {} : { regex_rewrite: { pattern: { regex: regex.pattern }, substitution: regex.substitution } }),
    ...(host === undefined ? {} : { host_rewrite_literal: host }),
  };
}

/** A redirect. `matched`: what the path has matched. */
export function emitRedirect({ scheme, host, port, path, prefix, status }: Redirect, matched: PathMatch): EnvoyRedirect {
  const code = redirectCodes[status];
  if (code === undefined) {
    throw new RangeError(`redirect with status ${status}: Envoy knows ${Object.keys(redirectCodes).join(", ")} only`);
  }
  return {
    ...(scheme === undefined ? {} : { scheme_redirect: scheme }),
    ...(host === undefined ? {} : { host_redirect: host }),
    ...(port === undefined ? {} : { port_redirect: port }),
    ...(path === undefined ? {} : { path_redirect: path }),
    ...(prefix === undefined ? {} : replacePrefix(matched, prefix)),
    response_code: code,
  };
}

/** Envoy's own rewrite of a prefix is faster where it does the same. */
function replacePrefix(matched: PathMatch, prefix: string): PathRewrite {
  const to = prefix.replace(/\/$/, "");
  if (matched.value !== "/" && to !== "") {
    return { prefix_rewrite: to };
  }
  const { match, rewrite } = prefixPattern(matched.value, prefix);
  return { regex_rewrite: { pattern: { regex: match }, substitution: rewrite } };
}

function replaceWhole(path: string): EnvoyRegexRewrite {
  return { pattern: { regex: "^.+$" }, substitution: escapeSubstitution(path) };
}
