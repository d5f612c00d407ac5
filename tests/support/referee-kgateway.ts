/** kgateway as a referee. */
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitKgatewayObjects } from "../../src/routing/kgateway";
import { findGatewayPrograms, startGateway } from "../../tools/live/gateway";
import { isAlive } from "../../tools/processes";
import { applyAll } from "./apply";
import { crdsMissing, sharedCrds } from "./crds";
import { podObjects } from "./differential";
import { echoNetwork, podPort } from "./echo-network";
import { namespacesMissing } from "./private-network";
import { shownHeaders } from "./random-routes";
import { clusterNames, objectKeeper, refereeCluster, refereeNamespace as namespace } from "./referee-cluster";
import { refereePort, type Referee, type RefereeSource, untilQuiet } from "./referees";

const programs = findGatewayPrograms();

/** Our Gateway API emitter, kgateway's controller with strict validation, and Envoy. */
export const kgatewayReferee: RefereeSource = {
  title: "the Gateway API emitter, kgateway and Envoy",
  missing:
    programs === undefined
      ? "kgateway and Envoy are not cached: npm run test:all gets them"
      : (namespacesMissing() ?? crdsMissing("kgateway")),
  start: startKgatewayReferee,
};

async function startKgatewayReferee(): Promise<Referee> {
  const [cluster, network] = await Promise.all([refereeCluster("kgateway"), echoNetwork(programs!.envoy, shownHeaders, clusterNames)]);
  const gateway = { namespace, name: "edge-gateway" };
  const service = await startGateway({
    ...network.place,
    access: cluster.info.access,
    gateway,
    programs,
    crdFolder: sharedCrds,
  });
  await applyAll(cluster, [emitGateway({ name: "edge", namespace }, "kgateway", refereePort)]);
  // kgateway asks the Service whether its pods speak HTTP/2.
  const grpc = podObjects(namespace).filter(({ kind, metadata }) => kind === "Service" && metadata.name === "f3");
  await applyAll(
    cluster,
    grpc.map((object) => ({ ...object, spec: { ports: [{ name: "http", port: podPort, appProtocol: "kubernetes.io/h2c" }] } })),
  );
  const keeper = objectKeeper(cluster, network, ({ name, table }) => {
    const context = { name, namespace, inNamespace: (text: (namespace: string) => string): string => text(namespace) };
    const pages = emitHttpRoutes(context, table, { name: gateway.name });
    const companions = emitKgatewayObjects(context, table, pages, gateway.name);
    return [...companions, ...pages].map(({ object }) => object);
  });
  return {
    network,
    port: refereePort,
    target: "gatewayApi",
    serve: async (sets) => {
      const objects = await keeper.serve(sets);
      await untilQuiet(service.stats);
      await service.ready({ routes: objects.filter(({ kind }) => kind === "HTTPRoute").length, seconds: 300 });
    },
    problems: () => service.problems(),
    apply: (more) => applyAll(cluster, more),
    stop: async () => {
      await service.stop();
      const left = service.processes.filter(isAlive).map(({ name }) => name);
      await cluster.stop();
      return [...left, ...(await network.stop())];
    },
  };
}
