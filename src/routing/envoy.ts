/**
 * Emits checked routes as the configuration of one Envoy, without any control plane: for tests of routes, for machines without Kubernetes, and as a
 * stand-in for gateways whose controller cannot be had. Pure: plain values in, plain values out.
 *
 * Envoy takes the first route of a virtual host that matches, so routes are in order of precedence.
 */
import type { Destination, RouteTable, ServiceTarget, TableTls, Upstream } from "../model/routes";
import { type AwsCredentials, emitCluster, type EnvoyEndpoint } from "./envoy-cluster";
import { emitEnvoyRoute, type EnvoyRouteContext } from "./envoy-route";
import type { EnvoyAddress, EnvoyCluster, EnvoyListener, EnvoyResources, EnvoyTyped, EnvoyVirtualHost } from "./envoy-types";

/** Where Envoy runs, and what it finds there. */
export interface EnvoyContext {
  /** Name of the GlooRoutes. */
  name: string;
  /** Namespace of the Services that name none. */
  namespace: string;
  /** Where it listens. */
  listen: EnvoyAddress;
  /** The endpoints of a Kubernetes Service. Default: its DNS name in the cluster. */
  endpoints?: (service: ServiceTarget) => EnvoyEndpoint[];
  /** Files with the certificate and the key of a Secret; needed for HTTPS. */
  certificate?: (secret: string, namespace: string) => { certificate: string; key: string };
  /** File with a certificate authority; undefined: the public ones. Default for these: `/etc/ssl/certs/ca-certificates.crt`. */
  authorityFile?: (name: string | undefined) => string;
  /** The key in the Secret of an Azure function; needed for those that have one. */
  functionsKey?: (secret: string) => string;
  /** The credentials in the Secret of a Lambda function; needed for those that have one. Others get those that Envoy finds for its own pod. */
  awsCredentials?: (secret: string) => AwsCredentials;
  /** Where identity tokens of Google are asked for. Default: `metadata.google.internal:80`. */
  metadataServer?: EnvoyEndpoint;
  /** Name of the cluster of a destination. Default: the destination's id. */
  clusterName?: (destination: Destination) => string;
}

const filterType = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;
const metadataCluster = "google_metadata";

/** Listeners and clusters for an Envoy's `static_resources`. */
export function emitEnvoy(context: EnvoyContext, table: RouteTable): EnvoyResources {
  return {
    listeners: [emitListener(context, table, emitVirtualHosts(context, table))],
    clusters: emitClusters(context, table),
  };
}

/** The routes alone, one virtual host for each group of hosts with the same rules. */
export function emitVirtualHosts(context: EnvoyContext, table: RouteTable): EnvoyVirtualHost[] {
  const upstreams = new Map(table.upstreams.map((upstream) => [upstream.destination.id, upstream]));
  const routes: EnvoyRouteContext = {
    clusterName: clusterNames(context),
    upstream: ({ id }): Upstream | undefined => upstreams.get(id),
    functionsKey: context.functionsKey ?? missing("functionsKey"),
  };
  return table.virtualHosts.map(({ hosts, order }) => ({
    name: `${context.name} ${hosts[0] ?? ""}`,
    domains: [...hosts],
    routes: order.map((entry) => emitEnvoyRoute(routes, entry)),
  }));
}

/** The destinations alone. */
export function emitClusters(context: EnvoyContext, table: RouteTable): EnvoyCluster[] {
  const clusters = {
    clusterName: clusterNames(context),
    endpoints: context.endpoints ?? ((service: ServiceTarget): EnvoyEndpoint[] => [clusterDns(context, service)]),
    authorityFile: context.authorityFile ?? ((): string => "/etc/ssl/certs/ca-certificates.crt"),
    awsCredentials: context.awsCredentials ?? missing("awsCredentials"),
  };
  const all = table.upstreams.map((upstream) => emitCluster(clusters, upstream));
  return asksGoogle(table) ? [...all, emitMetadataCluster(context)] : all;
}

function clusterNames({ clusterName }: EnvoyContext): (destination: Destination) => string {
  return clusterName ?? (({ id }): string => id);
}

function clusterDns({ namespace }: EnvoyContext, service: ServiceTarget): EnvoyEndpoint {
  return { address: `${service.name}.${service.namespace ?? namespace}.svc.cluster.local`, port: service.port };
}

function missing(member: keyof EnvoyContext): () => never {
  return () => {
    throw new Error(`${member} is needed in the context: the routes name a Secret`);
  };
}

function asksGoogle({ upstreams }: RouteTable): boolean {
  return upstreams.some(({ destination }) => destination.kind === "host" && destination.googleAudience !== undefined);
}

function emitMetadataCluster({ metadataServer = { address: "metadata.google.internal", port: 80 } }: EnvoyContext): EnvoyCluster {
  const { address, port } = metadataServer;
  return {
    name: metadataCluster,
    type: "STRICT_DNS",
    connect_timeout: "5s",
    load_assignment: {
      cluster_name: metadataCluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: port } } } }] }],
    },
  };
}

/** One filter chain for plain HTTP, or one for each certificate. */
function emitListener(context: EnvoyContext, table: RouteTable, virtualHosts: EnvoyVirtualHost[]): EnvoyListener {
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config: emitManager(context, table, virtualHosts) }];
  const certificate = context.certificate ?? missing("certificate");
  const secure = ({ hosts, certificateSecret, certificateNamespace }: TableTls): object => {
    const files = certificate(certificateSecret, certificateNamespace ?? context.namespace);
    return {
      ...(hosts.includes("*") ? {} : { filter_chain_match: { server_names: hosts } }),
      transport_socket: {
        name: "envoy.transport_sockets.tls",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
          common_tls_context: {
            alpn_protocols: ["h2", "http/1.1"],
            tls_certificates: [{ certificate_chain: { filename: files.certificate }, private_key: { filename: files.key } }],
          },
        },
      },
      filters,
    };
  };
  return {
    name: context.name,
    address: context.listen,
    ...(table.tls.length === 0 ? {} : { listener_filters: [{ name: "envoy.filters.listener.tls_inspector", typed_config: tlsInspector }] }),
    filter_chains: table.tls.length === 0 ? [{ filters }] : table.tls.map(secure),
  };
}

const tlsInspector = { "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" };

function emitManager(context: EnvoyContext, table: RouteTable, virtualHosts: EnvoyVirtualHost[]): EnvoyTyped {
  const filter = (name: string, type: string, more: object = {}): object => ({
    name: `envoy.filters.http.${name}`,
    typed_config: { "@type": filterType(type), ...more },
  });
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: context.name,
    // What Envoy's guide for edges asks for: nobody gets past a prefix with dots in the path, or into trusted headers.
    use_remote_address: true,
    normalize_path: true,
    // A host is the same with and without a port, as in the Gateway API; the destination, and whoever is sent elsewhere, sees it as it came.
    route_config: { name: context.name, ignore_port_in_host_matching: true, virtual_hosts: virtualHosts },
    http_filters: [
      filter("fault", "fault.v3.HTTPFault"),
      filter("cors", "cors.v3.Cors"),
      ...(asksGoogle(table) ? [filter("gcp_authn", "gcp_authn.v3.GcpAuthnFilterConfig", googleTokens)] : []),
      filter("router", "router.v3.Router"),
    ],
  };
}

const googleTokens = {
  cluster: metadataCluster,
  timeout: "10s",
  cache_config: { cache_size: 100 },
};
