import { normalizeRoutes, type MeshRoute, type RoutesSpec } from "../../../src/model/routes";
import { emitGateway, emitHttpRoutes } from "../../../src/routing/gateway-api";
import { emitGlooGateways, emitVirtualServices } from "../../../src/routing/gloo";
import { splitByName } from "../../../src/routing/pages";
import { exampleServices } from "../../support/routing";

const context = { name: "edge", namespace: "mesh" };
const labels = (part: string): Record<string, string> => ({
  "app.kubernetes.io/managed-by": "compute-mesh",
  "app.kubernetes.io/name": part,
  "app.kubernetes.io/instance": "edge",
  "compute-mesh.dev/component": "edge",
});

const routes: MeshRoute[] = [
  {
    name: "prices",
    match: [{ prefix: "/prices", snapshot: "s2", methods: ["GET"], query: { full: "1" } }],
    to: [{ service: { service: "prices" } }],
    timeoutSeconds: 1.5,
  },
  {
    name: "old",
    match: [{ exact: "/old" }, { regex: "/o[0-9]+" }],
    to: [{ kubernetes: { name: "old", port: 80, namespace: "legacy" } }],
    timeoutSeconds: 0.25,
  },
];

function spec(more: Partial<RoutesSpec> = {}): RoutesSpec {
  return { hosts: ["mesh.example.test", "*.example.org"], services: exampleServices, routes, grants: [{ namespace: "legacy" }], ...more };
}

describe("Gateway API", () => {
  it("gets a Gateway with one HTTP listener", () => {
    expect(emitGateway(context, "kgateway", 8080)).toEqual({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: "edge-gateway", namespace: "mesh", labels: labels("gateway") },
      spec: {
        gatewayClassName: "kgateway",
        listeners: [{ name: "http", port: 8080, protocol: "HTTP", allowedRoutes: { namespaces: { from: "Same" } } }],
      },
    });
  });

  it("gets one HTTPRoute with weighted backends and GEP-2257 timeouts", () => {
    const headers = [{ type: "Exact", name: "x-mesh-snapshot", value: "s2" }];
    expect(emitHttpRoutes(context, normalizeRoutes("edge", spec()), { name: "gw", namespace: "infra" })).toEqual([
      {
        key: "",
        sources: [expect.objectContaining({ name: "old" }), expect.objectContaining({ name: "prices" })],
        object: {
          apiVersion: "gateway.networking.k8s.io/v1",
          kind: "HTTPRoute",
          metadata: { name: "edge-routes", namespace: "mesh", labels: labels("routes") },
          spec: {
            parentRefs: [{ name: "gw", namespace: "infra" }],
            hostnames: ["*.example.org", "mesh.example.test"],
            rules: [
              {
                name: "old",
                matches: [{ path: { type: "Exact", value: "/old" } }, { path: { type: "RegularExpression", value: "/o[0-9]+" } }],
                backendRefs: [{ name: "old", namespace: "legacy", port: 80, weight: 1 }],
                timeouts: { request: "250ms" },
              },
              {
                name: "prices",
                matches: [
                  {
                    path: { type: "PathPrefix", value: "/prices" },
                    method: "GET",
                    headers,
                    queryParams: [{ type: "Exact", name: "full", value: "1" }],
                  },
                ],
                backendRefs: [
                  { name: "prices-v1-s2", port: 8080, weight: 90 },
                  { name: "prices-v2-s2", port: 8080, weight: 10 },
                ],
                timeouts: { request: "1s500ms" },
              },
            ],
          },
        },
      },
    ]);
  });

  it("names no host where all hosts are meant", () => {
    const [page] = emitHttpRoutes(context, normalizeRoutes("edge", spec({ hosts: ["*"] })), { name: "gw" });
    expect(Object.keys(page.object.spec)).toEqual(["parentRefs", "rules"]);
  });
});

describe("Gloo", () => {
  it("gets a Gateway that serves our VirtualService alone", () => {
    expect(
      emitGlooGateways(context, normalizeRoutes("edge", spec({ target: "gloo" })), "gateway-proxy", { http: 8081, https: 8443 }),
    ).toEqual([
      {
        apiVersion: "gateway.solo.io/v1",
        kind: "Gateway",
        metadata: { name: "edge-gateway", namespace: "mesh", labels: labels("gateway") },
        spec: {
          bindAddress: "::",
          bindPort: 8081,
          proxyNames: ["gateway-proxy"],
          httpGateway: { virtualServices: [{ name: "edge-routes", namespace: "mesh" }] },
        },
      },
    ]);
  });

  it("gets one VirtualService in order of precedence, with a prefix of elements as two matchers", () => {
    const rest = { methods: ["GET"], headers: [{ name: "x-mesh-snapshot", value: "s2" }], queryParameters: [{ name: "full", value: "1" }] };
    const kube = (name: string, port: number, namespace = "mesh"): object => ({ kube: { ref: { name, namespace }, port } });
    expect(emitVirtualServices(context, normalizeRoutes("edge", spec({ target: "gloo" })))[0].object).toEqual({
      apiVersion: "gateway.solo.io/v1",
      kind: "VirtualService",
      metadata: { name: "edge-routes", namespace: "mesh", labels: labels("routes") },
      spec: {
        virtualHost: {
          domains: ["*.example.org", "mesh.example.test"],
          routes: [
            {
              name: "old",
              matchers: [{ exact: "/old" }, { regex: "/o[0-9]+" }],
              routeAction: { single: kube("old", 80, "legacy") },
              options: { timeout: "0.25s" },
            },
            {
              name: "prices",
              matchers: [
                { exact: "/prices", ...rest },
                { prefix: "/prices/", ...rest },
              ],
              routeAction: {
                multi: {
                  destinations: [
                    { destination: kube("prices-v1-s2", 8080), weight: 90 },
                    { destination: kube("prices-v2-s2", 8080), weight: 10 },
                  ],
                },
              },
              options: { timeout: "1.5s" },
            },
          ],
        },
      },
    });
  });
});

describe("pages of HTTPRoutes", () => {
  const many = (count: number, matchesEach = 1): MeshRoute[] =>
    Array.from({ length: count }, (_unused, route) => ({
      name: `r${route}`,
      match: Array.from({ length: matchesEach }, (_unusedToo, match) => ({ exact: `/r${route}/${match}` })),
      to: [{ kubernetes: { name: `b${route}`, port: 80 } }],
    }));
  const pagesOf = (given: MeshRoute[]): Map<string, string[]> =>
    new Map(
      emitHttpRoutes(context, normalizeRoutes("edge", spec({ routes: given })), { name: "gw" }).map(({ key, object }) => [
        `${key} ${object.metadata.name}`,
        object.spec.rules.map(({ name }) => name),
      ]),
    );

  it("keep every limit and lose no match", () => {
    for (const [count, matchesEach] of [
      [16, 1],
      [17, 1],
      [16, 8],
      [16, 9],
      [3, 200],
      [60, 3],
    ] as const) {
      const pages = emitHttpRoutes(context, normalizeRoutes("edge", spec({ routes: many(count, matchesEach) })), { name: "gw" });
      const rules = pages.map(({ object }) => object.spec.rules);
      expect(Math.max(...rules.map((list) => list.length))).toBeLessThanOrEqual(16);
      expect(Math.max(...rules.flat().map(({ matches }) => matches.length))).toBeLessThanOrEqual(64);
      expect(Math.max(...rules.map((list) => list.reduce((sum, { matches }) => sum + matches.length, 0)))).toBeLessThanOrEqual(128);
      expect(new Set(rules.flat().flatMap(({ matches }) => matches.map(({ path }) => path.value))).size).toBe(count * matchesEach);
      expect(new Set(pages.map(({ object }) => object.metadata.name)).size).toBe(pages.length);
      expect(pages.length === 1).toBe(count <= 16 && count * matchesEach <= 128);
    }
  });

  it("change only where a route is added, apart from the one that is split", () => {
    for (let count = 17; count < 60; count++) {
      const before = pagesOf(many(count));
      const after = pagesOf(many(count + 1));
      const changed = [...before].filter(([key, rules]) => after.get(key)?.join() !== rules.join());
      expect(changed.length).toBeLessThanOrEqual(1);
    }
  });

  it("split by names, whatever their order", () => {
    const names = Array.from({ length: 40 }, (_unused, index) => `n${index}`);
    const sorted = (list: string[]): unknown =>
      splitByName(
        list,
        (name) => name,
        (things) => things.length <= 5,
      ).map(({ key, things }) => [key, [...things].sort()]);
    expect(sorted([...names].reverse())).toEqual(sorted(names));
  });
});
