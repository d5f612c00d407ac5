/** The configuration of the Envoy that is all pods at once: each answers with what it was asked. */
import { outsideAddress, outsidePorts } from "./outside-world";

/** Where every pod listens. */
export const podPort = 8080;

/** Prefix of the headers by which a pod says what it was asked: `destination`, `method`, `path`, `host`, and `header-…`. */
export const echoPrefix = "x-echo-";

/**
 * What it knows at its start.
 *
 * @param admin socket for its admin server
 * @param look names of request headers that pods repeat
 */
export function echoBootstrap(admin: string, look: readonly string[]): object {
  const shown = {
    destination: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
    method: "%REQ(:METHOD)%",
    path: "%REQ(:PATH)%",
    host: "%REQ(:AUTHORITY)%",
    protocol: "%PROTOCOL%",
    ...Object.fromEntries(look.map((name) => [`header-${name}`, `%REQ(${name})%`])),
  };
  const addHeaders = Object.entries(shown).map(([name, value]) => ({ header: { key: `${echoPrefix}${name}`, value } }));
  const route = { match: { prefix: "/" }, direct_response: { status: 200 }, response_headers_to_add: addHeaders };
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "pods",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const forward = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    stat_prefix: "outside",
    cluster: "outside",
  };
  return {
    admin: { address: { pipe: { path: admin, mode: 0o600 } } },
    static_resources: {
      listeners: [
        {
          name: "pods",
          address: { socket_address: { address: "0.0.0.0", port_value: podPort } },
          filter_chains: [{ filters: [{ name: "http", typed_config: manager }] }],
        },
        // Port 80 belongs to the gateway on every address; two Envoys share it by SO_REUSEPORT, which Node 20 does not know.
        {
          name: "outside",
          address: { socket_address: { address: outsideAddress, port_value: 80 } },
          filter_chains: [{ filters: [{ name: "tcp", typed_config: forward }] }],
        },
      ],
      clusters: [
        {
          name: "outside",
          type: "STATIC",
          load_assignment: {
            cluster_name: "outside",
            endpoints: [
              {
                lb_endpoints: [{ endpoint: { address: { socket_address: { address: outsideAddress, port_value: outsidePorts.plain } } } }],
              },
            ],
          },
        },
      ],
    },
  };
}
