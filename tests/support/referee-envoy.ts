/** Envoy alone as a referee: what our Envoy emitter says, from files. */
import type { RouteTable } from "../../src/model/routes";
import { emitEnvoy, type EnvoyContext } from "../../src/routing/envoy";
import { startEnvoyOfFiles } from "../../tools/live/envoy-files";
import { addressesByService } from "./differential";
import { echoNetwork } from "./echo-network";
import { namespacesMissing } from "./private-network";
import { shownHeaders } from "./random-routes";
import { aws, azureKey } from "./outside-world";
import { markerSet, refereePort, type Referee, type RefereeSource, secure, untilMarked } from "./referees";

const binary = process.env["ENVOY"];

/** Our Envoy emitter and Envoy. */
export const envoyReferee: RefereeSource = {
  title: "the Envoy emitter and Envoy",
  missing: binary === undefined ? "Envoy is not cached: npm run test:all gets it" : namespacesMissing(),
  start: () => startEnvoyReferee(),
};

/** As `envoyReferee.start`, with more to say about the place where Envoy runs. */
export async function startEnvoyReferee(more: Partial<EnvoyContext> = {}): Promise<Referee> {
  const network = await echoNetwork(binary!, shownHeaders);
  // Envoy finds the credentials of its own pod by these.
  Object.assign(process.env, network.outside.environment);
  const envoy = await startEnvoyOfFiles(network.place, binary!, "envoy-edge");
  const certificate = network.outside.certificateFor(secure.hosts);
  const listenAt = (port: number): EnvoyContext["listen"] => ({ socket_address: { address: "0.0.0.0", port_value: port } });
  const context: EnvoyContext = {
    name: "edge",
    namespace: "default",
    listen: listenAt(refereePort),
    awsCredentials: () => aws.secret,
    functionsKey: () => azureKey,
    certificate: () => certificate,
    endpoints: ({ name, port }) => (addressesByService.get(name) ?? []).map((address) => ({ address, port })),
    ...more,
  };
  const tables = new Map<string, RouteTable>();
  let times = 0;
  return {
    network,
    port: refereePort,
    target: "gatewayApi",
    serve: async (sets) => {
      const marker = markerSet((times += 1));
      [...sets, marker].forEach(({ name, table }) => tables.set(name, table));
      const table = mergeTables([...tables.values()]);
      const { listeners, clusters } = emitEnvoy(context, table);
      const tls = [{ hosts: secure.hosts, certificateSecret: secure.secret }];
      const [withTls] = emitEnvoy({ ...context, name: "edge-tls", listen: listenAt(secure.port) }, { ...table, tls }).listeners;
      await envoy.load({ listeners: [...listeners, withTls], clusters });
      await untilMarked(network, refereePort, times);
    },
    problems: async () =>
      [...(await envoy.stats("update_(rejected|failure)$"))].filter(([, value]) => value > 0).map(([name, value]) => `${name}: ${value}`),
    apply: () => Promise.resolve(),
    stop: async () => {
      await envoy.stop();
      return network.stop();
    },
  };
}

/** One table of several with different hosts. A destination must have the same settings in all of them. */
export function mergeTables(tables: readonly RouteTable[]): RouteTable {
  const upstreams = new Map<string, RouteTable["upstreams"][number]>();
  for (const upstream of tables.flatMap((table) => table.upstreams)) {
    const { id } = upstream.destination;
    const before = upstreams.get(id);
    if (before !== undefined && JSON.stringify(before.settings) !== JSON.stringify(upstream.settings))
      throw new Error(`${id} has different settings in two tables`);
    upstreams.set(id, upstream);
  }
  return {
    hosts: tables.flatMap(({ hosts }) => hosts),
    virtualHosts: tables.flatMap(({ virtualHosts }) => virtualHosts),
    rules: tables.flatMap(({ rules }) => rules),
    upstreams: [...upstreams.values()],
    tls: tables.flatMap(({ tls }) => tls),
  };
}
