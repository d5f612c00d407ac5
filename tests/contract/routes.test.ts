/** What we emit is accepted by a real API server with the CRDs of the targets, field by field, rules in CEL included; and the limits that we page by are the real ones. */
import type { CustomObject, HttpRouteRule, HttpRouteSpec } from "../../src/kubernetes/custom-resources";
import { httpRouteLimits, normalizeRoutes, type MeshRoute, type RouteTable, type RoutesSpec } from "../../src/model/routes";
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitGlooGateway, emitVirtualService } from "../../src/routing/gloo";
import { testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing } from "../support/crds";
import { exampleServices } from "../support/routing";

jest.setTimeout(180_000);

const context = { name: "edge", namespace: "default" };
const sets = ["gateway-api", "gloo"] as const;
const missing = new Map(sets.map((set) => [set, crdsMissing(set)]));

/** One of everything that a route can say. */
const everything: MeshRoute[] = [
  {
    name: "prices",
    match: [
      { prefix: "/prices", snapshot: "s1" },
      { prefix: "/prices", snapshot: "s2" },
    ],
    to: [{ service: { service: "prices" } }],
    timeoutSeconds: 1.5,
  },
  {
    name: "prices-v2",
    match: [{ prefix: "/prices", snapshot: "s2", version: "v2" }],
    to: [{ service: { service: "prices" } }],
    timeoutSeconds: 86_400,
  },
  {
    name: "risk",
    match: [{ exact: "/risk/a~b;c=d@e:f!$&'()*+,%20", shard: 2 }],
    to: [{ service: { service: "risk", snapshot: "s1" } }],
    timeoutSeconds: 0.001,
  },
  {
    name: "digits",
    match: [{ regex: "/v[0-9]{1,3}/(?:a|b)\\.json", methods: ["GET", "head"] }],
    to: [{ kubernetes: { name: "digits", port: 65535 } }],
  },
  {
    name: "mixed",
    match: [
      {
        methods: ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
        headers: { "X-Team!#$%&'*+-.^_`|~": "a b; c" },
        query: { "dry.run": "a_b~c-1" },
      },
    ],
    to: [
      { weight: 3, service: { service: "prices", snapshot: "s2" } },
      { weight: 0, kubernetes: { name: "old", port: 1, namespace: "0-legacy" } },
    ],
  },
];

function modelOf(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RouteTable {
  return normalizeRoutes("edge", {
    hosts: ["mesh.example.test", "*.example.org", "0.a-b.example"],
    services: exampleServices,
    routes,
    ...more,
  });
}

/** `count` routes with `matchesEach` matches each. */
function many(count: number, matchesEach: number): MeshRoute[] {
  return Array.from({ length: count }, (_unused, route) => ({
    name: `r${route}`,
    match: Array.from({ length: matchesEach }, (_unusedToo, match) => ({ exact: `/r${route}/${match}` })),
    to: [{ kubernetes: { name: `b${route}`, port: 80 } }],
  }));
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await testCluster({ name: "routes", crds: sets.filter((set) => missing.get(set) === undefined) });
});
afterAll(async () => cluster?.stop());

interface Answer {
  status: number;
  message: string;
}

/** Server-side apply as a dry run with strict field validation. */
async function apply(object: CustomObject<string, unknown>): Promise<Answer> {
  const { apiVersion, kind, metadata } = object;
  const path = `/apis/${apiVersion}/namespaces/${metadata.namespace}/${kind.toLowerCase()}s/${metadata.name}`;
  const answer = await cluster.request(
    "PATCH",
    `${path}?fieldManager=test&force=true&dryRun=All&fieldValidation=Strict`,
    object,
    "application/apply-patch+yaml",
  );
  return { status: answer.status, message: (answer.body as { message?: string }).message ?? "" };
}

async function expectAccepted(objects: readonly CustomObject<string, unknown>[]): Promise<void> {
  for (const object of objects) {
    expect({ object, ...(await apply(object)) }).toMatchObject({ status: 201, message: "" });
  }
}

const httpRoutes = (model: RouteTable): CustomObject<string, HttpRouteSpec>[] =>
  emitHttpRoutes(context, model, { name: "gw", namespace: "infra" }).map(({ object }) => object);

/** `describe` for a target; where its CRDs cannot be had all is skipped, and the title says why. */
function describeTarget(title: string, set: (typeof sets)[number], body: (test: typeof it) => void): void {
  const reason = missing.get(set);
  describe(reason === undefined ? title : `${title} (no CRDs: ${reason})`, () => body(reason === undefined ? it : it.skip));
}

describeTarget("Gateway API", "gateway-api", (test) => {
  const [rule] = httpRoutes(modelOf(many(1, 1)))[0].spec.rules;

  test("accepts the Gateway and every kind of route", async () => {
    await expectAccepted([
      emitGateway(context, "kgateway", 8080),
      ...httpRoutes(modelOf(everything)),
      ...httpRoutes(modelOf(everything, { hosts: ["*"] })),
    ]);
  });

  test("accepts dimensions in headers and queries at once", async () => {
    const dimensions = { snapshot: { header: "x-s", query: "s" }, version: { query: "v" }, shard: { header: "x-n", query: "n" } };
    await expectAccepted(httpRoutes(modelOf(everything, { dimensions })));
  });

  test("accepts every page of too many rules and too many matches", async () => {
    for (const [count, matchesEach] of [
      [16, 8],
      [40, 1],
      [5, 60],
      [2, 150],
    ] as const) {
      await expectAccepted(httpRoutes(modelOf(many(count, matchesEach))));
    }
  });

  test("refuses an unknown field", async () => {
    const [object] = httpRoutes(modelOf(everything));
    const bad = { ...object, spec: { ...object.spec, rules: [{ ...rule, timeout: "5s" }] } };
    const answer = await apply(bad);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.message).toContain("timeout");
    expect((await apply({ ...emitGateway(context, "kgateway", 8080), spec: { gatewayClassName: "a" } })).status).toBe(422);
  });

  const limits = httpRouteLimits;
  const copies = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_unused, index) => make(index));
  const {
    matches: [match],
    backendRefs: [backend],
  } = rule;
  const named = (count: number): { type: string; name: string; value: string }[] =>
    copies(count, (index) => ({ type: "Exact", name: `n${index}`, value: "1" }));
  test.each<[keyof typeof limits, (count: number) => { hostnames?: string[]; rules: HttpRouteRule[] }]>([
    ["hostnames", (count) => ({ hostnames: copies(count, (index) => `h${index}.test`), rules: [rule] })],
    ["rules", (count) => ({ rules: copies(count, (index) => ({ ...rule, name: `r${index}` })) })],
    ["matchesPerRule", (count) => ({ rules: [{ ...rule, matches: copies(count, () => match) }] })],
    [
      "matches",
      (count) => ({
        rules: [64, 63, count - 127].map((part, index) => ({ ...rule, name: `r${index}`, matches: copies(part, () => match) })),
      }),
    ],
    ["backendRefs", (count) => ({ rules: [{ ...rule, backendRefs: copies(count, () => backend) }] })],
    ["headers", (count) => ({ rules: [{ ...rule, matches: [{ ...match, headers: named(count) }] }] })],
    ["queryParams", (count) => ({ rules: [{ ...rule, matches: [{ ...match, queryParams: named(count) }] }] })],
  ])("takes as many %s as our limit says, and not one more", async (limit, specOf) => {
    const [object] = httpRoutes(modelOf(many(1, 1)));
    const statuses = [limits[limit], limits[limit] + 1].map(
      async (count) => (await apply({ ...object, spec: { ...object.spec, ...specOf(count) } })).status,
    );
    expect(await Promise.all(statuses)).toEqual([201, 422]);
  });
});

describeTarget("Gloo", "gloo", (test) => {
  test("accepts the Gateway and every kind of route", async () => {
    await expectAccepted([
      emitGlooGateway(context, "gateway-proxy", 8081),
      emitVirtualService(context, modelOf(everything, { target: "gloo" })),
    ]);
  });

  test("refuses an unknown field", async () => {
    const object = emitVirtualService(context, modelOf(everything, { target: "gloo" }));
    const bad = { ...object, spec: { virtualHost: { ...object.spec.virtualHost, hosts: ["a.test"] } } };
    const answer = await apply(bad);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.message).toContain("hosts");
  });

  test("accepts a VirtualService of a thousand matches", async () => {
    await expectAccepted([emitVirtualService(context, modelOf(many(20, 50), { target: "gloo" }))]);
  });
});
