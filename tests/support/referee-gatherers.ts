/** A service with two gatherers, of which one has died with its node: packets to it vanish, and Kubernetes has not noticed yet. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { normalizeRoutes, type RoutesSpec } from "../../src/model/routes";
import { deadAddress, gatherersService } from "./differential";
import { podPort } from "./echo-network";
import type { Referee } from "./referees";

/** What was seen. */
export interface GatherersResult {
  statuses: Record<string, number>;
  /** Requests that took longer than half a second, so that they met the dead one. */
  slow: number;
}

const services = [
  {
    name: "prices",
    weights: { v1: 1 },
    endpoints: [
      {
        version: "v1",
        snapshot: "20261121t0600z",
        serviceName: gatherersService,
        directServiceName: "prices-pods",
        port: podPort,
        podServiceNames: [],
      },
    ],
  },
];

/** Sends requests one after the other to routes as they are if nothing is said. */
export const askGatherers = (referee: Referee, requests: number): Promise<GatherersResult> => ask(referee, requests, "gatherers");

/** The same with the defaults switched off. */
export const askWithoutDefaults = (referee: Referee, requests: number): Promise<GatherersResult> =>
  ask(referee, requests, "gatherers-plain", {
    retries: { attempts: 0 },
    upstream: { connectTimeoutSeconds: 1, outlierDetection: { maxEjectionPercent: 0 } },
  });

async function ask(
  referee: Referee,
  requests: number,
  name: string,
  without?: { retries: { attempts: number }; upstream: object },
): Promise<GatherersResult> {
  const { network, port, target } = referee;
  await loseNode(network.place.prefix);
  const host = "gatherers.test";
  const spec: RoutesSpec = {
    hosts: [host],
    services,
    target,
    routes: [
      {
        name: "g",
        match: [{}],
        to: [{ service: { service: "prices", snapshot: "20261121t0600z" } }],
        ...(without && { retries: without.retries }),
      },
    ],
    ...(without && { upstreams: [{ service: "prices", ...without.upstream }] }),
  };
  await referee.serve([{ name: "gatherers", table: normalizeRoutes(name, spec) }]);
  const question = { port, host, method: "GET", path: "/total", headers: {} };
  const answers = await network.ask(
    Array.from({ length: requests }, () => question),
    1,
  );
  const statuses: Record<string, number> = {};
  answers.forEach(({ status }) => (statuses[status] = (statuses[status] ?? 0) + 1));
  return { statuses, slow: answers.filter(({ milliseconds }) => milliseconds > 500).length };
}

/** Packets to the dead address leave by a link whose other end belongs to nobody of that hardware address. */
async function loseNode(prefix: readonly string[]): Promise<void> {
  const script = `ip link show lost0 >/dev/null 2>&1 && exit 0
    ip link add lost0 type veth peer name lost1 && ip link set lost0 up && ip link set lost1 up &&
    ip route add ${deadAddress}/32 dev lost0 && ip neigh add ${deadAddress} lladdr 02:00:00:00:00:01 dev lost0 nud permanent`;
  const [command, ...args] = [...prefix, "sh", "-c", script];
  await promisify(execFile)(command, args);
}
