import * as pulumi from "@pulumi/pulumi";
import { GlooRoutes, type GlooRoutesArgs } from "../../../src/components/gloo-routes";
import type { MeshRoute } from "../../../src/model/routes";
import { failureOf, startMocks, valueOf, type Recorder } from "../../support/mocks";
import { exampleServices } from "../../support/routing";

const routes: MeshRoute[] = [
  { name: "prices", match: [{ prefix: "/prices", snapshot: "s2" }], to: [{ service: { service: "prices" } }] },
  { name: "risk", match: [{ prefix: "/risk" }], to: [{ service: { service: "risk", snapshot: "s1" } }], timeoutSeconds: 5 },
];

function args(more: Partial<GlooRoutesArgs> = {}): GlooRoutesArgs {
  return { namespace: "mesh", hosts: ["mesh.example.test"], services: exampleServices, routes, ...more };
}

const gatewayType = "kubernetes:gateway.networking.k8s.io/v1:Gateway";
const answerType = "kubernetes:gateway.kgateway.dev/v1alpha1:DirectResponse";
const httpRouteType = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute";
const glooGatewayType = "kubernetes:gateway.solo.io/v1:Gateway";
const virtualServiceType = "kubernetes:gateway.solo.io/v1:VirtualService";

describe("GlooRoutes", () => {
  let recorder: Recorder;
  let warnings: string[];
  beforeEach(async () => {
    recorder = await startMocks();
    warnings = [];
    jest.spyOn(pulumi.log, "warn").mockImplementation((text) => Promise.resolve(void warnings.push(text)));
  });
  afterEach(async () => {
    await recorder.settle();
    jest.restoreAllMocks();
  });
  const children = (): string[] => recorder.childrenOf("edge").map((name) => `${recorder.named(name).type} ${name}`);

  it("makes a Gateway and one HTTPRoute by default", async () => {
    const edge = new GlooRoutes("edge", args());
    await recorder.settle(edge);
    expect(children()).toEqual([`${answerType} edge-answer-404-b54ecc8a`, `${gatewayType} edge-gateway`, `${httpRouteType} edge-routes`]);
    expect(recorder.named("edge-gateway").inputs.spec).toEqual({
      gatewayClassName: "kgateway",
      listeners: [{ name: "http", port: 8080, protocol: "HTTP", allowedRoutes: { namespaces: { from: "Same" } } }],
    });
    const { metadata, spec } = recorder.named("edge-routes").inputs;
    expect(metadata).toMatchObject({ name: "edge-routes", namespace: "mesh", labels: { "compute-mesh.dev/component": "edge" } });
    expect(spec.parentRefs).toEqual([{ name: "edge-gateway" }]);
    expect(spec.hostnames).toEqual(["mesh.example.test"]);
    expect(
      spec.rules.map(({ name, backendRefs, timeouts }: { name: string; backendRefs: unknown; timeouts: unknown }) => ({
        name,
        backendRefs,
        timeouts,
      })),
    ).toEqual([
      {
        name: "prices",
        backendRefs: [
          { name: "prices-v1-s2", port: 8080, weight: 90 },
          { name: "prices-v2-s2", port: 8080, weight: 10 },
        ],
        timeouts: undefined,
      },
      { name: "risk", backendRefs: [{ name: "risk-v1-s1", port: 9090, weight: 1 }], timeouts: { request: "5s" } },
      { name: "unknown-snapshot", backendRefs: [], timeouts: undefined },
    ]);
    expect(await valueOf(edge.gatewayName)).toBe("edge-gateway");
  });

  it("says hosts and facts in preview, without waiting for anything", () => {
    const edge = new GlooRoutes("edge", args());
    expect(edge.hosts).toEqual(["mesh.example.test"]);
    expect(edge.facts.routes).toEqual([
      {
        name: "prices",
        summary: "/prices [x-mesh-snapshot: s2] → prices v1 90 %, prices v2 10 %",
        destination: "prices v1 90 %, prices v2 10 %",
        witness: "GET http://mesh.example.test/prices [x-mesh-snapshot: s2]",
      },
      { name: "risk", summary: "/risk → risk v1", destination: "risk v1", witness: "GET http://mesh.example.test/risk" },
    ]);
  });

  it("warns of what means less than it says, and of snapshots that no route leads to", async () => {
    const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale" };
    const routes = [{ name: "r", match: [{ snapshot: "s1" }], to: [{ service: { service: "prices" } }, { lambda }] }];
    await recorder.settle(new GlooRoutes("edge", args({ target: "gloo", routes })));
    expect(warnings).toEqual([
      "route r, to: lambdaIdentity with the target gloo: Gloo's Settings must allow it",
      "prices: no route leads to snapshot s2, so requests that name it get no answer from it",
    ]);
  });

  it("makes a VirtualService and what it refers to for Istio", async () => {
    const edge = new GlooRoutes(
      "edge",
      args({ target: "istio", routes: [{ name: "out", match: [{}], to: [{ url: { url: "https://api.example.com" } }] }] }),
    );
    await recorder.settle(edge);
    const kinds = recorder.childrenOf("edge").map((name) => recorder.named(name).inputs.kind as string);
    expect(kinds.sort()).toEqual(["DestinationRule", "Gateway", "ServiceEntry", "VirtualService"]);
    expect(recorder.named("edge-routes").inputs.spec).toMatchObject({ hosts: ["mesh.example.test"], gateways: ["edge-gateway"] });
  });

  it("attaches to a Gateway that exists", async () => {
    const edge = new GlooRoutes("edge", args({ gateway: { existing: { name: "shared", namespace: "infra" } } }));
    await recorder.settle(edge);
    expect(children()).toEqual([`${answerType} edge-answer-404-b54ecc8a`, `${httpRouteType} edge-routes`]);
    expect(recorder.named("edge-routes").inputs.spec.parentRefs).toEqual([{ name: "shared", namespace: "infra" }]);
    expect(await valueOf(edge.gatewayName)).toBe("shared");
  });

  it("makes one VirtualService for Gloo and leaves its Gateway alone", async () => {
    const edge = new GlooRoutes("edge", args({ target: "gloo", namespace: pulumi.output("mesh") }));
    await recorder.settle(edge);
    expect(children()).toEqual([`${virtualServiceType} edge-routes`]);
    const [first] = recorder.named("edge-routes").inputs.spec.virtualHost.routes;
    expect(first.routeAction.multi.destinations[0]).toEqual({
      destination: { kube: { ref: { name: "prices-v1-s2", namespace: "mesh" }, port: 8080 } },
      weight: 90,
    });
    expect(await valueOf(edge.gatewayName)).toBe("gateway-proxy");
  });

  it("makes a Gateway for Gloo where it is told to", async () => {
    const edge = new GlooRoutes("edge", args({ target: "gloo", gateway: { create: { className: "edge-proxy", port: 8081 } } }));
    await recorder.settle(edge);
    expect(children()).toEqual([`${glooGatewayType} edge-gateway`, `${virtualServiceType} edge-routes`]);
    expect(recorder.named("edge-gateway").inputs.spec).toEqual({
      bindAddress: "::",
      bindPort: 8081,
      proxyNames: ["edge-proxy"],
      httpGateway: { virtualServices: [{ name: "edge-routes", namespace: "mesh" }] },
    });
  });

  it("spreads more rules than one HTTPRoute takes over pages with stable names", async () => {
    const many = Array.from({ length: 17 }, (_unused, index) => ({
      name: `r${index}`,
      match: [{ exact: `/r${index}` }],
      to: [{ kubernetes: { name: "all", port: 80 } }],
    }));
    await recorder.settle(new GlooRoutes("edge", args({ routes: many })));
    const pages = recorder.byType(httpRouteType);
    expect(pages.map(({ name }) => name).sort()).toEqual(["edge-routes-0", "edge-routes-1"]);
    expect(pages.every(({ name, inputs }) => inputs.metadata.name === name)).toBe(true);
    expect(pages.flatMap(({ inputs }) => inputs.spec.rules)).toHaveLength(17);
  });

  it("lets a transform change each child", async () => {
    const transforms: GlooRoutesArgs["transforms"] = {
      gateway: (child) => void ((child as unknown as { spec: { gatewayClassName: string } }).spec.gatewayClassName = "istio"),
      routes: (child, opts) => ({ args: { ...child, kind: child.kind }, opts: { ...opts, protect: true } }),
    };
    await recorder.settle(new GlooRoutes("edge", args({ transforms })));
    expect(recorder.named("edge-gateway").inputs.spec.gatewayClassName).toBe("istio");
    expect(recorder.named("edge-routes").options.protect).toBe(true);
  });

  it("reports every problem at once and makes nothing", async () => {
    const bad = {
      ...args({
        gateway: { existing: { name: "Shared" }, create: {} },
        hosts: [],
        routes: [{ ...routes[0], to: [{ service: { service: "prices", version: "v3" } }] }],
      }),
      host: ["a.b"],
    };
    expect(failureOf(() => new GlooRoutes("edge", bad)).split("\n")).toEqual([
      'glooRoutes "edge": host: "host" is not allowed: unknown key, perhaps hosts is meant; known keys are namespace, hosts, target, gateway, dimensions, services, routes, islandTypes, islands, latest, upstreams, tls, grants, kubernetesServices, transforms',
      'glooRoutes "edge": gateway: "existing and create" is not allowed: exactly one of existing, create is allowed',
      'glooRoutes "edge": hosts: [] is not allowed: at least one host name is allowed; * alone takes every host',
      'glooRoutes "edge": routes[0].to[0].service.version: "v3" is not allowed: prices has the versions v1, v2',
    ]);
    await recorder.settle();
    expect(recorder.resources.map(({ name }) => name)).toEqual(["edge"]);
  });

  it.each<[string, GlooRoutesArgs["gateway"], string]>([
    ["a bad port", { create: { port: 0 } }, "gateway.create.port: 0 is not allowed: a whole number from 1 to 65535 is allowed"],
    ["a bad class", { create: { className: "K gateway" } }, 'gateway.create.className: "K gateway" is not allowed'],
    ["a bad name", { existing: { name: "" } }, 'gateway.existing.name: "" is not allowed'],
    ["neither", {}, "gateway: nothing is not allowed: exactly one of existing, create is allowed"],
  ])("reports %s of the gateway", (_name, gateway, expected) => {
    expect(failureOf(() => new GlooRoutes("edge", args({ gateway })))).toContain(expected);
  });
});
