/** `npm run cluster -- up|down|status|kubeconfig|delete [--name local]`: the embedded cluster by hand. */
import { parseArgs } from "node:util";
import { clusterNames, type ClusterStatus, clusterStatus, deleteCluster, startCluster, stopCluster } from "./cluster";
import { messageOf } from "./files";
import { formatSeconds } from "./progress";

const usage = `usage: npm run cluster -- <up | down | status | kubeconfig | delete> [--name local]

  up          starts the cluster (or repairs a crashed one) and waits until it is ready
  down        stops it and keeps its data
  status      its processes; exit code 0 while it runs, 1 otherwise
  kubeconfig  prints the path of its kubeconfig: export KUBECONFIG=$(npm run --silent cluster -- kubeconfig)
  delete      stops it and removes its data
`;

const verbs: Record<string, (name: string) => number | Promise<number>> = {
  up: async (name) => {
    const cluster = await startCluster({ name, crds: ["gateway-api", "kgateway"] });
    const how = cluster.alreadyRunning ? "runs already" : `is ready after ${formatSeconds(cluster.milliseconds / 1000)}`;
    print(`cluster ${name} ${how}: ${cluster.server}\nexport KUBECONFIG=${cluster.kubeconfigPath}`);
    return 0;
  },
  down: async (name) => {
    const { state } = clusterStatus(name);
    const ended = await stopCluster(name);
    if (state === "absent" && ended === 0) return missing(name);
    print(ended === 0 ? `cluster ${name} does not run` : `cluster ${name} is stopped; its data is kept`);
    return 0;
  },
  status: (name) => {
    const status = clusterStatus(name);
    print(statusText(status, new Date()));
    const others = clusterNames().filter((other) => other !== name);
    if (others.length > 0) print(`other clusters: ${others.map((other) => `${other} (${clusterStatus(other).state})`).join(", ")}`);
    return status.state === "running" ? 0 : 1;
  },
  kubeconfig: (name) => {
    const status = clusterStatus(name);
    if (status.state === "absent") return missing(name);
    if (status.state !== "running")
      process.stderr.write(`cluster ${name} does not run (${status.state}); npm run cluster -- up starts it\n`);
    print(status.kubeconfigPath);
    return 0;
  },
  delete: async (name) => {
    const { state } = clusterStatus(name);
    if ((await deleteCluster(name)) === 0 && state === "absent") return missing(name);
    print(`cluster ${name} is deleted`);
    return 0;
  },
};

/** Runs one verb. Returns the exit code: 0 done, 1 no such cluster or not running, 2 wrong words. */
export async function clusterCommand(argv: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    // Node's own text goes on about how to pass a value that begins with a dash.
    return wrong(messageOf(error).split(". ")[0]);
  }
  const [verb, ...rest] = parsed.positionals;
  if (parsed.help) {
    print(usage);
    return 0;
  }
  if (verb === undefined) return wrong("a word is missing");
  if (!Object.hasOwn(verbs, verb)) return wrong(`${JSON.stringify(verb)} is not known`);
  if (rest.length > 0) return wrong(`${JSON.stringify(rest[0])} is one word too many`);
  return verbs[verb](parsed.name);
}

function parse(argv: string[]): { name: string; help: boolean; positionals: string[] } {
  const options = { name: { type: "string", default: "local" }, help: { type: "boolean", short: "h", default: false } } as const;
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true, strict: true });
  return { ...values, positionals };
}

/** A readable table of a cluster's processes. */
export function statusText(status: ClusterStatus, now: Date): string {
  const rows = status.parts.map((part) => [
    part.part,
    part.pid === undefined ? "-" : String(part.pid),
    part.ports.length === 0 ? "-" : part.ports.join(", "),
    part.running ? "running" : "stopped",
    part.startedAt === undefined ? "-" : formatUptime((now.getTime() - Date.parse(part.startedAt)) / 1000),
  ]);
  const table = [["part", "pid", "port", "state", "uptime"], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
  const after = status.state === "partial" ? "\nsome parts do not run: npm run cluster -- up repairs it" : "";
  return `cluster ${status.name}: ${status.state}${status.state === "absent" ? "" : `\nfolder: ${status.dir}`}\n\n${lines.join("\n")}${after}`;
}

/** "42 s", "3 min", "5 h 12 min", "2 d 3 h". */
export function formatUptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.max(0, Math.floor(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function missing(name: string): number {
  const names = clusterNames();
  process.stderr.write(
    `there is no cluster ${JSON.stringify(name)}; ${names.length > 0 ? `there are: ${names.join(", ")}` : "npm run cluster -- up makes one"}\n`,
  );
  return 1;
}

function wrong(problem: string): number {
  process.stderr.write(`cluster: ${problem}\n\n${usage}`);
  return 2;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
