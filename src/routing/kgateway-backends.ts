/** Destinations in kgateway's words: Backends for what is no Service of Kubernetes, and policies for how destinations are spoken to. */
import type {
  BackendConfigBody,
  BackendConfigPolicySpec,
  KgatewayBackendSpec,
  KgatewayHashPolicy,
  PolicyTarget,
} from "../kubernetes/custom-resources";
import { contentHash, dnsName } from "../model/names";
import type { Destination, HashKey, HostTarget, ServiceTarget, Upstream, UpstreamSettings } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import type { InNamespace } from "./istio-upstream";
import { backendName, kgatewayGroup, type NamedObject, pagesOfTargets } from "./kgateway-names";
import { lambdaAddress } from "./lambda";
import { metadataOf } from "./metadata";
import { gepDuration } from "./words";

/** What Backends need to know beside the names. */
export interface BackendContext<N> extends EmitContext<N> {
  /** Writes the namespace of the routes into a text. */
  inNamespace: InNamespace<N>;
}

/** The Backends of a destination by name: none for a Service, one more for each place of a failover. */
export function emitBackend<N>(context: BackendContext<N>, destination: Destination): [name: string, spec: KgatewayBackendSpec<N>][] {
  const name = backendName(context.name, destination);
  switch (destination.kind) {
    case "service":
      return [];
    case "lambda": {
      const { region, accountId, functionName, qualifier, credentialsSecret, async, payload, endpointUrl } = destination;
      const auth = credentialsSecret === undefined ? {} : { auth: { type: "Secret" as const, secretRef: { name: credentialsSecret } } };
      const lambda = {
        functionName,
        qualifier,
        invocationMode: async ? ("Async" as const) : ("Sync" as const),
        payloadTransformMode: payload === "body" ? ("None" as const) : ("Envoy" as const),
        ...(endpointUrl === undefined ? {} : { endpointURL: endpointUrl }),
      };
      return [[name, { aws: { region, accountId, ...auth, lambda } }]];
    }
    case "host":
      return [[name, emitHost(destination)]];
    case "failover": {
      const places = destination.places.map((place): [string, KgatewayBackendSpec<N>] => [
        backendName(context.name, place),
        place.kind === "host" ? emitHost(place) : emitServicePlace(context, place),
      ]);
      return [...places, [name, { priorityGroups: places.map(([place]) => ({ backendRefs: [{ name: place }] })) }]];
    }
  }
}

function emitHost<N>({ host, port, googleAudience }: HostTarget): KgatewayBackendSpec<N> {
  return googleAudience === undefined ? { static: { hosts: [{ host, port }] } } : { gcp: { host, audience: googleAudience } };
}

/** A place of a failover must be a static Backend, so a Service is one by its name in the DNS of the cluster. */
function emitServicePlace<N>(context: BackendContext<N>, { name, namespace, port }: ServiceTarget): KgatewayBackendSpec<N> {
  const hostIn = (place: string): string => `${name}.${place}.svc.cluster.local`;
  return { static: { hosts: [{ host: namespace === undefined ? context.inNamespace(hostIn) : hostIn(namespace), port }] } };
}

/** Policies for destinations whose settings are not the defaults; one for all that have the same. */
export function emitBackendSettings<N>(context: EmitContext<N>, upstreams: readonly Upstream[]): NamedObject<N>[] {
  const groups = new Map<string, { body: BackendConfigBody; namespace: N | string; targets: Map<string, PolicyTarget> }>();
  for (const { target, namespace, body } of upstreams.flatMap((upstream) => settingsOf(context, upstream))) {
    if (Object.keys(body).length > 0) {
      const own = typeof namespace === "string" && namespace !== context.namespace ? [namespace] : [];
      const key = contentHash([body, ...own]).slice(0, 8);
      const group = groups.get(key) ?? { body, namespace, targets: new Map<string, PolicyTarget>() };
      groups.set(key, group);
      group.targets.set(`${target.kind} ${target.name}`, target);
    }
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, { body, namespace, targets }]) =>
      pagesOfTargets([...targets.values()]).map(({ key: page, things: targetRefs }): NamedObject<N> => {
        const part = ["upstream", key, ...(page === "" ? [] : [page])].join("-");
        const spec: BackendConfigPolicySpec = { targetRefs, ...body };
        const metadata = metadataOf({ ...context, namespace }, dnsName(context.name, part), "routes");
        return { part, object: { apiVersion: `${kgatewayGroup}/v1alpha1`, kind: "BackendConfigPolicy", metadata, spec } };
      }),
    );
}

interface Settings<N> {
  target: PolicyTarget;
  namespace: N | string;
  body: BackendConfigBody;
}

function settingsOf<N>({ name, namespace }: EmitContext<N>, { destination, settings }: Upstream): Settings<N>[] {
  const body = emitSettings(settings);
  const backend = (of: Destination): PolicyTarget => ({ group: kgatewayGroup, kind: "Backend", name: backendName(name, of) });
  switch (destination.kind) {
    case "service":
      return [{ target: { group: "", kind: "Service", name: destination.name }, namespace: destination.namespace ?? namespace, body }];
    case "host":
      return [{ target: backend(destination), namespace, body: { ...body, ...emitTls(destination) } }];
    case "lambda":
      return [{ target: backend(destination), namespace, body: { ...body, ...emitTls(lambdaAddress(destination)) } }];
    case "failover": {
      const places = destination.places.flatMap((place) =>
        place.kind === "host" ? [{ target: backend(place), namespace, body: emitTls(place) }] : [],
      );
      return [...places, { target: backend(destination), namespace, body }];
    }
  }
}

/** Also for the Backends of clouds, which speak TLS on their own: kgateway 2.4 checks no certificate there, and would sign, or send tokens, to anybody. */
function emitTls({ tls, host }: Pick<HostTarget, "tls" | "host">): BackendConfigBody {
  return tls ? { tls: { wellKnownCACertificates: "System", sni: host, verifySubjectAltNames: [host] } } : {};
}

function emitSettings(settings: UpstreamSettings): BackendConfigBody {
  const { connectTimeoutSeconds, hash, circuitBreaker, outlierDetection, healthCheck } = settings;
  return {
    ...(connectTimeoutSeconds === undefined ? {} : { connectTimeout: gepDuration(connectTimeoutSeconds) }),
    ...(hash === undefined ? {} : { loadBalancer: { [hash.algorithm]: { hashPolicies: hash.keys.map(emitHashKey) } } }),
    ...(circuitBreaker === undefined ? {} : { circuitBreakers: circuitBreaker }),
    ...(outlierDetection === undefined
      ? {}
      : {
          outlierDetection: {
            consecutive5xx: outlierDetection.consecutiveErrors,
            interval: gepDuration(outlierDetection.intervalSeconds),
            baseEjectionTime: gepDuration(outlierDetection.ejectionSeconds),
            maxEjectionPercent: outlierDetection.maxEjectionPercent,
          },
        }),
    ...(healthCheck === undefined
      ? {}
      : {
          healthCheck: {
            ...(healthCheck.path === undefined
              ? { grpc: healthCheck.grpc === undefined || healthCheck.grpc === "" ? {} : { serviceName: healthCheck.grpc } }
              : { http: { path: healthCheck.path } }),
            interval: gepDuration(healthCheck.intervalSeconds),
            timeout: gepDuration(healthCheck.timeoutSeconds),
            unhealthyThreshold: healthCheck.unhealthyThreshold,
            healthyThreshold: healthCheck.healthyThreshold,
          },
        }),
  };
}

function emitHashKey({ kind, name }: HashKey): KgatewayHashPolicy {
  switch (kind) {
    case "header":
      return { header: { name }, terminal: true };
    case "cookie":
      return { cookie: { name }, terminal: true };
    case "source":
      return { sourceIP: {}, terminal: true };
    case "query":
      throw new Error(`kgateway hashes no query parameters: ${name}`);
  }
}
