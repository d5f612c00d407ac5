/**
 * Snapshots come and go, their versions too, the default moves on, pods die, while requests come without a pause: none of them may be answered by a pod of
 * another snapshot than the one that it names.
 */
import type { VersionedServiceFacts } from "../../src/model/facts";
import { normalizeRoutes, type MeshRoute } from "../../src/model/routes";
import { addressesByService, endpointSlice } from "./differential";
import { podPort, type HammerQuestion, type HammerResult } from "./echo-network";
import { refereeNamespace } from "./referee-cluster";
import type { Referee } from "./referees";

const host = "isolation.test";
const snapshots = Array.from({ length: 10 }, (_unused, index) => `s${index}`);
const versions = ["v1", "v2"] as const;

/** Every snapshot has pods of its own: those of `f0` and `f1` are of s0 in v1 and v2, and so on. */
const serviceOf = (snapshot: string, version: string): string => `f${2 * snapshots.indexOf(snapshot) + versions.indexOf(version as "v1")}`;
const podsOf = (snapshot: string): string[] => versions.flatMap((version) => addressesByService.get(serviceOf(snapshot, version)) ?? []);

/** What is deployed: versions by snapshot, and the snapshot of requests that name none. */
interface Deployed {
  versions: Record<string, string[]>;
  latest: string;
}

const routes = ({ latest }: Deployed): MeshRoute[] => [
  { name: "prices", match: [{ prefix: "/prices", snapshot: "each" }], to: [{ service: { service: "prices" } }] },
  { name: "version", match: [{ prefix: "/prices", snapshot: "each", version: "each" }], to: [{ service: { service: "prices" } }] },
  { name: "latest", match: [{ prefix: "/prices" }], to: [{ service: { service: "prices", snapshot: latest } }] },
];

function factsOf({ versions: deployed }: Deployed): VersionedServiceFacts {
  const endpoints = Object.entries(deployed).flatMap(([snapshot, list]) =>
    list.map((version) => ({ version, snapshot, serviceName: serviceOf(snapshot, version), port: podPort, podServiceNames: [] })),
  );
  return { name: "prices", weights: { v1: 90, v2: 10 }, endpoints };
}

/** A life of ten snapshots, again and again: a new one comes, gets a second version, becomes the default; the oldest loses a version, then goes. */
function* lives(): Generator<Deployed> {
  for (let number = 0; ; number++) {
    const at = (offset: number): string => snapshots[(number + offset) % snapshots.length];
    const [oldest, old, current, coming] = [at(0), at(1), at(2), at(3)];
    const kept = { [old]: ["v1", "v2"], [current]: ["v1", "v2"] };
    yield { versions: { [oldest]: ["v1", "v2"], ...kept }, latest: current };
    yield { versions: { [oldest]: ["v2"], ...kept, [coming]: ["v1"] }, latest: current };
    yield { versions: { [oldest]: ["v2"], ...kept, [coming]: ["v1", "v2"] }, latest: current };
    yield { versions: { ...kept, [coming]: ["v1", "v2"] }, latest: coming };
  }
}

/** Requests for every snapshot, deployed or not, with and without a version, and requests that name none. */
function questions(port: number): HammerQuestion[] {
  const named = [...snapshots, "s99"].flatMap((snapshot) => {
    const allowed = snapshot === "s99" ? [] : podsOf(snapshot);
    const base = { port, host, path: "/prices/eur", headers: { "x-mesh-snapshot": snapshot }, allowed };
    return [base, ...versions.map((version) => ({ ...base, headers: { ...base.headers, "x-mesh-version": version } }))];
  });
  return [...named, { port, host, path: "/prices", headers: {}, allowed: snapshots.flatMap(podsOf) }];
}

/** Whether an answer of the wrong pod would be seen: asks for a while what nobody may answer. */
export async function leaksAreSeen({ network, port }: Referee): Promise<boolean> {
  const hammer = network.hammer([{ port, host, path: "/prices", headers: {}, allowed: [] }], 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return (await hammer.stop()).leaks.length > 0;
}

/** Changes and asks, until so many requests were answered or refused, and so many changes made. */
export async function checkIsolation(referee: Referee, requests: number, changes: number): Promise<HammerResult & { changes: number }> {
  const all = lives();
  const change = async (): Promise<Deployed> => {
    const deployed = all.next().value as Deployed;
    const table = normalizeRoutes("isolation", {
      hosts: [host],
      services: [factsOf(deployed)],
      target: referee.target,
      routes: routes(deployed),
    });
    await referee.serve([{ name: "isolation", table }]);
    return deployed;
  };
  await change();
  const total: HammerResult & { changes: number } = { asked: 0, answered: 0, statuses: {}, leaks: [], changes: 0 };
  while (total.asked < requests || total.changes < changes) {
    const hammer = referee.network.hammer(questions(referee.port));
    try {
      for (let step = 0; step < 4; step++) {
        const { latest } = await change();
        total.changes += 1;
        // The pods of a snapshot that is asked for die, and come back.
        const [name, addresses] = [serviceOf(latest, "v1"), addressesByService.get(serviceOf(latest, "v1")) ?? []];
        await referee.apply([endpointSlice(refereeNamespace, name, [])]);
        await referee.apply([endpointSlice(refereeNamespace, name, addresses)]);
      }
    } finally {
      const { asked, answered, statuses, leaks } = await hammer.stop();
      total.asked += asked;
      total.answered += answered;
      total.leaks.push(...leaks);
      for (const [status, count] of Object.entries(statuses)) total.statuses[status] = (total.statuses[status] ?? 0) + count;
    }
  }
  return total;
}
