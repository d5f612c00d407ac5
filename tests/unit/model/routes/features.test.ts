/** What routes can say beside matching, as the table has it. */
import { Problems } from "../../../../src/model/errors";
import {
  capabilities,
  compileRoutes,
  featuresOf,
  forwardedRequest,
  matchRequest,
  normalizeRoutes,
  routeNotices,
  unroutedNotices,
  RouteTarget,
  type MeshRoute,
  type RouteRequest,
  type RoutesSpec,
  type RouteTable,
} from "../../../../src/model/routes";
import { bucketRanges, rangeRegex } from "../../../../src/model/route-sticky";
import { exampleServices } from "../../../support/routing";

const host = "mesh.example.test";
const toPrices: MeshRoute["to"] = [{ service: { service: "prices" } }];
const toOld: MeshRoute["to"] = [{ kubernetes: { name: "old", port: 80 } }];

function spec(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RoutesSpec {
  return { hosts: [host], services: exampleServices, routes, ...more };
}
const tableOf = (routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RouteTable => normalizeRoutes("edge", spec(routes, more));
function problemsOf(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): string[] {
  const problems = new Problems("x");
  compileRoutes(problems, spec(routes, more));
  return problems.all.map(({ path, given, allowed }) => `${path}: ${given}: ${allowed}`);
}
const asked = (path: string, headers: Record<string, string> = {}, more: Partial<RouteRequest> = {}): RouteRequest => ({
  host,
  method: "GET",
  path,
  headers,
  query: {},
  ...more,
});
const labels = (table: RouteTable, request: RouteRequest): string[] =>
  matchRequest(table, request).destinations.map(({ backend, share }) => `${backend.label} ${Math.round(share * 100)}`);

describe("each", () => {
  it("is one match for every snapshot that the services are bound to", () => {
    const table = tableOf([{ name: "prices", match: [{ prefix: "/prices", snapshot: "each" }], to: toPrices }]);
    expect(table.rules.map(({ name }) => name)).toEqual(["prices-s1", "prices-s2"]);
    expect(labels(table, asked("/prices", { "x-mesh-snapshot": "s1" }))).toEqual(["prices v1 100"]);
    expect(labels(table, asked("/prices", { "x-mesh-snapshot": "s3" }))).toEqual([]);
  });

  it("takes only the versions that are bound to the snapshot, and every pod of them", () => {
    const both = tableOf([{ name: "prices", match: [{ snapshot: "each", version: "each" }], to: toPrices }]);
    expect(both.rules.map(({ name }) => name)).toEqual(["prices-s1-v1", "prices-s2-v1", "prices-s2-v2"]);
    const pods = tableOf([{ name: "risk", match: [{ snapshot: "s1", shard: "each" }], to: [{ service: { service: "risk" } }] }]);
    expect(pods.rules.map(({ backends }) => backends[0]?.destination)).toEqual(
      [0, 1, 2].map((shard) => expect.objectContaining({ name: `risk-${shard}`, shard, snapshot: "s1" })),
    );
  });

  it("needs a service that has what is asked for", () => {
    expect(problemsOf([{ name: "r", match: [{ snapshot: "s1", shard: "each" }], to: toPrices }])).toEqual([
      'routes[0].match[0].shard: "each": a destination with a shard of its own is needed; none of the route\'s services has one here',
    ]);
  });
});

describe("users who stay on one version", () => {
  const table = tableOf([{ name: "prices", match: [{ prefix: "/prices", snapshot: "s2" }], to: toPrices, sticky: {} }]);

  it("are told apart by ranges of a bucket, in the proportion of the weights", () => {
    const versions = Array.from({ length: 100 }, (_unused, bucket) =>
      labels(table, asked("/prices", { "x-mesh-snapshot": "s2", "x-mesh-bucket": String(bucket) })).join(),
    );
    expect(versions.filter((text) => text === "prices v1 100")).toHaveLength(90);
    expect(versions.filter((text) => text === "prices v2 100")).toHaveLength(10);
  });

  it("without a bucket are spread by weight", () => {
    expect(labels(table, asked("/prices", { "x-mesh-snapshot": "s2" }))).toEqual(["prices v1 90", "prices v2 10"]);
    expect(labels(table, asked("/prices", { "x-mesh-snapshot": "s2", "x-mesh-bucket": "100" }))).toEqual(["prices v1 90", "prices v2 10"]);
  });

  it("have whole buckets that are neither lost nor shared", () => {
    for (const weights of [[1], [1, 1, 1], [1, 999], [7, 11, 13, 17], [1, 1_000_000]]) {
      const backends = weights.map((weight) => ({
        weight,
        label: "",
        destination: { kind: "service" as const, id: "", name: "a", port: 1 },
      }));
      const owners = bucketRanges(backends).flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_unused, index) => first + index),
      );
      expect(owners).toEqual(Array.from({ length: 100 }, (_unused, index) => index));
    }
    for (let first = 0; first < 100; first++) {
      for (let last = first; last < 100; last++) {
        const regex = new RegExp(`^(?:${rangeRegex(first, last)})$`);
        const taken = Array.from({ length: 120 }, (_unused, bucket) => bucket).filter((bucket) => regex.test(String(bucket)));
        expect([taken[0], taken[taken.length - 1], taken.length]).toEqual([first, last, last - first + 1]);
      }
    }
  });
});

describe("hosts", () => {
  const table = tableOf(
    [
      { name: "all", match: [{}], to: toOld },
      { name: "one", hosts: ["one.example.test"], match: [{ prefix: "/one" }], to: toOld },
      { name: "both", hosts: ["one.example.test", host], match: [{ prefix: "/both" }], to: toOld },
    ],
    { hosts: [host, "*.example.org"] },
  );

  it("with the same routes are one virtual host", () => {
    expect(table.virtualHosts.map(({ hosts, order }) => [hosts, order.map(({ rule }) => rule.name)])).toEqual([
      [["*.example.org"], ["all"]],
      [[host], ["both", "all"]],
      [["one.example.test"], ["both", "one"]],
    ]);
  });

  it("decide before paths do", () => {
    expect(matchRequest(table, asked("/x", {}, { host: "one.example.test" })).entry).toBeUndefined();
    expect(matchRequest(table, asked("/x", {}, { host: "a.b.example.org" })).entry?.rule.name).toBe("all");
  });
});

describe("rewrites", () => {
  const forwarded = (route: Partial<MeshRoute>, path: string): string => {
    const table = tableOf([{ name: "r", match: [{ prefix: "/a/b" }], to: toOld, ...route }]);
    const request = asked(path);
    const { entry } = matchRequest(table, request);
    const { host: to, path: newPath } = forwardedRequest(entry!, request);
    return `${to}${newPath}`;
  };

  it.each<[MeshRoute["rewrite"], string, string]>([
    [{ prefix: "/new" }, "/a/b/c", `${host}/new/c`],
    [{ prefix: "/new/" }, "/a/b", `${host}/new`],
    [{ prefix: "/" }, "/a/b/c", `${host}/c`],
    [{ prefix: "/" }, "/a/b", `${host}/`],
    [{ path: "/x", host: "else.test" }, "/a/b/c", "else.test/x"],
    [{ regex: { pattern: "/a/([a-z])", substitution: "/\\1/a" } }, "/a/b/c", `${host}/b/a/c`],
  ])("%j make %s to %s", (rewrite, path, expected) => {
    expect(forwarded({ rewrite }, path)).toBe(expected);
  });

  it("of a prefix need matches by prefix", () => {
    expect(problemsOf([{ name: "r", match: [{ exact: "/a" }], to: toOld, rewrite: { prefix: "/b" } }])).toEqual([
      'routes[0].match[0]: "/a": a prefix is needed here, because the rewrite replaces it',
    ]);
  });

  it("send the name and the base path of a server outside of the cluster", () => {
    const url = { url: { url: "https://api.example.com/v1" } };
    expect(forwarded({ to: [url] }, "/a/b/c")).toBe("api.example.com/v1/c");
    expect(forwarded({ to: [url], match: [{ exact: "/a/b" }] }, "/a/b")).toBe("api.example.com/v1");
    expect(forwarded({ to: [{ azureFunction: { app: "App", function: "scale" } }] }, "/a/b")).toBe("app.azurewebsites.net/api/scale");
  });

  it("of a whole route cannot serve two servers at once", () => {
    const to: MeshRoute["to"] = [{ url: { url: "https://a.example.com" } }, { url: { url: "https://b.example.com" } }];
    expect(problemsOf([{ name: "r", match: [{}], to }])).toEqual([expect.stringContaining("need routes of their own")]);
    expect(problemsOf([{ name: "r", match: [{}], to: [...to.slice(1), ...toOld] }])).toEqual([
      expect.stringContaining("need routes of their own"),
    ]);
  });
});

describe("failover", () => {
  const places = [{ service: { service: "risk", snapshot: "s1" } }, { kubernetes: { name: "far", port: 80 } }];
  const failover = (more: Partial<RoutesSpec> = {}): RoutesSpec => spec([{ name: "r", match: [{}], to: [{ failover: { places } }] }], more);

  it("comes with everything that makes it happen: health checks, ejection of all endpoints, tries at the next place", () => {
    const table = normalizeRoutes("edge", failover());
    expect(table.upstreams.map(({ destination, settings }) => [destination.kind, settings])).toEqual([
      [
        "failover",
        {
          protocol: "http1",
          healthCheck: expect.objectContaining({ path: "/healthz" }),
          circuitBreaker: { maxRetries: 1024 },
          outlierDetection: expect.objectContaining({ maxEjectionPercent: 100 }),
        },
      ],
    ]);
    expect(table.rules.find(({ name }) => name === "r")?.retries).toMatchObject({
      otherPlace: true,
      on: expect.arrayContaining(["connectFailure", "gatewayError"]),
    });
  });

  it("that would never happen is refused", () => {
    const upstreams = [{ kubernetes: { name: "far", port: 80 }, outlierDetection: { maxEjectionPercent: 50 } }];
    expect(() => normalizeRoutes("edge", failover({ upstreams }))).toThrow(
      "upstreams[0].outlierDetection.maxEjectionPercent: 50 is not allowed: 100 is needed, because failover",
    );
    const same = [{ name: "r", match: [{}], to: [{ failover: { places: [places[1], places[1]] } }] }];
    expect(problemsOf(same)).toEqual([expect.stringContaining("where this one fails, it fails in both places")]);
  });
});

describe("references", () => {
  const kubernetesServices = [{ name: "old", ports: [80, 81] }];

  it("to Services and ports that are not there are found", () => {
    const to = (name: string, port: number): MeshRoute[] => [{ name: "r", match: [{}], to: [{ kubernetes: { name, port } }] }];
    expect(problemsOf(to("old", 80), { kubernetesServices })).toEqual([]);
    expect(problemsOf(to("old", 82), { kubernetesServices })).toEqual([
      'routes[0].to: "Service old:82": it has the ports 80, 81, so every request would fail',
    ]);
    expect(problemsOf(to("oldd", 80), { kubernetesServices })).toEqual([
      'routes[0].to: "Service oldd:80": perhaps old is meant; no such Service is known, and every request would fail',
    ]);
    // What a versioned service made is known without being told.
    expect(problemsOf(to("prices-v1-s1", 9999))).toEqual([expect.stringContaining("it has the ports 8080")]);
  });

  it("into another namespace need a grant, for the Gateway API only", () => {
    const routes: MeshRoute[] = [{ name: "r", match: [{}], to: [{ kubernetes: { name: "a", port: 80, namespace: "far" } }] }];
    expect(problemsOf(routes)).toEqual([
      expect.stringContaining("a ReferenceGrant in the namespace far is needed, or every request is answered with 500"),
    ]);
    expect(problemsOf(routes, { grants: [{ namespace: "far" }] })).toEqual([]);
    expect(problemsOf(routes, { target: "istio" })).toEqual([]);
  });
});

describe("what a target cannot do", () => {
  const lambda = { region: "eu-west-1", accountId: "123456789012", functionName: "scale" };
  it.each<[string, Partial<MeshRoute>, string, string]>([
    ["Lambda", { to: [{ lambda }] }, "istio", "routes[0].to"],
    ["a token of Google Cloud", { to: [{ cloudRun: { host: "a.a.run.app" } }] }, "gloo", "routes[0].to"],
    ["a function's key", { to: [{ azureFunction: { app: "app", function: "f", keySecret: "k" } }] }, "istio", "routes[0].to"],
    [
      "two mirrors",
      { mirrors: [{ kubernetes: { name: "a", port: 1 } }, { kubernetes: { name: "b", port: 1 } }] },
      "gloo",
      "routes[0].mirrors",
    ],
  ])("is refused with the reason: %s", (_name, more, target, path) => {
    const routes = [{ name: "r", match: [{}], to: toOld, ...more }];
    const found = problemsOf(routes, { target: target as RouteTarget });
    expect(found.length).toBeGreaterThan(0);
    expect(found.every((problem) => problem.startsWith(`${path}: `) && problem.includes(`not with the target ${target}: `))).toBe(true);
    expect(problemsOf(routes, { target: "gatewayApi" })).toEqual([]);
  });

  it("with the key of an Azure function stands alone, since the key goes to every destination of a route", () => {
    const azure = (keySecret?: string) => ({ azureFunction: { app: "app", function: "scale", keySecret } });
    const problem = expect.stringContaining("gateways add the key for a whole route");
    expect(problemsOf([{ name: "r", match: [{}], to: [azure("a"), { lambda }] }])).toEqual([problem]);
    expect(problemsOf([{ name: "r", match: [{}], to: [azure("a"), azure("b")] }])).toEqual([problem]);
    expect(problemsOf([{ name: "r", match: [{}], to: [azure("a")] }])).toEqual([]);
    expect(problemsOf([{ name: "r", match: [{}], to: [azure(), { lambda }] }])).toEqual([]);
  });

  it("completely is said as a notice", () => {
    const table = tableOf([{ name: "r", match: [{}], to: [{ lambda }] }], { target: "gloo" });
    expect(routeNotices(table, "gloo")).toEqual(["route r, to: lambdaIdentity with the target gloo: Gloo's Settings must allow it"]);
    expect(routeNotices(table, "gatewayApi")).toEqual([]);
    const beside = tableOf([{ name: "r", match: [{}], to: [{ lambda }, ...(toOld ?? [])] }]);
    expect(routeNotices(beside, "gatewayApi")).toEqual([expect.stringContaining("route r, to: lambdaMixed with the target gatewayApi: ")]);
  });

  it("has a reason in the table wherever it is not native", () => {
    for (const [feature, row] of Object.entries(capabilities)) {
      for (const target of Object.values(RouteTarget)) {
        expect({ feature, target, reason: row[target].reason !== "" }).toEqual({
          feature,
          target,
          reason: row[target].support !== "native",
        });
      }
    }
  });

  it("is known of every feature by a use of it", () => {
    const uses = featuresOf(tableOf([{ name: "r", match: [{ methods: ["GET"] }], to: toOld, timeoutSeconds: 1 }])).map(
      ({ feature, at }) => `${feature} ${at}`,
    );
    expect(uses).toEqual(["pathPrefix match", "methods match", "timeout timeoutSeconds"]);
  });
});

describe("snapshots", () => {
  it("cannot be tested by a regular expression in front of pods that are bound to one", () => {
    const match = [{ headersMatching: { "x-mesh-snapshot": "s.*" } }];
    expect(problemsOf([{ name: "r", match, to: [{ service: { service: "risk", snapshot: "s1" } }] }])).toEqual([
      expect.stringContaining("requests for other snapshots must not be answered from s1"),
    ]);
    expect(problemsOf([{ name: "r", match, to: toOld }])).toEqual([]);
  });

  it("of pods behind a route that names none are served under their name as well", () => {
    const table = tableOf([{ name: "r", match: [{ exact: "/risk" }], to: [{ service: { service: "risk", snapshot: "s1" } }] }]);
    const rule = (headers: Record<string, string>): string | undefined => matchRequest(table, asked("/risk", headers)).entry?.rule.name;
    expect([rule({}), rule({ "x-mesh-snapshot": "s1" }), rule({ "x-mesh-snapshot": "s2" })]).toEqual(["r", "r", "unknown-snapshot"]);
    const { why } = matchRequest(table, asked("/risk", { "x-mesh-snapshot": "s2" }));
    expect(why).toContain("it names a snapshot that is not served here, and must not be answered from another one");
  });
});

describe("snapshots that no route leads to", () => {
  const notices = (match: MeshRoute["match"]): string[] => unroutedNotices(tableOf([{ name: "r", match, to: toPrices }]), exampleServices);

  it("are named, with the versions where only some are missing", () => {
    expect(notices([{ snapshot: "each" }])).toEqual([]);
    expect(notices([{ snapshot: "s2" }])).toEqual([
      "prices: no route leads to snapshot s1, so requests that name it get no answer from it",
    ]);
    expect(notices([{ snapshot: "s1" }, { snapshot: "s2", version: "v1" }])).toEqual([
      "prices: no route leads to snapshot s2 in version v2",
    ]);
  });
});

describe("wrong policies", () => {
  it.each<[string, Partial<MeshRoute>, string]>([
    [
      "two actions",
      { response: { status: 200 } },
      'routes[0]: "to and response": exactly one of to, redirect, response, delegate is allowed',
    ],
    [
      "a timeout on an answer",
      { to: undefined, response: { status: 200 }, timeoutSeconds: 1 },
      "routes[0].timeoutSeconds: 1: only a route with destinations",
    ],
    [
      "a try longer than all",
      { timeoutSeconds: 1, retries: { attempts: 1, perTrySeconds: 1 } },
      "routes[0].retries.perTrySeconds: 1: less than the route's timeout of 1",
    ],
    ["no retry condition", { retries: { attempts: 1, on: [] } }, "routes[0].retries.on: []: at least one condition is needed"],
    ["a WebSocket with an end", { webSocket: true, timeoutSeconds: 1 }, "routes[0].timeoutSeconds: 1: a WebSocket stays open"],
    [
      "a header twice",
      { requestHeaders: { set: { A: "1" }, remove: ["a"] } },
      'routes[0].requestHeaders.remove[0]: "a": a header is set, added or removed once',
    ],
    ["a header with a command of Envoy", { requestHeaders: { set: { a: "%REQ(b)%" } } }, "routes[0].requestHeaders.set.a: "],
    ["a redirect to the same place", { to: undefined, redirect: {} }, "routes[0].redirect: {}: at least one of scheme, host"],
    ["* with credentials", { cors: { origins: ["*"], credentials: true } }, 'routes[0].cors.origins: "*": named origins are needed'],
    ["a URL with a query", { to: [{ url: { url: "https://a.test/?x=1" } }] }, "routes[0].to[0].url.url: "],
    ["a look-around", { match: [{ regex: "/a(?=b)" }] }, "routes[0].match[0].regex: "],
    ["a gRPC call by GET", { match: [{ grpc: { service: "a.B" }, methods: ["GET"] }] }, "routes[0].match[0].methods: "],
    ["the name of the guard", { name: "unknown-snapshot" }, "routes[0].name: "],
  ])("are found: %s", (_name, more, expected) => {
    expect(problemsOf([{ name: "r", match: [{}], to: toOld, ...more }])).toEqual([expect.stringContaining(expected)]);
  });
});
