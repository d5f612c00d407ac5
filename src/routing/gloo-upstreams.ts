/** Destinations in Gloo's words: Upstreams for what is no plain Service of Kubernetes. */
import type { GlooUpstreamSpec } from "../kubernetes/custom-resources";
import { contentHash, dnsName } from "../model/names";
import type { Destination, RouteTable, ServiceTarget, Upstream, UpstreamSettings } from "../model/routes";
import type { EmitContext } from "./gateway-api";
import type { NamedObject } from "./kgateway-names";
import { metadataOf } from "./metadata";
import { seconds } from "./words";

/** The name of a destination's Upstream: by what is in it. */
export function upstreamName(name: string, { id }: Destination): string {
  return dnsName(name, "to", contentHash(id).slice(0, 8));
}

interface Known {
  /** Ids of the Services that need an Upstream. */
  needed: ReadonlySet<string>;
  settings: ReadonlyMap<string, UpstreamSettings>;
}

/** Looked up for every route, and made once for each table. */
const knownByTable = new WeakMap<RouteTable, Known>();

function knownOf(table: RouteTable): Known {
  const known = knownByTable.get(table) ?? collect(table);
  knownByTable.set(table, known);
  return known;
}

function collect({ rules, upstreams }: RouteTable): Known {
  const set = upstreams.filter(({ settings }) => settings.protocol !== "http1" || Object.keys(settings).length > 1);
  const mirrored = rules.flatMap(({ mirrors }) => mirrors.map(({ destination }) => destination.id));
  return {
    needed: new Set([...set.map(({ destination }) => destination.id), ...mirrored]),
    settings: new Map(upstreams.map(({ destination, settings }) => [destination.id, settings])),
  };
}

/** Whether a Service needs an Upstream: where it has settings, or is mirrored to, which Gloo can only do to an Upstream. */
export function needsUpstream({ id }: ServiceTarget, table: RouteTable): boolean {
  return knownOf(table).needed.has(id);
}

/** How a destination is spoken to. */
export function settingsOf({ id }: Destination, table: RouteTable): UpstreamSettings | undefined {
  return knownOf(table).settings.get(id);
}

/** The Upstream of a destination; none for a Service that needs none. */
export function emitUpstream<N>(context: EmitContext<N>, { destination, settings }: Upstream, table: RouteTable): NamedObject<N>[] {
  if (destination.kind === "service" && !needsUpstream(destination, table)) {
    return [];
  }
  const { name } = context;
  const objectName = upstreamName(name, destination);
  const spec: GlooUpstreamSpec<N> = { ...emitPlace(context, destination), ...emitSettings(context, settings) };
  const metadata = metadataOf(context, objectName, "routes");
  return [{ part: objectName.slice(name.length + 1), object: { apiVersion: "gloo.solo.io/v1", kind: "Upstream", metadata, spec } }];
}

function emitPlace<N>({ namespace }: EmitContext<N>, destination: Destination): GlooUpstreamSpec<N> {
  switch (destination.kind) {
    case "service":
      return {
        kube: { serviceName: destination.name, serviceNamespace: destination.namespace ?? namespace, servicePort: destination.port },
      };
    case "host": {
      const { host, port, tls } = destination;
      return {
        static: { hosts: [{ addr: host, port, ...(tls ? { sniAddr: host } : {}) }], useTls: tls },
        ...(tls ? { sslConfig: { sni: host, verifySubjectAltName: [host], oneWayTls: true } } : {}),
      };
    }
    case "lambda": {
      const { region, accountId, functionName, qualifier, credentialsSecret } = destination;
      return {
        aws: {
          region,
          awsAccountId: accountId,
          ...(credentialsSecret === undefined ? {} : { secretRef: { name: credentialsSecret, namespace } }),
          lambdaFunctions: [{ logicalName: functionName, lambdaFunctionName: functionName, qualifier }],
        },
      };
    }
    case "failover":
      throw new Error(`${destination.id}: failover is not in Gloo's open-source edition`);
  }
}

function emitSettings<N>({ namespace }: EmitContext<N>, settings: UpstreamSettings): GlooUpstreamSpec<N> {
  const { protocol, connectTimeoutSeconds, hash, circuitBreaker, outlierDetection, healthCheck, tls } = settings;
  return {
    ...(protocol === "http1" ? {} : { useHttp2: true }),
    ...(connectTimeoutSeconds === undefined ? {} : { connectionConfig: { connectTimeout: seconds(connectTimeoutSeconds) } }),
    ...(hash === undefined ? {} : { loadBalancerConfig: { [hash.algorithm]: {} } }),
    ...(circuitBreaker === undefined ? {} : { circuitBreakers: circuitBreaker }),
    ...(outlierDetection === undefined
      ? {}
      : {
          outlierDetection: {
            consecutive5xx: outlierDetection.consecutiveErrors,
            enforcingConsecutive5xx: 100,
            interval: seconds(outlierDetection.intervalSeconds),
            baseEjectionTime: seconds(outlierDetection.ejectionSeconds),
            maxEjectionPercent: outlierDetection.maxEjectionPercent,
          },
        }),
    ...(healthCheck === undefined
      ? {}
      : {
          healthChecks: [
            {
              timeout: seconds(healthCheck.timeoutSeconds),
              interval: seconds(healthCheck.intervalSeconds),
              unhealthyThreshold: healthCheck.unhealthyThreshold,
              healthyThreshold: healthCheck.healthyThreshold,
              ...(healthCheck.path === undefined
                ? { grpcHealthCheck: { serviceName: healthCheck.grpc ?? "" } }
                : { httpHealthCheck: { path: healthCheck.path } }),
            },
          ],
        }),
    ...(tls === undefined
      ? {}
      : {
          sslConfig: {
            ...(tls.ca === undefined ? {} : { secretRef: { name: tls.ca, namespace } }),
            sni: tls.serverName,
            verifySubjectAltName: [tls.serverName],
            oneWayTls: true,
          },
        }),
  };
}
