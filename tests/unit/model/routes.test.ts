import { Problems } from "../../../src/model/errors";
import { readRegex } from "../../../src/model/route-patterns";
import {
  compileRoutes,
  formatRequest,
  normalizeRoutes,
  routeRequest,
  routesFacts,
  type Backend,
  type MeshRoute,
  type RouteTable,
  type RouteRequest,
  type RoutesSpec,
} from "../../../src/model/routes";
import { exampleServices } from "../../support/routing";

const host = "mesh.example.test";
const toPrices: MeshRoute["to"] = [{ service: { service: "prices" } }];
const toOther = (name: string): MeshRoute["to"] => [{ kubernetes: { name, port: 80 } }];

function spec(routes: MeshRoute[], more: Partial<RoutesSpec> = {}): RoutesSpec {
  return { hosts: [host], services: exampleServices, routes, ...more };
}

function problemsOf(given: RoutesSpec): string[] {
  const problems = new Problems('glooRoutes "edge"');
  compileRoutes(problems, given);
  return problems.all.map(({ path, given: value, allowed }) => `${path}: ${value}: ${allowed}`);
}

function request(method: string, path: string, headers: Record<string, string> = {}, query: Record<string, string> = {}): RouteRequest {
  return { host, method, path, headers, query };
}

const shown = ({ destination, weight }: Backend): string =>
  `${destination.kind === "service" ? destination.name : destination.id} ${weight}`;

function backendsOf(model: RouteTable, asked: RouteRequest): string[] | undefined {
  return routeRequest(model, asked)?.rule.backends.map(shown);
}

describe("routes", () => {
  const model = normalizeRoutes(
    "edge",
    spec([
      {
        name: "prices",
        match: [
          { prefix: "/prices/", snapshot: "s1" },
          { prefix: "/prices", snapshot: "s2" },
        ],
        to: toPrices,
      },
      { name: "prices-v2", match: [{ prefix: "/prices", snapshot: "s2", version: "v2" }], to: toPrices },
      { name: "newest", match: [{ prefix: "/prices" }], to: [{ service: { service: "prices", snapshot: "s2" } }], timeoutSeconds: 1.5 },
      { name: "risk-1", match: [{ exact: "/risk", shard: 1 }], to: [{ service: { service: "risk", snapshot: "s1" } }] },
      { name: "write", match: [{ methods: ["post", "PUT"], headers: { "X-Team": "a b" }, query: { dry: "0" } }], to: toOther("writer") },
    ]),
  );

  it("spreads a destination without version over the versions bound to the snapshot by their weights", () => {
    expect(backendsOf(model, request("GET", "/prices/eu", { "x-mesh-snapshot": "s2" }))).toEqual(["prices-v1-s2 90", "prices-v2-s2 10"]);
  });

  it("gives one rule per snapshot to a route that names two, with names made of the snapshots", () => {
    expect(backendsOf(model, request("GET", "/prices", { "x-mesh-snapshot": "s1" }))).toEqual(["prices-v1-s1 90"]);
    expect(model.rules.map(({ name }) => name)).toEqual([
      "newest",
      "prices-s1",
      "prices-s2",
      "prices-v2",
      "risk-1",
      "unknown-snapshot",
      "write",
    ]);
  });

  it("sends a request that names a version to that version alone", () => {
    expect(backendsOf(model, request("GET", "/prices", { "x-mesh-snapshot": "s2", "x-mesh-version": "v2" }))).toEqual(["prices-v2-s2 1"]);
  });

  it("answers a request for a snapshot that is not served itself, instead of letting a route without snapshot take it", () => {
    const risk = { "x-mesh-shard": "1" };
    expect(backendsOf(model, request("GET", "/prices"))).toEqual(["prices-v1-s2 90", "prices-v2-s2 10"]);
    for (const asked of [
      request("GET", "/prices", { "x-mesh-snapshot": "s9" }),
      request("GET", "/risk", { ...risk, "x-mesh-snapshot": "s2" }),
      request("GET", "/prices", { "x-mesh-snapshot": "" }),
    ]) {
      expect(routeRequest(model, asked)?.rule.action).toMatchObject({ kind: "respond", status: 404 });
    }
    expect(backendsOf(model, request("GET", "/risk", { ...risk, "x-mesh-snapshot": "s1" }))).toEqual(["risk-1 1"]);
  });

  it("sends a shard to the Service of its pod", () => {
    expect(backendsOf(model, request("GET", "/risk", { "x-mesh-shard": "1" }))).toEqual(["risk-1 1"]);
  });

  it("takes a prefix by whole elements", () => {
    expect(backendsOf(model, request("GET", "/prices2"))).toBeUndefined();
  });

  it("matches method, header and query together", () => {
    expect(backendsOf(model, request("PUT", "/x", { "x-team": "a b" }, { dry: "0" }))).toEqual(["writer 1"]);
    expect(backendsOf(model, request("GET", "/x", { "x-team": "a b" }, { dry: "0" }))).toBeUndefined();
    expect(backendsOf(model, request("PUT", "/x", { "x-team": "a b" }))).toBeUndefined();
  });

  it("answers no other host", () => {
    expect(routeRequest(model, { ...request("GET", "/prices"), host: "else.example.test" })).toBeUndefined();
    const wild = normalizeRoutes("edge", spec([{ name: "all", match: [{}], to: toOther("a") }], { hosts: ["*.example.test"] }));
    expect(routeRequest(wild, { ...request("GET", "/"), host: "a.b.example.test" })?.rule.name).toBe("all");
    expect(routeRequest(wild, { ...request("GET", "/"), host: "example.test" })).toBeUndefined();
  });

  it("does not depend on the order in which routes are written", () => {
    const routes: MeshRoute[] = [
      { name: "a", match: [{ prefix: "/a" }, { exact: "/b" }], to: toOther("a") },
      { name: "b", match: [{ methods: ["GET"] }], to: toOther("b") },
      { name: "c", match: [{ snapshot: "s1" }], to: toPrices },
    ];
    expect(normalizeRoutes("edge", spec([...routes].reverse()))).toEqual(normalizeRoutes("edge", spec(routes)));
  });

  it("says of every outcome what it takes, where it goes and a request that takes it", () => {
    const { routes } = routesFacts("edge", model);
    expect(routes.find(({ name }) => name === "prices-s2")).toEqual({
      name: "prices-s2",
      summary: "/prices [x-mesh-snapshot: s2] → prices v1 90 %, prices v2 10 %",
      destination: "prices v1 90 %, prices v2 10 %",
      witness: "GET http://mesh.example.test/prices [x-mesh-snapshot: s2]",
    });
    expect(routes.find(({ name }) => name === "write")?.witness).toBe("POST http://mesh.example.test/?dry=0 [x-team: a b]");
  });

  it("keeps the shares of a mixed destination exact", () => {
    const mixed = normalizeRoutes(
      "edge",
      spec(
        [
          {
            name: "mixed",
            match: [{ snapshot: "s2" }],
            to: [
              { weight: 3, service: { service: "prices" } },
              { weight: 1, kubernetes: { name: "old", port: 80, namespace: "legacy" } },
            ],
          },
        ],
        { grants: [{ namespace: "legacy" }] },
      ),
    );
    expect(mixed.rules[0]?.backends.map(shown)).toEqual(["prices-v1-s2 27", "prices-v2-s2 3", "old 10"]);
  });
});

describe("dimensions", () => {
  it("are read from the header or the query parameter, and the header wins", () => {
    const both = normalizeRoutes(
      "edge",
      spec(
        [
          { name: "one", match: [{ snapshot: "s1" }], to: toPrices },
          { name: "two", match: [{ snapshot: "s2" }], to: toPrices },
        ],
        { dimensions: { snapshot: { header: "X-Snap", query: "snap" } } },
      ),
    );
    expect(routeRequest(both, request("GET", "/", {}, { snap: "s2" }))?.rule.name).toBe("two");
    expect(routeRequest(both, request("GET", "/", { "x-snap": "s1" }, { snap: "s2" }))?.rule.name).toBe("one");
  });

  it("must not share a header", () => {
    expect(
      problemsOf(spec([{ name: "a", match: [{}], to: toOther("a") }], { dimensions: { version: { header: "X-Mesh-Snapshot" } } })),
    ).toEqual(['dimensions.version.header: "X-Mesh-Snapshot": another header is needed: dimensions.snapshot is read from it']);
  });

  it("are said once in a match", () => {
    const [problem] = problemsOf(spec([{ name: "a", match: [{ snapshot: "s1", headers: { "X-Mesh-Snapshot": "s1" } }], to: toPrices }]));
    expect(problem).toContain('routes[0].match[0]: "x-mesh-snapshot": a header can have one value only');
  });
});

describe("findings about several routes", () => {
  const found = (...matches: [MeshRoute["match"], MeshRoute["match"], ...MeshRoute["match"][]]): string[] =>
    problemsOf(spec(matches.map((match, index) => ({ name: `r${index}`, match, to: toOther(`b${index}`) }))));

  it("names two routes with the same match, whatever way it is written", () => {
    expect(found([{ prefix: "/a/", headers: { "X-A": "1" } }], [{ prefix: "/b" }, { prefix: "/a", headers: { "x-a": "1" } }])).toEqual([
      'routes[1].match[1]: "/a [x-a: 1]": another match is needed, because this one is taken; both take GET http://mesh.example.test/a [x-a: 1] (routes[0].match[0] of route r0)',
    ]);
  });

  it("names a tie, with a request that proves it and the route that would decide", () => {
    expect(found([{ headers: { a: "1" } }], [{ headers: { b: "2" } }])).toEqual([
      'routes[1].match[0]: "/ [b: 2]": a difference in precedence is needed: GET http://mesh.example.test/ [a: 1, b: 2] takes this match and / [a: 1] alike; ' +
        "add a route for / [a: 1, b: 2] to decide (routes[0].match[0] of route r0)",
    ]);
  });

  it("sees no tie where a third route decides", () => {
    expect(found([{ headers: { a: "1" } }], [{ headers: { b: "2" } }], [{ headers: { a: "1", b: "2" } }])).toEqual([]);
  });

  it("sees the tie that remains where a third route decides for one method only", () => {
    expect(found([{ headers: { a: "1" } }], [{ headers: { b: "2" } }], [{ methods: ["GET"] }])).toEqual([
      expect.stringContaining("POST http://mesh.example.test/ [a: 1, b: 2]"),
    ]);
  });

  it("sees no tie between values of one header", () => {
    expect(found([{ headers: { a: "1" } }], [{ headers: { a: "2" } }])).toEqual([]);
  });

  it("names a route that more specific ones leave nothing to", () => {
    const all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    expect(found([{ prefix: "/a", methods: all }], [{ prefix: "/a" }])).toEqual([
      'routes[1].match[0]: "/a": a match that some request takes is needed: more specific routes take every one of these; GET http://mesh.example.test/a goes to route r0',
    ]);
    expect(found([{ prefix: "/a", methods: all.slice(1) }], [{ prefix: "/a" }])).toEqual([]);
  });

  it("lets a regular expression go before every prefix, and refuses two that meet with equal precedence", () => {
    expect(found([{ regex: "/v[0-9]+/prices" }], [{ prefix: "/v1/prices" }])).toEqual([]);
    expect(found([{ regex: "/v[0-9]+/prices" }], [{ regex: "/v1/.*" }])).toEqual([
      'routes[1].match[0]: "regex /v1/.*": a difference in precedence is needed: GET http://mesh.example.test/v1/prices takes this match and ' +
        "regex /v[0-9]+/prices alike; make one of them more specific, or tell them apart (routes[0].match[0] of route r0)",
    ]);
    expect(found([{ regex: "/v[0-9]+/prices" }], [{ regex: "/v1/.*", methods: ["GET"] }])).toEqual([]);
    expect(found([{ regex: "/v[0-9]+/prices" }], [{ regex: "/v[a-z]/prices" }])).toEqual([]);
    expect(found([{ regex: "/v[0-9]+/prices" }], [{ exact: "/v1/prices" }])).toEqual([]);
  });

  it("names a route that one regular expression leaves nothing to", () => {
    expect(found([{ regex: "/a.*" }], [{ prefix: "/a/b", query: { q: "1" } }])).toEqual([
      'routes[1].match[0]: "/a/b?q=1": a match that some request takes is needed: regex /a.* takes every one of these (routes[0].match[0] of route r0); ' +
        "GET http://mesh.example.test/a/b?q=1 goes to route r0",
    ]);
    expect(found([{ regex: "/a/b.c.*" }], [{ prefix: "/a/b" }])).toEqual([]);
  });

  it("tells conditions on headers apart by what they take", () => {
    const bucket = (regex: string): MeshRoute["match"] => [{ headersMatching: { "x-bucket": regex } }];
    expect(found(bucket("[0-4][0-9]"), bucket("[5-9][0-9]"))).toEqual([]);
    expect(found(bucket("[0-5][0-9]"), bucket("[5-9][0-9]"))).toEqual([expect.stringContaining("/ [x-bucket: 50] takes this match and")]);
    expect(found([{ headersPresent: ["x-bucket"] }], [{ headers: { "x-bucket": "7" } }])).toEqual([
      expect.stringContaining("[x-bucket: 7] takes this match and / [x-bucket] alike"),
    ]);
  });

  it("keeps raw prefixes only where a regular expression in their place changes nothing (Gateway API)", () => {
    const both: [MeshRoute["match"], MeshRoute["match"]] = [[{ rawPrefix: "/str" }], [{ prefix: "/strange" }]];
    expect(found(...both)).toEqual([expect.stringContaining("GET http://mesh.example.test/strange goes")]);
    expect(found([{ rawPrefix: "/strange" }], [{ prefix: "/" }])).toEqual([]);
    const routes = both.map((match, index): MeshRoute => ({ name: `r${index}`, match, to: toOther("b") }));
    expect(problemsOf(spec(routes, { target: "gloo" }))).toEqual([]);
  });
});

describe("wrong routes", () => {
  const routeWith = (more: object): RoutesSpec => spec([{ name: "r", match: [{ snapshot: "s2" }], to: toPrices, ...more }]);
  it.each<[string, RoutesSpec, string]>([
    [
      "an unknown service",
      routeWith({ to: [{ service: { service: "price" } }] }),
      'routes[0].to[0].service.service: "price": perhaps prices is meant; known services are prices, risk',
    ],
    [
      "a missing version",
      routeWith({ to: [{ service: { service: "prices", version: "v3" } }] }),
      'routes[0].to[0].service.version: "v3": prices has the versions v1, v2',
    ],
    [
      "a version that is not bound to the snapshot",
      routeWith({ match: [{ snapshot: "s1", version: "v2" }] }),
      'routes[0].match[0].snapshot: "s1": version v2 of prices is bound to s2 only',
    ],
    [
      "an unknown snapshot",
      routeWith({ match: [{ snapshot: "2026" }] }),
      'routes[0].match[0].snapshot: "2026": prices is bound to the snapshots s1, s2',
    ],
    [
      "no snapshot",
      routeWith({ match: [{}] }),
      "routes[0].to[0].service.snapshot: nothing: the match names no snapshot, so one is needed here; prices has s1, s2",
    ],
    [
      "an answer from another snapshot",
      routeWith({ to: [{ service: { service: "prices", snapshot: "s1" } }] }),
      'routes[0].to[0].service.snapshot: "s1": requests that name s2 (routes[0].match[0]) must not get answers from another snapshot; prices has both',
    ],
    [
      "an answer from another version",
      routeWith({ match: [{ snapshot: "s2", version: "v1" }], to: [{ service: { service: "prices", version: "v2" } }] }),
      'routes[0].to[0].service.version: "v2": requests that name v1 (routes[0].match[0]) must not get answers from another version; prices has both',
    ],
    [
      "a shard without pod",
      routeWith({ match: [{ snapshot: "s1", shard: 3 }], to: [{ service: { service: "risk" } }] }),
      "routes[0].match[0].shard: 3: risk v1 has 3 pods: shards 0 to 2 are allowed",
    ],
    [
      "a negative weight",
      routeWith({ to: [{ weight: -1, kubernetes: { name: "a", port: 80 } }] }),
      "routes[0].to[0].weight: -1: a whole number from 0 to 1000000 is allowed",
    ],
    [
      "a broken weight",
      routeWith({ to: [{ weight: 0.5, kubernetes: { name: "a", port: 80 } }] }),
      "routes[0].to[0].weight: 0.5: a whole number from 0 to 1000000 is allowed",
    ],
    [
      "weights that are all 0",
      routeWith({ to: [{ weight: 0, kubernetes: { name: "a", port: 80 } }] }),
      'routes[0].to: [{"weight":0,"kubernetes":{"name":"a","port":80}}]: at least one weight above 0 is needed, or every request fails',
    ],
    [
      "two kinds of destination",
      routeWith({ to: [{ service: { service: "prices" }, kubernetes: { name: "a", port: 80 } }] }),
      'routes[0].to[0]: "service and kubernetes": exactly one of service, kubernetes, failover, lambda, cloudRun, cloudFunction, azureFunction, url is allowed',
    ],
    ["no destination", routeWith({ to: [] }), "routes[0].to: []: at least one destination is allowed"],
    ["no match", routeWith({ match: [] }), "routes[0].match: []: at least one match is allowed; {} takes every request"],
    [
      "two kinds of path",
      routeWith({ match: [{ snapshot: "s2", prefix: "/", exact: "/" }] }),
      'routes[0].match[0]: "prefix and exact": exactly one of prefix, exact, rawPrefix, regex, grpc is allowed',
    ],
    [
      "an unknown key",
      routeWith({ timeout: 3 }),
      'routes[0].timeout: "timeout": unknown key; known keys are name, hosts, match, to, redirect, response, delegate, timeoutSeconds, retries, rewrite, requestHeaders, responseHeaders, mirrors, fault, cors, sticky, webSocket',
    ],
    [
      "a bad method",
      routeWith({ match: [{ snapshot: "s2", methods: ["GETT"] }] }),
      'routes[0].match[0].methods[0]: "GETT": perhaps GET is meant; GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, TRACE or CONNECT is allowed',
    ],
    [
      "a negative timeout",
      routeWith({ timeoutSeconds: -1 }),
      "routes[0].timeoutSeconds: -1: seconds above 0 and up to 86400, in whole milliseconds, are allowed",
    ],
    [
      "no hosts",
      spec([{ name: "r", match: [{}], to: toOther("a") }], { hosts: [] }),
      "hosts: []: at least one host name is allowed; * alone takes every host",
    ],
    ["no routes", spec([]), "routes: []: at least one route is allowed"],
    [
      "an unknown target",
      spec([{ name: "r", match: [{}], to: toOther("a") }], { target: "nginx" as "gloo" }),
      'target: "nginx": gatewayApi, gloo or istio is allowed',
    ],
  ])("reports %s", (_name, given, expected) => {
    expect(problemsOf(given)).toEqual([expected]);
  });

  it.each(["Mesh.example.test", "mesh.example.test:80", "10.0.0.1", "a..b", "*.*.b", "-a.b", "a*.b"])("refuses the host %s", (bad) => {
    expect(problemsOf(spec([{ name: "r", match: [{}], to: toOther("a") }], { hosts: [bad] }))).toEqual([
      expect.stringMatching(/^hosts\[0\]: /),
    ]);
  });

  it.each(["x y", "", "a:b", ":path", "Host", "ä"])("refuses the header name %j", (bad) => {
    expect(problemsOf(routeWith({ match: [{ snapshot: "s2", headers: { [bad]: "1" } }] }))).toEqual([
      expect.stringMatching(/^routes\[0\]\.match\[0\]\.headers/),
    ]);
  });

  it.each(["prices", "/a//b", "/a/../b", "/a/.", "/a?b", "/a#b", "/a b", "/a%2Fb", "/a%zz"])("refuses the path %s", (bad) => {
    expect(problemsOf(routeWith({ match: [{ snapshot: "s2", prefix: bad }] }))).toEqual([
      expect.stringMatching(/^routes\[0\]\.match\[0\]\.prefix: /),
    ]);
  });

  it("reports duplicated names, and everything at once", () => {
    const twice: MeshRoute[] = [
      { name: "a", match: [{ prefix: "/a" }], to: toOther("x") },
      { name: "a", match: [{ prefix: "/b" }], to: [{ service: { service: "gone", snapshot: "s1" } }] },
    ];
    expect(problemsOf(spec(twice, { hosts: ["*", "a.b"] }))).toEqual([
      'hosts[0]: "*": * takes every host, so it must be the only one',
      'routes[1].name: "a": it is taken already by routes[0].name',
      'routes[1].to[0].service.service: "gone": known services are prices, risk',
    ]);
  });

  it("reports a canary of which every version has weight 0", () => {
    const services = [{ ...exampleServices[0], weights: { v1: 0, v2: 10 } }];
    const [problem, ...others] = problemsOf(spec([{ name: "r", match: [{ snapshot: "s1" }], to: toPrices }], { services }));
    expect(problem).toContain("a version is needed: all versions of prices with this snapshot (prices v1) have weight 0");
    expect(others).toEqual([]);
  });

  it("reports what no number of HTTPRoutes could hold, for the Gateway API only", () => {
    const to = Array.from({ length: 17 }, (_unused, index) => ({ kubernetes: { name: `b-${index}`, port: 80 } }));
    const headers = Object.fromEntries(Array.from({ length: 17 }, (_unused, index) => [`h${index}`, "1"]));
    const large = spec([{ name: "r", match: [{ headers }], to }]);
    expect(problemsOf(large).map((problem) => problem.split(":")[0])).toEqual(["routes[0].match[0]", "routes[0].to"]);
    expect(problemsOf({ ...large, target: "gloo" })).toEqual([]);
  });
});

describe("regular expressions of routes", () => {
  it.each([
    ["/v[0-9]+/prices", "/v", "/v0/prices"],
    ["/a/(?:b|cd)(/\\d{2,4})?", "/a/", "/a/b"],
    ["/a\\.b.*", "/a.b", "/a.b"],
    ["/ab?c", "/a", "/ac"],
    ["/a|/b", "/", "/a"],
    ["/[^x]", "/", "/a"],
  ])("reads %s", (text, literalPrefix, sample) => {
    expect(readRegex(text)).toEqual({ literalPrefix, sample });
  });

  it.each(["prices", "/a(", "/a(?=b)", "/(a)\\1", "/a*?", "/a++", "^/a$", "/a{2000}", "/[", "/a b", ".*", "/\\p{L}"])(
    "refuses %s",
    (text) => {
      expect(readRegex(text)).toBeUndefined();
    },
  );
});

it("shows a request on one line", () => {
  expect(formatRequest(request("GET", "/a", { b: "1" }, { c: "2" }))).toBe("GET http://mesh.example.test/a?c=2 [b: 1]");
});
