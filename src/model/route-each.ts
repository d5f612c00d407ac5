/** The dimension `each`: one match written for every snapshot, version or shard that the route's services have. */
import { joinPath, type Problems } from "./errors";
import type { ServiceDestination, WeightedDestination } from "./route-destination-types";
import type { DimensionValues } from "./route-input";
import type { KnownServices } from "./route-services";
import type { RouteMatch } from "./route-types";

const each = "each";

/** What the dimensions of a match stand for: one entry, or one for every combination that is deployed where some of them are `each`. */
export function expandDimensions(
  problems: Problems,
  path: string,
  { snapshot, version, shard }: RouteMatch,
  to: readonly WeightedDestination[] | undefined,
  services: KnownServices,
): DimensionValues[] {
  const wide = { snapshot: snapshot === each, version: version === each, shard: shard === each };
  const fixed: DimensionValues = {
    ...(snapshot === undefined || wide.snapshot ? {} : { snapshot }),
    ...(version === undefined || wide.version ? {} : { version }),
    ...(shard === undefined || shard === each ? {} : { shard }),
  };
  if (!wide.snapshot && !wide.version && !wide.shard) {
    return [fixed];
  }
  const found = new Map<string, DimensionValues>();
  for (const wanted of servicesOf(to ?? [])) {
    for (const endpoint of services.get(wanted.service)?.facts.endpoints ?? []) {
      const fits =
        endpoint.snapshot === (fixed.snapshot ?? wanted.snapshot ?? endpoint.snapshot) &&
        endpoint.version === (fixed.version ?? wanted.version ?? endpoint.version);
      const shards = wide.shard ? endpoint.podServiceNames.map((_name, ordinal) => ordinal) : [undefined];
      for (const ordinal of fits ? shards : []) {
        const values: DimensionValues = {
          ...fixed,
          ...(wide.snapshot ? { snapshot: endpoint.snapshot } : {}),
          ...(wide.version ? { version: endpoint.version } : {}),
          ...(ordinal === undefined ? {} : { shard: ordinal }),
        };
        found.set(`${values.snapshot} ${values.version} ${values.shard}`, values);
      }
    }
  }
  if (found.size === 0 && to !== undefined) {
    const member = (["snapshot", "version", "shard"] as const).find((name) => wide[name]) ?? "snapshot";
    problems.add(
      joinPath(path, member),
      each,
      `a destination with a ${member} of its own is needed; none of the route's services has one here`,
    );
  }
  return [...found.values()];
}

function servicesOf(to: readonly WeightedDestination[]): ServiceDestination[] {
  return to
    .flatMap(({ service, failover }) => [service, ...(failover?.places ?? []).map((place) => place.service)])
    .filter((service) => service !== undefined);
}
