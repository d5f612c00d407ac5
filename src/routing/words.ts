/** Words that Envoy and the gateways built on it have in common. */
import type { RetryCondition } from "../model/routes";

/** When a request is tried again, as Envoy's header `x-envoy-retry-on` has it. */
export const retryConditions: Record<RetryCondition, string> = {
  connectFailure: "connect-failure",
  refusedStream: "refused-stream",
  reset: "reset",
  gatewayError: "gateway-error",
  serverError: "5xx",
};

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
