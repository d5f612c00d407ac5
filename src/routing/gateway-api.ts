/** Emits checked routes as Gateway API v1 objects (standard channel). Pure: plain values in, plain Kubernetes objects out. */
import type { CustomObject, GatewayListener, GatewaySpec, HttpRouteRule, HttpRouteSpec } from "../kubernetes/custom-resources";
import { contentHash, dnsName } from "../model/names";
import { extraConditions } from "../model/route-extra";
import { httpRouteLimits, type RouteRule, type RouteTable, type TableTls, type VirtualHost } from "../model/routes";
import { emitRules } from "./gateway-api-rules";
import { metadataOf } from "./metadata";
import { splitByName } from "./pages";

const apiVersion = "gateway.networking.k8s.io/v1";

/** What every object of one GlooRoutes has in common. */
export interface EmitContext<N> {
  /** Name of the GlooRoutes. */
  name: string;
  namespace: N;
  /** The hosts that routes have by default: their objects keep the plain names, whatever other hosts come and go. Default: all hosts. */
  hosts?: string[];
}

/** One HTTPRoute and its page key, "" where there is one page only. */
export interface HttpRoutePage<N> {
  key: string;
  object: CustomObject<N, HttpRouteSpec>;
  /** The rule of the table that each rule of the HTTPRoute comes from. */
  sources: RouteRule[];
}

/** HTTPS listeners of a Gateway. */
export interface GatewayTls {
  port: number;
  certificates: readonly TableTls[];
}

/** A Gateway with a plain HTTP listener, and an HTTPS listener for every host with a certificate; it takes routes of its own namespace. */
export function emitGateway<N>(context: EmitContext<N>, className: string, port: number, tls?: GatewayTls): CustomObject<N, GatewaySpec> {
  const allowedRoutes = { namespaces: { from: "Same" } };
  const secure = (tls?.certificates ?? []).flatMap(({ hosts, certificateSecret, certificateNamespace }) =>
    hosts.map((host): GatewayListener => ({
      name: dnsName("https", host === "*" ? "all" : host.replace(/^\*/, "any").replace(/\./g, "-")),
      ...(host === "*" ? {} : { hostname: host }),
      port: tls?.port ?? 443,
      protocol: "HTTPS",
      tls: {
        certificateRefs: [{ name: certificateSecret, ...(certificateNamespace === undefined ? {} : { namespace: certificateNamespace }) }],
      },
      allowedRoutes,
    })),
  );
  return {
    apiVersion,
    kind: "Gateway",
    metadata: metadataOf(context, dnsName(context.name, "gateway"), "gateway"),
    spec: { gatewayClassName: className, listeners: [{ name: "http", port, protocol: "HTTP", allowedRoutes }, ...secure] },
  };
}

/**
 * The HTTPRoutes: one for each group of hosts with the same rules, or several pages where its limits are exceeded.
 *
 * Pages are safe because the table has no ties: rules on different pages are told apart by precedence alone, never by the age or the name of their
 * HTTPRoute. Pages are keyed by a hash of the rules' names (see pages.ts) and not by their number, which would rename all later pages when a rule is
 * added, nor by their first rule, which would rename a page when that rule goes.
 */
export function emitHttpRoutes<N>(
  context: EmitContext<N>,
  table: RouteTable,
  parent: { name: string; namespace?: string },
): HttpRoutePage<N>[] {
  return table.virtualHosts.flatMap((virtualHost) => emitVirtualHost(context, table, virtualHost, parent));
}

function emitVirtualHost<N>(
  context: EmitContext<N>,
  table: RouteTable,
  virtualHost: VirtualHost,
  parent: { name: string; namespace?: string },
): HttpRoutePage<N>[] {
  const { name } = context;
  const rules = emitRules(name, virtualHost, extraConditions(virtualHost));
  // What moves with `latest` is in an object of its own, so that it moves in one change.
  const pages = (["", "latest"] as const).flatMap((alias) =>
    splitByName(
      rules.filter(({ rule }) => (rule.alias ?? "") === alias),
      ({ emitted }) => emitted.name,
      (list) => fitsOneRoute(list.map(({ emitted }) => emitted)),
    ).map(({ key, things }) => ({ key: [alias, key].filter((part) => part !== "").join("-"), things })),
  );
  const hostPages = splitByName(
    virtualHost.hosts.filter((host) => host !== "*"),
    (host) => host,
    (hosts) => hosts.length <= httpRouteLimits.hostnames,
  );
  const parentRefs = [{ name: parent.name, ...(parent.namespace === undefined ? {} : { namespace: parent.namespace }) }];
  const own = hostsKey(context, table, virtualHost);
  return (hostPages.length === 0 ? [{ key: "", things: [] }] : hostPages).flatMap(({ key: hostKey, things: hostnames }) =>
    pages.map(({ key: pageKey, things }) => {
      const key = [own, hostKey, pageKey].filter((part) => part !== "").join("-");
      const metadata = metadataOf(context, dnsName(name, "routes", ...(key === "" ? [] : [key])), "routes");
      const emitted = things.map((one) => one.emitted);
      const spec = { parentRefs, ...(hostnames.length === 0 ? {} : { hostnames }), rules: emitted };
      return { key, object: { apiVersion, kind: "HTTPRoute", metadata, spec }, sources: things.map(({ rule }) => rule) };
    }),
  );
}

/** What sets the objects of a virtual host apart: nothing where it has the default hosts, else a checksum of its hosts. */
function hostsKey<N>({ hosts }: EmitContext<N>, table: RouteTable, virtualHost: VirtualHost): string {
  const main = [...(hosts ?? table.hosts)].sort()[0];
  return table.virtualHosts.length === 1 || (main !== undefined && virtualHost.hosts.includes(main))
    ? ""
    : contentHash(virtualHost.hosts).slice(0, 8);
}

function fitsOneRoute(rules: readonly HttpRouteRule[]): boolean {
  const matches = rules.reduce((sum, rule) => sum + rule.matches.length, 0);
  return rules.length <= httpRouteLimits.rules && matches <= httpRouteLimits.matches;
}
