/** What the Gateway API emitter makes of random models, routed by the real kgateway and a real Envoy: every request is answered as our own matcher says. */
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { findGatewayPrograms, type GatewayService, startGateway } from "../../tools/live/gateway";
import { isAlive } from "../../tools/processes";
import { applyAll } from "../support/apply";
import { testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing, sharedCrds } from "../support/crds";
import { compareAnswers, firstOf, missingFeatures, podObjects } from "../support/differential";
import { echoNetwork, type EchoNetwork } from "../support/echo-network";
import { namespacesMissing } from "../support/private-network";
import { randomModels, shownHeaders } from "../support/random-routes";

jest.setTimeout(900_000);

const programs = findGatewayPrograms();
const missing =
  programs === undefined
    ? "kgateway and Envoy are not cached: npm run test:all gets them"
    : (namespacesMissing() ?? crdsMissing("kgateway"));
const seed = Number(process.env["ROUTES_SEED"] ?? 20_261_121);
const count = Number(process.env["ROUTES_MODELS"] ?? 250);
const port = 8000;
const gateway = { namespace: "default", name: "edge-gateway" };

(missing === undefined ? describe : describe.skip)(
  `the Gateway API emitter, kgateway and Envoy${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let cluster: TestCluster;
    let network: EchoNetwork;
    let service: GatewayService;
    beforeAll(async () => {
      [cluster, network] = await Promise.all([testCluster({ name: "kgateway" }), echoNetwork(programs!.envoy, shownHeaders)]);
      await applyAll(cluster, podObjects("default"));
      service = await startGateway({ ...network.place, access: cluster.info.access, gateway, programs, crdFolder: sharedCrds });
    });
    afterAll(async () => {
      await service?.stop();
      await network?.stop();
      await cluster?.stop();
    });

    it(`send the requests of ${count} random models (seed ${seed}) where our matcher says, with every condition true`, async () => {
      const models = randomModels(seed, count, (number) => `m${number}.test`);
      expect(missingFeatures(models)).toEqual([]);
      await applyAll(cluster, [emitGateway({ name: "edge", namespace: "default" }, "kgateway", port)]);
      const objects = models.flatMap(({ table }, number) =>
        emitHttpRoutes({ name: `m${number}`, namespace: "default" }, table, { name: gateway.name }).map(({ object }) => object),
      );
      await applyAll(cluster, objects);
      await service.ready({ routes: objects.length, seconds: 300 });
      const comparison = await compareAnswers(network, port, models);
      expect(firstOf(comparison)).toBe("");
      expect(await service.problems()).toEqual([]);
      expect(comparison.matched).toBeGreaterThan(3 * count);
    });

    it("leaves no process behind", async () => {
      await service.stop();
      expect(service.processes.map(isAlive)).toEqual([false, false]);
    });
  },
);
