/** Where a match goes: versioned services become weighted Kubernetes Services. */
import {
  checkDnsLabel,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkUnique,
  exactlyOne,
  isObject,
  nearestWord,
} from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import type { ServiceEndpointFacts, VersionedServiceFacts } from "./facts";
import type { KubernetesDestination, ServiceDestination, WeightedDestination } from "./route-destination-types";
import type { Backend, ServiceTarget } from "./route-table";
import type { RouteMatch } from "./route-types";

/** The largest weight that the Gateway API takes. */
export const maxWeight = 1_000_000;

/** What the destinations of one match are resolved against. */
export interface DestinationContext {
  services: readonly VersionedServiceFacts[];
  /** Property path of the destinations, for example `routes[0].to`. */
  path: string;
  /** Property path of the match, for messages. */
  matchPath: string;
  match: RouteMatch;
}

interface Share {
  weight: number;
  backends: Backend[];
}

/** Checks the facts of the services themselves; they can come from another stack. */
export function checkServices(problems: Problems, services: unknown): VersionedServiceFacts[] {
  if (!checkList(problems, "services", services)) {
    return [];
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
  return usable;
}

/** Checks the shape of destinations, once per route. */
export function checkDestinations(problems: Problems, path: string, given: unknown): given is WeightedDestination[] {
  const before = problems.all.length;
  if (!checkList(problems, path, given)) {
    return false;
  }
  if (given.length === 0) {
    problems.add(path, given, "at least one destination is allowed");
  }
  given.forEach((destination, index) => checkDestination(problems, joinPath(path, index), destination));
  if (given.length > 0 && given.every((destination) => isObject(destination) && destination["weight"] === 0)) {
    problems.add(path, given, "at least one weight above 0 is needed, or every request fails");
  }
  return problems.all.length === before;
}

function checkDestination(problems: Problems, path: string, given: unknown): void {
  if (!checkObject(problems, path, given)) {
    return;
  }
  checkKnownKeys(problems, path, given, ["weight", "service", "kubernetes"]);
  if (given["weight"] !== undefined) {
    checkInteger(problems, joinPath(path, "weight"), given["weight"], { min: 0, max: maxWeight });
  }
  const kind = exactlyOne(problems, path, given, ["service", "kubernetes"]);
  const inner = kind === undefined ? undefined : given[kind];
  const innerPath = joinPath(path, kind ?? "");
  if (kind === undefined || !checkObject(problems, innerPath, inner)) {
    return;
  }
  if (kind === "service") {
    checkKnownKeys(problems, innerPath, inner, ["service", "version", "snapshot"]);
    return;
  }
  checkKnownKeys(problems, innerPath, inner, ["name", "port", "namespace"]);
  checkDnsLabel(problems, joinPath(innerPath, "name"), inner["name"]);
  checkInteger(problems, joinPath(innerPath, "port"), inner["port"], { min: 1, max: 65535 });
  checkNamespace(problems, joinPath(innerPath, "namespace"), inner["namespace"]);
}

/** A namespace is an RFC 1123 label: unlike a Service it may start with a digit. */
export function checkNamespace(problems: Problems, path: string, given: unknown): void {
  if (given !== undefined && (typeof given !== "string" || !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(given))) {
    problems.add(path, given, "the name of a namespace is allowed: lower-case letters, digits and hyphens, at most 63 characters");
  }
}

/** The weighted Kubernetes Services of one match, or `undefined` where a problem was noted. */
export function resolveDestinations(
  problems: Problems,
  to: readonly WeightedDestination[],
  context: DestinationContext,
): Backend[] | undefined {
  const shares = to.map((destination, index): Share | undefined => {
    const path = joinPath(context.path, index);
    const weight = destination.weight ?? 1;
    if (destination.kubernetes !== undefined) {
      return { weight, backends: [kubernetesBackend(destination.kubernetes)] };
    }
    const backends = destination.service && resolveService(problems, joinPath(path, "service"), destination.service, context);
    return backends && { weight, backends };
  });
  return shares.every((share): share is Share => share !== undefined) ? spreadWeights(problems, context.path, shares) : undefined;
}

function kubernetesBackend({ name, port, namespace }: KubernetesDestination): Backend {
  const id = `${namespace === undefined ? "" : `${namespace}/`}${name}:${port}`;
  const destination = { kind: "service" as const, id: `service ${id}`, name, port, ...(namespace === undefined ? {} : { namespace }) };
  return { weight: 1, label: `Service ${id}`, destination };
}

function resolveService(problems: Problems, path: string, wanted: ServiceDestination, context: DestinationContext): Backend[] | undefined {
  const service = context.services.find(({ name }) => name === wanted.service);
  if (service === undefined) {
    const names = context.services.map(({ name }) => name);
    problems.add(joinPath(path, "service"), wanted.service, `${suggest(wanted.service, names)}known services are ${list(names)}`);
    return undefined;
  }
  const found = findEndpoints(problems, path, wanted, service, context);
  if (found === undefined) {
    return undefined;
  }
  const named = (wanted.version ?? context.match.version) !== undefined;
  const backends = found.map((endpoint) => endpointBackend(problems, service, endpoint, context, named));
  if (!backends.every((backend): backend is Backend => backend !== undefined)) {
    return undefined;
  }
  if (backends.every(({ weight }) => weight === 0)) {
    problems.add(
      path,
      wanted,
      `a version is needed: all versions of ${service.name} with this snapshot (${list(backends.map(({ label }) => label))}) have weight 0`,
    );
    return undefined;
  }
  return backends;
}

/** The endpoints that a destination means: by snapshot, then by version. */
function findEndpoints(
  problems: Problems,
  path: string,
  wanted: ServiceDestination,
  service: VersionedServiceFacts,
  { match, matchPath }: DestinationContext,
): ServiceEndpointFacts[] | undefined {
  const snapshots = unique(service.endpoints.map((endpoint) => endpoint.snapshot));
  const versions = unique(service.endpoints.map((endpoint) => endpoint.version));
  const snapshot = wanted.snapshot ?? match.snapshot;
  const version = wanted.version ?? match.version;
  const snapshotPath =
    wanted.snapshot === undefined && match.snapshot !== undefined ? joinPath(matchPath, "snapshot") : joinPath(path, "snapshot");
  const versionPath =
    wanted.version === undefined && match.version !== undefined ? joinPath(matchPath, "version") : joinPath(path, "version");
  const before = problems.all.length;
  if (snapshot === undefined) {
    problems.add(snapshotPath, undefined, `the match names no snapshot, so one is needed here; ${service.name} has ${list(snapshots)}`);
  } else if (!snapshots.includes(snapshot)) {
    problems.add(snapshotPath, snapshot, `${suggest(snapshot, snapshots)}${service.name} is bound to the snapshots ${list(snapshots)}`);
  } else if (match.snapshot !== undefined && match.snapshot !== snapshot && snapshots.includes(match.snapshot)) {
    problems.add(
      snapshotPath,
      snapshot,
      `requests that name ${match.snapshot} (${matchPath}) must not get answers from another snapshot; ${service.name} has both`,
    );
  }
  if (version !== undefined && !versions.includes(version)) {
    problems.add(versionPath, version, `${suggest(version, versions)}${service.name} has the versions ${list(versions)}`);
  } else if (version !== undefined && match.version !== undefined && match.version !== version && versions.includes(match.version)) {
    problems.add(
      versionPath,
      version,
      `requests that name ${match.version} (${matchPath}) must not get answers from another version; ${service.name} has both`,
    );
  }
  if (problems.all.length > before) {
    return undefined;
  }
  const found = service.endpoints.filter(
    (endpoint) => endpoint.snapshot === snapshot && (version === undefined || endpoint.version === version),
  );
  if (found.length === 0) {
    const bound = unique(service.endpoints.filter((endpoint) => endpoint.version === version).map((endpoint) => endpoint.snapshot));
    problems.add(snapshotPath, snapshot, `version ${version ?? ""} of ${service.name} is bound to ${list(bound)} only`);
    return undefined;
  }
  return [...found].sort((a, b) => (a.version < b.version ? -1 : 1));
}

/** The Kubernetes Service of one endpoint. A version that is named takes everything, whatever its weight. */
function endpointBackend(
  problems: Problems,
  service: VersionedServiceFacts,
  endpoint: ServiceEndpointFacts,
  { match, matchPath }: DestinationContext,
  named: boolean,
): Backend | undefined {
  const weight = named ? 1 : (service.weights[endpoint.version] ?? 0);
  const label = `${service.name} ${endpoint.version}`;
  const { port, podServiceNames: pods, version, snapshot } = endpoint;
  const serviceTarget = (name: string): ServiceTarget => ({
    kind: "service",
    id: `service ${name}:${port}`,
    name,
    port,
    service: service.name,
    version,
    snapshot,
  });
  if (match.shard === undefined || pods.length === 0) {
    return { weight, label, destination: serviceTarget(endpoint.serviceName) };
  }
  const pod = pods[Number(match.shard)];
  if (pod === undefined) {
    problems.add(joinPath(matchPath, "shard"), match.shard, `${label} has ${pods.length} pods: shards 0 to ${pods.length - 1} are allowed`);
    return undefined;
  }
  return { weight, label: `${label} shard ${match.shard}`, destination: { ...serviceTarget(pod), shard: Number(match.shard) } };
}

/**
 * One list of whole weights from shares of shares: share i of W_i with weights w_ij becomes W_i · w_ij · L / S_i, where S_i is the sum of its
 * weights and L the least common multiple of all S_i. A single share keeps its weights as they were written.
 */
function spreadWeights(problems: Problems, path: string, shares: readonly Share[]): Backend[] | undefined {
  const [only] = shares;
  if (only !== undefined && shares.length === 1) {
    return only.backends;
  }
  const sums = shares.map(({ backends }) => backends.reduce((sum, { weight }) => sum + weight, 0));
  const common = sums.reduce((a, b) => (a / gcd(a, b)) * b, 1);
  const spread = shares.flatMap(({ weight, backends }, index) =>
    backends.map((backend) => ({ ...backend, weight: weight * backend.weight * (common / (sums[index] ?? 1)) })),
  );
  const divisor = common === 1 ? 1 : spread.reduce((sum, { weight }) => gcd(sum, weight), 0);
  const backends = spread.map((backend) => ({ ...backend, weight: backend.weight / divisor }));
  if (backends.some(({ weight }) => !Number.isSafeInteger(weight) || weight > maxWeight)) {
    problems.add(
      path,
      shares.map(({ weight }) => weight),
      `coarser weights are needed: in whole numbers of at most ${maxWeight} these shares cannot be said`,
    );
    return undefined;
  }
  return backends;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)].sort();
}

/** Words as short as `v1` and `v2` are all near to each other. */
function suggest(word: unknown, words: readonly string[]): string {
  const nearest = typeof word === "string" && word.length > 3 ? nearestWord(word, words) : undefined;
  return nearest === undefined ? "" : `perhaps ${nearest} is meant; `;
}

function list(words: readonly string[]): string {
  return words.length === 0 ? "none" : words.join(", ");
}
