import { normalizeRoutes, type MeshRoute, type RoutesSpec } from "../../../src/model/routes";
import { emitClusters, emitEnvoy, emitVirtualHosts, type EnvoyContext } from "../../../src/routing/envoy";
import type { EnvoyRoute } from "../../../src/routing/envoy-types";

const context: EnvoyContext = { name: "edge", namespace: "mesh", listen: { pipe: { path: "/run/edge.sock" } } };
const old = [{ kubernetes: { name: "old", port: 80 } }];

const tableOf = (routes: MeshRoute[], more: Partial<RoutesSpec> = {}) =>
  normalizeRoutes("edge", { hosts: ["mesh.example.test"], services: [], routes, ...more });
const routesOf = (route: Omit<MeshRoute, "name">, more?: Partial<RoutesSpec>): EnvoyRoute[] =>
  emitVirtualHosts({ ...context, functionsKey: (secret) => `key of ${secret}` }, tableOf([{ name: "r", ...route }], more))[0].routes;

describe("Envoy alone", () => {
  it("gets its routes in the order of precedence, whatever the order in which they were written", () => {
    const table = tableOf([
      { name: "all", match: [{}], to: old },
      { name: "regex", match: [{ regex: "/a/[0-9]+" }], to: old },
      { name: "exact", match: [{ exact: "/a/1" }], to: old },
      { name: "below", match: [{ prefix: "/a", methods: ["GET"], headersPresent: ["x-k"], queryMatching: { q: "[ab]" } }], to: old },
    ]);
    const [{ domains, routes }] = emitVirtualHosts(context, table);
    expect(domains).toEqual(["mesh.example.test"]);
    expect(routes.map(({ name, match }) => [name, match])).toEqual([
      ["exact", { path: "/a/1" }],
      ["regex", { safe_regex: { regex: "/a/[0-9]+" } }],
      [
        "below",
        {
          path_separated_prefix: "/a",
          headers: [
            { name: ":method", string_match: { exact: "GET" } },
            { name: "x-k", present_match: true },
          ],
          query_parameters: [{ name: "q", string_match: { safe_regex: { regex: "[ab]" } } }],
        },
      ],
      ["all", { prefix: "/" }],
    ]);
  });

  it("replaces a prefix by elements, which its own rewrite does not", () => {
    const rewriteOf = (prefix: string, to: string) => routesOf({ match: [{ prefix }], to: old, rewrite: { prefix: to } })[0].route;
    expect(rewriteOf("/a", "/b")).toMatchObject({ prefix_rewrite: "/b" });
    expect(rewriteOf("/a.b", "/")).toMatchObject({ regex_rewrite: { pattern: { regex: "^/a\\.b/?" }, substitution: "/" } });
    expect(rewriteOf("/", "/b")).toMatchObject({ regex_rewrite: { pattern: { regex: "^/(.*)$" }, substitution: "/b/\\1" } });
  });

  it("tries a failover's places one after the other, and knows of those that are down before it uses them", () => {
    const places = ["near", "far"].map((name) => ({ kubernetes: { name, port: 80 } }));
    const table = tableOf([{ name: "r", match: [{}], to: [{ failover: { places } }] }]);
    const [cluster] = emitClusters(context, table);
    expect(cluster).toMatchObject({
      type: "STRICT_DNS",
      load_assignment: {
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: "near.mesh.svc.cluster.local", port_value: 80 } } } }] },
          {
            priority: 1,
            lb_endpoints: [{ endpoint: { address: { socket_address: { address: "far.mesh.svc.cluster.local", port_value: 80 } } } }],
          },
        ],
      },
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
      health_checks: [{ interval: "1s", no_traffic_interval: "1s", http_health_check: { path: "/healthz" } }],
      outlier_detection: { max_ejection_percent: 100 },
      circuit_breakers: { thresholds: [{ max_retries: 1024 }] },
    });
    expect(emitVirtualHosts(context, table)[0].routes[0].route?.retry_policy).toMatchObject({
      retry_priority: { typed_config: { update_frequency: 1 } },
    });
  });

  it("signs requests to Lambda, asks Google for tokens, and sends an Azure function its key", () => {
    const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale", endpointUrl: "http://127.0.0.1:9001" };
    const table = tableOf([
      { name: "aws", match: [{ prefix: "/aws" }], to: [{ lambda }] },
      { name: "gcp", match: [{ prefix: "/gcp" }], to: [{ cloudRun: { host: "scale-abc-ew.a.run.app" } }] },
    ]);
    const { listeners, clusters } = emitEnvoy(context, table);
    const text = JSON.stringify(clusters);
    expect(text).toContain('"arn":"arn:aws:lambda:eu-west-1:123456789012:function:scale:$LATEST"');
    expect(text).toContain('"address":"127.0.0.1","port_value":9001');
    expect(text).toContain('"url":"https://scale-abc-ew.a.run.app"');
    expect(text).toContain('"exact":"scale-abc-ew.a.run.app"');
    expect(JSON.stringify(listeners)).toContain("envoy.filters.http.gcp_authn");

    const azure = { app: "scaleapp", function: "scale", keySecret: "az" };
    expect(routesOf({ match: [{ exact: "/az" }], to: [{ azureFunction: azure }] })[0].route).toMatchObject({
      host_rewrite_literal: "scaleapp.azurewebsites.net",
      regex_rewrite: { substitution: "/api/scale" },
      weighted_clusters: { clusters: [{ request_headers_to_add: [{ header: { key: "x-functions-key", value: "key of az" } }] }] },
    });
  });

  it("signs with the keys that it is told, for AWS's own host, also beside pods", () => {
    const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale", credentialsSecret: "keys" };
    const table = tableOf([{ name: "r", match: [{}], to: [{ lambda }, ...old] }]);
    expect(() => emitEnvoy(context, table)).toThrow("awsCredentials is needed in the context");
    const awsCredentials = (secret: string): object => ({ accessKeyId: `id of ${secret}`, secretAccessKey: "s", sessionToken: "t" });
    const { listeners, clusters } = emitEnvoy({ ...context, awsCredentials } as EnvoyContext, table);
    expect(JSON.stringify(clusters)).toContain('"credentials":{"access_key_id":"id of keys","secret_access_key":"s","session_token":"t"}');
    expect(JSON.stringify(listeners).match(/"host_rewrite_literal":"[^"]*"/g)).toEqual([
      '"host_rewrite_literal":"lambda.eu-west-1.amazonaws.com"',
    ]);
  });

  it("needs to be told where certificates are, and has one filter chain for each", () => {
    const table = tableOf([{ name: "r", match: [{}], to: old }], { tls: [{ certificateSecret: "cert" }] });
    expect(() => emitEnvoy(context, table)).toThrow("certificate is needed in the context");
    const certificate = (secret: string, namespace: string): { certificate: string; key: string } => ({
      certificate: `/certs/${namespace}/${secret}.crt`,
      key: `/certs/${namespace}/${secret}.key`,
    });
    const [listener] = emitEnvoy({ ...context, certificate }, table).listeners;
    expect(listener["filter_chains"]).toEqual([expect.objectContaining({ filter_chain_match: { server_names: ["mesh.example.test"] } })]);
    expect(JSON.stringify(listener)).toContain("/certs/mesh/cert.crt");
  });
});
