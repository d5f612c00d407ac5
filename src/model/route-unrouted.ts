/** Snapshots that pods are bound to, and that no request can reach. */
import type { VersionedServiceFacts } from "./facts";
import type { Destination, RouteTable, ServiceTarget } from "./route-table";

/** One sentence for each snapshot and version of a routed service that no rule leads to. A service without any route is not meant to have one. */
export function unroutedNotices(table: RouteTable, services: readonly VersionedServiceFacts[]): string[] {
  const targets = table.rules.flatMap(({ backends }) =>
    backends.filter(({ weight }) => weight > 0).flatMap(({ destination }) => placesOf(destination)),
  );
  const reached = new Set(targets.map(({ service, version, snapshot }) => `${service} ${version} ${snapshot}`));
  const routed = new Set(targets.map(({ service }) => service));
  return services
    .filter(({ name }) => routed.has(name))
    .flatMap(({ name, endpoints }) => {
      const missing = endpoints.filter(({ version, snapshot }) => !reached.has(`${name} ${version} ${snapshot}`));
      const snapshots = [...new Set(missing.map(({ snapshot }) => snapshot))].sort();
      return snapshots.map((snapshot) => {
        const versions = missing.filter((endpoint) => endpoint.snapshot === snapshot).map(({ version }) => version);
        const all = endpoints.filter((endpoint) => endpoint.snapshot === snapshot).length === versions.length;
        return all
          ? `${name}: no route leads to snapshot ${snapshot}, so requests that name it get no answer from it`
          : `${name}: no route leads to snapshot ${snapshot} in version ${[...versions].sort().join(", ")}`;
      });
    });
}

function placesOf(destination: Destination): ServiceTarget[] {
  return destination.kind === "service" ? [destination] : destination.kind === "failover" ? destination.places.flatMap(placesOf) : [];
}
