/** Programs that are run among the processes of a container: the tools that a benchmark is held against work where the mesh's own program does. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import pg from "pg";
import { firstProcess, type LiveMesh, type Pod, processesOf } from "../support/live";

export interface InsideOptions {
  /** File of this machine that is the standard input. Default: none. */
  input?: string;
  /** File of this machine that the standard output is written to. Default: it is returned. */
  output?: string;
  /** Variables on top of the container's. */
  env?: Record<string, string>;
}

/** Runs a program with the files, the network and the variables of a container, outside of its limits. Throws unless it ends with 0. */
export async function inside(
  pod: Pod,
  container: string,
  command: readonly string[],
  options: InsideOptions = {},
): Promise<{ seconds: number; text: string }> {
  const pid = firstProcess(pod, container);
  const own = fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  const more = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const enter = [`--target=${pid}`, "--mount", "--net", "--pid", "--uts", "--setuid=65532", "--setgid=65532"];
  const input = options.input === undefined ? undefined : fs.openSync(options.input, "r");
  const output = options.output === undefined ? undefined : fs.openSync(options.output, "w", 0o600);
  const began = performance.now();
  try {
    const child = spawn("nsenter", [...enter, "env", "-i", ...own, ...more, ...command], {
      stdio: [input ?? "ignore", output ?? "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const code = await new Promise<number>((resolve, reject) => child.on("error", reject).on("close", (status) => resolve(status ?? -1)));
    if (code !== 0) throw new Error(`${command.join(" ")} in ${pod.metadata.name} ended with ${code}: ${text.trim().slice(-1000)}`);
    return { seconds: (performance.now() - began) / 1000, text };
  } finally {
    for (const file of [input, output]) if (file !== undefined) fs.closeSync(file);
  }
}

/** Stops the processes of a container without ending them, while `work` runs. */
export async function whileStopped<T>(pod: Pod, container: string, work: () => Promise<T>): Promise<T> {
  const pids = processesOf(pod, container);
  pids.forEach((pid) => process.kill(pid, "SIGSTOP"));
  try {
    return await work();
  } finally {
    pids.filter((pid) => fs.existsSync(`/proc/${pid}`)).forEach((pid) => process.kill(pid, "SIGCONT"));
  }
}

/** The database of one pod. */
export interface NodeDatabase {
  pod: Pod;
  sql<T>(text: string, values?: unknown[]): Promise<T[]>;
  /** One of PostgreSQL's own programs, as a user would run it in the pod. */
  tool(command: readonly string[], options?: InsideOptions): Promise<{ seconds: number; text: string }>;
  close(): Promise<void>;
}

/** Connects to the database of a pod. The name of the mesh is that of its namespace, too. */
export async function nodeDatabase(mesh: LiveMesh, pod: Pod, name: string): Promise<NodeDatabase> {
  const { body } = await mesh.request("GET", `/api/v1/namespaces/${name}/secrets/${name}-db-credentials`);
  const text = (key: string): string => Buffer.from((body as { data: Record<string, string> }).data[key], "base64").toString();
  const [user, password] = [text("username"), text("password")];
  const port = await mesh.ground.cluster.openDoor(`${pod.status.podIP}:5432`);
  const client = new pg.Client({ host: "127.0.0.1", port, database: "mesh", user, password, connectionTimeoutMillis: 2000 });
  // A connection that breaks between two questions shows at the next one.
  client.on("error", () => undefined);
  await client.connect();
  const env = { PGHOST: "127.0.0.1", PGDATABASE: "mesh", PGUSER: user, PGPASSWORD: password, HOME: "/tmp" };
  return {
    pod,
    sql: async <T>(query: string, values?: unknown[]) => (await client.query(query, values)).rows as T[],
    tool: (command, options = {}) => inside(pod, "database", command, { ...options, env }),
    close: () => client.end(),
  };
}
