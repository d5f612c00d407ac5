/**
 * Emits checked routes as Istio objects. Pure: plain values in, plain Kubernetes objects out.
 *
 * A VirtualService and not HTTPRoutes: it says more (faults, regular expressions in rewrites, several mirrors), and its list has an order.
 */
import type { CustomObject } from "../kubernetes/custom-resources";
import type {
  IstioDestinationRuleSpec,
  IstioGatewaySpec,
  IstioHttpRoute,
  IstioServiceEntrySpec,
  IstioVirtualServiceSpec,
} from "../kubernetes/istio-resources";
import { contentHash, dnsName, stableJson } from "../model/names";
import { matchesHost } from "../model/route-match";
import type { RouteTable, Upstream } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import { emitIstioRoute, groupNeighbours } from "./istio-route";
import { emitDestinationRule, emitServiceEntry, type InNamespace, istioHost } from "./istio-upstream";
import { metadataOf } from "./metadata";

const apiVersion = "networking.istio.io/v1";

/** Where the gateway listens. */
export interface IstioPorts {
  http: number;
  /** For the hosts that have a certificate. */
  https: number;
}

/**
 * A Gateway for the hosts of the table.
 *
 * @param selector labels of the pods of the ingress gateway
 */
export function emitIstioGateway<N>(
  context: EmitContext<N>,
  table: RouteTable,
  selector: Record<string, string>,
  ports: IstioPorts,
): CustomObject<N, IstioGatewaySpec> {
  const secure = table.tls.map(({ hosts, certificateSecret }, index) => ({
    port: { number: ports.https, name: `https-${index}`, protocol: "HTTPS" },
    hosts,
    // The Secret is looked for beside the pods of the gateway, and nowhere else.
    tls: { mode: "SIMPLE", credentialName: certificateSecret },
  }));
  const plain = { port: { number: ports.http, name: "http", protocol: "HTTP" }, hosts: table.hosts };
  return { ...head(context, "Gateway", gatewayName(context), "gateway"), spec: { selector, servers: [plain, ...secure] } };
}

/**
 * One VirtualService for each group of hosts with the same rules, or several where a wildcard of the group covers another of its hosts: Istio's webhook
 * refuses both in one object.
 *
 * @param gateway another one than ours, as `namespace/name`
 */
export function emitIstioVirtualServices<N>(
  context: EmitContext<N>,
  table: RouteTable,
  gateway: string = gatewayName(context),
): CustomObject<N, IstioVirtualServiceSpec>[] {
  const services = table.virtualHosts.flatMap(({ hosts, order }) => {
    const http = withoutRepeats(
      groupNeighbours(order).map((group) => emitIstioRoute((destination) => istioHost(context.name, destination), group)),
    );
    return withoutOverlaps(hosts).map((part): IstioVirtualServiceSpec => ({ hosts: part, gateways: [gateway], http }));
  });
  return services.map((spec) => {
    // By the hosts, not by the place in the list, which changes with the others.
    const key = services.length === 1 ? [] : [contentHash(spec.hosts).slice(0, 8)];
    return { ...head(context, "VirtualService", dnsName(context.name, "routes", ...key), "routes"), spec };
  });
}

/** The first of two equal matches decides; Istio warns of the second, which is there where an exact path and a prefix by elements have one text. */
function withoutRepeats(routes: readonly IstioHttpRoute[]): IstioHttpRoute[] {
  const seen = new Set<string>();
  return routes
    .map((route) => ({ ...route, match: route.match.filter((match) => seen.size < seen.add(stableJson(match)).size) }))
    .filter(({ match }) => match.length > 0);
}

/** Parts of a list of hosts in each of which no host lies under another. */
function withoutOverlaps(hosts: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (const host of hosts) {
    const part = parts.find((others) => others.every((other) => !matchesHost(other, host) && !matchesHost(host, other)));
    if (part === undefined) {
      parts.push([host]);
    } else {
      part.push(host);
    }
  }
  return parts;
}

/** How destinations are spoken to; none for those of which nothing is said. */
export function emitDestinationRules<N>(context: EmitContext<N>, table: RouteTable): CustomObject<N, IstioDestinationRuleSpec>[] {
  return table.upstreams.flatMap((upstream) => {
    const spec = emitDestinationRule(context.name, upstream);
    return spec === undefined ? [] : [{ ...head(context, "DestinationRule", upstreamName(context, upstream), "destination"), spec }];
  });
}

/** The destinations that are no Services. `inNamespace` writes the namespace into a text. */
export function emitServiceEntries<N>(
  context: EmitContext<N>,
  table: RouteTable,
  inNamespace: InNamespace<N>,
): CustomObject<N, IstioServiceEntrySpec<N>>[] {
  return table.upstreams.flatMap((upstream) => {
    const spec = emitServiceEntry(context.name, inNamespace, upstream.destination);
    return spec === undefined ? [] : [{ ...head(context, "ServiceEntry", upstreamName(context, upstream), "destination"), spec }];
  });
}

function head<N>(context: EmitContext<N>, kind: string, objectName: string, part: string): Omit<CustomObject<N, unknown>, "spec"> {
  return { apiVersion, kind, metadata: metadataOf(context, objectName, part) };
}

function gatewayName<N>({ name }: EmitContext<N>): string {
  return dnsName(name, "gateway");
}

function upstreamName<N>({ name }: EmitContext<N>, { destination }: Upstream): string {
  return dnsName(name, contentHash(destination.id).slice(0, 8));
}
