/** `npm run gateway [-- up|down|status]`: the real gateway in front of the simulated pods of the stack `local`, by hand. */
import { parseArgs } from "node:util";
import { Problems } from "../../src/model/errors";
import { compileRoutes, type RoutesSpec } from "../../src/model/routes";
import { clusterStatus, runningCluster } from "../cluster";
import { messageOf } from "../files";
import { startProgress } from "../progress";
import { fetchReferees } from "../referees";
import { specsOfState, stackFile } from "../routes-command";
import { textTable } from "../text-table";
import { localGatewayStatus, startLocalGateway, stopLocalGateway } from "./gateway";
import { answerWords, curlLine, type RouteExample, routeExamples, send } from "./requests";

const usage = `usage: npm run gateway [-- <up | down | status>] [--name local] [--gateway namespace/name] [--port 8080]

  up       starts kgateway, Envoy and demo backends in front of the simulated pods, waits until the routes are served, and prints a curl line for each
  down     ends all of it; the cluster stays
  status   its processes; exit code 0 while it runs, 1 otherwise

  --name     the cluster, and the stack in it (default: local)
  --gateway  which Gateway to serve, where there are several
  --port     port of 127.0.0.1 (default: 8080 where it is free)
`;

interface Options {
  name: string;
  gateway?: string;
  port?: string;
}

const verbs: Record<string, (options: Options) => number | Promise<number>> = { up, down, status };

/** Runs one verb. Returns the exit code: 0 done, 1 not running or not possible, 2 wrong words. */
export async function gatewayCommand(argv: string[]): Promise<number> {
  const options = {
    name: { type: "string", default: "local" },
    gateway: { type: "string" },
    port: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true, strict: true });
    const [verb = "up", ...rest] = positionals;
    const wrongPort = values.port !== undefined && !/^[1-9]\d{0,4}$/.test(values.port);
    const wrongName = values.gateway !== undefined && !/^[^/]+\/[^/]+$/.test(values.gateway);
    if (!values.help && Object.hasOwn(verbs, verb) && rest.length === 0 && !wrongPort && !wrongName) return await verbs[verb](values);
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  } catch (error) {
    const words = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true;
    process.stderr.write(`${words ? `${messageOf(error).split(". ")[0]}\n\n${usage}` : `${messageOf(error)}\n`}`);
    return words ? 2 : 1;
  }
}

async function up({ name, gateway, port }: Options): Promise<number> {
  const cluster = await runningCluster(name);
  if (cluster === undefined) throw new Error(`the cluster ${name} does not run: npm start brings it up, with the stack in it`);
  await fetchReferees(["kgateway", "envoy"]);
  const progress = startProgress(`starting the gateway of the cluster ${name}`);
  try {
    const [namespace, object] = gateway?.split("/") ?? [];
    const started = await startLocalGateway(cluster, {
      progress,
      ...(namespace !== undefined && object !== undefined && { gateway: { namespace, name: object } }),
      ...(port !== undefined && { port: Number(port) }),
    });
    progress.done(started.alreadyRunning ? "runs already" : "all routes are served");
    print(await routesText(examplesOf(name), started.port));
    return 0;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

async function down({ name }: Options): Promise<number> {
  const ended = await stopLocalGateway(clusterStatus(name));
  print(ended === 0 ? `the cluster ${name} has no gateway` : `the gateway of the cluster ${name} is gone`);
  return 0;
}

function status({ name }: Options): number {
  const { state, gateway, port, parts } = localGatewayStatus(clusterStatus(name));
  const served = gateway === undefined ? "" : `: Gateway ${gateway.namespace}/${gateway.name} at http://127.0.0.1:${port}`;
  const rows = parts.map((part) => [part.name, part.pid, part.running ? "running" : "stopped", part.startedAt]);
  const table = rows.length === 0 ? [] : ["", ...textTable(["part", "pid", "state", "since"], rows)];
  const hint = state === "partial" ? ["", "some parts do not run: npm run gateway repairs it"] : [];
  print([`gateway of the cluster ${name}: ${state}${served}`, ...table, ...hint].join("\n"));
  return state === "running" ? 0 : 1;
}

/** What the routes of a stack take; nothing where the cluster's objects come from elsewhere. */
function examplesOf(stack: string): RouteExample[] {
  const specs: RoutesSpec[] = specsOfState(stackFile(stack));
  return specs.flatMap((spec) => routeExamples(compileRoutes(new Problems("routes"), spec)));
}

/** A line for a shell for each route, with who has answered it just now. */
export async function routesText(examples: readonly RouteExample[], port: number): Promise<string> {
  const lines = examples.map(async ({ route, destination, request }) => {
    const answer = await send(port, request).then(answerWords, messageOf);
    return [`${route} → ${destination}`, `  ${curlLine(port, request)}`, `  answered by ${answer}`];
  });
  const after = ["npm run routes -- explain 'GET …'   which rule takes a request, and why", "npm run gateway -- down             ends it"];
  return ["", ...(await Promise.all(lines)).flat(), "", ...after].join("\n");
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
