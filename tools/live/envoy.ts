/** Envoy: its start and what it says of itself; and its first configuration as the data plane of one Gateway of kgateway. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordedProcess } from "../processes";
import { serviceFolder, type ServicePlace, startServiceProcess, stopServiceProcess } from "./services";
import { removeSocket, requestSocket, socketPath } from "./services-socket";

/** A Gateway. */
export interface GatewayName {
  namespace: string;
  name: string;
}

/** A running Envoy. */
export interface EnvoyProcess {
  recorded: RecordedProcess;
  /** Its counters and gauges that match, by name. Throws where it does not answer. */
  stats: (filter: string) => Promise<Map<string, number>>;
  stop(): Promise<void>;
}

/**
 * What Envoy knows at its start: who it is and where to ask for the rest. As kgateway's own template, without the listeners for probes and metrics.
 *
 * @param xds socket of the controller
 * @param admin socket for its own admin server
 */
export function envoyBootstrap({ namespace, name }: GatewayName, xds: string, admin: string): object {
  const local = `${name}.${namespace}`;
  const ads = { ads: {}, resource_api_version: "V3" };
  return {
    admin: { address: { pipe: { path: admin, mode: 0o600 } } },
    node: { id: local, cluster: local, metadata: { role: `kgateway-kube-gateway-api~${namespace}~${name}` } },
    cluster_manager: { local_cluster_name: local },
    layered_runtime: {
      layers: [
        { name: "static_layer", static_layer: { "envoy.restart_features.use_eds_cache_for_ads": true } },
        { name: "admin_layer", admin_layer: {} },
      ],
    },
    static_resources: {
      clusters: [
        xdsCluster(xds),
        {
          name: local,
          type: "EDS",
          connect_timeout: "1s",
          // It is not waited for: without localities it never comes.
          eds_cluster_config: { eds_config: { ...ads, initial_fetch_timeout: "1s" }, service_name: local },
        },
      ],
      // kgateway's image adds it at its start: what `wellKnownCACertificates: System` means.
      secrets: [{ name: "SYSTEM_CA_CERT", validation_context: { trusted_ca: { filename: systemAuthorities } } }],
    },
    dynamic_resources: { ads_config: askXdsCluster, cds_config: ads, lds_config: ads },
  };
}

/** Where Debian and those that follow it keep the public certificate authorities. */
export const systemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

const xdsClusterName = "xds_cluster";

/** The controller that Envoy asks, at a socket. `name`: as what Envoy knows it. */
export function xdsCluster(socket: string, name: string = xdsClusterName): object {
  return {
    name,
    type: "STATIC",
    connect_timeout: "5s",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }],
    },
  };
}

/** How it asks for everything in one stream. */
export const askXdsCluster = {
  api_type: "GRPC",
  transport_api_version: "V3",
  rate_limit_settings: {},
  grpc_services: [{ envoy_grpc: { cluster_name: xdsClusterName } }],
} as const;

/** Name of the process and of its folder. */
export const envoyName = ({ namespace, name }: GatewayName): string => `envoy-${namespace}-${name}`;

/** Throws where Envoy would listen on the machine's own addresses. */
export function checkOwnNamespace(what: string, { prefix = [] }: ServicePlace): void {
  if (prefix.length === 0) {
    throw new Error(
      `${what}: prefix: it needs a network namespace of its own, because Envoy listens on every address of the one that it is in`,
    );
  }
}

/** Starts the Envoy of a Gateway. It listens at the Gateway's ports on every address of its network namespace, so that must be one of its own. */
export function startEnvoy(place: ServicePlace, binary: string, gateway: GatewayName, xds: string): Promise<EnvoyProcess> {
  return startEnvoyProcess(place, binary, envoyName(gateway), (admin) => envoyBootstrap(gateway, xds, admin));
}

/**
 * Starts an Envoy.
 *
 * @param name of the process and of its folder; begins with `envoy-`
 * @param bootstrap its first configuration, given the socket for its admin server
 */
export async function startEnvoyProcess(
  place: ServicePlace,
  binary: string,
  name: string,
  bootstrap: (admin: string) => object,
): Promise<EnvoyProcess> {
  const folder = serviceFolder(place, name);
  const admin = socketPath(folder, "admin.sock");
  removeSocket(admin);
  const config = join(folder, "envoy.json");
  writeFileSync(config, JSON.stringify(bootstrap(admin), undefined, 2), { mode: 0o600 });
  const recorded = await startServiceProcess(place, {
    name,
    binary,
    args: ["--config-path", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"],
    // A Lambda backend would make it ask the metadata server of a cloud that it is not in.
    env: { AWS_EC2_METADATA_DISABLED: "true" },
  });
  return {
    recorded,
    stats: async (filter) => parseStats((await requestSocket(admin, "GET", `/stats?filter=${encodeURIComponent(filter)}`)).body),
    stop: async () => {
      await stopServiceProcess(place, name, 1000);
      removeSocket(admin);
    },
  };
}

/** Lines as `listener_manager.lds.update_rejected: 0`; those of histograms have no single number and are left out. */
export function parseStats(text: string): Map<string, number> {
  const stats = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^(\S+): (\d+)$/.exec(line);
    if (match) stats.set(match[1], Number(match[2]));
  }
  return stats;
}
