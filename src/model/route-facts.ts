/** What people and tools need to know of checked routes: plain values. */
import { formatMatch, formatRequest } from "./route-format";
import { indexMatches } from "./route-index";
import type { AtomicMatch, Backend, RouteEntry, RouteRequest, RouteRule, RouteTable } from "./route-table";
import type { GlooRoutesFacts, RouteFacts } from "./route-types";
import { findWitness, freshElement, minimalRequest, witnessHost, type WitnessContext } from "./route-witness";

/** What people and tools need to know of checked routes. */
export function routesFacts(name: string, table: RouteTable): GlooRoutesFacts {
  const routes = routeWitnesses(table).map(({ rule, request }): RouteFacts => {
    const destination = formatAction(rule);
    const summary = `${formatMatches(rule.matches.filter(({ own }) => own === undefined))} → ${destination}`;
    return { name: rule.name, summary, destination, witness: request === undefined ? "" : formatRequest(request) };
  });
  return { name, hosts: table.hosts, routes };
}

/** Each rule of the user's with a request that takes it, in the order of their names. */
export function routeWitnesses(table: RouteTable): { rule: RouteRule; request: RouteRequest | undefined }[] {
  const contexts = table.virtualHosts.map(({ hosts, order }) => {
    const context = { index: indexMatches(order), host: witnessHost(hosts), fresh: freshElement(order) };
    return { context, rules: new Set(order.map(({ rule }) => rule)) };
  });
  return table.rules
    .filter(({ guards }) => guards === undefined)
    .map((rule) => ({ rule, request: witnessOf(rule, contexts.find(({ rules }) => rules.has(rule))?.context) }));
}

function witnessOf(rule: RouteRule, context: WitnessContext<RouteEntry> | undefined): RouteRequest | undefined {
  const written = rule.matches.filter(({ own }) => own === undefined);
  const [first] = written;
  return (
    context &&
    (firstDefined([...written, ...rule.matches], (match) => findWitness(context, match, (winner) => winner.rule === rule)) ??
      (first && minimalRequest(first, context.host)))
  );
}

function firstDefined<T, R>(things: readonly T[], find: (thing: T) => R | undefined): R | undefined {
  for (const thing of things) {
    const found = find(thing);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

function formatMatches([first, ...others]: readonly AtomicMatch[]): string {
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return first === undefined ? "" : `${formatMatch(first)}${more}`;
}

/** What a rule does, for example `prices v1 90 %, prices v2 10 %` or `302 https://…`. */
export function formatAction({ action, backends }: RouteRule): string {
  switch (action.kind) {
    case "forward":
      return formatBackends(backends);
    case "redirect": {
      const { scheme, host, port, path, prefix, status } = action;
      const where = [scheme === undefined ? "" : `${scheme}://`, host ?? "", port === undefined ? "" : `:${port}`, path ?? prefix ?? ""];
      return `${status} ${where.join("")}`;
    }
    case "respond":
      return `answer ${action.status}`;
    case "delegate":
      return `routes of ${action.namespace === undefined ? "" : `${action.namespace}/`}${action.name}`;
  }
}

function formatBackends(backends: readonly Backend[]): string {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  const percent = (weight: number): string => `${Number(((100 * weight) / total).toPrecision(3))} %`;
  return backends.map(({ label, weight }) => (backends.length === 1 ? label : `${label} ${percent(weight)}`)).join(", ");
}
