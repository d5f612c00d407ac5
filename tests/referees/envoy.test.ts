/** What the Envoy emitter makes of thousands of random models, served by a real Envoy: every request is answered as our own matcher says. */
import { emitClusters, emitEnvoy, emitVirtualHosts, type EnvoyContext } from "../../src/routing/envoy";
import type { EnvoyCluster } from "../../src/routing/envoy-types";
import { startEnvoyProcess } from "../../tools/live/envoy";
import { untilListening } from "../../tools/live/services-listening";
import { addressByService, compareAnswers, firstOf, missingFeatures } from "../support/differential";
import { echoNetwork, type EchoNetwork } from "../support/echo-network";
import { namespacesMissing } from "../support/private-network";
import { randomModels, shownHeaders } from "../support/random-routes";

jest.setTimeout(600_000);

const binary = process.env["ENVOY"];
const missing = binary === undefined ? "Envoy is not cached: npm run test:all gets it" : namespacesMissing();
const seed = Number(process.env["ROUTES_SEED"] ?? 20_261_121);
const count = Number(process.env["ROUTES_MODELS"] ?? 2000);
const port = 8000;

const context: EnvoyContext = {
  name: "edge",
  namespace: "mesh",
  listen: { socket_address: { address: "0.0.0.0", port_value: port } },
  endpoints: ({ name, port: target }) => [{ address: addressByService.get(name) ?? "", port: target }],
};

(missing === undefined ? describe : describe.skip)(`the Envoy emitter and Envoy${missing === undefined ? "" : ` (${missing})`}`, () => {
  let network: EchoNetwork;
  beforeAll(async () => {
    network = await echoNetwork(binary!, shownHeaders);
  });
  afterAll(async () => network?.stop());

  it(`send the requests of ${count} random models (seed ${seed}) where our matcher says`, async () => {
    const models = randomModels(seed, count, (number) => `m${number}.test`);
    expect(missingFeatures(models)).toEqual([]);
    const [first] = models;
    const clusters = new Map<string, EnvoyCluster>();
    for (const { table } of models) for (const cluster of emitClusters(context, table)) clusters.set(cluster.name, cluster);
    const { listeners } = JSON.parse(JSON.stringify(emitEnvoy(context, first.table)));
    const manager = listeners[0].filter_chains[0].filters[0].typed_config;
    manager.route_config.virtual_hosts = models.flatMap(({ table }) => emitVirtualHosts(context, table));
    const envoy = await startEnvoyProcess(network.place, binary!, "envoy-edge", (admin) => ({
      admin: { address: { pipe: { path: admin, mode: 0o600 } } },
      static_resources: { listeners, clusters: [...clusters.values()] },
    }));
    await untilListening("envoy", network.place, [envoy.recorded], [port]);
    const comparison = await compareAnswers(network, port, models);
    expect(firstOf(comparison)).toBe("");
    expect(comparison.matched).toBeGreaterThan(3 * count);
    await envoy.stop();
  });
});
