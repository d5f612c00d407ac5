/**
 * The referees of routes, each behind the same three verbs: a real Envoy with what our Envoy emitter says, the real kgateway with a real Envoy, the real
 * Istio with a real Envoy. None of them knows our matcher.
 */
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import { normalizeRoutes, type RouteTable, type RouteTarget } from "../../src/model/routes";
import { eventually } from "./cluster";
import type { EchoNetwork } from "./echo-network";

/** Where referees listen in their network: kgateway names any other port in redirects, as the Gateway API says. */
export const refereePort = 80;

/** Where they listen with TLS, for which hosts, with the certificate of which Secret. */
export const secure = { port: 8443, hosts: ["secure.test", "*.secure.test"], secret: "secure-cert" };

/** Secrets that routes name: the keys for AWS, and that of an Azure function. */
export const awsSecretName = "aws-keys";
export const azureSecretName = "azure-key";

/** One set of routes. */
export interface Served {
  /** Name of the GlooRoutes, unique. */
  name: string;
  table: RouteTable;
}

/** A gateway that somebody else has written. */
export interface Referee {
  network: EchoNetwork;
  /** Where it listens in the network. */
  port: number;
  /** What routes have to be compiled for. */
  target: RouteTarget;
  /** Serves these sets, and no longer those of the same name that it served. Returns when all of them are served. */
  serve(sets: readonly Served[]): Promise<void>;
  /** Every condition that is not true, every object that is not accepted, everything that Envoy has rejected. */
  problems(): Promise<string[]>;
  /** Objects of Kubernetes that routes refer to, such as Secrets. */
  apply(objects: readonly CustomObject<string, unknown>[]): Promise<void>;
  /** Ends it, its network and its cluster; afterwards none of its processes is left. Returns those that are. */
  stop(): Promise<string[]>;
}

/** How a referee is had; `missing` says why not. */
export interface RefereeSource {
  title: string;
  missing: string | undefined;
  start(this: void): Promise<Referee>;
}

/** A host that is served last, so that everything is served when it is. */
const markerHost = "marker.test";

/** One more set, whose answer says how often it was changed. */
export function markerSet(times: number): Served {
  const response = { status: 200, body: `marker ${times}` };
  return {
    name: "marker",
    table: normalizeRoutes("marker", { hosts: [markerHost], services: [], routes: [{ name: "marker", match: [{}], response }] }),
  };
}

/** Waits until the marker answers so. */
export async function untilMarked(network: EchoNetwork, port: number, times: number, seconds = 120): Promise<void> {
  const question = { port, method: "GET", host: markerHost, path: "/", headers: {} };
  await eventually(`marker ${times}`, async () => (await network.ask([question], 1))[0].body === `marker ${times}`, seconds);
}

/**
 * Waits until Envoy was told nothing new of its destinations for a second, and uses what it was told: a control plane tells routes and destinations apart
 * from each other, and a destination with new settings is used once its pods were told again, at the latest after 15 s.
 */
export async function untilQuiet(stats: (filter: string) => Promise<Map<string, number>>): Promise<void> {
  let [last, since] = ["", Date.now()];
  for (
    const end = Date.now() + 60_000;
    Date.now() - since < 1000 && Date.now() < end;
    await new Promise((resolve) => setTimeout(resolve, 100))
  ) {
    const counters = await stats("^cluster_manager\\.(cds\\.update_success|warming_clusters|cluster_modified|cluster_added)$");
    const now = JSON.stringify([...counters]);
    if (now !== last || counters.get("cluster_manager.warming_clusters") !== 0) [last, since] = [now, Date.now()];
  }
}
