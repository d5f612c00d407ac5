/** The versioned services that routes can go to: found by name, snapshot and version, with what is wrong where nothing is found. */
import { checkInteger, checkList, checkObject, checkUnique, nearestWord } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import type { ServiceEndpointFacts, VersionedServiceFacts } from "./facts";
import { groupBy } from "./groups";
import type { ServiceDestination } from "./route-destination-types";
import type { DimensionValues } from "./route-input";

/** The largest weight that the Gateway API takes. */
export const maxWeight = 1_000_000;

/** The word for the newest complete snapshot. */
export const latestAlias = "latest";

/** A versioned service with its endpoints in the order in which they are looked for. */
export interface KnownService {
  facts: VersionedServiceFacts;
  /** Sorted. */
  snapshots: string[];
  /** Sorted. */
  versions: string[];
  /** By snapshot, each sorted by version. */
  bySnapshot: ReadonlyMap<string, ServiceEndpointFacts[]>;
  /** The snapshot that `latest` means. */
  latest?: string;
}

/** By name. */
export type KnownServices = ReadonlyMap<string, KnownService>;

/** What a destination is resolved against. */
export interface DestinationContext {
  services: KnownServices;
  /** Property path of the destinations, for example `routes[0].to`. */
  path: string;
  /** Property path of the match, for messages. */
  matchPath: string;
  /** The dimensions that the match names. */
  match: DimensionValues;
}

/** Checks the facts of the services themselves; they can come from another stack. */
export function checkServices(problems: Problems, services: unknown): KnownServices {
  if (!checkList(problems, "services", services)) {
    return new Map();
  }
  const usable = (services as VersionedServiceFacts[]).filter((service, index) =>
    checkObject(problems, joinPath("services", index), service),
  );
  checkUnique(
    problems,
    "services",
    usable.map(({ name }) => name),
    "name",
  );
  usable.forEach((service, index) => {
    for (const version of new Set(service.endpoints.map((endpoint) => endpoint.version))) {
      const path = keyPath(joinPath(joinPath("services", index), "weights"), version);
      checkInteger(problems, path, service.weights[version], { min: 0, max: maxWeight });
    }
  });
  return new Map(usable.map((facts) => [facts.name, knownService(facts)]));
}

function knownService(facts: VersionedServiceFacts): KnownService {
  const sorted = [...facts.endpoints].sort((a, b) => (a.version < b.version ? -1 : 1));
  const bySnapshot = groupBy(sorted, (endpoint) => endpoint.snapshot);
  return {
    facts,
    snapshots: [...bySnapshot.keys()].sort(),
    versions: [...new Set(sorted.map(({ version }) => version))],
    bySnapshot,
  };
}

/** The service that a destination names, with a suggestion where there is none. */
export function findService(problems: Problems, path: string, name: unknown, services: KnownServices): KnownService | undefined {
  const service = typeof name === "string" ? services.get(name) : undefined;
  if (service === undefined) {
    const names = [...services.keys()];
    problems.add(path, name, `${suggest(name, names)}known services are ${list(names)}`);
  }
  return service;
}

/** The endpoints that a destination means, by snapshot and then by version; `undefined` where a problem was noted. */
export function findEndpoints(
  problems: Problems,
  path: string,
  wanted: ServiceDestination,
  service: KnownService,
  { match, matchPath }: DestinationContext,
): ServiceEndpointFacts[] | undefined {
  const { snapshots, versions, facts } = service;
  const place = (member: "snapshot" | "version"): string =>
    joinPath(wanted[member] === undefined && match[member] !== undefined ? matchPath : path, member);
  const named = wanted.snapshot ?? match.snapshot;
  const snapshot = named === latestAlias ? (service.latest ?? named) : named;
  const version = wanted.version ?? match.version;
  const before = problems.all.length;
  if (snapshot === undefined) {
    problems.add(place("snapshot"), undefined, `the match names no snapshot, so one is needed here; ${facts.name} has ${list(snapshots)}`);
  } else if (!service.bySnapshot.has(snapshot)) {
    problems.add(place("snapshot"), snapshot, `${suggest(snapshot, snapshots)}${facts.name} is bound to the snapshots ${list(snapshots)}`);
  } else if (match.snapshot !== undefined && match.snapshot !== snapshot && service.bySnapshot.has(match.snapshot)) {
    problems.add(place("snapshot"), snapshot, crossed("snapshot", match.snapshot));
  }
  if (version !== undefined && !versions.includes(version)) {
    problems.add(place("version"), version, `${suggest(version, versions)}${facts.name} has the versions ${list(versions)}`);
  } else if (version !== undefined && match.version !== undefined && match.version !== version && versions.includes(match.version)) {
    problems.add(place("version"), version, crossed("version", match.version));
  }
  if (problems.all.length > before) {
    return undefined;
  }
  const bound = service.bySnapshot.get(snapshot ?? "") ?? [];
  const found = version === undefined ? bound : bound.filter((endpoint) => endpoint.version === version);
  if (found.length === 0) {
    const elsewhere = facts.endpoints.filter((endpoint) => endpoint.version === version).map((endpoint) => endpoint.snapshot);
    const allowed = `version ${version ?? ""} of ${facts.name} is bound to ${list([...new Set(elsewhere)].sort())} only`;
    problems.add(place("snapshot"), snapshot, allowed);
    return undefined;
  }
  return found;

  function crossed(member: "snapshot" | "version", named: string): string {
    return `requests that name ${named} (${matchPath}) must not get answers from another ${member}; ${facts.name} has both`;
  }
}

/** Words as short as `v1` and `v2` are all near to each other. */
function suggest(word: unknown, words: readonly string[]): string {
  const nearest = typeof word === "string" && word.length > 3 ? nearestWord(word, words) : undefined;
  return nearest === undefined ? "" : `perhaps ${nearest} is meant; `;
}

/** Words in a sentence. */
export function list(words: readonly string[]): string {
  return words.length === 0 ? "none" : words.join(", ");
}
