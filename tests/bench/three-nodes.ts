/** Three nodes: from nothing to the first global answer, the gatherer beside asking pods directly, and a node that is killed and comes back. */
import { spawn } from "node:child_process";
import { eventually } from "../support/cluster";
import { isReady, nextSnapshot, type Pod } from "../support/live";
import type { Asked } from "./ask";
import { type MemoryWatch, watchMemory } from "./cgroups";
import { nodeDatabase } from "./inside";
import { short } from "./report";
import { type Bench, deploy, ingested, readyPod, sleep, threeNodeMesh } from "./setting";

const name = "mesh";
const killed = "n-2";
/** Time that the orders need to be there, and the agents to start, before the snapshot is due. */
const secondsToSnapshot = 60;

/** Runs in the network of the mesh, so that no forwarder lies between. */
async function ask(bench: Bench, path: string, clients: number, urls: string[]): Promise<Asked> {
  const { mesh, sizes } = bench;
  const [program, ...prefix] = [...mesh.ground.cluster.inNamespace, process.execPath];
  const args = [
    ...prefix,
    "-r",
    "ts-node/register/transpile-only",
    require.resolve("./ask"),
    path,
    String(clients),
    String(sizes.seconds),
    ...urls,
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const asked = JSON.parse(text) as Asked;
  // The example service gives up on a database that takes longer than 3 s to connect, which a machine under load does.
  if (asked.failed > 0) bench.report.say(`${asked.failed} questions of ${path} were not answered by ${urls.join(", ")}`);
  return asked;
}

/** One question through a door; undefined where it is not answered completely. */
async function total(bench: Bench, pod: Pod): Promise<string | undefined> {
  try {
    const port = await bench.mesh.ground.cluster.openDoor(`${pod.status.podIP}:8080`);
    const response = await fetch(`http://127.0.0.1:${port}/total`, { signal: AbortSignal.timeout(5000) });
    const text = await response.text();
    return response.status === 200 && text.includes('"complete":true') ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Measures all of it. The mesh is deployed on a cluster that has just come up, and removed at the end.
 *
 * @param began `performance.now()` when nothing was there
 */
export async function measureThreeNodes(bench: Bench, began: number): Promise<void> {
  const { mesh, sizes } = bench;
  const ground = (performance.now() - began) / 1000;
  const snapshot = nextSnapshot(secondsToSnapshot);
  const produced = mesh.produce({ messages: sizes.asked });
  const three = await deploy(bench, name, threeNodeMesh(snapshot.id));
  const memory = watchMemory(mesh, name);
  try {
    await produced;
    await measureDeployed(bench, { began, ground, snapshot, deployed: three.seconds, memory });
  } finally {
    await memory.stop();
    await three.remove();
  }
}

interface Beginning {
  /** `performance.now()` when nothing was there. */
  began: number;
  /** Seconds until the cluster was there. */
  ground: number;
  /** Seconds of the deployment. */
  deployed: number;
  snapshot: ReturnType<typeof nextSnapshot>;
  memory: MemoryWatch;
}

async function measureDeployed(bench: Bench, { began, ground, deployed, snapshot, memory }: Beginning): Promise<void> {
  const { mesh, report, sizes } = bench;
  const gatherers = (): Promise<Pod[]> => mesh.pods(`compute-mesh.dev/part=v1-${snapshot.id}-answer`, name);
  const answer = await eventually(
    "the first global answer",
    async () => {
      const [pod] = (await gatherers()).filter(isReady);
      return pod === undefined ? undefined : total(bench, pod);
    },
    300,
  );
  const counted = (JSON.parse(answer) as { answer: { count: number } }).answer.count;
  if (counted !== sizes.asked) throw new Error(`the answer is about ${counted} orders instead of ${sizes.asked}`);
  const due = (snapshot.time.getTime() - performance.timeOrigin - began) / 1000;
  report.add({
    what: `from nothing to the first global answer, ${short(sizes.asked)} rows`,
    value: (performance.now() - began) / 1000,
    unit: "s",
    detail: `cluster, Kafka and store ${short(ground)} s, pulumi up ${short(deployed)} s; the snapshot was due at ${short(due)} s`,
  });
  await eventually("all pods", async () => (await mesh.pods("compute-mesh.dev/part", name)).every(isReady), 300);
  await sleep(5000);
  const idle = await memory.now();
  report.say("the gatherer beside pods");
  await gathererBesidePods(bench, await gatherers(), snapshot.id);
  const peak = await memory.stop();
  for (const [program, what] of [
    ["answer", "gatherer"],
    ["service", "example service"],
  ]) {
    report.add({ what: `memory of ${what}, peak`, value: peak[program], unit: "MiB", detail: `idle ${short(idle[program])} MiB` });
  }
  report.say(`killing ${killed}`);
  await nodeKilled(bench, await gatherers());
}

async function gathererBesidePods(bench: Bench, gatherers: Pod[], snapshot: string): Promise<void> {
  const { mesh, report } = bench;
  const url = (pod: Pod): string => `http://${pod.status.podIP}:8080`;
  const pods = (await mesh.pods(`compute-mesh.dev/part=v1-${snapshot}`, name)).map(url);
  const gatherer = url(gatherers[0]);
  // Code is compiled and plans are made by the first questions.
  for (const urls of [pods, [gatherer]]) await ask({ ...bench, sizes: { ...bench.sizes, seconds: 2 } }, "/customers", 4, urls);
  for (const path of ["/total", "/customers"]) {
    for (const clients of [1, 8]) {
      const one = await ask(bench, path, clients, [pods[0]]);
      const all = await ask(bench, path, clients, pods);
      const merged = await ask(bench, path, clients, [gatherer]);
      const times = ({ p50, p99 }: Asked): string => `${short(p50)}/${short(p99)} ms`;
      const what = `global answers of ${path}, ${clients} ${clients === 1 ? "client" : "clients"}`;
      const detail = `p50/p99: gatherer ${times(merged)}, all pods ${times(all)}, one pod ${times(one)}; one pod alone ${short(one.perSecond)} partial answers/s`;
      const beside = { what: "client asks all pods itself, without merging", value: all.perSecond };
      report.add({ what, value: merged.perSecond, unit: "answers/s", beside, detail });
      report.add({
        what: `gatherer's overhead of ${path}, ${clients} ${clients === 1 ? "client" : "clients"} (median)`,
        value: merged.p50,
        unit: "ms",
        beside: { what: "client asks all pods itself", value: all.p50 },
        detail: `difference ${short(merged.p50 - all.p50)} ms`,
      });
    }
  }
}

/** A power failure of one node of three, and its return. */
async function nodeKilled(bench: Bench, gatherers: Pod[]): Promise<void> {
  const { mesh, report } = bench;
  const rows = async (): Promise<number> => {
    const database = await nodeDatabase(mesh, await readyPod(bench, name, "database", killed), name);
    try {
      return await ingested(database, "orders");
    } finally {
      await database.close();
    }
  };
  const before = await rows();
  const witness = gatherers.find((pod) => pod.spec.nodeName !== killed);
  if (witness === undefined) throw new Error(`every gatherer runs on ${killed}`);
  const began = performance.now();
  await mesh.ground.cluster.killNode(killed);
  let last = began;
  let asked = 0;
  let failed = 0;
  while (performance.now() - began < 20_000) {
    asked += 1;
    if ((await total(bench, witness)) === undefined) {
      failed += 1;
      last = performance.now();
    }
    await sleep(100);
  }
  report.add({
    what: "node killed: until every answer is complete again",
    value: (last - began) / 1000,
    unit: "s",
    detail: `${failed} of ${asked} questions in 20 s were not answered completely within 5 s`,
  });
  const back = performance.now();
  const elapsed = (): number => (performance.now() - back) / 1000;
  await mesh.ground.cluster.startNode(killed);
  const node = elapsed();
  await eventually("the rows of the node", async () => (await rows().catch(() => 0)) >= before, 300);
  const caughtUp = elapsed();
  await eventually(
    "all pods of the node",
    async () => {
      const pods = (await mesh.pods("compute-mesh.dev/part", name)).filter(({ spec }) => spec.nodeName === killed);
      return pods.length > 0 && pods.every(isReady);
    },
    300,
  );
  report.add({
    what: "node started again: until all of its pods are ready",
    value: elapsed(),
    unit: "s",
    detail: `node Ready after ${short(node)} s, its ${short(before)} rows restored and replayed ${short(caughtUp)}`,
  });
}
