/** What GlooRoutes emits for the Gateway API, routed by the real kgateway and a real Envoy to small backends: by snapshot, by version, by weight. */
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import { type MeshRoute, normalizeRoutes } from "../../src/model/routes";
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitKgatewayObjects } from "../../src/routing/kgateway";
import { findGatewayPrograms, type GatewayService, startGateway } from "../../tools/live/gateway";
import { isAlive } from "../../tools/processes";
import { eventually, testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing, sharedCrds } from "../support/crds";
import { namespacesMissing, privateNetwork, type InsideRequest, type PrivateNetwork } from "../support/private-network";
import { exampleServices } from "../support/routing";

jest.setTimeout(180_000);

const programs = findGatewayPrograms();
const missing =
  programs === undefined
    ? "kgateway and Envoy are not cached: npm run test:all gets them"
    : (namespacesMissing() ?? crdsMissing("kgateway"));
const title = missing === undefined ? "routes through kgateway and Envoy" : `routes through kgateway and Envoy (${missing})`;

const context = { name: "edge", namespace: "default" };
const gateway = { namespace: "default", name: "edge-gateway" };
/** Not that of a backend: Envoy listens on every address of the namespace, and in this one the backends have theirs too. */
const port = 8000;
const services: Record<string, { address: string; port: number }> = {
  "prices-v1-s1": { address: "198.18.0.11", port: 8080 },
  "prices-v1-s2": { address: "198.18.0.12", port: 8080 },
  "prices-v2-s2": { address: "198.18.0.13", port: 8080 },
  "risk-v1-s1": { address: "198.18.0.14", port: 9090 },
};
const routes: MeshRoute[] = [
  {
    name: "prices",
    match: [
      { prefix: "/prices", snapshot: "s1" },
      { prefix: "/prices", snapshot: "s2" },
    ],
    to: [{ service: { service: "prices" } }],
  },
  { name: "prices-v2", match: [{ prefix: "/prices", snapshot: "s2", version: "v2" }], to: [{ service: { service: "prices" } }] },
  { name: "risk", match: [{ exact: "/risk" }], to: [{ service: { service: "risk", snapshot: "s1" } }] },
  { name: "digits", match: [{ regex: "/v[0-9]{1,3}" }], to: [{ kubernetes: { name: "risk-v1-s1", port: 9090 } }] },
];

(missing === undefined ? describe : describe.skip)(title, () => {
  let cluster: TestCluster;
  let network: PrivateNetwork;
  let service: GatewayService;

  beforeAll(async () => {
    [cluster, network] = await Promise.all([
      testCluster({ name: "gateway", crds: ["gateway-api"] }),
      privateNetwork(Object.values(services).map(({ address }) => address)),
    ]);
    for (const [name, { address, port: target }] of Object.entries(services)) {
      await network.backend(name, address, target);
      await apply({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, namespace: "default", labels: {} },
        spec: { ports: [{ port: target }] },
      });
      await apply({
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
        addressType: "IPv4",
        ports: [{ port: target, protocol: "TCP" }],
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
      } as unknown as CustomObject<string, unknown>);
    }
    service = await startGateway({ ...network.place, access: cluster.info.access, gateway, programs, crdFolder: sharedCrds });
  });

  afterAll(async () => {
    await service?.stop();
    await network?.stop();
    await cluster?.stop();
  });

  async function apply(object: CustomObject<string, unknown>): Promise<void> {
    const { apiVersion, kind, metadata } = object;
    const base = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
    const path = `${base}/namespaces/${metadata.namespace}/${kind.toLowerCase()}s/${metadata.name}?fieldManager=test&force=true`;
    const answer = await cluster.request("PATCH", path, object, "application/apply-patch+yaml");
    if (answer.status >= 300) throw new Error(`${kind} ${metadata.name}: ${JSON.stringify(answer.body)}`);
  }

  const emitted = (list: MeshRoute[]): CustomObject<string, unknown>[] => {
    const model = normalizeRoutes("edge", { hosts: ["mesh.example.test"], services: exampleServices, routes: list });
    const pages = emitHttpRoutes(context, model, { name: gateway.name });
    const others = emitKgatewayObjects({ ...context, inNamespace: (text) => text(context.namespace) }, model, pages, gateway.name);
    return [...others, ...pages].map(({ object }) => object);
  };

  /** Name of the backend that answers, or the status where none does. */
  async function ask(requests: readonly (Partial<InsideRequest> & { path: string; host?: string })[]): Promise<(string | number)[]> {
    const list = requests.map(({ path, host = "mesh.example.test", headers, method }) => ({
      url: `http://127.0.0.1:${port}${path}`,
      method,
      headers: { host, ...headers },
    }));
    const answers = await network.request(list);
    return answers.map(({ status, body }) => (status === 200 ? (JSON.parse(body) as { name: string }).name : status));
  }

  it("is started before its Gateway exists, and says that it is missing", async () => {
    expect(await service.problems()).toEqual(["Gateway default/edge-gateway does not exist"]);
  });

  it("serves what GlooRoutes emits, unchanged: snapshots and versions by their headers", async () => {
    await apply(emitGateway(context, "kgateway", port));
    for (const object of emitted(routes)) await apply(object);
    await service.ready();

    const headers = (snapshot: string, version?: string): Record<string, string> => ({
      "x-mesh-snapshot": snapshot,
      ...(version === undefined ? {} : { "x-mesh-version": version }),
    });
    expect(
      await ask([
        { path: "/prices/eur?day=1", headers: headers("s1") },
        { path: "/prices", headers: headers("s2", "v2") },
        { path: "/risk" },
        { path: "/v12" },
        { path: "/prices" },
        { path: "/pricesx", headers: headers("s1") },
        { path: "/risk/1" },
        { path: "/v1234" },
        { path: "/risk", host: "other.example.test" },
      ]),
    ).toEqual(["prices-v1-s1", "prices-v2-s2", "risk-v1-s1", "risk-v1-s1", 404, 404, 404, 404, 404]);
  });

  it("spreads a snapshot over its versions by their weights", async () => {
    const answers = await ask(Array.from({ length: 400 }, () => ({ path: "/prices", headers: { "x-mesh-snapshot": "s2" } })));
    const share = answers.filter((name) => name === "prices-v2-s2").length / answers.length;
    expect(new Set(answers)).toEqual(new Set(["prices-v1-s2", "prices-v2-s2"]));
    // 10 of 100; 400 draws leave that band once in ten million runs.
    expect(share).toBeGreaterThan(0.03);
    expect(share).toBeLessThan(0.19);
  });

  it("hands path, query and headers on as they came", async () => {
    const [answer] = await network.request([
      { url: `http://127.0.0.1:${port}/prices/a%20b?x=1&x=2`, headers: { host: "mesh.example.test", "x-mesh-snapshot": "s1" } },
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({
      url: "/prices/a%20b?x=1&x=2",
      headers: { host: "mesh.example.test", "x-mesh-snapshot": "s1" },
    });
  });

  it("says which route is wrong, and goes on serving the others", async () => {
    const ghost: MeshRoute = { name: "ghost", match: [{ exact: "/ghost" }], to: [{ kubernetes: { name: "ghost", port: 80 } }] };
    for (const object of emitted([...routes, ghost])) await apply(object);
    const problems = await eventually("the missing Service", async () => {
      const found = await service.problems();
      return found.some((problem) => problem.includes("BackendNotFound")) && found;
    });
    expect(problems.join()).toContain("HTTPRoute default/edge-routes: ResolvedRefs is False: BackendNotFound");
    // The status of an object can be there before Envoy has its routes.
    await eventually("the route without a Service", async () => (await ask([{ path: "/ghost" }]))[0] !== 404);
    expect(await ask([{ path: "/ghost" }, { path: "/risk" }])).toEqual([500, "risk-v1-s1"]);
    await expect(service.ready({ seconds: 1 })).rejects.toThrow("BackendNotFound");

    for (const object of emitted(routes)) await apply(object);
    await service.ready();
    expect(await ask([{ path: "/ghost" }, { path: "/risk" }])).toEqual([404, "risk-v1-s1"]);
  });

  it("is not started where Envoy would listen on the machine's own addresses", async () => {
    const options = { folder: network.place.folder, access: cluster.info.access, gateway, programs };
    await expect(startGateway(options)).rejects.toThrow("gateway: prefix: it needs a network namespace of its own");
  });

  it("leaves no process behind", async () => {
    await service.stop();
    expect(service.processes.map(isAlive)).toEqual([false, false]);
  });
});
