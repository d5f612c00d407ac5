import { readFileSync } from "node:fs";
import Ajv from "ajv";
import { meshFileKeys } from "../../../src/mesh-file";
import { Problems } from "../../../src/model/errors";
import { compileRoutes, type RoutesSpec } from "../../../src/model/routes";
import { makeSchema, schemaFile } from "../../../tools/schema";
import { exampleServices } from "../../support/routing";

const schema = JSON.parse(readFileSync(schemaFile, "utf8")) as { definitions: Record<string, { properties: object }> };
const spec: RoutesSpec = {
  hosts: ["mesh.example.test"],
  target: "istio",
  dimensions: { snapshot: { header: "x-snap", query: "snap" } },
  services: exampleServices,
  latest: [{ group: "hourly", services: ["prices"], complete: ["s1"] }],
  upstreams: [{ service: "prices", hash: { header: "x-key" }, circuitBreaker: { maxRequests: 10 } }],
  routes: [
    {
      name: "prices",
      match: [
        { prefix: "/prices", snapshot: "each", shard: 1 },
        { regex: "/p[0-9]+", methods: ["GET"], headersMatching: { x: "a.*" }, snapshot: "s1" },
      ],
      to: [{ weight: 2, service: { service: "prices" } }],
      retries: { attempts: 2, on: ["reset"] },
      fault: { delay: { seconds: 1 } },
    },
  ],
  islandTypes: [{ name: "cell", services: [{ name: "api", port: 80 }], routes: [{ name: "api", match: [{}], to: [{ own: "api" }] }] }],
  islands: [{ name: "eu", type: "cell", match: { prefix: "/eu" } }],
};

describe("the schema of mesh.yaml", () => {
  const valid = (value: unknown): boolean => new Ajv().validate(schema, value) as boolean;

  it("is that of the types (node -r ts-node/register/transpile-only tools/schema.ts writes it anew)", () => {
    expect(readFileSync(schemaFile, "utf8")).toBe(makeSchema());
  });

  it("takes what the types take, and nothing that they refuse", () => {
    expect(valid(spec)).toBe(true);
    const [route] = spec.routes;
    for (const bad of [
      { ...spec, host: [] },
      { ...spec, target: "nginx" },
      { ...spec, routes: [{ ...route, name: undefined, match: "x" }] },
      { ...spec, routes: [{ ...route, to: [{ service: "prices" }] }] },
      { ...spec, routes: [{ ...route, retries: { attempts: 1, on: ["timeout"] } }] },
      { ...spec, islands: [{ name: "eu" }] },
    ]) {
      expect(valid(JSON.parse(JSON.stringify(bad)))).toBe(false);
    }
  });

  it("knows the keys that the compiler knows", () => {
    const known = (routes: unknown, path: string): string[] => {
      const problems = new Problems("x");
      compileRoutes(problems, { ...spec, routes } as RoutesSpec);
      const allowed = problems.all.find((problem) => problem.path === path)?.allowed ?? "";
      return (/known keys are (.*)$/.exec(allowed)?.[1] ?? "").split(", ").sort();
    };
    const [route] = spec.routes;
    const keys = (name: string): string[] => Object.keys(schema.definitions[name].properties).sort();
    expect(known([{ ...route, zzzz: 1 }], "routes[0].zzzz")).toEqual(keys("MeshRoute"));
    expect(known([{ ...route, match: [{ zzzz: 1 }] }], "routes[0].match[0].zzzz")).toEqual(keys("RouteMatch"));
    expect(known([{ ...route, to: [{ zzzz: 1, url: { url: "https://a.test" } }] }], "routes[0].to[0].zzzz")).toEqual(
      keys("WeightedDestination"),
    );
    expect(known([{ ...route, retries: { attempts: 1, zzzz: 1 } }], "routes[0].retries.zzzz")).toEqual(keys("RetryPolicy"));
  });

  it("has the keys that files are read with", () => {
    const { properties } = JSON.parse(readFileSync(schemaFile, "utf8")) as { properties: object };
    expect([...meshFileKeys].sort()).toEqual(Object.keys(properties).sort());
  });
});
