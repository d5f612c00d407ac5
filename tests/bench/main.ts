/**
 * The benchmarks that need no cluster of real nodes: `npm run bench`.
 *
 * Every row stands beside a peer or a bound that is measured in the same run. Results are kept under `bench/results/`, as Markdown and as JSON.
 */
import { parseArgs } from "node:util";
import { benchPlacement } from "./placement";
import { benchConsumer } from "./consumer";
import { benchEngine } from "./engine";
import { benchObjects, benchSize } from "./objects";
import { keep, type ResultTable } from "./results";
import { benchRoutes } from "./routes";

type Say = (text: string) => void;

const rows: Record<
  string,
  { run: (say: Say, nodes: number[]) => ResultTable[] | Promise<ResultTable[]> | AsyncIterable<ResultTable[]>; help: string }
> = {
  placement: {
    run: benchPlacement,
    help: "shard maps beside rendezvous, hash rings, jump hash, Kafka's assignor and the optimum (3 minutes)",
  },
  objects: { run: benchObjects, help: "building the objects of a mesh beside raw resources, cdk8s, kustomize and helm (4 minutes)" },
  routes: {
    run: benchRoutes,
    help: "compiling routes, Envoy with our configuration beside one by hand, time until a route answers (3 minutes)",
  },
  engine: { run: benchEngine, help: "preview, up, no change and destroy on an embedded cluster beside raw resources (15 minutes)" },
  size: { run: benchSize, help: "resources and bytes against nodes, shards, versions, snapshots and routes (1 minute)" },
  consumer: { run: benchConsumer, help: "import, type check and installed size beside @pulumi/kubernetes alone (2 minutes)" },
};

const usage = [
  "usage: npm run bench -- [--only <row>] [--nodes 5 --nodes 50]",
  "",
  ...Object.entries(rows).map(([name, { help }]) => `  ${name.padEnd(10)} ${help}`),
  "",
  "  --nodes    sizes of the meshes of the row engine, in place of 5, 50 and 500",
  "",
].join("\n");

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      nodes: { type: "string", multiple: true, default: ["5", "50", "500"] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const names = values.only ?? Object.keys(rows);
  if (values.help || names.some((name) => !Object.hasOwn(rows, name))) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  for (const name of names) {
    const say = (text: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${name}: ${text}\n`);
    const tables = await rows[name].run(say, values.nodes.map(Number));
    let text = "";
    for await (const known of Array.isArray(tables) ? [tables] : tables) {
      text = keep(name, known);
    }
    process.stdout.write(`${text}\n`);
  }
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  },
);
