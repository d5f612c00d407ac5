/** Features through a referee that are about more than one route: certificates of hosts, gRPC from its client to its server, islands. */
import type { IslandType } from "../../src/model/routes";
import { grpcPort, podPort, seenBy } from "./echo-network";
import { any, type Feature, featureHost, placeOf, statuses, to } from "./feature";
import { refereePort, secure } from "./referees";

const cell: IslandType = {
  name: "cell",
  services: [{ name: "api", port: podPort }],
  routes: [
    { name: "home", match: [{ exact: "/" }], response: { status: 204 } },
    { name: "api", match: [{ prefix: "/api" }], to: [{ own: "api" }] },
  ],
};
const region: IslandType = {
  name: "region",
  services: [],
  routes: [{ name: "status", match: [{ exact: "/status" }], response: { status: 218 } }],
  islands: ["c1", "c2"].map((name) => ({ name, type: "cell", match: { prefix: `/${name}` }, stripPrefix: true })),
};

/** The features, by name. */
export const wholeFeatures: Record<string, Feature> = {
  secure: {
    promise: "speak TLS with the certificate of a Secret, and with nobody who asks for another host",
    routes: [{ name: "all", match: any, to: [to("f5")] }],
    more: { hosts: secure.hosts },
    check: async (ask) => {
      const at = { port: secure.port, tls: true };
      // The client checks the certificate: by its authority, and for the host.
      const [plain, below, unknown] = await ask([
        { path: "/", ...at },
        { path: "/", ...at, host: "a.secure.test" },
        { path: "/", ...at, host: "insecure.test" },
      ]);
      expect([placeOf(plain), placeOf(below), placeOf(unknown)]).toEqual(["f5", "f5", 0]);
      expect(seenBy(below)?.host).toBe("a.secure.test");
      expect(statuses(await ask([{ path: "/" }]))).toEqual([200]);
    },
  },
  grpc: {
    promise: "carry gRPC by service and method: answers, streams and statuses of the server",
    routes: [
      { name: "get", match: [{ grpc: { service: "mesh.v1.Quotes", method: "Get" } }], to: [to("grpc")] },
      { name: "rest", match: [{ grpc: { service: "mesh.v1.Quotes" } }], to: [to("grpc-2")] },
    ],
    more: {
      hosts: [featureHost("grpc"), "grpc.secure.test"],
      upstreams: ["grpc", "grpc-2"].map((name) => ({ kubernetes: { name, port: grpcPort }, protocol: "grpc" })),
    },
    check: async (_ask, { call }) => {
      const plain = { port: refereePort, host: featureHost("grpc"), tls: false, message: "eur" };
      const [get, watch, fail, other, safe] = await call([
        { ...plain, method: "/mesh.v1.Quotes/Get" },
        { ...plain, method: "/mesh.v1.Quotes/Watch" },
        { ...plain, method: "/mesh.v1.Quotes/Fail" },
        { ...plain, method: "/mesh.v1.Risks/Get" },
        { ...plain, method: "/mesh.v1.Quotes/Get", port: secure.port, host: "grpc.secure.test", tls: true },
      ]);
      expect(get).toEqual({ code: 0, details: "OK", messages: ["mesh.v1.Quotes eur at grpc.test"] });
      expect(watch).toEqual({ code: 0, details: "OK", messages: ["1 eur", "2 eur", "3 eur"] });
      expect(fail).toEqual({ code: 5, details: "no such quote", messages: [] });
      // 12 is UNIMPLEMENTED: what a gateway without a route answers.
      expect([other.code, other.messages]).toEqual([12, []]);
      expect(safe).toEqual({ code: 0, details: "OK", messages: ["mesh.v1.Quotes eur at grpc.secure.test"] });
    },
  },
  islands: {
    promise: "lead to islands in islands by all of their matchers, and to no two of them",
    routes: [],
    more: {
      islandTypes: [cell, region],
      islands: ["eu", "us"].map((name) => ({ name, type: "region", match: { headers: { "x-region": name } } })),
    },
    check: async (ask) => {
      const cells = ["eu", "us"].flatMap((name) => ["c1", "c2"].map((inner) => [name, inner]));
      const inside = await ask(cells.map(([name, inner]) => ({ path: `/${inner}/api/x?q=1`, headers: { "x-region": name } })));
      expect(inside.map(placeOf)).toEqual(cells.map(([name, inner]) => `${name}-${inner}-api`));
      // Every instance sees the paths of its type.
      expect(inside.map((answer) => seenBy(answer)?.path)).toEqual(cells.map(() => "/api/x?q=1"));
      const others = await ask([
        { path: "/c1", headers: { "x-region": "eu" } },
        { path: "/status", headers: { "x-region": "us" } },
        { path: "/c1/api" },
        { path: "/c1/api", headers: { "x-region": "ap" } },
        { path: "/c3/api", headers: { "x-region": "eu" } },
        { path: "/api", headers: { "x-region": "eu" } },
      ]);
      expect(statuses(others)).toEqual([204, 218, 404, 404, 404, 404]);
    },
  },
};
