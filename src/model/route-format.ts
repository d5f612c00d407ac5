/** Matches and requests as people read them. */
import type { AtomicMatch, RouteRequest, ValueMatch } from "./route-table";

/** A match as one line, for example `GET /prices [x-mesh-snapshot: 20261121t0600z]`. */
export function formatMatch(match: AtomicMatch): string {
  const kinds = { prefix: "", exact: "exact ", rawPrefix: "raw prefix ", regex: "regex " };
  const path = `${kinds[match.path.kind]}${match.path.value}`;
  const query = match.query.map(formatQueryValue);
  return joined([match.method, withQuery(path, query), inBrackets(match.headers.map(formatHeaderValue))]);
}

/** A request as one line, for example `GET http://mesh.example.test/prices?shard=3 [x-mesh-snapshot: 20261121t0600z]`. */
export function formatRequest(request: RouteRequest): string {
  const query = Object.entries(request.query).map(([name, value]) => `${name}=${value}`);
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  return joined([request.method, withQuery(`http://${request.host}${request.path}`, query), inBrackets(headers)]);
}

function formatHeaderValue({ name, kind, value }: ValueMatch): string {
  return kind === "present" ? name : `${name}${kind === "regex" ? " ~" : ":"} ${value}`;
}

function formatQueryValue({ name, kind, value }: ValueMatch): string {
  return kind === "present" ? name : `${name}${kind === "regex" ? "~" : "="}${value}`;
}

function withQuery(path: string, query: readonly string[]): string {
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}

function inBrackets(words: readonly string[]): string {
  return words.length === 0 ? "" : `[${words.join(", ")}]`;
}

function joined(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join(" ");
}
