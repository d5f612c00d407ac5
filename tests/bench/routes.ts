/** Routes: time to compile and check large tables, and how it grows; Envoy with our configuration; time until a route answers. */
import { Problems } from "../../src/model/errors";
import { compileRoutes, type MeshRoute, type RoutesSpec } from "../../src/model/routes";
import { networkMissing } from "../../tools/gateway/network";
import { findGatewayPrograms } from "../../tools/live/gateway";
import { exponent, type ResultTable } from "./results";
import { benchEnvoy } from "./routes-envoy";
import { benchStart } from "./routes-start";

function snapshotTable(routes: number, snapshots: number): RoutesSpec {
  const ids = Array.from(
    { length: snapshots },
    (_unused, index) => `202611${String(1 + Math.floor(index / 24)).padStart(2, "0")}t${String(index % 24).padStart(2, "0")}00z`,
  );
  const endpoints = ids.flatMap((snapshot) =>
    ["v1", "v2"].map((version) => ({ version, snapshot, serviceName: `prices-${version}-${snapshot}`, port: 8080, podServiceNames: [] })),
  );
  return {
    hosts: ["mesh.example.test"],
    services: [{ name: "prices", weights: { v1: 90, v2: 10 }, endpoints }],
    routes: Array.from({ length: routes }, (_unused, index): MeshRoute => ({
      name: `r${index}`,
      match: [{ prefix: `/team-${index % 40}/api-${index}`, snapshot: "each" }],
      to: [{ service: { service: "prices" } }],
    })),
  };
}

/** Routes that meet: short prefixes over each other, headers, methods, and shards of one path. */
function crowdedTable(routes: number): RoutesSpec {
  return {
    hosts: ["mesh.example.test"],
    services: [],
    routes: Array.from({ length: routes }, (_unused, index): MeshRoute => ({
      name: `r${index}`,
      match: [{ prefix: `/a${"/b".repeat(index % 5)}`, headers: { "x-shard": String(Math.floor(index / 5)) } }],
      to: [{ kubernetes: { name: `b${index}`, port: 80 } }],
    })),
  };
}

function seconds(spec: RoutesSpec): { cpu: number; wall: number; matches: number } {
  const [before, began] = [process.cpuUsage(), performance.now()];
  const problems = new Problems("bench");
  const table = compileRoutes(problems, spec);
  problems.throwIfAny();
  const { user, system } = process.cpuUsage(before);
  const matches = table.virtualHosts.reduce((sum, { order }) => sum + order.length, 0);
  return { cpu: (user + system) / 1e6, wall: (performance.now() - began) / 1000, matches };
}

/** The same table several times; the fastest, because everything else is the machine's. */
function fastest(spec: RoutesSpec): ReturnType<typeof seconds> {
  return [1, 2, 3].map(() => seconds(spec)).sort((a, b) => a.cpu - b.cpu)[0];
}

function benchCompile(say: (text: string) => void): ResultTable {
  // Until the compiler of JavaScript has seen all of it, small tables look slow and the growth too good.
  for (let times = 0; times < 5; times += 1) {
    seconds(snapshotTable(200, 20));
    seconds(crowdedTable(1024));
  }
  const series: [string, RoutesSpec[]][] = [
    ["routes × 50 snapshots", [125, 250, 500, 1000, 2000].map((routes) => snapshotTable(routes, 50))],
    ["routes that meet", [1024, 2048, 4096, 8192].map(crowdedTable)],
  ];
  const rows = series.flatMap(([name, specs]) => {
    const points = specs.map((spec) => ({ routes: spec.routes.length, ...fastest(spec) }));
    const growth = exponent(points.map(({ matches, cpu }) => [matches, cpu] as const));
    say(`${name}: exponent ${growth.toFixed(2)}`);
    return points.map(({ routes, matches, cpu, wall }, index) => [name, routes, matches, cpu, wall, index === 0 ? growth.toFixed(2) : ""]);
  });
  return {
    title: "Compiling and checking route tables",
    head: ["table", "routes", "matches", "CPU, s", "time, s", "exponent"],
    rows,
    notes: [
      "The fastest of three, after a warm-up. The bound is 2 s for 1,000 routes × 50 snapshots. The exponent is that of CPU over matches: 1 is linear. Routes that meet are short prefixes over each other with a header each, so " +
        "that every pair of them is looked at where that is needed.",
    ],
  };
}

/** Everything about routes. What needs kgateway or Envoy is left out where these are not cached. */
export async function benchRoutes(say: (text: string) => void): Promise<ResultTable[]> {
  const tables = [benchCompile(say)];
  const programs = findGatewayPrograms();
  const missing = programs === undefined ? "kgateway and Envoy are not cached: npm run test:all gets them" : networkMissing();
  if (programs === undefined || missing !== undefined) {
    say(`only compiled: ${missing ?? ""}`);
    return tables;
  }
  tables.push(await benchEnvoy(programs.envoy, say));
  tables.push(await benchStart(programs, say));
  return tables;
}
