/** What becomes of a request's address on its way: what the user asked for, and what a destination outside of the cluster needs. */
import { joinPath, type Problems } from "./errors";
import { list } from "./route-services";
import type { AtomicMatch, Backend, HostTarget, PathMatch, Rewrite, RouteEntry, RouteRequest } from "./route-table";

/** The rewrite of a rule: servers outside of the cluster want their own name as the host, and some a base path. */
export function impliedRewrite(
  problems: Problems,
  path: string,
  backends: readonly Backend[],
  match: PathMatch,
  given: Rewrite | undefined,
  matchPath: string,
): Rewrite | undefined {
  if (given?.prefix !== undefined && match.kind !== "prefix") {
    problems.add(matchPath, match.value, "a prefix is needed here, because the rewrite replaces it");
  }
  const outside = backends
    .map(({ destination }) => destination)
    .filter((destination): destination is HostTarget => destination.kind === "host");
  const [first] = outside;
  if (first === undefined) {
    return given;
  }
  const addresses = new Set(outside.map((destination) => `${destination.host}${destination.path}`));
  if (addresses.size > 1 || outside.length < backends.filter(({ destination }) => destination.kind !== "lambda").length) {
    const labels = list(backends.map(({ label }) => label));
    problems.add(
      joinPath(path, "to"),
      labels,
      "destinations that want different hosts or base paths need routes of their own, because gateways rewrite for a whole route",
    );
  }
  const keys = new Set(backends.map(({ destination }) => (destination.kind === "host" ? destination.functionsKeySecret : undefined)));
  if (keys.size > 1) {
    problems.add(
      joinPath(path, "to"),
      list(backends.map(({ label }) => label)),
      "a destination beside an Azure function with a key needs a route of its own, because gateways add the key for a whole route",
    );
  }
  if (given?.host !== undefined) {
    problems.add(
      joinPath(path, "rewrite.host"),
      given.host,
      `${first.host} is sent as the host, because the destination is outside of the cluster`,
    );
  }
  const own = given?.prefix ?? given?.path ?? given?.regex;
  const base = first.path === "" || own !== undefined ? {} : match.kind === "prefix" ? { prefix: first.path } : { path: first.path };
  return { ...base, ...given, host: first.host };
}

/** The request as its destination gets it: address and headers after rewrites and edits. */
export function forwardedRequest({ match, rule }: RouteEntry, request: RouteRequest): RouteRequest {
  const { rewrite, requestHeaders } = rule;
  const headers = { ...request.headers };
  requestHeaders?.set.forEach(({ name, value }) => (headers[name] = value));
  requestHeaders?.add.forEach(({ name, value }) => (headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`));
  requestHeaders?.remove.forEach((name) => delete headers[name]);
  return { ...request, host: rewrite?.host ?? request.host, path: rewrittenPath(match, rewrite, request.path), headers };
}

/** A path after a rewrite. A prefix is replaced by whole elements: `/a/b` below `/a` becomes `/b` with the new prefix `/`. */
export function rewrittenPath({ path: match }: AtomicMatch, rewrite: Rewrite | undefined, path: string): string {
  if (rewrite?.path !== undefined) {
    return rewrite.path;
  }
  if (rewrite?.prefix !== undefined) {
    const rest = match.value === "/" ? path : path.slice(match.value.length);
    const base = rewrite.prefix === "/" ? "" : rewrite.prefix;
    return `${base}${rest}` === "" ? "/" : `${base}${rest}`;
  }
  if (rewrite?.regex !== undefined) {
    const { pattern, substitution } = rewrite.regex;
    return path.replace(new RegExp(pattern, "g"), (...groups: string[]) =>
      substitution.replace(/\\(\d)/g, (_text, digit) => groups[Number(digit)] ?? ""),
    );
  }
  return path;
}
