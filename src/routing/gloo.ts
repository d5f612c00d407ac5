/** Emits checked routes as Gloo edge objects. Pure: plain values in, plain Kubernetes objects out. */
import type { CustomObject, GlooGatewaySpec, GlooRoute, GlooRouteTableSpec, GlooVirtualServiceSpec } from "../kubernetes/custom-resources";
import { groupBy } from "../model/groups";
import { contentHash, dnsName } from "../model/names";
import type { RouteTable, TableTls, VirtualHost } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import { emitGlooRoutes, type PlacedRoute } from "./gloo-routes";
import { emitUpstream } from "./gloo-upstreams";
import type { NamedObject } from "./kgateway-names";
import { metadataOf } from "./metadata";
import { splitByName } from "./pages";

const apiVersion = "gateway.solo.io/v1";

/** Kubernetes takes objects of at most 1.5 MiB; half of it is left for the status and for what others add. */
const maxCharacters = 700_000;

/** Where a Gateway of the proxy listens. */
export interface GlooPorts {
  http: number;
  /** For the hosts that have a certificate. */
  https: number;
}

/** Gateways of the proxy `proxyName` that serve our VirtualServices and no others: one for plain HTTP, and one for HTTPS where there are certificates. */
export function emitGlooGateways<N>(
  context: EmitContext<N>,
  table: RouteTable,
  proxyName: string,
  ports: GlooPorts,
): CustomObject<N, GlooGatewaySpec<N>>[] {
  const { name, namespace } = context;
  const services = emitVirtualServices(context, table);
  return [false, true].flatMap((ssl) => {
    const mine = services.filter(({ object }) => (object.spec.sslConfig !== undefined) === ssl);
    const virtualServices = mine.map(({ object }) => ({ name: object.metadata.name, namespace }));
    const spec: GlooGatewaySpec<N> = {
      bindAddress: "::",
      bindPort: ssl ? ports.https : ports.http,
      proxyNames: [proxyName],
      ...(ssl ? { ssl } : {}),
      httpGateway: { virtualServices },
    };
    const part = ssl ? ["gateway", "https"] : ["gateway"];
    return mine.length === 0
      ? []
      : [{ apiVersion, kind: "Gateway", metadata: metadataOf(context, dnsName(name, ...part), "gateway"), spec }];
  });
}

/** The VirtualServices, and the RouteTables that hold their routes where these are too many for one object. */
export function emitGlooObjects<N>(context: EmitContext<N>, table: RouteTable): NamedObject<N>[] {
  const upstreams = table.upstreams.flatMap((upstream) => emitUpstream(context, upstream, table));
  const tables = table.virtualHosts.flatMap((virtualHost) => pagesOf(context, table, virtualHost).tables);
  return [...upstreams, ...tables];
}

/** One VirtualService for each group of hosts with the same rules, and one more for those of its hosts that have a certificate. */
export function emitVirtualServices<N>(
  context: EmitContext<N>,
  table: RouteTable,
): { part: string; object: CustomObject<N, GlooVirtualServiceSpec<N>> }[] {
  return table.virtualHosts.flatMap((virtualHost) => {
    const { routes } = pagesOf(context, table, virtualHost);
    const part = partOf(context, table, virtualHost);
    const secure = table.tls.flatMap((tls) => {
      const domains = virtualHost.hosts.filter((host) => tls.hosts.includes(host));
      return domains.length === 0 ? [] : [{ part: `${part}-https-${contentHash(domains).slice(0, 8)}`, domains, tls }];
    });
    return [{ part, domains: virtualHost.hosts, tls: undefined }, ...secure].map(({ part: own, domains, tls }) => ({
      part: own,
      object: {
        apiVersion,
        kind: "VirtualService",
        metadata: metadataOf(context, dnsName(context.name, own), "routes"),
        spec: { virtualHost: { domains, routes }, ...(tls === undefined ? {} : { sslConfig: emitSsl(context, tls, domains) }) },
      },
    }));
  });
}

function emitSsl<N>({ namespace }: EmitContext<N>, tls: TableTls, domains: string[]): GlooVirtualServiceSpec<N>["sslConfig"] {
  const secretRef = { name: tls.certificateSecret, namespace: tls.certificateNamespace ?? namespace };
  return { secretRef, ...(domains.includes("*") ? {} : { sniDomains: domains }) };
}

/** Gloo takes the first route that matches, so the list is in order of precedence. */
function pagesOf<N>(
  context: EmitContext<N>,
  table: RouteTable,
  virtualHost: VirtualHost,
): { routes: GlooRoute<N>[]; tables: NamedObject<N>[] } {
  const placed = emitGlooRoutes(context, virtualHost.order, table);
  const routes = placed.map(({ route }) => route);
  if (sizeOf(routes) <= maxCharacters) {
    return { routes, tables: [] };
  }
  const part = partOf(context, table, virtualHost);
  const pages = splitInOrder(placed).map(({ key, things }) => {
    const own = `${part}-${key}`;
    const spec: GlooRouteTableSpec<N> = { routes: things.map(({ route }) => route) };
    return {
      part: own,
      object: { apiVersion, kind: "RouteTable", metadata: metadataOf(context, dnsName(context.name, own), "routes"), spec },
    };
  });
  return {
    routes: pages.map(({ object }) => ({
      matchers: [{ prefix: "/" }],
      delegateAction: { ref: { name: object.metadata.name, namespace: context.namespace } },
    })),
    tables: pages,
  };
}

/**
 * Pages of a list whose order must be kept. Different exact paths never meet, nor do different prefixes of one length, so each such class is spread by
 * the hash of its paths, which keeps pages stable; the regular expressions between them stay together.
 */
function splitInOrder<N>(routes: readonly PlacedRoute<N>[]): { key: string; things: PlacedRoute<N>[] }[] {
  const classes = groupBy(routes, ({ path: { kind, value } }) =>
    kind === "exact" || kind === "regex" ? kind : `${kind === "prefix" ? "prefix" : "raw"}${value.length}`,
  );
  return [...classes].flatMap(([name, members]) => {
    const paths = groupBy(members, ({ path: { kind, value } }) => (kind === "regex" ? "" : value));
    const fits = (list: readonly [string, PlacedRoute<N>[]][]): boolean =>
      sizeOf(list.flatMap(([, placed]) => placed.map(({ route }) => route))) <= maxCharacters;
    return splitByName([...paths], ([path]) => path, fits).map(({ key, things }) => ({
      key: key === "" ? name : `${name}-${key}`,
      things: things.flatMap(([, placed]) => placed),
    }));
  });
}

function sizeOf(routes: readonly unknown[]): number {
  return routes.reduce((sum: number, route) => sum + JSON.stringify(route, (_key, value: unknown) => value ?? "").length, 0);
}

function partOf<N>({ hosts }: EmitContext<N>, table: RouteTable, virtualHost: VirtualHost): string {
  const [main] = [...(hosts ?? table.hosts)].sort();
  const isMain = table.virtualHosts.length === 1 || (main !== undefined && virtualHost.hosts.includes(main));
  return isMain ? "routes" : `routes-${contentHash(virtualHost.hosts).slice(0, 8)}`;
}
