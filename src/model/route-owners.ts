/** Hosts that two sets of routes claim at one gateway: the gateway would mix their routes, or take those of one of them. */
import type { Problems } from "./errors";
import { joinPath } from "./errors";
import { formatRequest } from "./route-format";
import { RouteTarget } from "./route-types";
import { witnessHost } from "./route-witness";

/** A set of routes, and where it is served. */
export interface HostOwner {
  name: string;
  /** What tells gateways apart, for example `mesh/edge-gateway`. */
  gateway: string;
  hosts: readonly string[];
}

/** Notes every host that has two owners at one gateway. A wildcard and a name below it are two hosts: the name wins. */
export function checkHostOwners(problems: Problems, owners: readonly HostOwner[]): void {
  const first = new Map<string, string>();
  for (const { name, gateway, hosts } of owners) {
    for (const host of hosts) {
      const place = `${gateway} ${host}`;
      const owner = first.get(place);
      if (owner !== undefined && owner !== name) {
        const request = formatRequest({ host: witnessHost([host]), method: "GET", path: "/", headers: {}, query: {} });
        problems.add(
          joinPath(name, "hosts"),
          host,
          `one owner for each host is allowed; at the gateway ${gateway} ${owner} has it, and both would take ${request}`,
        );
      }
      first.set(place, owner ?? name);
    }
  }
}

/** Where each target serves a new gateway if nothing else is said; for Gloo and Istio that are pods which are there already, told by name or label. */
export const gatewayClasses: Record<RouteTarget, string> = { gatewayApi: "kgateway", gloo: "gateway-proxy", istio: "ingressgateway" };

/** The Gateway that every installation of Gloo has. */
export const glooGateway = { name: "gateway-proxy", namespace: "gloo-system" };

/**
 * What tells gateways apart. One that exists is told by its namespace and name; a new one has pods of its own with the Gateway API only: those of Gloo and
 * Istio are listeners of pods that all namespaces share.
 */
export function gatewayKey(
  target: RouteTarget,
  { name, namespace, create }: { name: string; namespace?: string; create?: { className: string; port: number } },
): string {
  const place = create === undefined || target === RouteTarget.GatewayApi ? name : `${create.className}:${create.port}`;
  return `${target} ${namespace === undefined ? "" : `${namespace}/`}${place}`;
}
