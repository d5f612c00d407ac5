import fc from "fast-check";
import { Problems } from "../../../src/model/errors";
import {
  compileRoutes,
  routeRequest,
  routesFacts,
  type MeshRoute,
  type RouteMatch,
  type RouteTable,
  type RouteRequest,
  type RoutesSpec,
} from "../../../src/model/routes";
import { emitHttpRoutes } from "../../../src/routing/gateway-api";
import { emitVirtualServices } from "../../../src/routing/gloo";
import { evaluateGloo, evaluateHttpRoutes, showBackend, type Outcome } from "../../support/routing";

/**
 * Random routes over small alphabets, so that they overlap often, against every request that can tell them apart: the emitted Gloo list read in its order, the
 * emitted HTTPRoutes read by the precedence rules of the Gateway API, and our own matcher.
 */
type Values = Record<string, string>;

const host = "mesh.example.test";
const context = { name: "edge", namespace: "mesh" };

/** Absent three times of four, so that matches are wide enough to meet. */
function seldom<T>(...values: T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(...values) });
}
const paths = [
  {},
  { prefix: "/" },
  { prefix: "/a" },
  { prefix: "/a/" },
  { prefix: "/a/b" },
  { exact: "/" },
  { exact: "/a" },
  { exact: "/a/" },
  { exact: "/ab" },
];
const matchArbitrary = fc.record({
  path: fc.constantFrom<RouteMatch[]>(...paths, ...paths, { regex: "/c[0-9]" }, { regex: "/a/[xy]" }),
  methods: seldom(["GET"], ["GET", "POST"]),
  headers: seldom<Values>({ h: "1" }, { h: "2" }, { i: "1" }, { h: "1", i: "1" }),
  query: seldom<Values>({ q: "1" }, { q: "2" }),
  snapshot: seldom("s1", "s2"),
  shard: seldom(0, 1),
});
const specArbitrary = fc.record({
  matches: fc.array(fc.array(matchArbitrary, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 8 }),
  byQuery: fc.boolean(),
});
/** With raw prefixes, and with conditions that take more than one value. */
const wideArbitrary = fc.tuple(specArbitrary, fc.infiniteStream(fc.nat(9))).map(([{ matches, byQuery }, choices]) => {
  const choose = (): number => choices.next().value as number;
  const widen = (match: (typeof matches)[number][number]): typeof match => {
    const raw = choose() === 0 ? { rawPrefix: ["/a", "/a/", "/ab"][choose() % 3] } : match.path;
    const wide = [
      {},
      {},
      {},
      {},
      {},
      {},
      { headersMatching: { j: "[12]" } },
      { headersMatching: { j: "1.*" } },
      { headersPresent: ["j"] },
      { queryPresent: ["p"] },
    ];
    return { ...match, path: { ...raw, ...wide[choose()] } };
  };
  return { matches: matches.map((list) => list.map(widen)), byQuery };
});

type RandomRoutes = typeof specArbitrary extends fc.Arbitrary<infer T> ? T : never;

const bare = { path: { prefix: "/a" }, methods: undefined, query: undefined, snapshot: undefined, shard: undefined };
const certainTie: RandomRoutes = { matches: [[{ ...bare, headers: { h: "1" } }], [{ ...bare, headers: { i: "1" } }]], byQuery: false };

function specOf({ matches, byQuery }: RandomRoutes): RoutesSpec {
  const routes = matches.map((list, index): MeshRoute => {
    const to = [
      { weight: 2, kubernetes: { name: `b${index}`, port: 80 } },
      { weight: 1, kubernetes: { name: "all", port: 80, namespace: "else" } },
    ];
    return {
      name: `r${index}`,
      match: list.map(({ path, ...rest }) => ({ ...path, ...rest })),
      to: to.slice(0, 1 + (index % 2)),
      ...(index === 1 ? { timeoutSeconds: 2 } : {}),
    };
  });
  return {
    hosts: [host],
    services: [],
    routes,
    grants: [{ namespace: "else" }],
    ...(byQuery ? { dimensions: { snapshot: { header: "x-snap", query: "snap" } } } : {}),
  };
}

function compile(spec: RoutesSpec): { model: RouteTable; problems: string[] } {
  const problems = new Problems("routes");
  const model = compileRoutes(problems, spec);
  return { model, problems: problems.all.map(({ path, allowed }) => `${path}: ${allowed}`) };
}

/** As many of the routes, taken one by one, as go together. */
function validPart(spec: RoutesSpec): RoutesSpec {
  const routes: MeshRoute[] = [];
  spec.routes.forEach((route) => {
    if (compile({ ...spec, routes: [...routes, route] }).problems.length === 0) {
      routes.push(route);
    }
  });
  return { ...spec, routes };
}

/** Every combination that some generated match can tell from another, and paths and methods that no route names. */
function requestsFor(byQuery: boolean): RouteRequest[] {
  const requestPaths = ["/", "/a", "/a/", "/a/b", "/a/b/any", "/a/any", "/a/x", "/ab", "/c1", "/cc"];
  const free: Values[] = [{}, { h: "1" }, { h: "2", j: "2" }, { i: "1" }, { h: "1", i: "1", j: "1" }, { h: "2", i: "1" }, { j: "12" }];
  const header = byQuery ? "x-snap" : "x-mesh-snapshot";
  const snapshots: Values[] = [{}, { [header]: "s1" }, { [header]: "s2" }];
  const shards: Values[] = [{}, { "x-mesh-shard": "0" }, { "x-mesh-shard": "1" }];
  const queries: Values[] = [{}, { q: "1" }, { q: "2", p: "" }];
  const snapQueries: Values[] = byQuery ? [{}, { snap: "s1" }, { snap: "s2" }] : [{}];
  const headerSets = free.flatMap((a) => snapshots.flatMap((b) => shards.map((c) => ({ ...a, ...b, ...c }))));
  const querySets = queries.flatMap((a) => snapQueries.map((b) => ({ ...a, ...b })));
  const places = requestPaths.flatMap((path) => ["GET", "POST", "PUT"].map((method) => ({ host, path, method })));
  return places.flatMap((place) => headerSets.flatMap((headers) => querySets.map((query) => ({ ...place, headers, query }))));
}
const requests = { true: requestsFor(true), false: requestsFor(false) };

/** Backends and timeout in one form for all targets. */
function show(outcome: Outcome | undefined): string {
  return outcome === undefined
    ? "404"
    : `${outcome.backends.map((text) => (outcome.backends.length === 1 ? text.replace(/ \d+$/, "") : text)).join(", ")} ${outcome.timeout ?? ""}`;
}

function expected(model: RouteTable, request: RouteRequest): string {
  const rule = routeRequest(model, request)?.rule;
  return show(
    rule && {
      rule: rule.name,
      backends: rule.backends.map(showBackend),
      timeout: rule.timeoutSeconds === undefined ? undefined : `${rule.timeoutSeconds}s`,
    },
  );
}

describe("both targets and our own matcher", () => {
  it("send every request to the same place", () => {
    let compared = 0;
    fc.assert(
      fc.property(fc.oneof(specArbitrary, wideArbitrary), fc.nat(4), (random, offset) => {
        const spec = validPart(specOf(random));
        fc.pre(spec.routes.length > 0);
        const { model } = compile(spec);
        const virtualService = emitVirtualServices(context, model)[0].object;
        const httpRoutes = emitHttpRoutes(context, model, { name: "gw" }).map(({ object }) => object);
        // Every fifth request, another fifth each time: the same confidence in a fifth of the time.
        for (const request of requests[`${random.byQuery}`].filter((_request, index) => index % 5 === offset)) {
          const wanted = expected(model, request);
          const gloo = show(evaluateGloo(virtualService, request));
          const [first, ...ties] = evaluateHttpRoutes(httpRoutes, request);
          if (gloo !== wanted || show(first) !== wanted || ties.some((tie) => show(tie) !== wanted)) {
            throw new Error(
              `${JSON.stringify(request)}: model ${wanted}, Gloo ${gloo}, Gateway API ${show(first)}, ties ${ties.map(show).join("; ")}`,
            );
          }
          compared += wanted === "404" ? 0 : 1;
        }
      }),
      { numRuns: 40 },
    );
    expect(compared).toBeGreaterThan(10_000);
  });

  it("agree on routes that are spread over several HTTPRoutes", () => {
    let pages = 0;
    const manyRoutes = fc.record({
      matches: fc.array(fc.array(matchArbitrary, { minLength: 1, maxLength: 2 }), { minLength: 30, maxLength: 40 }),
      byQuery: fc.constant(false),
    });
    fc.assert(
      fc.property(manyRoutes, fc.nat(19), (random, offset) => {
        const spec = validPart(specOf(random));
        const plain = Array.from({ length: 12 }, (_unused, index): MeshRoute => ({
          name: `plain-${index}`,
          match: [{ exact: `/plain/${index}` }],
          to: [{ kubernetes: { name: "plain", port: 80 } }],
        }));
        const { model } = compile({ ...spec, routes: [...spec.routes, ...plain] });
        const httpRoutes = emitHttpRoutes(context, model, { name: "gw" }).map(({ object }) => object);
        pages += httpRoutes.length - 1;
        for (const request of requests.false.filter((_request, index) => index % 20 === offset)) {
          const wanted = expected(model, request);
          const outcomes = new Set(evaluateHttpRoutes(httpRoutes, request).map(show));
          if ([...outcomes].join("; ") !== (wanted === "404" ? "" : wanted)) {
            throw new Error(`${JSON.stringify(request)}: model ${wanted}, pages ${[...outcomes].join("; ")}`);
          }
        }
      }),
      { numRuns: 10 },
    );
    expect(pages).toBeGreaterThan(3);
  });

  it("find a tie exactly where some request has two best matches", () => {
    let ties = 0;
    fc.assert(
      fc.property(specArbitrary, (random) => {
        const plain = (list: RandomRoutes["matches"][number]): typeof list =>
          list.map((match) => (match.path.regex === undefined ? match : { ...match, path: {} }));
        const withoutRegex = { ...random, matches: random.matches.slice(0, 3).map(plain) };
        const { model, problems } = compile(specOf(withoutRegex));
        const httpRoutes = emitHttpRoutes(context, model, { name: "gw" }).map(({ object }) => object);
        const tied = requests[`${random.byQuery}`].find(
          (request) => new Set(evaluateHttpRoutes(httpRoutes, request).map(({ rule }) => rule)).size > 1,
        );
        const noted = problems.filter((problem) => !problem.includes("of route r") || !/routes\[(\d)\].*routes\[\1\]/.test(problem));
        expect({ tied: tied !== undefined, problems: noted }).toEqual({ tied: noted.length > 0, problems: noted });
        ties += tied === undefined ? 0 : 1;
      }),
      // One header each, and a request can have both: a tie for certain, so that the count below never hangs on chance.
      { numRuns: 25, examples: [[certainTie]] },
    );
    expect(ties).toBeGreaterThan(0);
  });

  it("send the witness of every rule to that rule", () => {
    fc.assert(
      fc.property(specArbitrary, (random) => {
        const { model } = compile(validPart(specOf(random)));
        for (const { name, witness } of routesFacts("edge", model).routes) {
          expect(`${witness} → ${routeRequest(model, parseWitness(witness))?.rule.name}`).toBe(`${witness} → ${name}`);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The inverse of `formatRequest`. */
function parseWitness(text: string): RouteRequest {
  const [, method = "", address = "", , headers = ""] = /^(\S+) (\S+)( \[(.*)\])?$/.exec(text) ?? [];
  const url = new URL(address);
  return {
    method,
    host: url.host,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(headers === "" ? [] : headers.split(", ").map((pair) => pair.split(": ") as [string, string])),
  };
}
