/** What we emit is accepted by a real API server with the CRDs of the targets, field by field, rules in CEL included; and the limits that we page by are the real ones. */
import type { CustomObject, HttpRouteRule, HttpRouteSpec } from "../../src/kubernetes/custom-resources";
import {
  httpRouteLimits,
  normalizeRoutes,
  type MeshRoute,
  type RoutesSpec,
  type RouteTable,
  type UpstreamPolicy,
} from "../../src/model/routes";
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitGlooGateways, emitGlooObjects, emitVirtualServices } from "../../src/routing/gloo";
import { emitKgatewayObjects, emitReferenceGrant } from "../../src/routing/kgateway";
import { testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing } from "../support/crds";
import { exampleServices } from "../support/routing";

jest.setTimeout(180_000);

const context = { name: "edge", namespace: "default" };
const sets = ["gateway-api", "gloo", "kgateway"] as const;
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

const toOld: MeshRoute["to"] = [{ kubernetes: { name: "old", port: 80 } }];
const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale", credentialsSecret: "aws" };

/** One of every policy and of every destination that a target can have. */
function policies(target: "gatewayApi" | "gloo"): MeshRoute[] {
  const common: MeshRoute[] = [
    {
      name: "conditions",
      match: [
        { rawPrefix: "/str", headersMatching: { "x-a": "[a-c]{2}" }, headersPresent: ["x-b"] },
        { grpc: { service: "mesh.v1.Quotes", method: "Get" }, queryMatching: { a: "b.*" }, queryPresent: ["c"] },
      ],
      to: toOld,
    },
    {
      name: "policies",
      match: [{ prefix: "/policies" }, { prefix: "/more" }],
      to: [
        { weight: 90, kubernetes: { name: "old", port: 80 } },
        { weight: 10, kubernetes: { name: "new", port: 80 } },
      ],
      timeoutSeconds: 5,
      retries: {
        attempts: 3,
        on: ["connectFailure", "refusedStream", "reset", "gatewayError", "serverError"],
        perTrySeconds: 1.25,
        backoffSeconds: 0.1,
      },
      rewrite: { prefix: "/v2", host: "inner.example.test" },
      requestHeaders: { set: { "X-Set": "a b" }, add: { "x-add": "c" }, remove: ["x-gone"] },
      responseHeaders: { set: { "x-set": "1" }, remove: ["server"] },
      mirrors: [{ kubernetes: { name: "new", port: 80 }, percent: 5 }],
      fault: { delay: { seconds: 0.05, percent: 1 }, abort: { status: 503, percent: 0 } },
      cors: {
        origins: ["https://app.example.com", "http://localhost:3000"],
        methods: ["GET", "POST"],
        headers: ["x-a"],
        exposeHeaders: ["x-b"],
        maxAgeSeconds: 600,
        credentials: true,
      },
      sticky: {},
    },
    { name: "new-path", match: [{ exact: "/old" }], to: toOld, rewrite: { path: "/new" } },
    {
      name: "regex-path",
      match: [{ regex: "/r[0-9]+" }],
      to: toOld,
      rewrite: { regex: { pattern: "/r([0-9]+)", substitution: "/n/\\1" } },
    },
    {
      name: "away",
      match: [{ prefix: "/away" }],
      redirect: { scheme: "https", host: "else.example.test", port: 8443, prefix: "/here", status: 308 },
    },
    { name: "away-path", match: [{ exact: "/away-path" }], redirect: { path: "/here" } },
    { name: "answer", match: [{ exact: "/answer" }], response: { status: 418, body: "short and stout" } },
    { name: "team", match: [{ prefix: "/team" }], delegate: { name: "team-routes", namespace: "team" } },
    { name: "chat", match: [{ prefix: "/chat" }], to: toOld, webSocket: true },
    {
      name: "signed",
      match: [{ prefix: "/signed" }],
      to: [{ lambda: { ...lambda, qualifier: "3" } }, { weight: 2, lambda: { ...lambda, async: true } }],
    },
    { name: "azure", match: [{ prefix: "/azure" }], to: [{ azureFunction: { app: "ScaleApp", function: "scale", keySecret: "azure" } }] },
    {
      name: "open",
      match: [{ prefix: "/open" }],
      to: [{ cloudFunction: { region: "europe-west1", project: "mesh-test", function: "scale", public: true } }],
    },
    { name: "url", match: [{ prefix: "/url" }], to: [{ url: { url: "https://api.example.com:8443/v1" } }] },
    { name: "plain", match: [{ exact: "/plain" }], to: [{ url: { url: "http://10.0.0.1:8080/v1/plain" } }] },
    { name: "elsewhere", hosts: ["one.example.test", "two.example.test"], match: [{}], to: toOld },
  ];
  const kgateway: MeshRoute[] = [
    {
      name: "mirrors",
      match: [{ prefix: "/mirrors" }],
      to: toOld,
      mirrors: [{ kubernetes: { name: "new", port: 80 } }, { service: { service: "risk", snapshot: "s1", shard: 1 }, percent: 50 }],
    },
    {
      name: "failover",
      match: [{ prefix: "/failover" }],
      to: [
        {
          failover: {
            places: [
              { service: { service: "risk", snapshot: "s1" } },
              { kubernetes: { name: "risk", port: 9090, namespace: "far" } },
              { url: { url: "https://far.example.com" } },
            ],
          },
        },
      ],
    },
    { name: "token", match: [{ prefix: "/token" }], to: [{ cloudRun: { host: "scale-abc123-ew.a.run.app" } }] },
    {
      name: "own-identity",
      match: [{ prefix: "/own" }],
      to: [{ lambda: { ...lambda, credentialsSecret: undefined, payload: "body", endpointUrl: "http://127.0.0.1:9001" } }],
    },
  ];
  return [...common, ...(target === "gloo" ? [] : kgateway)];
}

function upstreams(target: "gatewayApi" | "gloo"): UpstreamPolicy[] {
  const everything: UpstreamPolicy = {
    connectTimeoutSeconds: 0.5,
    hash: { header: "x-key", cookie: "key", sourceAddress: true },
    circuitBreaker: { maxConnections: 10, maxPendingRequests: 20, maxRequests: 30, maxRetries: 0 },
    outlierDetection: { consecutiveErrors: 3, ejectionSeconds: 1.5, maxEjectionPercent: 100 },
    healthCheck: { path: "/healthz" },
    tls: { serverName: "old.example.test" },
  };
  return [
    { ...everything, kubernetes: { name: "old", port: 80 } },
    {
      service: "risk",
      hash: { sourceAddress: true, algorithm: "ringHash" },
      healthCheck: { grpc: "risk" },
      protocol: "grpc",
      ...(target === "gloo" ? {} : { tls: { serverName: "risk.example.test", ca: "risk-ca" } }),
    },
  ];
}

const tls = [
  { hosts: ["mesh.example.test"], certificateSecret: "mesh-tls" },
  { hosts: ["*.example.org"], certificateSecret: "org.tls", certificateNamespace: "certs" },
];

function modelOf(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RouteTable {
  return normalizeRoutes("edge", {
    hosts: ["mesh.example.test", "*.example.org", "0.a-b.example"],
    services: exampleServices,
    routes,
    grants: [{ namespace: "0-legacy", create: true }, { namespace: "far" }],
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

const pluralOf = (kind: string): string => kind.toLowerCase().replace(/([^aeiou])y$/, "$1ie") + "s";

/** Server-side apply as a dry run with strict field validation. */
async function apply(object: CustomObject<string, unknown>): Promise<Answer> {
  const { apiVersion, kind, metadata } = object;
  const path = `/apis/${apiVersion}/namespaces/${metadata.namespace}/${pluralOf(kind)}/${metadata.name}`;
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

  test("accepts the Gateway with certificates, and a grant", async () => {
    const { tls: certificates } = modelOf(everything, { tls });
    await expectAccepted([emitGateway(context, "kgateway", 8080, { port: 8443, certificates }), emitReferenceGrant(context, "default")]);
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

describeTarget("kgateway", "kgateway", (test) => {
  const located = { ...context, inNamespace: (text: (namespace: string) => string): string => text(context.namespace) };

  test("accepts every policy, Backend and answer, and the HTTPRoutes that refer to them", async () => {
    const model = modelOf(policies("gatewayApi"), { upstreams: upstreams("gatewayApi") });
    const pages = emitHttpRoutes(located, model, { name: "gw" });
    const others = emitKgatewayObjects(located, model, pages, "gw").map(({ object }) => object);
    expect(new Set(others.map(({ kind }) => kind))).toEqual(
      new Set(["DirectResponse", "TrafficPolicy", "Backend", "BackendConfigPolicy", "BackendTLSPolicy", "ListenerPolicy"]),
    );
    expect(new Set(others.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).size).toBe(others.length);
    await expectAccepted([
      ...others.filter(({ metadata }) => metadata.namespace === "default"),
      ...pages.map(({ object }) => object),
    ] as CustomObject<string, unknown>[]);
  });

  test("refuses a Backend with two destinations, and an unknown field of a policy", async () => {
    const model = modelOf(policies("gatewayApi"));
    const others = emitKgatewayObjects(located, model, emitHttpRoutes(located, model, { name: "gw" }), "gw").map(({ object }) => object);
    const backend = others.find(({ kind }) => kind === "Backend") as CustomObject<string, object>;
    const policy = others.find(({ kind }) => kind === "TrafficPolicy") as CustomObject<string, object>;
    const doubled = { ...backend.spec, static: { hosts: [{ host: "a.test", port: 80 }] }, gcp: { host: "b.test" } };
    expect((await apply({ ...backend, spec: doubled })).status).toBe(422);
    expect((await apply({ ...policy, spec: { ...policy.spec, retries: 3 } })).status).toBeGreaterThanOrEqual(400);
  });
});

describeTarget("Gloo", "gloo", (test) => {
  const vs = (model: RouteTable): CustomObject<string, unknown>[] => emitVirtualServices(context, model).map(({ object }) => object);

  test("accepts the Gateway and every kind of route", async () => {
    const model = modelOf(everything, { target: "gloo" });
    await expectAccepted([...emitGlooGateways(context, model, "gateway-proxy", { http: 8081, https: 8443 }), ...vs(model)]);
  });

  test("accepts every policy, Upstream and certificate", async () => {
    const model = modelOf(policies("gloo"), { target: "gloo", upstreams: upstreams("gloo"), tls });
    const gateways = emitGlooGateways(context, model, "gateway-proxy", { http: 8081, https: 8443 });
    const others = emitGlooObjects(context, model).map(({ object }) => object);
    expect(gateways).toHaveLength(2);
    expect(others.map(({ kind }) => kind)).toContain("Upstream");
    await expectAccepted([...gateways, ...others, ...vs(model)]);
  });

  test("refuses an unknown field", async () => {
    const [{ object }] = emitVirtualServices(context, modelOf(everything, { target: "gloo" }));
    const bad = { ...object, spec: { virtualHost: { ...object.spec.virtualHost, hosts: ["a.test"] } } };
    const answer = await apply(bad);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.message).toContain("hosts");
  });

  test("accepts the RouteTables of forty thousand matches, and the VirtualService that refers to them", async () => {
    const model = modelOf(many(800, 50), { target: "gloo" });
    const others = emitGlooObjects(context, model).map(({ object }) => object);
    expect(others.map(({ kind }) => kind)).toContain("RouteTable");
    await expectAccepted([...others, ...vs(model)]);
  });
});
