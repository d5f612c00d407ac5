/** Two places, of which the near one dies and comes back, while requests come without a pause. */
import { normalizeRoutes } from "../../src/model/routes";
import { stopServiceProcess } from "../../tools/live/services";
import { addressesByService, mortalPort } from "./differential";
import type { HammerResult } from "./echo-network";
import type { Referee } from "./referees";

const host = "failover.test";
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What was seen. */
export interface FailoverResult extends HammerResult {
  /** Who answered before, while the near place was dead, and after it came back. */
  places: string[];
}

export async function checkFailover(referee: Referee): Promise<FailoverResult> {
  const { network, port, target } = referee;
  const start = (name: string): Promise<void> => network.backend(name, addressesByService.get(name)?.[0] ?? "", mortalPort);
  await Promise.all([start("near"), start("far")]);
  const places = ["near", "far"].map((name) => ({ kubernetes: { name, port: mortalPort } }));
  const table = normalizeRoutes("failover", {
    hosts: [host],
    services: [],
    target,
    routes: [{ name: "f", match: [{}], to: [{ failover: { places } }] }],
  });
  await referee.serve([{ name: "failover", table }]);
  const who = async (): Promise<string> => {
    const [answer] = await network.ask([{ port, method: "GET", host, path: "/", headers: {} }]);
    return answer.status === 200 ? (JSON.parse(answer.body) as { name: string }).name : String(answer.status);
  };
  const seen: string[] = [];
  const until = async (wanted: string): Promise<void> => {
    let last = "";
    for (const end = Date.now() + 30_000; last !== wanted && Date.now() < end; await sleep(100)) last = await who();
    seen.push(last);
  };
  await until("near");
  const hammer = network.hammer([{ port, host, path: "/", headers: {}, allowed: [] }], 32);
  await sleep(1000);
  await stopServiceProcess(network.place, "backend-near", 0);
  await until("far");
  await sleep(2000);
  await start("near");
  await until("near");
  await sleep(500);
  return { ...(await hammer.stop()), places: seen };
}
