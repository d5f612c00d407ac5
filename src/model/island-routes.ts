/** The routes of a type, moved behind the matcher of one instance. */
import { checkKnownKeys, checkList, checkObject, isObject, nearestWord } from "./checks";
import { joinPath, type Problems } from "./errors";
import type { IslandDestination, IslandRoute, IslandType } from "./island-types";
import type { PlacedRoute, WholeMatch } from "./islands";
import { dnsName } from "./names";
import type { WeightedDestination } from "./route-destination-types";
import type { RewritePolicy } from "./route-policy-types";
import type { RouteMatch } from "./route-types";

/** The routes of one instance. `instance`: its name, with which those of its Services and routes begin. */
export function moveRoutes(problems: Problems, path: string, type: IslandType, match: WholeMatch, instance: string): PlacedRoute[] {
  return type.routes.flatMap((route: unknown, index): PlacedRoute[] => {
    const place = `${path}, ${joinPath(`type ${type.name}: routes`, index)}`;
    if (!checkObject(problems, place, route) || !checkList(problems, joinPath(place, "match"), route["match"])) {
      return [];
    }
    const given = route as unknown as IslandRoute;
    const matches = given.match.filter(isObject);
    if (match.prefix !== "" && matches.some(({ grpc }) => grpc !== undefined)) {
      problems.add(
        place,
        given.name,
        "the path of a gRPC call has no room for a prefix; islands with such routes are told apart by host, header or query",
      );
    }
    const to = given.to === undefined ? undefined : ownDestinations(problems, joinPath(place, "to"), given.to, type, instance);
    // A rewrite belongs to a whole route, and each match loses its own prefix.
    const groups = match.stripPrefix && match.prefix !== "" ? matches.map((one) => [one]) : [matches];
    return groups.map((group, at) => ({
      path: place,
      route: {
        ...given,
        ...(to === undefined ? {} : { to }),
        name: dnsName(instance, String(given.name), ...(groups.length > 1 ? [String(at)] : [])),
        match: group.map((one) => moveMatch(one, match)),
        ...(match.hosts === undefined ? {} : { hosts: match.hosts }),
        ...(to !== undefined && groups[0] !== matches && group[0] !== undefined
          ? { rewrite: stripped(group[0], match, given.rewrite) }
          : {}),
      },
    }));
  });
}

function moveMatch(given: RouteMatch, { prefix, headers, query }: WholeMatch): RouteMatch {
  const { exact, rawPrefix, regex } = given;
  const rest = { ...given, headers: { ...given.headers, ...headers }, query: { ...given.query, ...query } };
  if (prefix === "" || given.grpc !== undefined) {
    return rest;
  }
  const path =
    exact !== undefined
      ? { exact: exact === "/" ? prefix : `${prefix}${exact}` }
      : rawPrefix !== undefined
        ? { rawPrefix: `${prefix}${rawPrefix}` }
        : regex !== undefined
          ? { regex: `${prefix.replace(/[.*+?()$]/g, "\\$&")}(?:${regex})` }
          : { prefix: `${prefix}${given.prefix ?? "/"}`.replace(/\/$/, "") };
  return { ...rest, ...path };
}

/** The rewrite that takes the prefix of the instance away, unless the route rewrites the path itself. */
function stripped(
  { exact, regex, rawPrefix, prefix, grpc }: RouteMatch,
  { prefix: own }: WholeMatch,
  given: RewritePolicy | undefined,
): RewritePolicy | undefined {
  if (given?.prefix !== undefined || given?.path !== undefined || given?.regex !== undefined || grpc !== undefined) {
    return given;
  }
  if (exact !== undefined) {
    return { ...given, path: exact };
  }
  if (regex !== undefined || rawPrefix !== undefined) {
    return { ...given, regex: { pattern: `${own.replace(/[.*+?()$]/g, "\\$&")}(/.*)`, substitution: "\\1" } };
  }
  return { ...given, prefix: prefix ?? "/" };
}

/** Destinations with the Services of the instance in place of those of its type. */
function ownDestinations(
  problems: Problems,
  path: string,
  given: readonly IslandDestination[],
  type: IslandType,
  instance: string,
): WeightedDestination[] {
  if (!checkList(problems, path, given)) {
    return [];
  }
  return given.map((destination: unknown, index) => {
    if (!isObject(destination) || destination["own"] === undefined) {
      return destination as WeightedDestination;
    }
    const { own, weight, version, snapshot, ...others } = destination as IslandDestination;
    const place = joinPath(path, index);
    checkKnownKeys(problems, place, others, []);
    const share = weight === undefined ? {} : { weight };
    const { services = [], workloads = [] } = type;
    if (workloads.some(({ name }) => name === own)) {
      const named = { ...(version === undefined ? {} : { version }), ...(snapshot === undefined ? {} : { snapshot }) };
      return { ...share, service: { service: dnsName(instance, String(own)), ...named } };
    }
    for (const [key, given] of Object.entries({ version, snapshot })) {
      if (given !== undefined) {
        problems.add(joinPath(place, key), given, "only a workload of the type has versions and snapshots");
      }
    }
    const service = services.find(({ name }) => name === own);
    if (service === undefined) {
      const names = [...services, ...workloads].map(({ name }) => name);
      const nearest = typeof own === "string" ? nearestWord(own, names) : undefined;
      problems.add(
        joinPath(place, "own"),
        own,
        `${nearest === undefined ? "" : `perhaps ${nearest} is meant; `}${type.name} has the services ${names.join(", ") || "none"}`,
      );
    }
    return { ...share, kubernetes: { name: dnsName(instance, String(own)), port: service?.port ?? 1 } };
  });
}
