/** What routes to gatherers have if nothing is said, through every target. */
import { normalizeRoutes, type MeshRoute, type RoutesSpec, type RouteTable, type RouteTarget } from "../../../src/model/routes";
import { emitEnvoy, type EnvoyContext } from "../../../src/routing/envoy";
import { emitHttpRoutes } from "../../../src/routing/gateway-api";
import { emitGlooObjects, emitVirtualServices } from "../../../src/routing/gloo";
import { emitDestinationRules, emitIstioVirtualServices } from "../../../src/routing/istio";
import { emitKgatewayObjects } from "../../../src/routing/kgateway";
import { exampleServices } from "../../support/routing";

const context = { name: "edge", namespace: "mesh", inNamespace: (text: (namespace: string) => string): string => text("mesh") };
const snapshot = "20261121t0600z";
const endpoint = { version: "v1", snapshot, port: 8080, podServiceNames: [] };
const services: RoutesSpec["services"] = [
  { name: "totals", weights: { v1: 1 }, endpoints: [{ ...endpoint, serviceName: "totals-answer", directServiceName: "totals-pods" }] },
  { name: "plain", weights: { v1: 1 }, endpoints: [{ ...endpoint, serviceName: "plain" }] },
];
const toTotals: MeshRoute = { name: "totals", match: [{ prefix: "/totals" }], to: [{ service: { service: "totals", snapshot } }] };
const toPlain: MeshRoute = { name: "plain", match: [{ prefix: "/plain" }], to: [{ service: { service: "plain", snapshot } }] };

function tableOf(routes: MeshRoute[], more: Partial<RoutesSpec> = {}, target: RouteTarget = "gatewayApi"): RouteTable {
  return normalizeRoutes("edge", { hosts: ["mesh.example.test"], services, routes, target, ...more });
}
const settingsOf = (table: RouteTable, name: string): object | undefined =>
  table.upstreams.find(({ destination }) => destination.id.includes(name))?.settings;
const outlierDetection = { consecutiveErrors: 3, intervalSeconds: 5, ejectionSeconds: 60, maxEjectionPercent: 50 };

describe("routes to gatherers", () => {
  it("try again, wait for a connection for a second, and leave out a pod that fails; other routes do not", () => {
    const table = tableOf([toTotals, toPlain]);
    const retriesOf = Object.fromEntries(table.rules.map(({ route, retries }) => [route, retries]));
    expect(retriesOf["totals"]).toEqual({ attempts: 3, on: ["connectFailure", "refusedStream", "reset"], otherPlace: false });
    expect(retriesOf["plain"]).toBeUndefined();
    expect(settingsOf(table, "totals")).toEqual({
      protocol: "http1",
      connectTimeoutSeconds: 1,
      outlierDetection,
      circuitBreaker: { maxRetries: 1024 },
    });
    expect(settingsOf(table, "plain")).toEqual({ protocol: "http1" });
  });

  it("do not try again where a request may also go to something else", () => {
    const [rule] = tableOf([{ ...toTotals, to: [...(toTotals.to ?? []), { kubernetes: { name: "old", port: 80 } }] }]).rules;
    expect(rule.retries).toBeUndefined();
  });

  it("keep what was said, one knob at a time", () => {
    const routes: MeshRoute[] = [{ ...toTotals, retries: { attempts: 1, on: ["gatewayError"] } }];
    const upstreams = [
      { service: "totals", connectTimeoutSeconds: 4, outlierDetection: { consecutiveErrors: 9 }, circuitBreaker: { maxRequests: 7 } },
    ];
    const table = tableOf(routes, { upstreams });
    expect(table.rules[0].retries).toMatchObject({ attempts: 1, on: ["gatewayError"] });
    expect(settingsOf(table, "totals")).toEqual({
      protocol: "http1",
      connectTimeoutSeconds: 4,
      outlierDetection: { ...outlierDetection, consecutiveErrors: 9 },
      circuitBreaker: { maxRequests: 7, maxRetries: 1024 },
    });
  });

  it("are as any others where the defaults are switched off by 0", () => {
    const upstreams = [{ service: "totals", outlierDetection: { maxEjectionPercent: 0 } }];
    const table = tableOf([{ ...toTotals, retries: { attempts: 0 } }], { upstreams });
    expect(table.rules.map(({ retries }) => retries)).toEqual([undefined]);
    expect(settingsOf(table, "totals")).not.toHaveProperty("outlierDetection");
  });

  it("leave a failover its own settings, with what was said of one knob beside its other defaults", () => {
    const places = [{ service: { service: "totals", snapshot } }, { kubernetes: { name: "far", port: 80 } }];
    const upstreams = [{ service: "totals", outlierDetection: { ejectionSeconds: 8 } }];
    const table = tableOf([{ ...toTotals, to: [{ failover: { places } }] }], { upstreams });
    expect(settingsOf(table, "failover")).toMatchObject({
      outlierDetection: { consecutiveErrors: 2, intervalSeconds: 1, ejectionSeconds: 8, maxEjectionPercent: 100 },
    });
  });

  it("take services without gatherers as they are", () => {
    const table = tableOf([{ name: "r", match: [{ prefix: "/r" }], to: [{ service: { service: "prices", snapshot: "s2" } }] }], {
      services: exampleServices,
    });
    expect(table.rules.filter(({ retries }) => retries !== undefined)).toEqual([]);
  });
});

describe("gatherers in the words of", () => {
  it("kgateway: one policy for the routes and one for the Services", () => {
    const table = tableOf([toTotals, toPlain]);
    const pages = emitHttpRoutes(context, table, { name: "gw" });
    const specs = emitKgatewayObjects(context, table, pages, "gw").map(({ object }) => [object.kind, object.spec] as const);
    const [traffic, settings] = ["TrafficPolicy", "BackendConfigPolicy"].map((wanted) => specs.filter(([kind]) => kind === wanted));
    expect(traffic).toEqual([
      [
        "TrafficPolicy",
        {
          targetRefs: [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: "edge-routes", sectionName: "totals" }],
          retry: { attempts: 3, retryOn: ["connect-failure", "refused-stream", "reset"] },
        },
      ],
    ]);
    expect(settings).toEqual([
      [
        "BackendConfigPolicy",
        {
          targetRefs: [{ group: "", kind: "Service", name: "totals-answer" }],
          connectTimeout: "1s",
          circuitBreakers: { maxRetries: 1024 },
          outlierDetection: { consecutive5xx: 3, interval: "5s", baseEjectionTime: "60s", maxEjectionPercent: 50 },
        },
      ],
    ]);
  });

  it("Gloo: an Upstream, and retries of the route", () => {
    const table = tableOf([toTotals, toPlain], {}, "gloo");
    const upstreams = emitGlooObjects(context, table).filter(({ object }) => object.kind === "Upstream");
    expect(upstreams.map(({ object }) => object.spec)).toEqual([
      {
        kube: { serviceName: "totals-answer", serviceNamespace: "mesh", servicePort: 8080 },
        connectionConfig: { connectTimeout: "1s" },
        circuitBreakers: { maxRetries: 1024 },
        outlierDetection: {
          consecutive5xx: 3,
          enforcingConsecutive5xx: 100,
          interval: "5s",
          baseEjectionTime: "60s",
          maxEjectionPercent: 50,
        },
      },
    ]);
    const routes = emitVirtualServices(context, table).flatMap(({ object }) => object.spec.virtualHost.routes);
    const retries = routes.filter(({ options }) => options?.retries !== undefined).map(({ name, options }) => [name, options?.retries]);
    // An exact match and a prefix with a slash.
    const wanted = ["totals", { retryOn: "connect-failure,refused-stream,reset", numRetries: 3 }];
    expect(retries).toEqual([wanted, wanted]);
  });

  it("Istio: a DestinationRule, and retries of the route", () => {
    const table = tableOf([toTotals, toPlain], {}, "istio");
    expect(emitDestinationRules(context, table).map(({ spec }) => spec)).toEqual([
      {
        host: "totals-answer",
        trafficPolicy: {
          connectionPool: { tcp: { connectTimeout: "1s" }, http: { maxRetries: 1024 } },
          outlierDetection: { consecutive5xxErrors: 3, interval: "5s", baseEjectionTime: "60s", maxEjectionPercent: 50 },
        },
      },
    ]);
    const http = emitIstioVirtualServices(context, table).flatMap(({ spec }) => spec.http);
    expect(http.find(({ name }) => name === "totals")?.retries).toMatchObject({
      attempts: 3,
      retryOn: "connect-failure,refused-stream,reset",
    });
  });

  it("Envoy: a cluster, and a retry policy", () => {
    const envoy: EnvoyContext = {
      ...context,
      listen: { pipe: { path: "/tmp/edge.sock" } },
      endpoints: () => [{ address: "198.18.0.1", port: 8080 }],
    };
    const { clusters } = emitEnvoy(envoy, tableOf([toTotals]));
    expect(clusters).toEqual([
      expect.objectContaining({
        connect_timeout: "1s",
        outlier_detection: expect.objectContaining({ consecutive_5xx: 3, max_ejection_percent: 50, base_ejection_time: "60s" }),
        circuit_breakers: { thresholds: [{ max_retries: 1024 }] },
      }),
    ]);
  });
});
