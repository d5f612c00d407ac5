/** Requests that Envoy forwards with our configuration, beside one that says the same in the fewest words by hand. */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { promisify } from "node:util";
import { normalizeRoutes, type RoutesSpec } from "../../src/model/routes";
import { emitEnvoy } from "../../src/routing/envoy";
import { type EnvoyFiles, type EnvoyOfFiles, startEnvoyOfFiles } from "../../tools/live/envoy-files";
import { echoNetwork, type EchoNetwork, podAddress, podPort } from "../support/echo-network";
import type { ResultTable } from "./results";

const host = "mesh.example.test";
const rounds = 6;
const seconds = 2;
const connections = 16;
const address = (port: number, name = "0.0.0.0"): object => ({ socket_address: { address: name, port_value: port } });

/** One path for each route, in two snapshots and two versions, as services in a mesh have them. */
const snapshots = ["20261121t0500z", "20261121t0600z"];
const versions = { v1: 90, v2: 10 };
const pathOf = (route: number): string => `/team-${route % 40}/api-${route}`;
const podOf = (version: string, snapshot: string): string =>
  podAddress(1 + snapshots.indexOf(snapshot) * 2 + Object.keys(versions).indexOf(version));

function ourFiles(routes: number, port: number): EnvoyFiles {
  const pairs = Object.keys(versions).flatMap((version) => snapshots.map((snapshot) => ({ version, snapshot })));
  const spec: RoutesSpec = {
    hosts: [host],
    services: [
      {
        name: "prices",
        weights: versions,
        endpoints: pairs.map((pair) => ({ ...pair, serviceName: `${pair.version}-${pair.snapshot}`, port: podPort, podServiceNames: [] })),
      },
    ],
    routes: Array.from({ length: routes }, (_unused, route) => ({
      name: `r${route}`,
      match: [{ prefix: pathOf(route), snapshot: "each" }],
      to: [{ service: { service: "prices" } }],
    })),
  };
  const endpoints = ({ version = "", snapshot = "" }: { version?: string; snapshot?: string }): { address: string; port: number }[] => [
    { address: podOf(version, snapshot), port: podPort },
  ];
  const listen = { socket_address: { address: "0.0.0.0", port_value: port } };
  return emitEnvoy({ name: "edge", namespace: "mesh", listen, endpoints }, normalizeRoutes("edge", spec));
}

function handWritten(routes: number, port: number): EnvoyFiles {
  const clusterOf = (version: string, snapshot: string): string => `${version}-${snapshot}`;
  const entries = Array.from({ length: routes }, (_unused, route) =>
    snapshots.map((snapshot) => ({
      match: {
        path_separated_prefix: pathOf(route),
        headers: [{ name: "x-mesh-snapshot", string_match: { exact: snapshot } }],
      },
      route: {
        weighted_clusters: {
          clusters: Object.entries(versions).map(([version, weight]) => ({ name: clusterOf(version, snapshot), weight })),
        },
      },
    })),
  ).flat();
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "edge",
    route_config: { virtual_hosts: [{ name: "all", domains: [host], routes: entries }] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  return {
    listeners: [{ name: "edge", address: address(port), filter_chains: [{ filters: [{ name: "http", typed_config: manager }] }] }],
    clusters: Object.keys(versions).flatMap((version) =>
      snapshots.map((snapshot) => ({
        name: clusterOf(version, snapshot),
        type: "STATIC",
        load_assignment: {
          cluster_name: clusterOf(version, snapshot),
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(podPort, podOf(version, snapshot)) } }] }],
        },
      })),
    ),
  };
}

interface Measured {
  perSecond: number;
  /** Of Envoy's own CPU time for one request. */
  microseconds: number;
}

/** CPU time of a process so far, in seconds. */
function cpuOf(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 14 and 15 of proc(5), in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function flood(network: EchoNetwork, envoy: EnvoyOfFiles, port: number, routes: number): Promise<Measured> {
  const requests = Array.from({ length: 50 }, (_unused, index) => {
    const route = Math.floor((index * routes) / 50);
    return `GET ${pathOf(route)}/day HTTP/1.1\r\nhost: ${host}\r\nx-mesh-snapshot: ${snapshots[index % 2]}\r\n\r\n`;
  });
  const file = path.join(network.place.folder, "flood.json");
  fs.writeFileSync(file, JSON.stringify({ port, requests, connections, seconds }));
  const [command, ...args] = [...network.place.prefix, process.execPath, path.join(__dirname, "flood.cjs"), file];
  const before = cpuOf(envoy.recorded.pid);
  const { stdout } = await promisify(execFile)(command, args);
  const { answered, failed } = JSON.parse(stdout) as { answered: number; failed: number };
  if (failed > 0 || answered === 0) throw new Error(`${failed} of ${answered + failed} requests failed`);
  return { perSecond: answered / seconds, microseconds: ((cpuOf(envoy.recorded.pid) - before) * 1e6) / answered };
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** In turns, so that what else the machine does meets both; the first round warms up. */
export async function benchEnvoy(binary: string, say: (text: string) => void): Promise<ResultTable> {
  const network = await echoNetwork(binary);
  const rows: ResultTable["rows"] = [];
  let port = 8100;
  try {
    for (const routes of [2, 50, 500]) {
      const pair = [];
      for (const [name, files] of [["ours", ourFiles] as const, ["hand", handWritten] as const]) {
        const envoy = await startEnvoyOfFiles(network.place, binary, `envoy-${name}-${routes}`);
        port += 1;
        await envoy.load(files(routes, port));
        pair.push({ envoy, port, results: [] as Measured[] });
      }
      for (let round = 0; round <= rounds; round += 1) {
        for (const one of round % 2 === 0 ? pair : [...pair].reverse()) {
          const result = await flood(network, one.envoy, one.port, routes);
          if (round > 0) one.results.push(result);
        }
      }
      await Promise.all(pair.map(({ envoy }) => envoy.stop()));
      const [ours, hand] = pair.map(({ results }) => ({
        perSecond: median(results.map(({ perSecond }) => perSecond)),
        microseconds: median(results.map(({ microseconds }) => microseconds)),
      }));
      say(`${routes} routes: ${Math.round(ours.perSecond)}/s beside ${Math.round(hand.perSecond)}/s`);
      rows.push([2 * routes, "requests/s", ours.perSecond, hand.perSecond, ours.perSecond / hand.perSecond]);
      rows.push([
        2 * routes,
        "CPU of Envoy for a request, µs",
        ours.microseconds,
        hand.microseconds,
        ours.microseconds / hand.microseconds,
      ]);
    }
  } finally {
    await network.stop();
  }
  return {
    title: "Envoy with our configuration beside one written by hand",
    head: ["matches", "what", "compute-mesh", "by hand", "ratio"],
    rows,
    notes: [
      `Medians of ${rounds} rounds of ${seconds} s in turns, ${connections} connections, one worker thread; every match is a prefix and a snapshot, and leads to two versions by weight. Load generator, ` +
        "gateway and pods share the cores. Envoy looks at one match after the other, so many of them cost both the same.",
    ],
  };
}
