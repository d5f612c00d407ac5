import fc from "fast-check";
import { Problems } from "../../../src/model/errors";
import type { VersionedServiceFacts } from "../../../src/model/facts";
import {
  compileRoutes,
  matchRequest,
  routeRequest,
  type MeshRoute,
  type RouteMatch,
  type RouteRequest,
  type RoutesSpec,
} from "../../../src/model/routes";
import { emitHttpRoutes } from "../../../src/routing/gateway-api";
import { emitVirtualServices } from "../../../src/routing/gloo";
import { evaluateGloo, evaluateHttpRoutes, showBackend } from "../../support/routing";

/** A request that names a snapshot is never answered by pods of another one: by our matcher, by a Gloo list, and by HTTPRoutes whatever decides their ties. */
const snapshots = ["s1", "s2", "s3"];
const services: VersionedServiceFacts[] = ["prices", "risk"].map((name) => ({
  name,
  weights: { v1: 3, v2: 1 },
  endpoints: snapshots
    .slice(0, 2)
    .flatMap((snapshot) =>
      ["v1", "v2"].map((version) => ({ version, snapshot, serviceName: `${name}-${version}-${snapshot}`, port: 80, podServiceNames: [] })),
    ),
}));

function seldom<T>(...values: T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(...values) });
}
const match: fc.Arbitrary<RouteMatch> = fc
  .record({
    path: fc.constantFrom<RouteMatch>(
      {},
      { prefix: "/a" },
      { exact: "/a" },
      { prefix: "/a/b" },
      { regex: "/a/[xy]" },
      { rawPrefix: "/ab" },
    ),
    methods: seldom(["GET"]),
    headers: seldom({ h: "1" }),
    query: seldom({ q: "1" }),
    snapshot: seldom("s1", "s2", "each"),
    version: seldom("v1"),
  })
  .map(({ path, ...rest }) => ({ ...path, ...rest }));
const route = fc.record({
  match: fc.array(match, { minLength: 1, maxLength: 2 }),
  service: fc.constantFrom("prices", "risk"),
  snapshot: seldom("s1", "s2"),
  sticky: fc.boolean(),
});
const dimensions: RoutesSpec["dimensions"][] = [
  undefined,
  { snapshot: { query: "snap" } },
  { snapshot: { header: "x-snap", query: "snap" } },
];

function specOf(routes: MeshRoute[], place: number): RoutesSpec {
  return { hosts: ["a.test"], services, routes, dimensions: dimensions[place] };
}

function compile(spec: RoutesSpec): ReturnType<typeof compileRoutes> | undefined {
  const problems = new Problems("x");
  const table = compileRoutes(problems, spec);
  return problems.any ? undefined : table;
}

const values = (name: string, list: string[]): Record<string, string>[] => [{}, ...list.map((value) => ({ [name]: value }))];
const requests: RouteRequest[] = ["/", "/a", "/a/b", "/a/x", "/abc"].flatMap((path) =>
  ["GET", "PUT"].flatMap((method) =>
    values("h", ["1"]).flatMap((h) =>
      values("q", ["1"]).flatMap((q) =>
        values("x-snap", snapshots).flatMap((header) =>
          values("snap", snapshots).flatMap((query) =>
            values("x-mesh-bucket", ["99"]).map((bucket) => ({
              host: "a.test",
              method,
              path,
              headers: { ...h, ...header, ...bucket, ...(header["x-snap"] === undefined ? {} : { "x-mesh-snapshot": header["x-snap"] }) },
              query: { ...q, ...query },
            })),
          ),
        ),
      ),
    ),
  ),
);

describe("a snapshot", () => {
  it("never leaks", () => {
    let named = 0;
    let answered = 0;
    fc.assert(
      fc.property(fc.array(route, { minLength: 1, maxLength: 6 }), fc.nat(2), fc.nat(6), (random, place, offset) => {
        const routes: MeshRoute[] = [];
        random.forEach(({ match: list, service, snapshot, sticky }, index) => {
          const one: MeshRoute = {
            name: `r${index}`,
            match: list,
            to: [{ service: { service, snapshot } }],
            ...(sticky ? { sticky: {} } : {}),
          };
          if (compile(specOf([...routes, one], place)) !== undefined) routes.push(one);
        });
        fc.pre(routes.length > 0);
        const table = compile(specOf(routes, place))!;
        const pages = emitHttpRoutes({ name: "edge", namespace: "mesh" }, table, { name: "gw" }).map(({ object }) => object);
        const [{ object: list }] = emitVirtualServices({ name: "edge", namespace: "mesh" }, table);
        const { header, query } =
          place === 0
            ? { header: "x-mesh-snapshot", query: "" }
            : place === 1
              ? { header: "", query: "snap" }
              : { header: "x-snap", query: "snap" };
        for (const request of requests.filter((_request, index) => index % 7 === offset)) {
          const wanted = request.headers[header] ?? request.query[query];
          const ours = routeRequest(table, request)?.rule.backends.map(showBackend).join();
          const theirs = evaluateHttpRoutes(pages, request).map(({ backends }) => backends.join());
          if (theirs.some((their) => their !== ours) || (ours === undefined) !== (theirs.length === 0)) {
            throw new Error(`${JSON.stringify(request)}: ours ${ours}, HTTPRoutes ${[...new Set(theirs)].join("; ")}`);
          }
          const answers = [
            ...matchRequest(table, request).destinations.map(({ backend }) => backend.destination.id),
            ...evaluateHttpRoutes(pages, request).flatMap(({ backends }) => backends),
            ...(evaluateGloo(list, request)?.backends ?? []),
          ];
          const leaked = answers.filter((answer) => wanted !== undefined && !answer.includes(`-${wanted}:`));
          if (leaked.length > 0) {
            throw new Error(`${JSON.stringify(request)} names ${wanted}, and is answered by ${leaked.join(", ")}`);
          }
          named += wanted === undefined ? 0 : 1;
          answered += wanted !== undefined && answers.length > 0 ? 1 : 0;
        }
      }),
      { numRuns: 60 },
    );
    expect(named).toBeGreaterThan(5000);
    expect(answered).toBeGreaterThan(500);
  });
});
