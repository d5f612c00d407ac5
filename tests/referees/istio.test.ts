/** What the Istio emitter makes of random models, routed by the real control plane and a real Envoy: every request is answered as our own matcher says. */
import { emitDestinationRules, emitIstioGateway, emitIstioVirtualServices } from "../../src/routing/istio";
import { findIstioPrograms, ingressLabels, type IstioService, startIstio } from "../../tools/live/istio";
import { isAlive } from "../../tools/processes";
import { applyAll } from "../support/apply";
import { eventually, testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing, sharedCrds } from "../support/crds";
import { compareAnswers, firstOf, missingFeatures, podObjects } from "../support/differential";
import { echoNetwork, type EchoNetwork } from "../support/echo-network";
import { namespacesMissing } from "../support/private-network";
import { randomModels, shownHeaders } from "../support/random-routes";

jest.setTimeout(600_000);

const programs = findIstioPrograms();
const missing =
  programs === undefined ? "istiod and Envoy are not cached: npm run test:all gets them" : (namespacesMissing() ?? crdsMissing("istio"));
const seed = Number(process.env["ROUTES_SEED"] ?? 20_261_121);
const count = Number(process.env["ROUTES_MODELS"] ?? 250);
const port = 8000;
/** Applied last, so that everything is served when it is. */
const markerStatus = 299;
const markerQuestion = { port, method: "GET", host: "marker.test", path: "/", headers: {} };
const marker = {
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: "marker", namespace: "default", labels: {} },
  spec: {
    hosts: [markerQuestion.host],
    gateways: ["edge-gateway"],
    http: [{ name: "marker", match: [{ uri: { prefix: "/" } }], directResponse: { status: markerStatus } }],
  },
};
const gateway = { namespace: "default", name: "edge-gateway" };

(missing === undefined ? describe : describe.skip)(
  `the Istio emitter, Istio and Envoy${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let cluster: TestCluster;
    let network: EchoNetwork;
    let istio: IstioService;
    beforeAll(async () => {
      [cluster, network] = await Promise.all([testCluster({ name: "istio" }), echoNetwork(programs!.envoy, shownHeaders)]);
      await applyAll(cluster, podObjects("default"));
      istio = await startIstio({ ...network.place, access: cluster.info.access, gateway, programs, crdFolder: sharedCrds });
    });
    afterAll(async () => {
      await istio?.stop();
      await network?.stop();
      await cluster?.stop();
    });

    it(`send the requests of ${count} random models (seed ${seed}) where our matcher says`, async () => {
      const models = randomModels(seed, count, (number) => `m${number}.test`, { target: "istio" });
      expect(missingFeatures(models, ["redirect prefix"])).toEqual([]);
      const everything = { hosts: ["*.test"], virtualHosts: [], rules: [], upstreams: [], tls: [] };
      const context = { name: "edge", namespace: "default" };
      await applyAll(cluster, [emitIstioGateway(context, everything, ingressLabels, { http: port, https: 8443 })]);
      const objects = models.flatMap(({ table }, number) => {
        const own = { name: `m${number}`, namespace: "default" };
        return [...emitIstioVirtualServices(own, table, "edge-gateway"), ...emitDestinationRules(own, table)];
      });
      await applyAll(cluster, objects);
      await applyAll(cluster, [marker]);
      await eventually("the marker", async () => (await network.ask([markerQuestion]))[0].status === markerStatus);
      expect(await istio.problems()).toEqual([]);
      const comparison = await compareAnswers(network, port, models);
      expect(firstOf(comparison)).toBe("");
      expect(await istio.problems()).toEqual([]);
      expect(comparison.matched).toBeGreaterThan(3 * count);
    });

    it("leaves no process behind", async () => {
      await istio.stop();
      expect(istio.processes.map(isAlive)).toEqual([false, false]);
    });
  },
);
