import { normalizeRoutes, type MeshRoute, type RoutesSpec, type RouteTable } from "../../../src/model/routes";
import { emitDestinationRules, emitIstioGateway, emitIstioVirtualServices, emitServiceEntries } from "../../../src/routing/istio";

const context = { name: "edge", namespace: "mesh" };
const old = [{ kubernetes: { name: "old", port: 80 } }];
const tableOf = (routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RouteTable =>
  normalizeRoutes("edge", { hosts: ["mesh.example.test"], services: [], target: "istio", routes, ...more });

describe("Istio", () => {
  it("gets one VirtualService in the order of precedence; a prefix by elements is two matches there", () => {
    const table = tableOf([
      { name: "all", match: [{}], to: old },
      { name: "a", match: [{ prefix: "/a", headersPresent: ["x-k"] }], to: [{ kubernetes: { name: "far", port: 81, namespace: "else" } }] },
    ]);
    const [service, ...others] = emitIstioVirtualServices(context, table);
    expect(others).toEqual([]);
    expect(service).toMatchObject({
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "edge-routes", namespace: "mesh" },
    });
    expect(service.spec).toEqual({
      hosts: ["mesh.example.test"],
      gateways: ["edge-gateway"],
      http: [
        {
          name: "a",
          match: [
            { uri: { exact: "/a" }, headers: { "x-k": {} } },
            { uri: { prefix: "/a/" }, headers: { "x-k": {} } },
          ],
          route: [{ destination: { host: "far.else.svc.cluster.local", port: { number: 81 } }, weight: 1 }],
          retries: { attempts: 0 },
        },
        {
          name: "all",
          match: [{ uri: { prefix: "/" } }],
          route: [{ destination: { host: "old", port: { number: 80 } }, weight: 1 }],
          retries: { attempts: 0 },
        },
      ],
    });
  });

  it("never says a match twice: an exact path takes its own from a prefix of the same text", () => {
    const table = tableOf([
      { name: "exact", match: [{ exact: "/a" }], to: old },
      { name: "below", match: [{ prefix: "/a" }], to: old },
    ]);
    const { http } = emitIstioVirtualServices(context, table)[0].spec;
    expect(http.map(({ name, match }) => [name, match])).toEqual([
      ["exact", [{ uri: { exact: "/a" } }]],
      ["below", [{ uri: { prefix: "/a/" } }]],
    ]);
  });

  it("gets hosts that cover each other in objects of their own, which keep their names when others come", () => {
    const names = (hosts: string[]): [string, string[]][] =>
      emitIstioVirtualServices(context, tableOf([{ name: "r", match: [{}], to: old }], { hosts })).map(({ metadata, spec }) => [
        metadata.name,
        spec.hosts,
      ]);
    const two = names(["*.a.test", "x.a.test"]);
    expect(two.map(([, hosts]) => hosts)).toEqual([["*.a.test"], ["x.a.test"]]);
    expect(new Set(two.map(([name]) => name)).size).toBe(2);
    const more = names(["*.a.test", "x.a.test", "y.x.a.test", "b.test"]);
    expect(more.map(([, hosts]) => hosts)).toEqual([
      ["*.a.test", "b.test"],
      ["x.a.test", "y.x.a.test"],
    ]);
  });

  it("gets the places of a failover as endpoints of one host, told apart by labels", () => {
    const places = ["near", "far", "farther"].map((name) => ({ kubernetes: { name, port: 80 } }));
    const table = tableOf([{ name: "r", match: [{}], to: [{ failover: { places } }] }]);
    const [entry] = emitServiceEntries(context, table, (text) => text("mesh"));
    const [rule] = emitDestinationRules(context, table);
    expect(entry.spec.hosts).toEqual([rule.spec.host]);
    expect(entry.spec.endpoints.map(({ address, labels }) => [address, Object.keys(labels ?? {}).length])).toEqual([
      ["near.mesh.svc.cluster.local", 2],
      ["far.mesh.svc.cluster.local", 1],
      ["farther.mesh.svc.cluster.local", 0],
    ]);
    expect(rule.spec.trafficPolicy).toMatchObject({
      loadBalancer: { localityLbSetting: { failoverPriority: ["compute-mesh.dev/place-0=yes", "compute-mesh.dev/place-1=yes"] } },
      outlierDetection: { maxEjectionPercent: 100 },
    });
    expect(emitIstioVirtualServices(context, table)[0].spec.http[0]).toMatchObject({
      route: [{ destination: { host: rule.spec.host } }],
      retries: { retryRemoteLocalities: true },
    });
  });

  it("speaks TLS to a server outside under a name of our own, so that nobody else's requests to it change", () => {
    const table = tableOf([{ name: "r", match: [{ prefix: "/x" }], to: [{ url: { url: "https://api.example.com/v1" } }] }]);
    const [entry] = emitServiceEntries(context, table, (text) => text("mesh"));
    const [rule] = emitDestinationRules(context, table);
    expect(entry.spec).toMatchObject({
      hosts: [expect.stringMatching(/^edge-[0-9a-f]{8}\.compute-mesh\.internal$/)],
      endpoints: [{ address: "api.example.com" }],
    });
    expect(rule.spec.trafficPolicy.tls).toEqual({ mode: "SIMPLE", sni: "api.example.com", subjectAltNames: ["api.example.com"] });
    expect(emitIstioVirtualServices(context, table)[0].spec.http[0].rewrite).toEqual({
      authority: "api.example.com",
      uriRegexRewrite: { match: "^/x", rewrite: "/v1" },
    });
  });

  it("hashes with a table whose size is said, as its webhook wants it", () => {
    const upstreams = [{ kubernetes: { name: "old", port: 80 }, hash: { header: "X-Key" } }];
    const [rule] = emitDestinationRules(context, tableOf([{ name: "r", match: [{}], to: old }], { upstreams }));
    expect(rule.spec).toEqual({
      host: "old",
      trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: "x-key", maglev: { tableSize: 65_537 } } } },
    });
  });

  it("gets a Gateway with a server for HTTP and one for each certificate", () => {
    const table = tableOf([{ name: "r", match: [{}], to: old }], { tls: [{ certificateSecret: "cert" }] });
    expect(emitIstioGateway(context, table, { istio: "ingressgateway" }, { http: 80, https: 443 }).spec).toEqual({
      selector: { istio: "ingressgateway" },
      servers: [
        { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["mesh.example.test"] },
        {
          port: { number: 443, name: "https-0", protocol: "HTTPS" },
          hosts: ["mesh.example.test"],
          tls: { mode: "SIMPLE", credentialName: "cert" },
        },
      ],
    });
  });
});
