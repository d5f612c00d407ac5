/**
 * Random routes over small alphabets, so that they meet often. The requests that tell them apart are in random-requests.ts.
 *
 * The same seed gives the same routes. Routes that the checks refuse, alone or beside the others, are left out.
 */
import fc from "fast-check";
import { Problems } from "../../src/model/errors";
import type { VersionedServiceFacts } from "../../src/model/facts";
import { compileRoutes, type MeshRoute, type RouteMatch, type RoutesSpec, type RouteTable } from "../../src/model/routes";

/** Headers of requests that pods should repeat. */
export const shownHeaders = ["h", "i", "x-set", "x-add", "x-gone", "x-mesh-snapshot", "x-mesh-version", "x-mesh-shard"];

/** How many Kubernetes Services the routes go to: `b0` to `b11`. */
export const serviceCount = 12;
/** Services of versions: two snapshots of `prices` in v1, v2 on the later one only. */
export const versioned: VersionedServiceFacts[] = [
  {
    name: "prices",
    weights: { v1: 90, v2: 10 },
    endpoints: [
      { version: "v1", snapshot: "s1", serviceName: "prices-v1-s1", port: 8080, podServiceNames: ["prices-v1-s1-0", "prices-v1-s1-1"] },
      { version: "v1", snapshot: "s2", serviceName: "prices-v1-s2", port: 8080, podServiceNames: ["prices-v1-s2-0", "prices-v1-s2-1"] },
      { version: "v2", snapshot: "s2", serviceName: "prices-v2-s2", port: 8080, podServiceNames: ["prices-v2-s2-0", "prices-v2-s2-1"] },
    ],
  },
];
/** Every Service that a random route can go to, by name. */
export const serviceNames: string[] = [
  ...Array.from({ length: serviceCount }, (_unused, index) => `b${index}`),
  ...versioned.flatMap(({ endpoints }) => endpoints.flatMap(({ serviceName, podServiceNames }) => [serviceName, ...podServiceNames])),
];

/** Absent most times, so that matches are wide enough to meet. */
function seldom<T>(...values: T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(...values) });
}

const prefixes: RouteMatch[] = [{}, { prefix: "/" }, { prefix: "/a" }, { prefix: "/a/" }, { prefix: "/a/b" }, { prefix: "/ab" }];
const otherPaths: RouteMatch[] = [
  { exact: "/" },
  { exact: "/a" },
  { exact: "/a/" },
  { exact: "/a/b" },
  { exact: "/ab" },
  { rawPrefix: "/a" },
  { rawPrefix: "/a/b" },
  { regex: "/a/[xy]" },
  { regex: "/c[0-9]" },
  { regex: "/a/.*" },
];

function matchArbitrary(path: fc.Arbitrary<RouteMatch>): fc.Arbitrary<RouteMatch> {
  return fc
    .record({
      path,
      methods: seldom(["GET"], ["GET", "POST"]),
      headers: seldom<Record<string, string>>({ h: "1" }, { h: "2" }, { i: "1" }, { h: "1", i: "1" }),
      headersMatching: seldom<Record<string, string>>({ h: "[12]" }, { i: "1+" }),
      headersPresent: seldom(["h"], ["i"]),
      query: seldom<Record<string, string>>({ q: "1" }, { q: "2" }),
      queryMatching: seldom<Record<string, string>>({ q: "[0-9]" }),
      queryPresent: seldom(["p"]),
    })
    .map(({ path: chosen, ...rest }) => withoutUndefined({ ...chosen, ...rest }));
}

const dimensions = fc
  .record({
    snapshot: fc.constantFrom(undefined, "s1", "s2", "each"),
    version: seldom("v1", "v2", "each"),
    shard: seldom<number | "each">(0, 1, "each"),
  })
  .map(withoutUndefined);
const edits = seldom(
  { set: { "x-set": "new" }, add: { "x-add": "more" }, remove: ["x-gone"] },
  { set: { "x-set": "other; q=1" } },
  { remove: ["x-gone", "i"] },
);
const often = { weight: 4, arbitrary: fc.constant<Partial<MeshRoute>>({}) };
const prefixActions: Partial<MeshRoute>[] = [
  { rewrite: { prefix: "/new" } },
  { rewrite: { prefix: "/" } },
  { redirect: { prefix: "/new", status: 301 } },
  { redirect: { prefix: "/", host: "other.test" } },
];
const anyActions: Partial<MeshRoute>[] = [
  { rewrite: { path: "/whole", host: "inner.test" } },
  { rewrite: { regex: { pattern: "/a(.*)", substitution: "/r\\1" } } },
  { redirect: { path: "/elsewhere", scheme: "https", host: "other.test", port: 8443, status: 308 } },
  { response: { status: 418, body: "no coffee" } },
  { fault: { abort: { status: 507 } } },
  { timeoutSeconds: 2, retries: { attempts: 2, perTrySeconds: 0.5 } },
];

interface RandomRoute {
  matches: RouteMatch[];
  more: Partial<MeshRoute>;
  requestHeaders?: MeshRoute["requestHeaders"];
  responseHeaders?: MeshRoute["responseHeaders"];
  weight: number;
  hosts?: number[];
}
const hostChoice = seldom([0], [1], [0, 2], [1, 2]);
const routeArbitrary: fc.Arbitrary<RandomRoute> = fc.oneof(
  fc.record({
    matches: fc.array(matchArbitrary(fc.constantFrom(...prefixes)), { minLength: 1, maxLength: 2 }),
    more: fc.oneof(often, { weight: 3, arbitrary: fc.constantFrom(...prefixActions, ...anyActions) }),
    requestHeaders: edits,
    responseHeaders: edits,
    weight: fc.constantFrom(0, 1, 3),
    hosts: hostChoice,
  }),
  fc.record({
    matches: fc.array(matchArbitrary(fc.constantFrom(...prefixes, ...otherPaths, ...otherPaths)), { minLength: 1, maxLength: 2 }),
    more: fc.oneof(often, { weight: 2, arbitrary: fc.constantFrom(...anyActions) }),
    requestHeaders: edits,
    responseHeaders: edits,
    weight: fc.constantFrom(0, 1, 3),
    hosts: hostChoice,
  }),
  // Of a versioned service: by snapshot, version and shard.
  fc.record({
    matches: fc
      .tuple(matchArbitrary(fc.constantFrom(...prefixes)), dimensions)
      .map(([match, dimension]): RouteMatch[] => [{ ...match, ...dimension }]),
    more: fc.constant<Partial<MeshRoute>>({ to: [{ service: { service: "prices" } }] }),
    weight: fc.constant(1),
  }),
);
const specArbitrary = fc.record({ routes: fc.array(routeArbitrary, { minLength: 1, maxLength: 6 }), byQuery: fc.boolean() });

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

/** A host, all below it, and one of these. */
const hostsOf = (host: string): string[] => [host, `*.${host}`, `x.${host}`];

function routeOf(host: string, { matches, more, requestHeaders, responseHeaders, weight, hosts }: RandomRoute, index: number): MeshRoute {
  const forwards = more.redirect === undefined && more.response === undefined;
  const to = [
    { weight: 1, kubernetes: { name: `b${2 * index}`, port: 8080 } },
    { weight, kubernetes: { name: `b${2 * index + 1}`, port: 8080 } },
  ];
  const headers = withoutUndefined({ requestHeaders: forwards ? requestHeaders : undefined, responseHeaders });
  const own = hosts === undefined ? {} : { hosts: hosts.map((number) => hostsOf(host)[number]) };
  return { name: `r${index}`, match: matches, ...own, ...(forwards ? { to } : {}), ...headers, ...more };
}

/** One random model. */
export interface RandomModel {
  spec: RoutesSpec;
  table: RouteTable;
}

/** `count` models; that of number n has the host that `hostOf` says. Models of which no route is left are not counted. */
export function randomModels(
  seed: number,
  count: number,
  hostOf: (number: number) => string,
  more: Partial<RoutesSpec> = {},
): RandomModel[] {
  const models: RandomModel[] = [];
  // A few are without any valid route.
  const samples = fc.sample(specArbitrary, { seed, numRuns: 4 * count + 10 });
  for (const { routes, byQuery } of samples) {
    if (models.length === count) break;
    const keys = byQuery ? { dimensions: { snapshot: { header: "x-mesh-snapshot", query: "snap" } } } : {};
    const host = hostOf(models.length);
    const base: RoutesSpec = { hosts: models.length % 3 === 0 ? hostsOf(host) : [host], services: versioned, routes: [], ...keys, ...more };
    const model = validPart(
      base,
      routes.map((route, index) => routeOf(host, route, index)),
    );
    if (model !== undefined) models.push(model);
  }
  if (models.length < count) throw new Error(`${models.length} of ${count} random models have a route that is left`);
  return models;
}

/** As many of the routes, taken one by one, as go together. */
function validPart(base: RoutesSpec, routes: readonly MeshRoute[]): RandomModel | undefined {
  let model: RandomModel | undefined;
  for (const route of routes) {
    const spec: RoutesSpec = { ...base, routes: [...(model?.spec.routes ?? []), route] };
    const problems = new Problems("random");
    const table = compileRoutes(problems, spec);
    if (problems.all.length === 0) model = { spec, table };
  }
  return model;
}
