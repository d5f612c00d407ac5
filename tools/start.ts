/** `npm start`, `npm run preview` and `npm run destroy`: the stack `local` on the embedded cluster. */
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import type { MeshSummary } from "../src/model/summary";
import { startCluster } from "./cluster";
import { projectRoot } from "./paths";
import { readLock, readSizes, readStack } from "./placement-inputs";
import { previewMoves } from "./placement-preview";
import { pulumiEnvironment } from "./pulumi-env";
import { pulumi, pulumiOutput } from "./pulumi-run";
import { formatSummary } from "./summary";

const stack = "local";

export async function startCommand(argv: string[]): Promise<number> {
  parse(argv, {});
  const env = await ready();
  say(`Deploying the stack ${stack} (pulumi up) ...`);
  const code = await pulumi(env, ["up", "--stack", stack, "--yes", "--skip-preview", "--suppress-outputs", "--non-interactive"]);
  if (code !== 0) {
    return code;
  }
  const summary = JSON.parse(await pulumiOutput(env, ["stack", "output", "summary", "--stack", stack, "--json"])) as MeshSummary;
  process.stdout.write(`\n${formatSummary(summary)}\n`);
  return 0;
}

export async function previewCommand(argv: string[]): Promise<number> {
  const { values } = parse(argv, { diff: { type: "boolean", default: false }, sizes: { type: "string" } });
  const env = await ready();
  const code = await pulumi(env, ["preview", "--stack", stack, "--non-interactive", ...(values["diff"] === true ? ["--diff"] : [])]);
  // A preview that failed has said why, and its lock file may be what is wrong.
  const moves = code === 0 ? await movesOfStack(env, typeof values["sizes"] === "string" ? values["sizes"] : undefined) : [];
  moves.forEach((line) => process.stdout.write(`${line}\n`));
  return code;
}

/** What would move against the shard map that is deployed; nothing where nothing is deployed. */
async function movesOfStack(env: NodeJS.ProcessEnv, sizes: string | undefined): Promise<string[]> {
  const outputs = JSON.parse(await pulumiOutput(env, ["stack", "output", "--stack", stack, "--json"])) as { summary?: MeshSummary };
  if (outputs.summary === undefined) {
    return [];
  }
  const { request, lock } = readStack(stack);
  const locked = lock === undefined ? undefined : readLock(stack, join(projectRoot, lock), lock);
  return previewMoves(outputs.summary, request, locked, sizes === undefined ? undefined : readSizes(sizes));
}

export async function destroyCommand(argv: string[]): Promise<number> {
  const { values } = parse(argv, { yes: { type: "boolean", short: "y", default: false } });
  const env = await ready();
  if (values["yes"] !== true && !(await confirmed())) {
    say("Nothing was changed.");
    return 1;
  }
  // The databases of the mesh are protected. Whoever said yes above has agreed to lose them, so the protection goes first.
  const unprotected = await pulumi(env, ["state", "unprotect", "--all", "--stack", stack, "--yes"]);
  return unprotected || pulumi(env, ["destroy", "--stack", stack, "--yes", "--skip-preview", "--non-interactive"]);
}

/** Tool chain, embedded cluster and stack; everything that is there already is left as it is. */
async function ready(): Promise<NodeJS.ProcessEnv> {
  const env = await pulumiEnvironment();
  const cluster = await startCluster({ name: stack, crds: ["gateway-api", "kgateway"] });
  say(`The cluster ${stack} is ready: KUBECONFIG=${cluster.kubeconfigPath}`);
  await pulumiOutput(env, ["stack", "select", stack, "--create", "--non-interactive"]);
  return env;
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new Error("destroy deletes the databases of the mesh: --yes is needed where nobody can be asked");
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question("This deletes every database of the local mesh. Type `yes` to go on: ");
  terminal.close();
  return answer.trim() === "yes";
}

function parse<T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(
  argv: string[],
  options: T,
): ReturnType<typeof parseArgs> {
  return parseArgs({ args: argv, options, strict: true, allowPositionals: false });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
