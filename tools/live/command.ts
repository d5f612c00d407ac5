/** The live cluster by hand: parts of `npm run live`, `npm run live:down` and `npm run live:node`. */
import { parseArgs } from "node:util";
import { startProgress } from "../progress";
import { messageOf } from "../files";
import { type LiveCluster, type LiveOptions, openLiveCluster, startLiveCluster } from "./cluster";
import { removeLiveCluster } from "./down";
import { liveClusterNames } from "./state";

/** Name of the cluster where none is given. */
export const defaultLiveName = "live";

/** Starts the live cluster, or what is missing of it, and shows how far it is. */
export async function liveUpCluster(options: Omit<LiveOptions, "name" | "progress"> & { name?: string }): Promise<LiveCluster> {
  const name = options.name ?? defaultLiveName;
  const progress = startProgress(`starting the live cluster ${name}`);
  try {
    const cluster = await startLiveCluster({ ...options, name, progress });
    progress.done("ready");
    return cluster;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** `npm run live:down [-- --name live]`: removes the cluster and everything of it, also after a crash. Returns the exit code. */
export async function liveDown(argv: string[]): Promise<number> {
  const parsed = parse(argv, 0, "npm run live:down [-- --name live]");
  if (typeof parsed === "number") return parsed;
  const removed = await removeLiveCluster(parsed.name, undefined, ({ pid }) =>
    process.stderr.write(`waiting for process ${pid}, which is working on the live cluster ${parsed.name}\n`),
  );
  if (!removed) {
    print(`the live cluster ${parsed.name} does not exist${others()}`);
    return 0;
  }
  print(
    `the live cluster ${parsed.name} is removed: ${removed.processes} processes, ${removed.namespaces} network namespaces, ${removed.cgroups} control groups`,
  );
  return 0;
}

/** `npm run live:node -- kill|start <node> [--name live]`, or `status`. Returns the exit code. */
export async function liveNode(argv: string[]): Promise<number> {
  const usage = "npm run live:node -- <kill | start> <node> [--name live], or: npm run live:node -- status";
  const parsed = parse(argv, 2, usage);
  if (typeof parsed === "number") return parsed;
  const [verb = "status", node] = parsed.positionals;
  if (!["kill", "start", "status"].includes(verb)) return wrong(`${JSON.stringify(verb)} is not known`, usage);
  if ((verb === "status") !== (node === undefined))
    return wrong(verb === "status" ? "one word too many" : "the name of a node is missing", usage);
  const cluster = await openLiveCluster(parsed.name);
  if (!cluster) {
    process.stderr.write(`the live cluster ${parsed.name} does not run${others()}; npm run live starts it\n`);
    return 1;
  }
  if (verb === "kill") {
    await cluster.killNode(node);
    print(`${node} is dead: every process of it at once; npm run live:node -- start ${node} brings it back`);
  } else if (verb === "start") {
    await cluster.startNode(node);
    print(`${node} is back and ready`);
  } else {
    for (const one of cluster.nodes) print(`${one.name}  ${one.zone}  ${one.address}  ${one.running ? "running" : "dead"}`);
  }
  return 0;
}

function parse(argv: string[], words: number, usage: string): { name: string; positionals: string[] } | number {
  try {
    const options = { name: { type: "string", default: defaultLiveName }, help: { type: "boolean", short: "h", default: false } } as const;
    const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true, strict: true });
    if (values.help) {
      print(`usage: ${usage}`);
      return 0;
    }
    if (positionals.length > words) return wrong(`${JSON.stringify(positionals[words])} is one word too many`, usage);
    return { name: values.name, positionals };
  } catch (error) {
    return wrong(messageOf(error).split(". ")[0], usage);
  }
}

function others(): string {
  const names = liveClusterNames();
  return names.length > 0 ? ` (there are: ${names.join(", ")})` : "";
}

function wrong(problem: string, usage: string): number {
  process.stderr.write(`${problem}\n\nusage: ${usage}\n`);
  return 2;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
