/** Words that Envoy and the gateways built on it have in common. */
import type { PathMatch, RetryCondition } from "../model/routes";

/** When a request is tried again, as Envoy's header `x-envoy-retry-on` has it. */
export const retryConditions: Record<RetryCondition, string> = {
  connectFailure: "connect-failure",
  refusedStream: "refused-stream",
  reset: "reset",
  gatewayError: "gateway-error",
  serverError: "5xx",
};

/** Envoy's names of the statuses that a redirect can have. */
export const redirectCodes: Readonly<
  Record<number, "MOVED_PERMANENTLY" | "FOUND" | "SEE_OTHER" | "TEMPORARY_REDIRECT" | "PERMANENT_REDIRECT" | undefined>
> = {
  301: "MOVED_PERMANENTLY",
  302: "FOUND",
  303: "SEE_OTHER",
  307: "TEMPORARY_REDIRECT",
  308: "PERMANENT_REDIRECT",
};

/** What takes the same paths where a prefix is plain text: the prefix of elements `/p` takes `/p` itself and what starts with `/p/`. */
export function textPaths({ kind, value }: PathMatch): ({ exact: string } | { prefix: string } | { regex: string })[] {
  switch (kind) {
    case "exact":
      return [{ exact: value }];
    case "prefix":
      return value === "/" ? [{ prefix: "/" }] : [{ exact: value }, { prefix: `${value}/` }];
    case "rawPrefix":
      return [{ prefix: value }];
    case "regex":
      return [{ regex: value }];
  }
}

/** The JSON form of a protobuf duration: seconds with a fraction. */
export function seconds(value: number): string {
  return `${Math.round(value * 1000) / 1000}s`;
}

/** The text of a substitution that gives this text. */
export function escapeSubstitution(text: string): string {
  return text.replace(/\\/g, "\\\\");
}

/** A regular expression that takes this text only. */
export function quoteRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/**
 * A substitution that replaces a prefix by elements, as the Gateway API has it (HTTPPathModifier): `/p` → `/new` makes `/p/x` to `/new/x`, and `/p` → `/`
 * makes it to `/x`. Envoy's own rewrite of a prefix replaces characters, which would give `//x` there, and `/newx` for the prefix `/`.
 */
export function prefixPattern(matched: string, prefix: string): { match: string; rewrite: string } {
  const to = prefix.replace(/\/$/, "");
  if (matched === "/") {
    return { match: "^/(.*)$", rewrite: `${escapeSubstitution(to)}/\\1` };
  }
  return to === ""
    ? { match: `^${quoteRegex(matched)}/?`, rewrite: "/" }
    : { match: `^${quoteRegex(matched)}`, rewrite: escapeSubstitution(to) };
}

/** A GEP-2257 duration, which has no fractions: 1.5 → `1s500ms`. */
export function gepDuration(value: number): string {
  const milliseconds = Math.round(value * 1000);
  const [whole, rest] = [Math.floor(milliseconds / 1000), milliseconds % 1000];
  return `${whole === 0 ? "" : `${whole}s`}${rest === 0 ? "" : `${rest}ms`}`;
}
