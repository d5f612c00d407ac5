/** kgateway as a referee. */
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitKgatewayObjects } from "../../src/routing/kgateway";
import { findGatewayPrograms, startGateway } from "../../tools/live/gateway";
import { applyAll } from "./apply";
import { crdsMissing } from "./crds";
import { podObjects } from "./differential";
import { namespacesMissing } from "./private-network";
import { objectKeeper, refereeGateway, refereeNamespace as namespace, refereeSetting, stopReferee } from "./referee-cluster";
import { refereePort, type Referee, type RefereeSource, secure, untilQuiet } from "./referees";

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
  const setting = await refereeSetting("kgateway", programs!.envoy);
  const { cluster, network } = setting;
  const service = await startGateway({ ...setting.options, programs });
  const tls = { port: secure.port, certificates: [{ hosts: secure.hosts, certificateSecret: secure.secret }] };
  await applyAll(cluster, [emitGateway({ name: "edge", namespace }, "kgateway", refereePort, tls)]);
  // kgateway asks the Service whether its pods speak HTTP/2.
  const speaksHttp2 = ["two", "grpc", "grpc-2"];
  const services = podObjects(namespace).filter(({ kind, metadata }) => kind === "Service" && speaksHttp2.includes(metadata.name));
  await applyAll(
    cluster,
    services.map((object) => {
      const { ports } = object.spec as { ports: object[] };
      return { ...object, spec: { ports: ports.map((port) => ({ ...port, appProtocol: "kubernetes.io/h2c" })) } };
    }),
  );
  const keeper = objectKeeper(cluster, network, ({ name, table }) => {
    const context = { name, namespace, inNamespace: (text: (namespace: string) => string): string => text(namespace) };
    const pages = emitHttpRoutes(context, table, { name: refereeGateway.name });
    const companions = emitKgatewayObjects(context, table, pages, refereeGateway.name);
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
    stop: () => stopReferee(setting, service),
  };
}
