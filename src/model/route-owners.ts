/** Hosts that two sets of routes claim at one gateway: the gateway would mix their routes, or take those of one of them. */
import type { Problems } from "./errors";
import { joinPath } from "./errors";
import { formatRequest } from "./route-format";
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
