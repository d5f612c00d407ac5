/** How destinations are spoken to: the policies of the user, one for each destination, and what a failover needs to happen at all. */
import { checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf, exactlyOne } from "./checks";
import { joinPath, type Problems } from "./errors";
import type { HashPolicy, HealthCheckPolicy, OutlierPolicy, UpstreamPolicy } from "./route-destination-types";
import { checkKubernetes, kubernetesBackend } from "./route-destinations";
import { gathererDefaults, isGatherer } from "./route-gatherers";
import { isHostName } from "./route-hosts";
import { compareText } from "./route-match";
import { checkNewPath, checkSeconds } from "./route-policies";
import { findService, type KnownServices } from "./route-services";
import type { Destination, FailoverTarget, HashKey, RouteRule, Upstream, UpstreamSettings } from "./route-table";
import { checkConditionName } from "./route-values";

/** Settings by id of the destination, with the place where they were written; those for outliers as they were written, because what they leave out depends on the destination. */
export type SettingsById = ReadonlyMap<string, GivenSettings>;

interface GivenSettings {
  settings: Omit<UpstreamSettings, "outlierDetection">;
  outliers: OutlierPolicy | undefined;
  path: string;
}

const policyKeys = [
  "service",
  "kubernetes",
  "protocol",
  "connectTimeoutSeconds",
  "hash",
  "circuitBreaker",
  "outlierDetection",
  "healthCheck",
  "tls",
];

/** Checks the policies and finds the destinations that they are about. */
export function normalizeUpstreams(problems: Problems, given: unknown, services: KnownServices): SettingsById {
  const found = new Map<string, GivenSettings>();
  if (given === undefined || !checkList(problems, "upstreams", given)) {
    return found;
  }
  given.forEach((policy: unknown, index) => {
    const path = joinPath("upstreams", index);
    if (!checkObject(problems, path, policy)) {
      return;
    }
    checkKnownKeys(problems, path, policy, policyKeys);
    const settings = normalizeSettings(problems, path, policy);
    const outliers = checkOutliers(problems, joinPath(path, "outlierDetection"), policy);
    for (const id of idsOf(problems, path, policy, services)) {
      const before = found.get(id);
      if (before !== undefined) {
        problems.add(path, id, `one policy for each destination is allowed; ${before.path} has one`);
      }
      found.set(id, { settings, outliers, path });
    }
  });
  return found;
}

function idsOf(problems: Problems, path: string, policy: UpstreamPolicy, services: KnownServices): string[] {
  const kind = exactlyOne(problems, path, policy, ["service", "kubernetes"]);
  if (kind === "kubernetes" && checkObject(problems, joinPath(path, kind), policy.kubernetes)) {
    const before = problems.all.length;
    checkKubernetes(problems, joinPath(path, kind), policy.kubernetes);
    return problems.all.length > before ? [] : [kubernetesBackend(policy.kubernetes).destination.id];
  }
  const service = kind === "service" ? findService(problems, joinPath(path, kind), policy.service, services) : undefined;
  const endpoints = service?.facts.endpoints ?? [];
  const names = endpoints.flatMap(({ serviceName, podServiceNames, port }) =>
    [serviceName, ...podServiceNames].map((name) => `service ${name}:${port}`),
  );
  return [...new Set(names)];
}

function normalizeSettings(problems: Problems, path: string, policy: UpstreamPolicy): GivenSettings["settings"] {
  const { protocol = "http1", connectTimeoutSeconds, circuitBreaker, tls } = policy;
  checkOneOf(problems, joinPath(path, "protocol"), protocol, ["http1", "http2", "grpc"]);
  checkSeconds(problems, joinPath(path, "connectTimeoutSeconds"), connectTimeoutSeconds);
  const hash = policy.hash && normalizeHash(problems, joinPath(path, "hash"), policy.hash);
  const healthCheck = policy.healthCheck && normalizeHealth(problems, joinPath(path, "healthCheck"), policy.healthCheck);
  if (circuitBreaker !== undefined) {
    const limits = ["maxConnections", "maxPendingRequests", "maxRequests", "maxRetries"] as const;
    checkNumbers(problems, joinPath(path, "circuitBreaker"), circuitBreaker, limits, (name) => ({ min: name === "maxRetries" ? 0 : 1 }));
  }
  if (tls !== undefined && checkObject(problems, joinPath(path, "tls"), tls)) {
    checkKnownKeys(problems, joinPath(path, "tls"), tls, ["serverName", "ca"]);
    if (!isHostName(tls.serverName)) {
      problems.add(joinPath(path, "tls.serverName"), tls.serverName, "the host name in the destination's certificate is needed");
    }
  }
  return {
    protocol,
    ...(connectTimeoutSeconds === undefined ? {} : { connectTimeoutSeconds }),
    ...(hash === undefined ? {} : { hash }),
    ...(circuitBreaker === undefined ? {} : { circuitBreaker }),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Checks an object of optional whole numbers, of which at least one is there. */
function checkNumbers(
  problems: Problems,
  path: string,
  given: unknown,
  names: readonly string[],
  range: (name: string) => { min?: number; max?: number },
): given is Record<string, number | undefined> {
  if (!checkObject(problems, path, given)) {
    return false;
  }
  checkKnownKeys(problems, path, given, names);
  const there = names.filter((name) => given[name] !== undefined);
  there.forEach((name) => checkInteger(problems, joinPath(path, name), given[name], range(name)));
  if (there.length === 0) {
    problems.add(path, given, `at least one of ${names.join(", ")} is needed`);
  }
  return true;
}

function normalizeHash(problems: Problems, path: string, given: HashPolicy): UpstreamSettings["hash"] {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  const { header, cookie, query, sourceAddress, algorithm = "maglev" }: HashPolicy = given;
  checkKnownKeys(problems, path, given, ["header", "cookie", "query", "sourceAddress", "algorithm"]);
  checkOneOf(problems, joinPath(path, "algorithm"), algorithm, ["maglev", "ringHash"]);
  const keys: HashKey[] = [];
  for (const [kind, name] of Object.entries({ header, cookie, query }) as ["header" | "cookie" | "query", string | undefined][]) {
    if (name !== undefined && checkConditionName(problems, joinPath(path, kind), kind === "query" ? "query" : "header", name)) {
      keys.push({ kind, name: kind === "header" ? name.toLowerCase() : name });
    }
  }
  if (sourceAddress === true) {
    keys.push({ kind: "source", name: "" });
  }
  if (keys.length === 0) {
    problems.add(path, given, "at least one of header, cookie, query and sourceAddress is needed");
  }
  return { algorithm, keys };
}

function checkOutliers(problems: Problems, path: string, { outlierDetection: given }: UpstreamPolicy): OutlierPolicy | undefined {
  if (given === undefined || !checkObject(problems, path, given)) {
    return undefined;
  }
  const seconds = ["intervalSeconds", "ejectionSeconds"] as const;
  const { consecutiveErrors = 1, maxEjectionPercent = 0 }: OutlierPolicy = given;
  checkKnownKeys(problems, path, given, ["consecutiveErrors", ...seconds, "maxEjectionPercent"]);
  checkInteger(problems, joinPath(path, "consecutiveErrors"), consecutiveErrors, { min: 1 });
  checkInteger(problems, joinPath(path, "maxEjectionPercent"), maxEjectionPercent, { min: 0, max: 100 });
  seconds.forEach((name) => checkSeconds(problems, joinPath(path, name), given[name]));
  return given;
}

function normalizeHealth(problems: Problems, path: string, given: HealthCheckPolicy): UpstreamSettings["healthCheck"] {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  const { intervalSeconds = 2, timeoutSeconds = 1, unhealthyThreshold = 2, healthyThreshold = 1, ...asked }: HealthCheckPolicy = given;
  checkKnownKeys(problems, path, given, ["path", "grpc", "intervalSeconds", "timeoutSeconds", "unhealthyThreshold", "healthyThreshold"]);
  exactlyOne(problems, path, asked, ["path", "grpc"]);
  checkNewPath(problems, joinPath(path, "path"), asked.path);
  checkSeconds(problems, joinPath(path, "intervalSeconds"), intervalSeconds);
  checkSeconds(problems, joinPath(path, "timeoutSeconds"), timeoutSeconds);
  checkInteger(problems, joinPath(path, "unhealthyThreshold"), unhealthyThreshold, { min: 1 });
  checkInteger(problems, joinPath(path, "healthyThreshold"), healthyThreshold, { min: 1 });
  return { ...asked, intervalSeconds, timeoutSeconds, unhealthyThreshold, healthyThreshold };
}

/** What a failover needs, beside retries at the next place. Measured: with any part missing it never happens, or only after seconds of errors. */
const failoverOutliers = { consecutiveErrors: 2, intervalSeconds: 1, ejectionSeconds: 5, maxEjectionPercent: 100 };
const failoverHealth = { intervalSeconds: 1, timeoutSeconds: 1, unhealthyThreshold: 2, healthyThreshold: 1 };

/** Every destination of the rules once, with its settings. */
export function collectUpstreams(problems: Problems, rules: readonly RouteRule[], given: SettingsById): Upstream[] {
  const byId = new Map<string, Destination>();
  for (const { backends, mirrors } of rules) {
    [...backends, ...mirrors].forEach(({ destination }) => byId.set(destination.id, destination));
  }
  return [...byId.values()]
    .sort((a, b) => compareText(a.id, b.id))
    .map((destination) => ({ destination, settings: settingsOf(problems, destination, given) }));
}

function settingsOf(problems: Problems, destination: Destination, given: SettingsById): UpstreamSettings {
  if (destination.kind === "failover") {
    return failoverSettings(problems, destination, given);
  }
  const { settings, outliers } = given.get(destination.id) ?? plain;
  if (isGatherer(destination)) {
    const { connectTimeoutSeconds, outlierDetection } = gathererDefaults;
    return { connectTimeoutSeconds, ...settings, ...withOutliers(outliers ?? {}, outlierDetection), ...withRetries(settings) };
  }
  return { ...settings, ...withOutliers(outliers, plainOutliers) };
}

const plain: Omit<GivenSettings, "path"> = { settings: { protocol: "http1" }, outliers: undefined };
const plainOutliers = { consecutiveErrors: 5, intervalSeconds: 10, ejectionSeconds: 30, maxEjectionPercent: 10 };

/** What was given, with defaults in the place of the rest; nothing where no pod may be left out. */
function withOutliers(given: OutlierPolicy | undefined, defaults: Required<OutlierPolicy>): Pick<UpstreamSettings, "outlierDetection"> {
  return given === undefined || given.maxEjectionPercent === 0 ? {} : { outlierDetection: { ...defaults, ...given } };
}

function failoverSettings(problems: Problems, destination: FailoverTarget, given: SettingsById): UpstreamSettings {
  const own = destination.places.map(({ id }) => given.get(id)).filter((entry) => entry !== undefined);
  for (const { outliers, path } of own) {
    const percent = outliers?.maxEjectionPercent ?? 100;
    if (percent < 100) {
      const allowed = `100 is needed, because ${destination.id} would never fail over: some endpoints of the place that failed would stay in use`;
      problems.add(joinPath(path, "outlierDetection.maxEjectionPercent"), percent, allowed);
    }
  }
  const { settings, outliers } = own[0] ?? plain;
  return {
    ...settings,
    healthCheck: settings.healthCheck ?? { path: destination.healthPath, ...failoverHealth },
    ...withOutliers(outliers ?? {}, failoverOutliers),
    ...withRetries(settings),
  };
}

/** All requests that were on their way to what died are tried again at the same moment; Envoy allows three at once. */
function withRetries({ circuitBreaker }: Partial<UpstreamSettings>): Pick<UpstreamSettings, "circuitBreaker"> {
  return { circuitBreaker: { ...circuitBreaker, maxRetries: circuitBreaker?.maxRetries ?? 1024 } };
}
