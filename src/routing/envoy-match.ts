/** Matches in the words of Envoy. The order of routes is the order of precedence, so one match of ours is one route of Envoy. */
import type { AtomicMatch, PathMatch, ValueMatch } from "../model/routes";
import type { EnvoyHeaderMatch, EnvoyMatch } from "./envoy-types";

/** What takes the same requests as a match. */
export function emitEnvoyMatch(match: AtomicMatch): EnvoyMatch {
  const method: EnvoyHeaderMatch[] = match.method === undefined ? [] : [{ name: ":method", string_match: { exact: match.method } }];
  const headers = [...method, ...match.headers.map(emitCondition)];
  return {
    ...emitPath(match.path),
    ...(headers.length === 0 ? {} : { headers }),
    ...(match.query.length === 0 ? {} : { query_parameters: match.query.map(emitCondition) }),
  };
}

function emitPath({ kind, value }: PathMatch): EnvoyMatch {
  switch (kind) {
    case "exact":
      return { path: value };
    case "prefix":
      // Envoy refuses a separated prefix that ends in a slash; every path lies under the root.
      return value === "/" ? { prefix: "/" } : { path_separated_prefix: value };
    case "rawPrefix":
      return { prefix: value };
    case "regex":
      return { safe_regex: { regex: value } };
  }
}

function emitCondition({ name, kind, value }: ValueMatch): EnvoyHeaderMatch {
  switch (kind) {
    case "exact":
      return { name, string_match: { exact: value } };
    case "regex":
      return { name, string_match: { safe_regex: { regex: value } } };
    case "present":
      return { name, present_match: true };
  }
}
