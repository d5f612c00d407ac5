import fc from "fast-check";
import { Problems } from "../../../src/model/errors";
import {
  compileRoutes,
  forwardedRequest,
  matchRequest,
  normalizeRoutes,
  type Island,
  type IslandMatch,
  type IslandRoute,
  type IslandType,
  type RouteRequest,
  type RoutesSpec,
  type RouteTable,
} from "../../../src/model/routes";

const host = "mesh.example.test";
const cell: IslandType = {
  name: "cell",
  services: [
    { name: "api", port: 80 },
    { name: "jobs", port: 81 },
  ],
  routes: [
    { name: "home", match: [{ exact: "/" }], response: { status: 204 } },
    { name: "api", match: [{ prefix: "/api" }], to: [{ own: "api" }] },
    {
      name: "jobs",
      match: [{ prefix: "/api/jobs", methods: ["POST"] }, { regex: "/j[0-9]+" }],
      to: [{ own: "jobs", weight: 3 }, { own: "api" }],
    },
  ],
};
const region: IslandType = {
  name: "region",
  services: [],
  routes: [{ name: "status", match: [{ exact: "/status" }], response: { status: 200 } }],
  islands: [
    { name: "c1", type: "cell", match: { prefix: "/c1" } },
    { name: "c2", type: "cell", match: { prefix: "/c2" } },
  ],
};
const spec = (islands: Island[], more: Partial<RoutesSpec> = {}): RoutesSpec => ({
  hosts: [host],
  services: [],
  routes: [],
  islandTypes: [cell, region],
  islands,
  ...more,
});
const asked = (path: string, more: Partial<RouteRequest> = {}): RouteRequest => ({
  host,
  method: "GET",
  path,
  headers: {},
  query: {},
  ...more,
});
const goesTo = (table: RouteTable, request: RouteRequest): string | undefined => {
  const entry = matchRequest(table, request).entry;
  return entry && [entry.rule.name, ...entry.rule.backends.map(({ label }) => label)].join(" ");
};
function problemsOf(given: RoutesSpec): string[] {
  const problems = new Problems("x");
  compileRoutes(problems, given);
  return problems.all.map(({ path, given: value, allowed }) => `${path}: ${value}: ${allowed}`);
}

describe("islands", () => {
  it("are reached by their matchers, each with its own Services", () => {
    const table = normalizeRoutes(
      "edge",
      spec([
        { name: "eu", type: "cell", match: { prefix: "/eu" } },
        { name: "us", type: "cell", match: { prefix: "/us" } },
      ]),
    );
    expect(goesTo(table, asked("/eu/api/x"))).toBe("eu-api Service eu-api:80");
    expect(goesTo(table, asked("/us/api/jobs", { method: "POST" }))).toBe("us-jobs Service us-jobs:81 Service us-api:80");
    expect(goesTo(table, asked("/us/j12"))).toBe("us-jobs Service us-jobs:81 Service us-api:80");
    expect(goesTo(table, asked("/us"))).toBe("us-home");
    expect(goesTo(table, asked("/api"))).toBeUndefined();
  });

  it("can contain islands, whose matchers add up", () => {
    const table = normalizeRoutes("edge", spec([{ name: "eu", type: "region", match: { headers: { "X-Region": "eu" } } }]));
    const headers = { "x-region": "eu" };
    expect(goesTo(table, asked("/c2/api", { headers }))).toBe("eu-c2-api Service eu-c2-api:80");
    expect(goesTo(table, asked("/status", { headers }))).toBe("eu-status");
    expect(goesTo(table, asked("/c2/api"))).toBeUndefined();
  });

  it("see the paths of their type where the prefix is taken away", () => {
    const table = normalizeRoutes("edge", spec([{ name: "eu", type: "cell", match: { prefix: "/eu" }, stripPrefix: true }]));
    const forwarded = (request: RouteRequest): string => forwardedRequest(matchRequest(table, request).entry!, request).path;
    expect(forwarded(asked("/eu/api/x"))).toBe("/api/x");
    expect(forwarded(asked("/eu/j7"))).toBe("/j7");
    expect(forwarded(asked("/eu/api/jobs/1", { method: "POST" }))).toBe("/api/jobs/1");
  });

  it.each<[string, IslandMatch, IslandMatch, string]>([
    ["equal prefixes", { prefix: "/a" }, { prefix: "/a/" }, "GET http://mesh.example.test/a "],
    ["a prefix below the other", { prefix: "/a/b" }, { prefix: "/a" }, "GET http://mesh.example.test/a/b "],
    ["a header and a prefix", { prefix: "/a" }, { headers: { x: "1" } }, "GET http://mesh.example.test/a [x: 1] "],
    ["a host and a header", { hosts: ["a.test"] }, { headers: { x: "1" } }, "GET http://a.test/ [x: 1] "],
    ["two headers", { headers: { y: "1" } }, { headers: { x: "1" } }, "GET http://mesh.example.test/ [x: 1, y: 1] "],
  ])("that one request could reach together are refused: %s", (_name, one, two, request) => {
    const found = problemsOf(
      spec([
        { name: "one", type: "cell", match: one },
        { name: "two", type: "cell", match: two },
      ]),
    );
    expect(found[0]).toContain(`a matcher that no other island has is needed: ${request}would reach one (islands[0]) as well`);
  });

  it.each<[string, IslandMatch, IslandMatch]>([
    ["prefixes by elements", { prefix: "/a" }, { prefix: "/ab" }],
    ["values of one header", { headers: { X: "1" } }, { headers: { x: "2" } }],
    ["values of one parameter", { query: { x: "1" } }, { query: { x: "2" }, prefix: "/a" }],
    ["hosts", { hosts: ["a.test"] }, { hosts: ["b.test", "*.c.test"] }],
  ])("are told apart by %s", (_name, one, two) => {
    const islands = [one, two].map((match, index) => ({ name: `i${index}`, type: "cell", match }));
    expect(problemsOf(spec(islands))).toEqual([]);
  });

  it.each<[string, Partial<RoutesSpec>, string]>([
    [
      "an unknown type",
      { islands: [{ name: "a", type: "cel", match: { prefix: "/a" } }] },
      'islands[0].type: "cel": perhaps cell is meant; known types are cell, region',
    ],
    [
      "no matcher",
      { islands: [{ name: "a", type: "cell", match: {} }] },
      "islands[0].match: {}: at least one of hosts, prefix, headers and query is needed",
    ],
    [
      "a type inside itself",
      { islandTypes: [{ ...cell, islands: [{ name: "x", type: "cell", match: { prefix: "/x" } }] }] },
      "a type that contains itself has no end",
    ],
    [
      "an unknown service",
      { islandTypes: [{ ...cell, routes: [{ name: "r", match: [{}], to: [{ own: "ap" }] }] }] },
      '"ap": perhaps api is meant; cell has the services api, jobs',
    ],
    [
      "a gRPC call below a prefix",
      { islandTypes: [{ ...cell, routes: [{ name: "r", match: [{ grpc: { service: "a.B" } }], to: [{ own: "api" }] }] }] },
      "has no room for a prefix",
    ],
  ])("are refused with %s", (_name, more, expected) => {
    const found = problemsOf(spec([{ name: "a", type: "cell", match: { prefix: "/a" } }], more));
    expect(found.filter((problem) => problem.includes(expected))).toHaveLength(1);
  });

  it("say in findings about their routes which island and which type is meant", () => {
    const routes: IslandRoute[] = [...cell.routes, { name: "again", match: [{ prefix: "/api" }], to: [{ own: "jobs" }] }];
    const found = problemsOf(spec([{ name: "a", type: "cell", match: { prefix: "/a" } }], { islandTypes: [{ ...cell, routes }] }));
    expect(found).toEqual([
      expect.stringMatching(/^islands\[0\] \(a\), type cell: routes\[3\]\.match\[0\]: "\/a\/api": another match is needed/),
    ]);
  });
});

describe("an instance", () => {
  const matches: IslandMatch[] = [
    { prefix: "/x" },
    { prefix: "/y/z" },
    { headers: { h: "1" } },
    { headers: { h: "2" } },
    { query: { q: "1" } },
    { hosts: ["i.test"] },
  ];

  it("answers as its type alone would, and no request reaches two", () => {
    const alone = normalizeRoutes("type", {
      hosts: ["*"],
      services: [],
      routes: cell.routes.map(({ to, ...route }) => ({
        ...route,
        ...(to === undefined ? {} : { to: [{ kubernetes: { name: "any", port: 1 } }] }),
      })),
    });
    let reached = 0;
    fc.assert(
      fc.property(fc.shuffledSubarray(matches, { minLength: 1, maxLength: 3 }), (chosen) => {
        const instances = chosen.map((match, index) => ({ name: `i${index}`, type: "cell", match }));
        const given = spec(instances);
        fc.pre(problemsOf(given).length === 0);
        const table = normalizeRoutes("edge", given);
        for (const { match, name } of instances) {
          for (const path of ["/", "/api", "/api/jobs", "/j1", "/jx", "/apix"]) {
            for (const method of ["GET", "POST"]) {
              const whole = `${match.prefix ?? ""}${path}`;
              const target = match.prefix !== undefined && path === "/" ? match.prefix : whole;
              const request = {
                host: match.hosts?.[0] ?? host,
                method,
                path: target,
                headers: match.headers ?? {},
                query: match.query ?? {},
              };
              const inside = matchRequest(alone, asked(path, { method })).entry?.rule.route;
              const outside = matchRequest(table, request).entry?.rule.route;
              expect({ request, outside }).toEqual({ request, outside: inside === undefined ? undefined : `${name}-${inside}` });
              reached += outside === undefined ? 0 : 1;
            }
          }
        }
      }),
      { numRuns: 40 },
    );
    expect(reached).toBeGreaterThan(200);
  });
});
