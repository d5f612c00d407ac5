/** Where a match goes: versioned services become weighted Kubernetes Services, functions and other servers what a gateway calls. */
import { checkDnsLabel, checkInteger, checkKnownKeys, checkList, checkObject, exactlyOne, isObject } from "./checks";
import { joinPath, type Problems } from "./errors";
import type { ServiceEndpointFacts } from "./facts";
import type {
  FailoverDestination,
  KubernetesDestination,
  PlaceDestination,
  ServiceDestination,
  WeightedDestination,
} from "./route-destination-types";
import { checkOutside, outsideKinds, resolveOutside, resolveUrl } from "./route-outside";
import { findEndpoints, findService, list, maxWeight, type DestinationContext, type KnownService } from "./route-services";
import type { Backend, FailoverTarget, HostTarget, ServiceTarget } from "./route-table";
import { spreadWeights, type Share } from "./route-weights";

/** The members of a weighted destination of which exactly one is set. */
const destinationKinds = ["service", "kubernetes", "failover", ...outsideKinds] as const;
const placeKinds = ["service", "kubernetes", "url"] as const;

/** Checks the shape of destinations, once per route. */
export function checkDestinations(problems: Problems, path: string, given: unknown): given is WeightedDestination[] {
  const before = problems.all.length;
  if (!checkList(problems, path, given)) {
    return false;
  }
  if (given.length === 0) {
    problems.add(path, given, "at least one destination is allowed");
  }
  given.forEach((destination, index) => checkWeighted(problems, joinPath(path, index), destination));
  if (given.length > 0 && given.every((destination) => isObject(destination) && destination["weight"] === 0)) {
    problems.add(path, given, "at least one weight above 0 is needed, or every request fails");
  }
  return problems.all.length === before;
}

function checkWeighted(problems: Problems, path: string, given: unknown): void {
  if (!checkObject(problems, path, given)) {
    return;
  }
  checkKnownKeys(problems, path, given, ["weight", ...destinationKinds]);
  if (given["weight"] !== undefined) {
    checkInteger(problems, joinPath(path, "weight"), given["weight"], { min: 0, max: maxWeight });
  }
  checkOneDestination(problems, path, given, destinationKinds);
}

/** Checks the one destination among members such as `service` and `kubernetes`. */
export function checkOneDestination(problems: Problems, path: string, given: Record<string, unknown>, kinds: readonly string[]): void {
  const kind = exactlyOne(problems, path, given, kinds);
  const inner = kind === undefined ? undefined : given[kind];
  const innerPath = joinPath(path, kind ?? "");
  if (kind === undefined || !checkObject(problems, innerPath, inner)) {
    return;
  }
  if (kind === "service") {
    checkKnownKeys(problems, innerPath, inner, ["service", "version", "snapshot", "shard"]);
    if (inner["shard"] !== undefined) {
      checkInteger(problems, joinPath(innerPath, "shard"), inner["shard"], { min: 0 });
    }
  } else if (kind === "kubernetes") {
    checkKubernetes(problems, innerPath, inner);
  } else if (kind === "failover") {
    checkFailover(problems, innerPath, inner);
  } else {
    checkOutside(problems, innerPath, kind, inner);
  }
}

/** Checks the name, port and namespace of a Kubernetes Service. */
export function checkKubernetes(problems: Problems, path: string, given: Record<string, unknown>): void {
  checkKnownKeys(problems, path, given, ["name", "port", "namespace"]);
  checkDnsLabel(problems, joinPath(path, "name"), given["name"]);
  checkInteger(problems, joinPath(path, "port"), given["port"], { min: 1, max: 65535 });
  checkNamespace(problems, joinPath(path, "namespace"), given["namespace"]);
}

function checkFailover(problems: Problems, path: string, given: Record<string, unknown>): void {
  checkKnownKeys(problems, path, given, ["places", "healthPath"]);
  const places = given["places"];
  if (!checkList(problems, joinPath(path, "places"), places)) {
    return;
  }
  if (places.length < 2) {
    problems.add(joinPath(path, "places"), places, "at least two places are needed, the nearest first");
  }
  places.forEach((place, index) => {
    const placePath = joinPath(joinPath(path, "places"), index);
    if (checkObject(problems, placePath, place)) {
      checkKnownKeys(problems, placePath, place, placeKinds);
      checkOneDestination(problems, placePath, place, placeKinds);
    }
  });
}

/** A namespace is an RFC 1123 label: unlike a Service it may start with a digit. */
export function checkNamespace(problems: Problems, path: string, given: unknown): void {
  if (given !== undefined && (typeof given !== "string" || !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(given))) {
    problems.add(path, given, "the name of a namespace is allowed: lower-case letters, digits and hyphens, at most 63 characters");
  }
}

/** The weighted destinations of one match, or `undefined` where a problem was noted. */
export function resolveDestinations(
  problems: Problems,
  to: readonly WeightedDestination[],
  context: DestinationContext,
): Backend[] | undefined {
  const shares = to.map((destination, index): Share | undefined => {
    const path = joinPath(context.path, index);
    const backends = resolveOne(problems, path, destination, context);
    return backends && { weight: destination.weight ?? 1, backends };
  });
  return shares.every((share): share is Share => share !== undefined) ? spreadWeights(problems, context.path, shares) : undefined;
}

function resolveOne(problems: Problems, path: string, to: WeightedDestination, context: DestinationContext): Backend[] | undefined {
  if (to.kubernetes !== undefined) {
    return [kubernetesBackend(to.kubernetes)];
  }
  if (to.service !== undefined) {
    return resolveService(problems, joinPath(path, "service"), to.service, context);
  }
  if (to.failover !== undefined) {
    const backend = resolveFailover(problems, joinPath(path, "failover"), to.failover, context);
    return backend && [backend];
  }
  return [resolveOutside(to)];
}

/** A Kubernetes Service that we know nothing more of. */
export function kubernetesBackend({ name, port, namespace }: KubernetesDestination): Backend & { destination: ServiceTarget } {
  const id = `${namespace === undefined ? "" : `${namespace}/`}${name}:${port}`;
  const destination = { kind: "service" as const, id: `service ${id}`, name, port, ...(namespace === undefined ? {} : { namespace }) };
  return { weight: 1, label: `Service ${id}`, destination };
}

/** The Kubernetes Services of a versioned service, by the weights of its versions. */
export function resolveService(
  problems: Problems,
  path: string,
  wanted: ServiceDestination,
  context: DestinationContext,
): (Backend & { destination: ServiceTarget })[] | undefined {
  const service = findService(problems, joinPath(path, "service"), wanted.service, context.services);
  const found = service && findEndpoints(problems, path, wanted, service, context);
  if (service === undefined || found === undefined) {
    return undefined;
  }
  const named = (wanted.version ?? context.match.version) !== undefined;
  const backends = found.map((endpoint) => endpointBackend(problems, path, service, endpoint, { wanted, context, named }));
  if (!backends.every((backend) => backend !== undefined)) {
    return undefined;
  }
  if (backends.every(({ weight }) => weight === 0)) {
    const labels = list(backends.map(({ label }) => label));
    problems.add(path, wanted, `a version is needed: all versions of ${service.facts.name} with this snapshot (${labels}) have weight 0`);
    return undefined;
  }
  return backends;
}

/** The Kubernetes Service of one endpoint. A version that is named takes everything, whatever its weight. */
function endpointBackend(
  problems: Problems,
  path: string,
  { facts }: KnownService,
  { version, snapshot, serviceName, directServiceName, port, podServiceNames: pods }: ServiceEndpointFacts,
  { wanted, context, named }: { wanted: ServiceDestination; context: DestinationContext; named: boolean },
): (Backend & { destination: ServiceTarget }) | undefined {
  const weight = named ? 1 : (facts.weights[version] ?? 0);
  const label = `${facts.name} ${version}`;
  const target = (name: string): ServiceTarget => ({
    kind: "service",
    id: `service ${name}:${port}`,
    name,
    port,
    service: facts.name,
    version,
    snapshot,
  });
  const shard = wanted.shard ?? context.match.shard;
  if (shard === undefined || (pods.length === 0 && wanted.shard === undefined)) {
    return { weight, label, destination: { ...target(serviceName), ...(directServiceName === undefined ? {} : { gatherer: true }) } };
  }
  const pod = pods[shard];
  if (pod === undefined) {
    const place = joinPath(wanted.shard === undefined ? context.matchPath : path, "shard");
    const allowed = pods.length === 0 ? "no pods of their own" : `${pods.length} pods: shards 0 to ${pods.length - 1} are allowed`;
    problems.add(place, shard, `${label} has ${allowed}`);
    return undefined;
  }
  return { weight, label: `${label} shard ${shard}`, destination: { ...target(pod), shard } };
}

function resolveFailover(problems: Problems, path: string, wanted: FailoverDestination, context: DestinationContext): Backend | undefined {
  const places = wanted.places.map((place, index) => resolvePlace(problems, joinPath(joinPath(path, "places"), index), place, context));
  if (!places.every((place) => place !== undefined)) {
    return undefined;
  }
  const ids = places.map(({ destination }) => destination.id);
  const twice = ids.findIndex((id, index) => ids.indexOf(id) < index);
  if (twice >= 0) {
    const place = joinPath(joinPath(path, "places"), twice);
    problems.add(place, ids[twice], "another place is needed: where this one fails, it fails in both places, so the failover never helps");
  }
  const destination: FailoverTarget = {
    kind: "failover",
    id: `failover ${ids.join(" else ")}`,
    places: places.map((place) => place.destination),
    healthPath: wanted.healthPath ?? "/healthz",
  };
  return { weight: 1, label: places.map(({ label }) => label).join(", else "), destination };
}

function resolvePlace(
  problems: Problems,
  path: string,
  place: PlaceDestination,
  context: DestinationContext,
): { label: string; destination: ServiceTarget | HostTarget } | undefined {
  if (place.url !== undefined) {
    return resolveUrl(place.url);
  }
  if (place.kubernetes !== undefined) {
    return kubernetesBackend(place.kubernetes);
  }
  const found = place.service && resolveService(problems, joinPath(path, "service"), place.service, context);
  if (found !== undefined && found.length !== 1) {
    problems.add(
      joinPath(path, "service"),
      place.service,
      `one version is needed in a place; ${list(found.map(({ label }) => label))} fit`,
    );
    return undefined;
  }
  return found?.[0];
}
