/** What the referees with a control plane have in common: an embedded API server, and sets of routes as objects in it. */
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import type { ApiAccess } from "../../tools/kubeconfig";
import type { Service, ServicePlace } from "../../tools/live/services";
import { isAlive } from "../../tools/processes";
import { applyAll, pathOf } from "./apply";
import { testCluster, type TestCluster } from "./cluster";
import { sharedCrds } from "./crds";
import { addressesByService, podObjects } from "./differential";
import { type EchoNetwork, echoNetwork } from "./echo-network";
import { shownHeaders } from "./random-routes";
import { refereeSecrets } from "./referee-secrets";
import { markerSet, refereePort, type Served, untilMarked } from "./referees";

type AnyObject = CustomObject<string, unknown>;

/** The namespace of everything. */
export const refereeNamespace = "default";

/** What the DNS of the cluster would know. */
export const clusterNames = Object.fromEntries(
  [...addressesByService].map(([name, addresses]) => [`${name}.${refereeNamespace}.svc.cluster.local`, addresses]),
);

/** The Gateway that every referee serves. */
export const refereeGateway = { namespace: refereeNamespace, name: "edge-gateway" };

/** What a control plane is started with. */
export interface RefereeSetting {
  cluster: TestCluster;
  network: EchoNetwork;
  /** Options that every control plane takes. */
  options: ServicePlace & { prefix: string[]; access: ApiAccess; gateway: typeof refereeGateway; crdFolder: string };
}

/** A cluster in which the pods of a network are known as Services, and that network. `envoy`: the program. */
export async function refereeSetting(name: string, envoy: string): Promise<RefereeSetting> {
  const [cluster, network] = await Promise.all([testCluster({ name }), echoNetwork(envoy, shownHeaders, clusterNames)]);
  await applyAll(cluster, [...podObjects(refereeNamespace), ...refereeSecrets(network, refereeNamespace)]);
  // Envoy finds the credentials of its own pod by its variables.
  Object.assign(process.env, network.outside.environment);
  const options = { ...network.place, access: cluster.info.access, gateway: refereeGateway, crdFolder: sharedCrds };
  return { cluster, network, options };
}

/** Ends a control plane, its cluster and its network. Returns the names of processes that are left. */
export async function stopReferee({ cluster, network }: RefereeSetting, service: Service): Promise<string[]> {
  await service.stop();
  const left = service.processes.filter(isAlive).map(({ name }) => name);
  await cluster.stop();
  return [...left, ...(await network.stop())];
}

/**
 * Keeps the objects of sets in a cluster as Pulumi would: what is new or changed first, then what is gone.
 *
 * @param emit the objects of one set, each with a kind and a name of its own
 */
export function objectKeeper(
  cluster: TestCluster,
  network: EchoNetwork,
  emit: (set: Served) => AnyObject[],
): { serve: (sets: readonly Served[]) => Promise<AnyObject[]>; keep: (set: Served) => Promise<void> } {
  const kept = new Map<string, Map<string, AnyObject>>();
  let times = 0;
  const keep = async (set: Served): Promise<void> => {
    const before = kept.get(set.name) ?? new Map<string, AnyObject>();
    const after = new Map(emit(set).map((object) => [pathOf(object), object]));
    const changed = [...after].filter(([path, object]) => JSON.stringify(before.get(path)) !== JSON.stringify(object));
    await applyAll(
      cluster,
      changed.map(([, object]) => object),
    );
    for (const path of before.keys()) if (!after.has(path)) await cluster.request("DELETE", path);
    kept.set(set.name, after);
  };
  const serve = async (sets: readonly Served[]): Promise<AnyObject[]> => {
    for (const set of sets) await keep(set);
    await keep(markerSet((times += 1)));
    await untilMarked(network, refereePort, times);
    return [...kept.values()].flatMap((objects) => [...objects.values()]);
  };
  return { serve, keep };
}
