/** Istio as a referee. */
import { spawnSync } from "node:child_process";
import { emitDestinationRules, emitIstioGateway, emitIstioVirtualServices, emitServiceEntries } from "../../src/routing/istio";
import { findIstioPrograms, ingressLabels, startIstio } from "../../tools/live/istio";
import { applyAll } from "./apply";
import { crdsMissing } from "./crds";
import { namespacesMissing } from "./private-network";
import { objectKeeper, refereeGateway, refereeNamespace as namespace, refereeSetting, stopReferee } from "./referee-cluster";
import { refereePort, type Referee, type RefereeSource, secure, untilQuiet } from "./referees";

const programs = findIstioPrograms();

/** Our Istio emitter, Istio's control plane and Envoy. */
export const istioReferee: RefereeSource = {
  title: "the Istio emitter, Istio and Envoy",
  missing:
    programs === undefined ? "istiod and Envoy are not cached: npm run test:all gets them" : (namespacesMissing() ?? crdsMissing("istio")),
  start: startIstioReferee,
};

async function startIstioReferee(): Promise<Referee> {
  const { envoy, istiod } = programs!;
  const setting = await refereeSetting("istio", envoy);
  const { cluster, network } = setting;
  const istio = await startIstio({ ...setting.options, programs, authorities: network.outside.authorities });
  const tls = [{ hosts: secure.hosts, certificateSecret: secure.secret }];
  const anyHost = { hosts: ["*"], virtualHosts: [], rules: [], upstreams: [], tls };
  const gatewayObject = emitIstioGateway({ name: "edge", namespace }, anyHost, ingressLabels, {
    http: refereePort,
    https: secure.port,
  });
  await applyAll(cluster, [gatewayObject]);
  const keeper = objectKeeper(cluster, network, ({ name, table }) => {
    const context = { name, namespace };
    return [
      ...emitServiceEntries(context, table, (text) => text(namespace)),
      ...emitDestinationRules(context, table),
      ...emitIstioVirtualServices(context, table, refereeGateway.name),
    ];
  });
  let objects: unknown[] = [gatewayObject];
  return {
    network,
    port: refereePort,
    target: "istio",
    serve: async (sets) => {
      objects = [gatewayObject, ...(await keeper.serve(sets))];
      await untilQuiet(istio.stats);
    },
    problems: async () => [...(await istio.problems()), ...validate(istiod, objects)],
    apply: (more) => applyAll(cluster, more),
    stop: () => stopReferee(setting, istio),
  };
}

/** What Istio's admission webhook would say of the objects. */
function validate(istiod: string, objects: readonly unknown[]): string[] {
  const child = spawnSync(istiod, ["-validate"], { input: JSON.stringify(objects), encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (child.status !== 0) return [`istiod -validate: ${child.stderr}`];
  const findings = JSON.parse(child.stdout) as { error?: string; warning?: string }[];
  return findings.flatMap(({ error, warning }, index) =>
    [error, warning].filter((text) => text !== undefined).map((text) => `${text}: ${JSON.stringify(objects[index]).slice(0, 600)}`),
  );
}
