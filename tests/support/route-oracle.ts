/** What a gateway should answer to a request, from our own matcher and the meaning of policies, and not from what is emitted. */
import { routeRequest, type PathMatch, type RouteEntry, type RouteRequest, type RouteRule, type RouteTable } from "../../src/model/routes";
import { type Answer, seenBy } from "./echo-network";

/** The path and the query as they go over the wire. */
export function addressOf({ path, query }: RouteRequest): string {
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? path : `${path}?${pairs.join("&")}`;
}

/** A prefix by elements replaced, as the table of HTTPPathModifier in the Gateway API has it. */
function withPrefix(matched: PathMatch, path: string, prefix: string): string {
  const rest = path.slice(matched.value === "/" ? 0 : matched.value.length);
  const start = prefix.replace(/\/$/, "");
  return `${start}${rest}` === "" ? "/" : `${start}${rest}`;
}

function rewritten({ rule: { rewrite }, match }: RouteEntry, path: string): string {
  if (rewrite?.prefix !== undefined) return withPrefix(match.path, path, rewrite.prefix);
  if (rewrite?.path !== undefined) return rewrite.path;
  if (rewrite?.regex === undefined) return path;
  const { pattern, substitution } = rewrite.regex;
  return path.replace(new RegExp(pattern, "g"), substitution.replace(/\\(\d)/g, "$$$1"));
}

const withoutLast = (text: string): string => text.replace(/\?$/, "");

/** Where a redirect sends the client. */
function locationOf(entry: RouteEntry, request: RouteRequest): string {
  const { action } = entry.rule;
  if (action.kind !== "redirect") throw new Error(`${entry.rule.name} is no redirect`);
  const { scheme = "http", host = request.host, port, path, prefix } = action;
  const target = path ?? (prefix === undefined ? request.path : withPrefix(entry.match.path, request.path, prefix));
  const query = addressOf(request).slice(request.path.length);
  return withoutLast(`${scheme}://${host}${port === undefined ? "" : `:${port}`}${target}${query}`);
}

/** Headers after edits. Names that are looked at only. */
function edited(rule: RouteRule, headers: Record<string, string>): Record<string, string> {
  const { set = [], add = [], remove = [] } = rule.requestHeaders ?? {};
  const after = { ...headers };
  for (const name of remove) delete after[name];
  for (const { name, value } of set) after[name] = value;
  // A pod shows the first of several values, and one that is added stands behind.
  for (const { name, value } of add) after[name] ??= value;
  return after;
}

/** What is wrong with an answer; undefined where nothing is. `addresses`: pod address → name of its Service. */
export function complaint(
  table: RouteTable,
  request: RouteRequest,
  answer: Answer,
  addresses: ReadonlyMap<string, string>,
): string | undefined {
  const entry = routeRequest(table, request);
  const differ = (what: string, wanted: unknown, got: unknown): string | undefined =>
    JSON.stringify(wanted) === JSON.stringify(got) ? undefined : `${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`;
  const seen = seenBy(answer);
  const place = seen === undefined ? undefined : (addresses.get(seen.destination) ?? seen.destination);
  if (entry === undefined) return differ("status", [404, undefined], [answer.status, place]);
  const { rule } = entry;
  const whose = `rule ${rule.name}`;
  if (rule.action.kind === "redirect") {
    return differ(`${whose}, redirect`, [rule.action.status, locationOf(entry, request)], [answer.status, answer.headers["location"]]);
  }
  if (rule.action.kind === "respond") {
    return differ(`${whose}, response`, [rule.action.status, rule.action.body], [answer.status, answer.body]);
  }
  if (rule.fault?.abort !== undefined) return differ(`${whose}, abort`, rule.fault.abort.status, answer.status);
  const wanted = rule.backends.flatMap(({ destination, weight }) =>
    destination.kind === "service" && weight > 0 ? [destination.name] : [],
  );
  if (seen === undefined || place === undefined || !wanted.includes(place)) {
    return `${whose}: ${place ?? `status ${answer.status}`} instead of ${wanted.join(" or ")}`;
  }
  const path = `${rewritten(entry, request.path)}${addressOf(request).slice(request.path.length)}`;
  const responseEdits = [...(rule.responseHeaders?.set ?? []), ...(rule.responseHeaders?.add ?? [])];
  return (
    differ(`${whose}, method`, request.method, seen.method) ??
    differ(`${whose}, path`, path, seen.path) ??
    differ(`${whose}, host`, rule.rewrite?.host ?? request.host, seen.host) ??
    differ(`${whose}, request headers`, sorted(edited(rule, request.headers)), sorted(seen.headers)) ??
    differ(
      `${whose}, response headers`,
      responseEdits.map(({ name, value }) => [name, value]),
      responseEdits.map(({ name }) => [name, answer.headers[name]]),
    )
  );
}

function sorted(values: Record<string, string>): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}
