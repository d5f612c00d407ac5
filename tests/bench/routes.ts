/**
 * Time to compile and check large route tables, and how it grows.
 *
 * Run: node -r ts-node/register/transpile-only tests/bench/routes.ts
 */
import { Problems } from "../../src/model/errors";
import { compileRoutes, type MeshRoute, type RoutesSpec } from "../../src/model/routes";

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

/** Exponent of growth: slope of log time over log size. */
function exponent(points: readonly { matches: number; cpu: number }[]): number {
  const logs = points.map(({ matches, cpu }) => [Math.log(matches), Math.log(cpu)] as const);
  const mean = (pick: 0 | 1): number => logs.reduce((sum, point) => sum + point[pick], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  return logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}

seconds(snapshotTable(100, 20));
const series: [string, RoutesSpec[]][] = [
  ["routes × 50 snapshots", [125, 250, 500, 1000, 2000].map((routes) => snapshotTable(routes, 50))],
  ["routes that meet", [1024, 2048, 4096, 8192].map(crowdedTable)],
];
for (const [name, specs] of series) {
  const points = specs.map((spec) => ({ routes: spec.routes.length, ...seconds(spec) }));
  points.forEach(({ routes, matches, cpu, wall }) =>
    process.stdout.write(`${name}: ${routes} routes, ${matches} matches: ${cpu.toFixed(2)} s of CPU, ${wall.toFixed(2)} s\n`),
  );
  process.stdout.write(`${name}: exponent ${exponent(points).toFixed(2)}\n`);
}
