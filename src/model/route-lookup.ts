/** Our own gateway: where a request goes under a route table, and why. Every other gateway is held against it. */
import { formatMatch } from "./route-format";
import { indexMatches, type MatchIndex } from "./route-index";
import { matchesHost } from "./route-match";
import type { AtomicMatch, RouteDecision, RouteEntry, RouteRequest, RouteTable, VirtualHost } from "./route-table";

/** An index is made at the first request of a virtual host; tables never change. */
const indexes = new WeakMap<VirtualHost, MatchIndex<RouteEntry>>();

/** Where a request goes, and why. */
export function matchRequest(table: RouteTable, request: RouteRequest): RouteDecision {
  const found = findVirtualHost(table, request.host);
  if (found === undefined) {
    return { destinations: [], why: [`no route has the host ${request.host}, so the gateway answers 404`] };
  }
  const { virtualHost, declared } = found;
  const [entry, next] = indexOf(virtualHost).all(request);
  const host = declared === request.host ? `the host is ${declared}` : `the host lies under ${declared}`;
  if (entry === undefined) {
    return { virtualHost, destinations: [], why: [`${host}, and none of its matches takes the request, so the gateway answers 404`] };
  }
  const why = [host, ...reasons(entry.match)];
  if (entry.rule.guards !== undefined) {
    why.push("it names a snapshot that is not served here, and must not be answered from another one");
  }
  if (next !== undefined) {
    why.push(`it goes before ${formatMatch(next.match)} of ${next.rule.name}: ${advantage(entry.match, next.match)}`);
  }
  return { virtualHost, entry, destinations: sharesOf(entry), why };
}

/** The entry that decides about a request, or `undefined` where no route takes it (the gateway answers 404). */
export function routeRequest(table: RouteTable, request: RouteRequest): RouteEntry | undefined {
  const found = findVirtualHost(table, request.host);
  return found && indexOf(found.virtualHost).first(request);
}

function indexOf(virtualHost: VirtualHost): MatchIndex<RouteEntry> {
  const index = indexes.get(virtualHost) ?? indexMatches(virtualHost.order);
  indexes.set(virtualHost, index);
  return index;
}

/** The virtual host that names a host most exactly: by its name, else by the longest wildcard, else by `*`. */
export function findVirtualHost(table: RouteTable, host: string): { virtualHost: VirtualHost; declared: string } | undefined {
  let best: { virtualHost: VirtualHost; declared: string } | undefined;
  for (const virtualHost of table.virtualHosts) {
    for (const declared of virtualHost.hosts) {
      const better = best === undefined || declared === host || (best.declared !== host && declared.length > best.declared.length);
      if (matchesHost(declared, host) && better) {
        best = { virtualHost, declared };
      }
    }
  }
  return best;
}

function sharesOf({ rule }: RouteEntry): RouteDecision["destinations"] {
  const total = rule.backends.reduce((sum, { weight }) => sum + weight, 0);
  return rule.backends.filter(({ weight }) => weight > 0).map((backend) => ({ backend, share: backend.weight / total }));
}

function reasons(match: AtomicMatch): string[] {
  const { path, method, headers, query } = match;
  const paths = {
    exact: `the path is ${path.value}`,
    prefix: `the path lies under ${path.value}`,
    rawPrefix: `the path starts with ${path.value}`,
    regex: `the regular expression ${path.value} takes the path`,
  };
  const condition = (kind: string) =>
    function describe({ name, kind: how, value }: AtomicMatch["headers"][number]): string {
      return how === "exact"
        ? `${kind} ${name} is ${value}`
        : how === "regex"
          ? `${value} takes ${kind} ${name}`
          : `${kind} ${name} is there`;
    };
  return [
    paths[path.kind],
    ...(method === undefined ? [] : [`the method is ${method}`]),
    ...headers.map(condition("header")),
    ...query.map(condition("parameter")),
  ];
}

/** Why one match goes before another, by the first level on which they differ. */
function advantage(first: AtomicMatch, second: AtomicMatch): string {
  const [one, other] = [first.path, second.path];
  if (one.kind === "exact" && other.kind !== "exact") {
    return "its path is exact";
  }
  if (one.kind === "regex" && other.kind !== "regex") {
    return "a regular expression goes before a prefix";
  }
  if (one.kind !== "regex" && one.value.length !== other.value.length) {
    return "its path is longer";
  }
  if (one.kind !== other.kind) {
    return "a prefix by elements goes before one by characters";
  }
  if ((first.method === undefined) !== (second.method === undefined)) {
    return "it names a method";
  }
  if (first.headers.length !== second.headers.length) {
    return "it tests more headers";
  }
  if (first.query.length !== second.query.length) {
    return "it tests more query parameters";
  }
  return second.guard === undefined
    ? "they have the same outcome"
    : "a snapshot that is served goes before the guard of those that are not";
}
