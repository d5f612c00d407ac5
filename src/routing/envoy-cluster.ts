/** Destinations in the words of Envoy: one cluster each. */
import type { Destination, FailoverTarget, HostTarget, LambdaTarget, ServiceTarget, Upstream, UpstreamSettings } from "../model/routes";
import type { EnvoyCluster, EnvoyLocality, EnvoyTyped } from "./envoy-types";
import { lambdaAddress } from "./lambda";
import { seconds } from "./words";

/** An address and a port; a DNS name is asked for again and again. */
export interface EnvoyEndpoint {
  address: string;
  port: number;
}

/** What clusters need to know beside their destination. */
export interface EnvoyClusterContext {
  /** Name of the cluster of a destination. */
  clusterName(destination: Destination): string;
  /** The endpoints of a Kubernetes Service. */
  endpoints(service: ServiceTarget): EnvoyEndpoint[];
  /** File with a certificate authority, by the name that the routes give it; by none: that with the public ones. */
  authorityFile(name: string | undefined): string;
  /** The credentials in a Secret for AWS. */
  awsCredentials(secret: string): AwsCredentials;
}

/** With which requests to AWS are signed. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const extension = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
const isAddress = ({ address }: EnvoyEndpoint): boolean => /^[0-9.]+$/.test(address) || address.includes(":");

/** The cluster of a destination. */
export function emitCluster(context: EnvoyClusterContext, { destination, settings }: Upstream): EnvoyCluster {
  const name = context.clusterName(destination);
  const places = destination.kind === "failover" ? destination.places : [destination];
  const endpoints = places.map((place): EnvoyEndpoint[] => endpointsOf(context, place));
  return {
    name,
    type: endpoints.flat().every(isAddress) ? "STATIC" : "STRICT_DNS",
    connect_timeout: seconds(settings.connectTimeoutSeconds ?? 5),
    load_assignment: {
      cluster_name: name,
      endpoints: places.map((place, priority) => emitLocality(place, endpoints[priority] ?? [], priority)),
    },
    ...emitBalancing(settings, destination.kind === "failover"),
    ...emitChecks(settings),
    ...emitProtocol(context, destination, settings),
    ...emitTransport(context, destination, settings),
    ...(destination.kind === "host" && destination.googleAudience !== undefined
      ? {
          metadata: {
            typed_filter_metadata: {
              "envoy.filters.http.gcp_authn": { "@type": extension("filters.http.gcp_authn.v3.Audience"), url: destination.googleAudience },
            },
          },
        }
      : {}),
  };
}

function endpointsOf(context: EnvoyClusterContext, place: Exclude<Destination, FailoverTarget>): EnvoyEndpoint[] {
  switch (place.kind) {
    case "service":
      return context.endpoints(place);
    case "host":
      return [{ address: place.host, port: place.port }];
    case "lambda": {
      const { host, port } = lambdaAddress(place);
      return [{ address: host, port }];
    }
  }
}

function emitLocality(place: Exclude<Destination, FailoverTarget>, endpoints: readonly EnvoyEndpoint[], priority: number): EnvoyLocality {
  return {
    ...(priority === 0 ? {} : { priority }),
    lb_endpoints: endpoints.map(({ address, port }) => ({
      endpoint: {
        address: { socket_address: { address, port_value: port } },
        ...(place.kind === "host" ? { hostname: place.host } : {}),
      },
      // Which of several places speaks TLS, and to whom.
      ...(place.kind === "host" && place.tls
        ? { metadata: { filter_metadata: { "envoy.transport_socket_match": { tls: place.host } } } }
        : {}),
    })),
  };
}

function emitBalancing({ hash, circuitBreaker, outlierDetection }: UpstreamSettings, failover: boolean): Partial<EnvoyCluster> {
  return {
    ...(hash === undefined ? {} : { lb_policy: hash.algorithm === "maglev" ? "MAGLEV" : "RING_HASH" }),
    ...(circuitBreaker === undefined
      ? {}
      : {
          circuit_breakers: {
            thresholds: [
              {
                ...(circuitBreaker.maxConnections === undefined ? {} : { max_connections: circuitBreaker.maxConnections }),
                ...(circuitBreaker.maxPendingRequests === undefined ? {} : { max_pending_requests: circuitBreaker.maxPendingRequests }),
                ...(circuitBreaker.maxRequests === undefined ? {} : { max_requests: circuitBreaker.maxRequests }),
                ...(circuitBreaker.maxRetries === undefined ? {} : { max_retries: circuitBreaker.maxRetries }),
              },
            ],
          },
        }),
    ...(outlierDetection === undefined
      ? {}
      : {
          outlier_detection: {
            consecutive_5xx: outlierDetection.consecutiveErrors,
            interval: seconds(outlierDetection.intervalSeconds),
            base_ejection_time: seconds(outlierDetection.ejectionSeconds),
            max_ejection_percent: outlierDetection.maxEjectionPercent,
          },
        }),
    // Otherwise Envoy goes on sending to a place of which half the pods are down.
    ...(failover ? { common_lb_config: { healthy_panic_threshold: { value: 0 } } } : {}),
  };
}

function emitChecks({ healthCheck }: UpstreamSettings): Partial<EnvoyCluster> {
  if (healthCheck === undefined) {
    return {};
  }
  const interval = seconds(healthCheck.intervalSeconds);
  return {
    health_checks: [
      {
        timeout: seconds(healthCheck.timeoutSeconds),
        interval,
        // A place that nobody uses is asked only every minute otherwise, and is thought to be up until then.
        no_traffic_interval: interval,
        unhealthy_threshold: healthCheck.unhealthyThreshold,
        healthy_threshold: healthCheck.healthyThreshold,
        ...(healthCheck.path === undefined
          ? { grpc_health_check: { ...(healthCheck.grpc === "" ? {} : { service_name: healthCheck.grpc }) } }
          : { http_health_check: { path: healthCheck.path } }),
      },
    ],
  };
}

/** HTTP/2 where it is asked for; the filter that signs and wraps requests to a Lambda function. */
function emitProtocol(context: EnvoyClusterContext, destination: Destination, { protocol }: UpstreamSettings): Partial<EnvoyCluster> {
  const lambda = destination.kind === "lambda";
  if (protocol === "http1" && !lambda) {
    return {};
  }
  return {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": extension("upstreams.http.v3.HttpProtocolOptions"),
        explicit_http_config: protocol === "http1" ? { http_protocol_options: {} } : { http2_protocol_options: {} },
        ...(lambda ? { http_filters: lambdaFilters(context, destination) } : {}),
      },
    },
  };
}

function lambdaFilters(context: EnvoyClusterContext, target: LambdaTarget): object[] {
  const { region, accountId, functionName, qualifier, async, payload, credentialsSecret } = target;
  const filter = (name: string, typed_config: EnvoyTyped): object => ({ name, typed_config });
  return [
    filter("envoy.filters.http.aws_lambda", {
      "@type": extension("filters.http.aws_lambda.v3.Config"),
      arn: `arn:aws:lambda:${region}:${accountId}:function:${functionName}:${qualifier}`,
      payload_passthrough: payload === "body",
      invocation_mode: async ? "ASYNCHRONOUS" : "SYNCHRONOUS",
      ...(credentialsSecret === undefined ? {} : { credentials: emitCredentials(context.awsCredentials(credentialsSecret)) }),
    }),
    filter("envoy.filters.http.upstream_codec", { "@type": extension("filters.http.upstream_codec.v3.UpstreamCodec") }),
  ];
}

function emitCredentials({ accessKeyId, secretAccessKey, sessionToken }: AwsCredentials): object {
  return {
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    ...(sessionToken === undefined ? {} : { session_token: sessionToken }),
  };
}

/** TLS to a destination: for all of its endpoints, or, in a failover, for those places that speak it. */
function emitTransport(context: EnvoyClusterContext, destination: Destination, { tls }: UpstreamSettings): Partial<EnvoyCluster> {
  if (tls !== undefined) {
    return { transport_socket: tlsSocket(tls.serverName, context.authorityFile(tls.ca)) };
  }
  if (destination.kind === "lambda" && lambdaAddress(destination).tls) {
    return { transport_socket: tlsSocket(lambdaAddress(destination).host, context.authorityFile(undefined)) };
  }
  if (destination.kind === "host" && destination.tls) {
    return { transport_socket: tlsSocket(destination.host, context.authorityFile(undefined)) };
  }
  const hosts =
    destination.kind === "failover" ? destination.places.filter((place): place is HostTarget => place.kind === "host" && place.tls) : [];
  const names = [...new Set(hosts.map(({ host }) => host))];
  return names.length === 0
    ? {}
    : {
        transport_socket_matches: names.map((name) => ({
          name,
          match: { tls: name },
          transport_socket: tlsSocket(name, context.authorityFile(undefined)),
        })),
      };
}

function tlsSocket(serverName: string, authorityFile: string): object {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": extension("transport_sockets.tls.v3.UpstreamTlsContext"),
      sni: serverName,
      common_tls_context: {
        validation_context: {
          trusted_ca: { filename: authorityFile },
          match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: serverName } }],
        },
      },
    },
  };
}
