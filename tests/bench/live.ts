/**
 * Benchmarks of the mesh on real nodes of this machine: `npm run bench:live`.
 *
 * Every value is held against a limit or an alternative that is measured in the same run, on the same machine, with the same rows; docs/benchmarks.md says
 * what each one is. Prints a table, and writes it as JSON into `.compute-mesh/bench`. Everything that it starts is gone at its end, however it ends.
 */
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { packImages } from "../../tools/live/images";
import { createTopics } from "../../tools/live/kafka";
import { projectRoot } from "../../tools/paths";
import { fetchReferees, liveReferees } from "../../tools/referees";
import { defaultBentoImage } from "../../src/ingest/stock";
import { eventually } from "../support/cluster";
import { liveMesh } from "../support/live";
import { liftCpuLimits } from "./cgroups";
import { measureOneNode } from "./one-node";
import { Report } from "./report";
import type { Bench } from "./setting";
import { measureThreeNodes } from "./three-nodes";

const usage = `usage: npm run bench:live -- [options]
  --rows <n>        orders of the mesh of one node (default: 1000000)
  --documents <n>   documents for the comparison with the stock image (default: 200000)
  --asked <n>       orders of the mesh of three nodes (default: 200000)
  --rounds <n>      of each comparison (default: 3)
  --seconds <n>     of questions of each kind (default: 5)
  --only <part>     one-node or three-nodes (default: both)
`;

const number = (fallback: string): { type: "string"; default: string } => ({ type: "string", default: fallback });

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: number("1000000"),
      documents: number("200000"),
      asked: number("200000"),
      rounds: number("3"),
      seconds: number("5"),
      only: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const { only, help: _help, ...texts } = values;
  const sizes = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Number(text)])) as unknown as Bench["sizes"];
  const wrong = Object.entries(sizes).filter(([, value]) => !Number.isSafeInteger(value) || value < 1);
  if (wrong.length > 0 || !(only === undefined || only === "one-node" || only === "three-nodes")) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  await fetchReferees(liveReferees);
  const images = await packImages([defaultBentoImage]);
  const began = performance.now();
  const mesh = await liveMesh({
    topics: ["orders", "events", "orders-dead"].map((name) => ({ name, partitions: name === "orders-dead" ? 1 : 16 })),
  });
  const end = onSignals(() => mesh.stop());
  let stopLifting = (): void => undefined;
  const bench: Bench = { mesh, report: new Report(), sizes };
  try {
    bench.report.say("the cluster is up");
    stopLifting = liftCpuLimits(mesh);
    if (only !== "one-node") await part("three-nodes", () => measureThreeNodes(bench, began));
    if (only === undefined) await emptyTopic(bench, "orders");
    if (only !== "three-nodes") {
      await mesh.ground.cluster.importImage(images[defaultBentoImage], "n-1");
      await part("one-node", () => measureOneNode(bench));
    }
    const machine = {
      cpus: os.cpus().length,
      model: os.cpus()[0]?.model,
      memoryMebibytes: Math.round(os.totalmem() / 1024 ** 2),
      load: os.loadavg(),
    };
    const file = bench.report.write(path.join(projectRoot, ".compute-mesh", "bench"), {
      machine,
      sizes,
      seconds: (performance.now() - began) / 1000,
    });
    process.stdout.write(`\n${file}\n`);
  } finally {
    // What has been measured is worth showing when the rest fails, too.
    if (bench.report.values.length > 0) process.stdout.write(`\n${bench.report.table()}\n`);
    stopLifting();
    end();
    await mesh.stop();
  }
}

/** A part that fails must not cost the values of the other. */
async function part(name: string, measure: () => Promise<void>): Promise<void> {
  try {
    await measure();
  } catch (error) {
    process.stderr.write(`${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** A topic like it, without records. */
async function emptyTopic({ mesh }: Bench, name: string): Promise<void> {
  const brokers = mesh.ground.kafka.hostBrokers;
  const admin = new Kafka({ clientId: "bench", brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [name] });
    await eventually("the topic is gone", async () => !(await admin.listTopics()).includes(name), 60);
  } finally {
    await admin.disconnect();
  }
  await createTopics(brokers, [{ name, partitions: 16 }]);
}

/** Ends everything at a signal. */
function onSignals(stop: () => Promise<void>): () => void {
  const names = ["SIGINT", "SIGTERM"] as const;
  const ended = (): void => void stop().finally(() => process.exit(130));
  for (const name of names) process.once(name, ended);
  return () => names.forEach((name) => process.off(name, ended));
}

void main();
