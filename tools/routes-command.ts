/** `npm run routes -- explain|picture|check`: what the routes of a stack, or of a file, do with a request; a picture of them; what is wrong with them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readMeshFile } from "../src/mesh-file";
import { Problems } from "../src/model/errors";
import { explainRequest, parseRequest } from "../src/model/route-explain";
import { checkHostOwners, gatewayClasses, gatewayKey, glooGateway, type HostOwner } from "../src/model/route-owners";
import { drawRoutes } from "../src/model/route-picture";
import { compileRoutes, routeNotices, routesFacts, RouteTarget, type RoutesSpec, unroutedNotices } from "../src/model/routes";
import { messageOf } from "./files";
import { stateDir } from "./paths";

const usage = `usage: npm run routes -- <explain REQUEST | picture | check> [--stack local | --file mesh.yaml] [--target gatewayApi|gloo|istio]

  explain   which rule takes a request, why, and where it goes, on each target:
            npm run routes -- explain 'GET https://mesh.example.test/prices -H x-mesh-snapshot:20261121t0600z'
  picture   an SVG picture of the routes on standard output
  check     every finding and notice about the routes, with the requests that prove them; exit code 1 where there are findings

  --stack   routes as a stack was last deployed on this machine; default: local
  --file    routes from a YAML or JSON file with hosts, services and routes
`;

/** The type of the component whose inputs are routes. */
const componentType = "compute-mesh:index:GlooRoutes";

/** Runs one verb. Returns the exit code: 0 done, 1 findings or nothing there, 2 wrong words. */
export function routesCommand(argv: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    process.stderr.write(`${messageOf(error).split(". ")[0]}\n\n${usage}`);
    return Promise.resolve(2);
  }
  const [verb = "", ...words] = parsed.positionals;
  if (parsed.help) {
    process.stdout.write(usage);
    return Promise.resolve(0);
  }
  const { target, file, stack } = parsed;
  if (!["explain", "picture", "check"].includes(verb) || (verb === "explain") !== words.length > 0) {
    process.stderr.write(usage);
    return Promise.resolve(2);
  }
  try {
    const specs = file === undefined ? specsOfState(stackFile(stack)) : [readMeshFile(file)];
    const chosen = specs.map((spec: StackRoutes) => (target === undefined ? spec : { ...spec, target: target as RouteTarget }));
    return Promise.resolve(verb === "explain" ? explain(chosen, words.join(" ")) : verb === "picture" ? picture(chosen) : check(chosen));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return Promise.resolve(1);
  }
}

function parse(argv: string[]): { stack: string; file?: string; target?: string; help: boolean; positionals: string[] } {
  const options = {
    stack: { type: "string", default: "local" },
    file: { type: "string" },
    target: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true, strict: true });
  if (values.target !== undefined && !(Object.values(RouteTarget) as string[]).includes(values.target)) {
    throw new Error(`${JSON.stringify(values.target)} is no target`);
  }
  return { ...values, positionals };
}

function explain(specs: readonly RoutesSpec[], text: string): number {
  const request = parseRequest(text);
  specs.forEach((spec) => process.stdout.write(`${explainRequest(spec, request).join("\n")}\n`));
  return 0;
}

function picture(specs: readonly RoutesSpec[]): number {
  for (const spec of specs) {
    const problems = new Problems("routes");
    const table = compileRoutes(problems, spec);
    problems.throwIfAny();
    process.stdout.write(drawRoutes(table));
  }
  return 0;
}

function check(specs: readonly StackRoutes[]): number {
  const owners = new Problems("routes");
  checkHostOwners(owners, specs.map(ownerOf));
  owners.all.forEach(({ path, given, allowed }) => process.stdout.write(`error: ${path}: ${given} is not allowed: ${allowed}\n`));
  let findings = owners.all.length;
  for (const spec of specs) {
    const problems = new Problems("routes");
    const table = compileRoutes(problems, spec);
    findings += problems.all.length;
    problems.all.forEach(({ path, given, allowed }) => process.stdout.write(`error: ${path}: ${given} is not allowed: ${allowed}\n`));
    const notices = [...routeNotices(table, spec.target ?? RouteTarget.GatewayApi), ...unroutedNotices(table, spec.services)];
    notices.forEach((notice) => process.stdout.write(`notice: ${notice}\n`));
    if (!problems.any) {
      const { hosts, routes } = routesFacts("routes", table);
      process.stdout.write(`${hosts.join(", ")}: ${routes.length} rules, no findings\n`);
    }
  }
  return findings === 0 ? 0 : 1;
}

/** The routes of a stack as the owner of their hosts. */
function ownerOf({ name, namespace, target = RouteTarget.GatewayApi, gateway, hosts }: StackRoutes, index: number): HostOwner {
  const fallback = target === RouteTarget.Gloo ? { existing: glooGateway } : { create: {} };
  const { existing, create }: NonNullable<StackRoutes["gateway"]> = gateway ?? fallback;
  const made = create && { className: gatewayClasses[target], port: 8080, ...create };
  const shared = made !== undefined && target !== RouteTarget.GatewayApi;
  const place = existing ?? { name: name ?? `${index}` };
  const where = { namespace, ...place, ...(shared && { namespace: undefined }), ...(made && { create: made }) };
  return { name: name ?? `routes ${index}`, gateway: gatewayKey(target, where), hosts };
}

/** Where the state of a stack on this machine lies. */
export function stackFile(stack: string): string {
  return join(stateDir, "state", ".pulumi", "stacks", "compute-mesh", `${stack}.json`);
}

/** Routes with what a state says of them beside the spec. */
interface StackRoutes extends RoutesSpec {
  name?: string;
  namespace?: string;
  gateway?: { existing?: { name: string; namespace?: string }; create?: { className?: string; port?: number } };
}

interface StateFile {
  checkpoint?: { latest?: { resources?: { type: string; urn?: string; inputs?: StackRoutes }[] } };
}

/**
 * The routes in the state of a stack.
 *
 * @throws Error where there are none
 */
export function specsOfState(file: string): StackRoutes[] {
  if (!existsSync(file)) {
    throw new Error(`${file} does not exist: npm start deploys the stack local; --file reads routes from a file`);
  }
  const state = JSON.parse(readFileSync(file, "utf8")) as StateFile;
  const specs = (state.checkpoint?.latest?.resources ?? []).flatMap(({ type, urn, inputs }) =>
    type === componentType && inputs?.routes !== undefined ? [{ ...inputs, name: urn?.split("::").pop() }] : [],
  );
  if (specs.length === 0) {
    throw new Error(`${file} has no ${componentType}`);
  }
  return specs;
}
