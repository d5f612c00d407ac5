/** Objects beside the routes: each is there once, and whatever refers to one finds it. */
import type { CustomObject, HttpRouteSpec } from "../../../src/kubernetes/custom-resources";
import { normalizeRoutes, type MeshRoute, type RoutesSpec, type RouteTable } from "../../../src/model/routes";
import { emitHttpRoutes } from "../../../src/routing/gateway-api";
import { emitGlooGateways, emitGlooObjects, emitVirtualServices } from "../../../src/routing/gloo";
import { emitKgatewayObjects } from "../../../src/routing/kgateway";
import { exampleServices } from "../../support/routing";

const context = { name: "edge", namespace: "mesh", inNamespace: (text: (namespace: string) => string): string => text("mesh") };
const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale", credentialsSecret: "aws" };
const toOld: MeshRoute["to"] = [{ kubernetes: { name: "old", port: 80 } }];

function tableOf(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RouteTable {
  return normalizeRoutes("edge", { hosts: ["mesh.example.test"], services: exampleServices, routes, ...more });
}
const keyOf = ({ kind, metadata }: CustomObject<string, unknown>): string => `${kind} ${metadata.name}`;

interface Emitted {
  routes: CustomObject<string, HttpRouteSpec>[];
  others: CustomObject<string, any>[];
}
function emit(table: RouteTable): Emitted {
  const pages = emitHttpRoutes(context, table, { name: "gw" });
  return {
    routes: pages.map(({ object }) => object),
    others: emitKgatewayObjects(context, table, pages, "gw").map(({ object }) => object),
  };
}

const everything: MeshRoute[] = [
  { name: "newest", match: [{ prefix: "/prices" }], to: [{ service: { service: "prices", snapshot: "s2" } }], retries: { attempts: 2 } },
  { name: "signed", match: [{ prefix: "/signed" }], to: [{ lambda }, { weight: 3, kubernetes: { name: "old", port: 80 } }] },
  { name: "azure", match: [{ prefix: "/azure" }], to: [{ azureFunction: { app: "app", function: "scale", keySecret: "key" } }] },
  { name: "url", match: [{ prefix: "/url" }], to: [{ url: { url: "https://api.example.com" } }], retries: { attempts: 2 } },
  { name: "answer", match: [{ exact: "/answer" }], response: { status: 418, body: "tea" } },
  { name: "same-answer", match: [{ exact: "/again" }], response: { status: 418, body: "tea" } },
];

describe("kgateway's objects", () => {
  const failover: MeshRoute = {
    name: "failover",
    match: [{ prefix: "/failover" }],
    to: [{ failover: { places: [{ service: { service: "risk", snapshot: "s1" } }, { url: { url: "https://far.example.com" } }] } }],
  };
  const { routes, others } = emit(
    tableOf([...everything, failover], {
      upstreams: [{ kubernetes: { name: "old", port: 80 }, hash: { header: "X-Key", cookie: "key" } }],
    }),
  );
  const names = new Set(others.map(keyOf));
  const find = (kind: string): any[] => others.filter((object) => object.kind === kind).map(({ spec }) => spec);

  it("check the certificate of every server outside, those of clouds included", () => {
    const cloudRun = { host: "scale-abc123-ew.a.run.app" };
    const far = tableOf([
      { name: "aws", match: [{ prefix: "/aws" }], to: [{ lambda }] },
      { name: "local", match: [{ prefix: "/local" }], to: [{ lambda: { ...lambda, endpointUrl: "http://127.0.0.1:9001" } }] },
      { name: "gcp", match: [{ prefix: "/gcp" }], to: [{ cloudRun }] },
      { name: "url", match: [{ prefix: "/url" }], to: [{ url: { url: "https://api.example.com" } }] },
    ]);
    const policies = emit(far).others.filter(({ kind }) => kind === "BackendConfigPolicy");
    const names = policies.map(({ spec }) => [spec.tls.wellKnownCACertificates, spec.tls.sni, spec.tls.verifySubjectAltNames]);
    expect(names.sort()).toEqual(
      ["api.example.com", "lambda.eu-west-1.amazonaws.com", "scale-abc123-ew.a.run.app"].map((name) => ["System", name, [name]]),
    );
  });

  it("call AWS by its own host where a rewrite can say so: for a whole route, and without a port", () => {
    const hostOf = (to: MeshRoute["to"]): string | undefined =>
      (emit(tableOf([{ name: "r", match: [{}], to }])).routes as CustomObject<string, any>[])[0].spec.rules[0].filters?.find(
        ({ type }: { type: string }) => type === "URLRewrite",
      )?.urlRewrite?.hostname;
    expect(hostOf([{ lambda }])).toBe("lambda.eu-west-1.amazonaws.com");
    expect(hostOf([{ lambda }, { lambda: { ...lambda, qualifier: "2" } }])).toBe("lambda.eu-west-1.amazonaws.com");
    expect(hostOf([{ lambda }, ...toOld])).toBeUndefined();
    expect(hostOf([{ lambda }, { lambda: { ...lambda, region: "eu-west-2" } }])).toBeUndefined();
    expect(hostOf([{ lambda: { ...lambda, endpointUrl: "http://127.0.0.1:9001" } }])).toBeUndefined();
    expect(hostOf([{ lambda: { ...lambda, endpointUrl: "https://lambda.example.com:443" } }])).toBe("lambda.example.com");
  });

  it("are there for every reference, and once", () => {
    expect(names.size).toBe(others.length);
    const rules = routes.flatMap(({ spec }) => spec.rules);
    const backends = rules.flatMap(({ backendRefs }) =>
      backendRefs.filter(({ kind }) => kind === "Backend").map(({ name }) => `Backend ${name}`),
    );
    const answers = rules.flatMap(({ filters = [] }) =>
      filters.flatMap((filter) => (filter.type === "ExtensionRef" ? [`${filter.extensionRef.kind} ${filter.extensionRef.name}`] : [])),
    );
    expect(backends.length).toBe(4);
    // Two routes with one answer, and the guard of the snapshots.
    expect([answers.length, new Set(answers).size]).toEqual([3, 2]);
    const grouped = find("Backend").flatMap(({ priorityGroups = [] }) =>
      priorityGroups.flatMap((group: any) => group.backendRefs.map((ref: any) => `Backend ${ref.name}`)),
    );
    expect(grouped).toHaveLength(2);
    expect([...backends, ...answers, ...grouped].filter((reference) => !names.has(reference))).toEqual([]);
  });

  it("are about rules and destinations that are there", () => {
    const rules = new Set(routes.flatMap(({ metadata, spec }) => spec.rules.map(({ name }) => `${metadata.name} ${name}`)));
    const targets = find("TrafficPolicy").flatMap(({ targetRefs }) =>
      targetRefs.map((target: any) => `${target.name} ${target.sectionName}`),
    );
    expect(targets.length).toBe(4);
    expect(targets.filter((target) => !rules.has(target))).toEqual([]);
    const settings = find("BackendConfigPolicy").flatMap(({ targetRefs }) =>
      targetRefs.map((target: any) => `${target.kind} ${target.name}`),
    );
    expect(settings).toContain("Service old");
    expect(settings.filter((target) => target !== "Service old" && !names.has(target))).toEqual([]);
  });

  it("say what makes a failover happen", () => {
    const policy = find("BackendConfigPolicy").find(({ healthCheck }) => healthCheck !== undefined);
    expect(policy).toMatchObject({ healthCheck: { http: { path: "/healthz" } }, outlierDetection: { maxEjectionPercent: 100 } });
    const hosts = find("Backend").flatMap((spec) => (spec.static?.hosts ?? []) as { host: string }[]);
    expect(hosts.map(({ host }) => host)).toEqual(expect.arrayContaining(["risk-v1-s1.mesh.svc.cluster.local", "far.example.com"]));
  });

  it("take at most 16 targets each", () => {
    const many = Array.from({ length: 40 }, (_unused, index): MeshRoute => ({
      name: `r${index}`,
      match: [{ exact: `/r${index}` }],
      to: toOld,
      retries: { attempts: 1 },
    }));
    const sizes = emit(tableOf(many)).others.map(({ spec }) => spec.targetRefs.length as number);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(40);
  });

  it("are none where plain routes need none", () => {
    expect(emit(tableOf([{ name: "plain", match: [{}], to: toOld, timeoutSeconds: 1 }])).others).toEqual([]);
  });
});

describe("Gloo's objects", () => {
  const references = (value: unknown): string[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, inner]) =>
          key === "upstream" ? [`Upstream ${(inner as { name: string }).name}`] : key === "ref" && value === inner ? [] : references(inner),
        );

  it("are there for every reference, and once", () => {
    const table = tableOf(
      [...everything, { name: "mirrored", match: [{ prefix: "/m" }], to: toOld, mirrors: [{ kubernetes: { name: "new", port: 80 } }] }],
      {
        target: "gloo",
        upstreams: [{ kubernetes: { name: "old", port: 80 }, hash: { header: "x-key" } }],
      },
    );
    const others = emitGlooObjects(context, table).map(({ object }) => object);
    const names = new Set(others.map(keyOf));
    expect(names.size).toBe(others.length);
    const [{ object }] = emitVirtualServices(context, table);
    const used = references(object.spec);
    expect(new Set(used)).toEqual(names);
    const hashed = object.spec.virtualHost.routes.filter(({ options }) => options?.lbHash !== undefined).map(({ name }) => name);
    expect(hashed).toEqual(expect.arrayContaining(["signed", "mirrored"]));
  });

  it("are spread over RouteTables in an order that keeps the meaning, and change little when a route is added", () => {
    const many = (count: number): MeshRoute[] =>
      Array.from({ length: count }, (_unused, index): MeshRoute => ({
        name: `route-${index}`,
        match: [
          { prefix: `/${"p".repeat(1 + (index % 3))}${index}`, headers: { "x-team": "a".repeat(150) } },
          { exact: `/e${index}`, headers: { "x-team": "a".repeat(150) } },
        ],
        to: [{ kubernetes: { name: `b${index}`, port: 80 } }],
      }));
    const pages = (count: number): Map<string, string> =>
      new Map(
        emitGlooObjects(context, tableOf(many(count), { target: "gloo" })).map(({ object }) => [
          object.metadata.name,
          JSON.stringify(object.spec),
        ]),
      );
    const table = tableOf(many(2000), { target: "gloo" });
    const [{ object }] = emitVirtualServices(context, table);
    const order = object.spec.virtualHost.routes.map(({ delegateAction }) => delegateAction?.ref.name ?? "");
    const tables = pages(2000);
    expect([...order].sort()).toEqual([...tables.keys()].sort());
    // Exact paths first, then prefixes, the longest first.
    const ranks = order.map((name) => Number(/-prefix(\d+)/.exec(name)?.[1] ?? 9999));
    expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
    expect(new Set(ranks).size).toBeGreaterThan(2);
    expect(Math.max(...[...tables.values()].map((text) => text.length))).toBeLessThan(1_500_000);
    const paths = [...tables.values()].flatMap((text) =>
      (JSON.parse(text) as { routes: { matchers: object[] }[] }).routes.flatMap(({ matchers }) => matchers),
    );
    expect(paths).toHaveLength(3 * 2000);
    const changed = [...pages(2001)].filter(([name, text]) => tables.get(name) !== text);
    expect(changed.length).toBeLessThanOrEqual(3);
  });

  it("have a Gateway of their own for certificates", () => {
    const table = tableOf([{ name: "plain", match: [{}], to: toOld }], { target: "gloo", tls: [{ certificateSecret: "cert" }] });
    const gateways = emitGlooGateways(context, table, "gateway-proxy", { http: 8081, https: 8443 });
    expect(gateways.map(({ metadata, spec }) => [metadata.name, spec.bindPort, spec.ssl, spec.httpGateway.virtualServices.length])).toEqual(
      [
        ["edge-gateway", 8081, undefined, 1],
        ["edge-gateway-https", 8443, true, 1],
      ],
    );
  });
});
