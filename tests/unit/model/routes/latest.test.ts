import fc from "fast-check";
import { newestCommon } from "../../../../src/model/route-latest";
import { matchRequest, normalizeRoutes, type MeshRoute, type RoutesSpec, type RouteTable } from "../../../../src/model/routes";
import { emitHttpRoutes } from "../../../../src/routing/gateway-api";

const snapshots = ["20261121t0500z", "20261121t0600z", "20261121t0700z"];
const [, six, seven] = snapshots;
const services = ["prices", "risk"].map((name) => ({
  name,
  weights: { v1: 1 },
  endpoints: snapshots.map((snapshot) => ({ version: "v1", snapshot, serviceName: `${name}-${snapshot}`, port: 80, podServiceNames: [] })),
}));
const latestOf = (service: string) => ({ service: { service, snapshot: "latest" } });
const routes: MeshRoute[] = ["prices", "risk"].flatMap((name): MeshRoute[] => [
  { name, match: [{ prefix: `/${name}` }, { prefix: `/${name}`, snapshot: "latest" }], to: [latestOf(name)] },
  { name: `${name}-by-id`, match: [{ prefix: `/${name}`, snapshot: "each" }], to: [{ service: { service: name } }] },
]);

function tableOf(complete: string[], more: Partial<RoutesSpec> = {}): RouteTable {
  const latest = [{ group: "hourly", services: ["prices", "risk"], complete }];
  return normalizeRoutes("edge", { hosts: ["mesh.example.test"], services, routes, latest, ...more });
}
const servedBy = (table: RouteTable, path: string, snapshot?: string): (string | undefined)[] =>
  matchRequest(table, {
    host: "mesh.example.test",
    method: "GET",
    path,
    headers: snapshot === undefined ? {} : { "x-mesh-snapshot": snapshot },
    query: {},
  }).destinations.map(({ backend: { destination } }) => (destination.kind === "service" ? destination.snapshot : undefined));

describe("latest", () => {
  it("is the newest snapshot that is complete, for requests that say so and for those that name none", () => {
    const table = tableOf(snapshots.slice(0, 2));
    expect([servedBy(table, "/prices"), servedBy(table, "/risk", "latest"), servedBy(table, "/risk", seven)]).toEqual([
      [six],
      [six],
      [seven],
    ]);
  });

  it("waits until every service of the group is bound to the snapshot", () => {
    const later = [services[0], { ...services[1], endpoints: services[1].endpoints.slice(0, 2) }];
    const table = tableOf(snapshots, { services: later });
    expect([servedBy(table, "/prices"), servedBy(table, "/risk")]).toEqual([[six], [six]]);
  });

  it("moves in one object", () => {
    const pages = (complete: string[]): Map<string, string> =>
      new Map(
        emitHttpRoutes({ name: "edge", namespace: "mesh" }, tableOf(complete), { name: "gw" }).map(({ object }) => [
          object.metadata.name,
          JSON.stringify(object),
        ]),
      );
    const [before, after] = [pages(snapshots.slice(0, 2)), pages(snapshots)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect([...before].filter(([name, text]) => after.get(name) !== text).map(([name]) => name)).toEqual(["edge-routes-latest"]);
  });

  it("without any complete snapshot is an error", () => {
    expect(() => tableOf([])).toThrow(
      "latest[0].complete: [] is not allowed: a complete snapshot that all services of the group are bound to is needed",
    );
  });

  it("of a service belongs to one group", () => {
    const latest = ["a", "b"].map((group) => ({ group, services: ["prices"], complete: snapshots }));
    expect(() => tableOf([], { latest })).toThrow('latest[1].services[0]: "prices" is not allowed: it is of another group already');
  });

  it("never goes back while snapshots are only added", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(snapshots, { minLength: 1 }), fc.subarray(snapshots), (complete, more) => {
        const before = newestCommon(complete, [snapshots]);
        const after = newestCommon([...complete, ...more], [snapshots]);
        expect((after ?? "") >= (before ?? "")).toBe(true);
      }),
    );
  });
});
