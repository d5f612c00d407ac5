/** Destinations in the words of Istio: DestinationRules, and ServiceEntries for what is no Service of Kubernetes. */
import type { IstioDestination, IstioDestinationRuleSpec, IstioServiceEntrySpec, IstioTrafficPolicy } from "../kubernetes/istio-resources";
import { contentHash, dnsName } from "../model/names";
import type {
  Destination,
  FailoverTarget,
  HashKey,
  HostTarget,
  LambdaTarget,
  ServiceTarget,
  Upstream,
  UpstreamSettings,
} from "../model/routes";
import { seconds } from "./words";

/** A text in which the namespace of the routes stands, which may be known later than the rest. */
export type InNamespace<N> = (text: (namespace: string) => string) => N;

/** Envoy's default; Istio's webhook wants it said, and it must be a prime number. */
const maglevTableSize = 65_537;

/** Label of the endpoints of a failover, by which places are told apart. */
const placeLabel = (place: number): string => `compute-mesh.dev/place-${place}`;

/**
 * Where a destination is found.
 *
 * What is no Service gets a name of our own under `compute-mesh.internal`: rules for the real name would hold for everybody else's requests to it as well.
 */
export function istioHost(name: string, destination: Destination): IstioDestination {
  switch (destination.kind) {
    case "service":
      return { host: serviceHost(destination), port: { number: destination.port } };
    case "host":
    case "failover":
      return { host: ownHost(name, destination), port: { number: portOf(destination) } };
    case "lambda":
      throw noWords(destination, "sign requests to AWS Lambda");
  }
}

function serviceHost({ name, namespace }: ServiceTarget): string {
  return namespace === undefined ? name : `${name}.${namespace}.svc.cluster.local`;
}

function ownHost(name: string, destination: HostTarget | FailoverTarget): string {
  return `${dnsName(name, contentHash(destination.id).slice(0, 8))}.compute-mesh.internal`;
}

function portOf(destination: HostTarget | FailoverTarget): number {
  return destination.kind === "host" ? destination.port : (destination.places[0]?.port ?? 80);
}

function noWords({ id }: Destination | LambdaTarget, what: string): Error {
  return new Error(`${id}: Istio cannot ${what}`);
}

/** The DestinationRule of a destination; undefined where there is nothing to say. */
export function emitDestinationRule(name: string, { destination, settings }: Upstream): IstioDestinationRuleSpec | undefined {
  const trafficPolicy: IstioTrafficPolicy = {
    ...emitPool(settings),
    ...emitBalancer(destination, settings),
    ...(settings.outlierDetection === undefined
      ? {}
      : {
          outlierDetection: {
            consecutive5xxErrors: settings.outlierDetection.consecutiveErrors,
            interval: seconds(settings.outlierDetection.intervalSeconds),
            baseEjectionTime: seconds(settings.outlierDetection.ejectionSeconds),
            maxEjectionPercent: settings.outlierDetection.maxEjectionPercent,
          },
        }),
    ...emitTls(destination, settings),
  };
  return Object.keys(trafficPolicy).length === 0 ? undefined : { host: istioHost(name, destination).host, trafficPolicy };
}

function emitPool({ protocol, connectTimeoutSeconds, circuitBreaker }: UpstreamSettings): Pick<IstioTrafficPolicy, "connectionPool"> {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = circuitBreaker ?? {};
  const tcp = {
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(connectTimeoutSeconds === undefined ? {} : { connectTimeout: seconds(connectTimeoutSeconds) }),
  };
  const http = {
    ...(maxPendingRequests === undefined ? {} : { http1MaxPendingRequests: maxPendingRequests }),
    ...(maxRequests === undefined ? {} : { http2MaxRequests: maxRequests }),
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(protocol === "http1" ? {} : { h2UpgradePolicy: "UPGRADE" }),
  };
  const pool = { ...(Object.keys(tcp).length === 0 ? {} : { tcp }), ...(Object.keys(http).length === 0 ? {} : { http }) };
  return Object.keys(pool).length === 0 ? {} : { connectionPool: pool };
}

/** The first key of the hash only, since Istio has one; and the places of a failover, each by how many labels it has. */
function emitBalancer(destination: Destination, { hash }: UpstreamSettings): Pick<IstioTrafficPolicy, "loadBalancer"> {
  const [key] = hash?.keys ?? [];
  const consistentHash =
    hash === undefined || key === undefined
      ? undefined
      : { ...emitKey(key), ...(hash.algorithm === "maglev" ? { maglev: { tableSize: maglevTableSize } } : { ringHash: {} }) };
  const places = destination.kind === "failover" ? destination.places : [];
  const failoverPriority = places.slice(1).map((_place, index) => `${placeLabel(index)}=yes`);
  const balancer = {
    ...(consistentHash === undefined ? {} : { consistentHash }),
    ...(failoverPriority.length === 0 ? {} : { localityLbSetting: { enabled: true, failoverPriority } }),
  };
  return Object.keys(balancer).length === 0 ? {} : { loadBalancer: balancer };
}

function emitKey({ kind, name }: HashKey): object {
  switch (kind) {
    case "header":
      return { httpHeaderName: name };
    case "cookie":
      return { httpCookie: { name, ttl: "0s" } };
    case "query":
      return { httpQueryParameterName: name };
    case "source":
      return { useSourceIp: true };
  }
}

function emitTls(destination: Destination, { tls }: UpstreamSettings): Pick<IstioTrafficPolicy, "tls"> {
  if (tls !== undefined) {
    const authority = tls.ca === undefined ? {} : { credentialName: tls.ca };
    return { tls: { mode: "SIMPLE", sni: tls.serverName, subjectAltNames: [tls.serverName], ...authority } };
  }
  const host = destination.kind === "host" && destination.tls ? destination.host : undefined;
  return host === undefined ? {} : { tls: { mode: "SIMPLE", sni: host, subjectAltNames: [host] } };
}

/** The ServiceEntry of a destination; undefined for a Service of Kubernetes. */
export function emitServiceEntry<N>(
  name: string,
  inNamespace: InNamespace<N>,
  destination: Destination,
): IstioServiceEntrySpec<N> | undefined {
  if (destination.kind !== "host" && destination.kind !== "failover") {
    return undefined;
  }
  const places = destination.kind === "host" ? [destination] : destination.places;
  const port = portOf(destination);
  return {
    hosts: [ownHost(name, destination)],
    location: "MESH_EXTERNAL",
    resolution: "DNS",
    // Plain to Istio: the DestinationRule adds TLS where the destination speaks it.
    ports: [{ number: port, name: "http", protocol: "HTTP" }],
    endpoints: places.map((place, index) => ({
      address: addressOf(inNamespace, place, destination.kind === "failover"),
      ports: { http: place.port },
      ...(places.length === 1 ? {} : { labels: placeLabels(index, places.length) }),
    })),
  };
}

/** Place 0 has every label, the last one none: Istio tries those first that have more, in order, of the labels that the DestinationRule lists. */
function placeLabels(place: number, places: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: places - 1 - place }, (_unused, index) => [placeLabel(index), "yes"]));
}

function addressOf<N>(inNamespace: InNamespace<N>, place: ServiceTarget | HostTarget, beside: boolean): string | N {
  if (place.kind === "service") {
    const { name, namespace } = place;
    return namespace === undefined ? inNamespace((own) => `${name}.${own}.svc.cluster.local`) : serviceHost(place);
  }
  if (place.googleAudience !== undefined) {
    throw noWords(place, "add identity tokens of Google");
  }
  if (place.functionsKeySecret !== undefined) {
    throw noWords(place, "read the key of an Azure function from a Secret");
  }
  if (beside && place.tls) {
    throw noWords(place, "speak TLS to one place of a failover only");
  }
  return place.host;
}
