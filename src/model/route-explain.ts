/** Why a request goes where it goes, in words, for every target. */
import { Problems } from "./errors";
import { capabilities } from "./route-capabilities";
import { featuresOf } from "./route-features";
import { formatMatch, formatRequest } from "./route-format";
import { httpMethods } from "./route-input";
import { matchRequest } from "./route-lookup";
import { forwardedRequest } from "./route-rewrite";
import { formatAction } from "./route-facts";
import { compileRoutes } from "./routes";
import type { RouteRequest, RouteTable } from "./route-table";
import { RouteTarget, type RoutesSpec } from "./route-types";

/**
 * A request as people write it: `GET https://mesh.example.com/prices?day=1 -H x-mesh-snapshot:20261121t0600z`. Default method: GET.
 *
 * @throws Error with what is wrong
 */
export function parseRequest(text: string): RouteRequest {
  const [address = "", ...pairs] = text.trim().split(/\s+(?:-H|--header)\s+/);
  const words = address.split(/\s+/);
  const [method = "GET", url = ""] = words.length === 1 ? ["GET", words[0]] : words;
  const found = /^https?:\/\/([^/?#:]+)(?::\d+)?(\/[^?#]*)?(?:\?([^#]*))?$/.exec(url);
  if (found === null || words.length > 2 || !(httpMethods as readonly string[]).includes(method.toUpperCase())) {
    throw new Error(
      `${JSON.stringify(text)} is no request: a method and an address are needed, for example GET https://mesh.example.com/prices?day=1 -H x-mesh-snapshot:20261121t0600z`,
    );
  }
  const [, host = "", path = "/", query = ""] = found;
  const headers = pairs.map((pair): [string, string] => {
    const [, name, value] = /^["']?([^:\s"']+)\s*:\s*(.*?)["']?$/.exec(pair.trim()) ?? [];
    if (name === undefined || value === undefined) {
      throw new Error(`${JSON.stringify(pair)} is no header: name:value is needed`);
    }
    return [name.toLowerCase(), value];
  });
  const parameters =
    query === ""
      ? []
      : query.split("&").map((pair): [string, string] => {
          const at = pair.indexOf("=");
          return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
        });
  return {
    host: host.toLowerCase(),
    method: method.toUpperCase(),
    path,
    headers: Object.fromEntries(headers),
    query: Object.fromEntries(parameters),
  };
}

/** Which rule takes a request, why, where it goes, and what each target makes of it; one line each. */
export function explainRequest(spec: RoutesSpec, request: RouteRequest): string[] {
  const problems = new Problems("routes");
  const table = compileRoutes(problems, spec);
  return [
    formatRequest(request),
    ...explainTable(table, request),
    ...(problems.any
      ? [`  these routes have ${problems.all.length} problems and cannot be deployed as they are, the first at ${problems.all[0]?.path}`]
      : []),
    ...Object.values(RouteTarget).flatMap((target) => explainTarget(spec, target, request)),
  ];
}

function explainTable(table: RouteTable, request: RouteRequest): string[] {
  const { entry, destinations, why } = matchRequest(table, request);
  const reasons = why.map((reason) => `  because ${reason}`);
  if (entry === undefined) {
    return ["  no rule takes it: 404", ...reasons];
  }
  const { rule, match } = entry;
  const forwarded = forwardedRequest(entry, request);
  const changed = forwarded.path !== request.path || forwarded.host !== request.host;
  return [
    `  rule ${rule.name} takes it: ${formatMatch(match)} → ${formatAction(rule)}`,
    ...reasons,
    ...destinations.map(
      ({ backend, share }) => `  ${Number((share * 100).toPrecision(3))} % to ${backend.label} (${backend.destination.id})`,
    ),
    ...(changed ? [`  it arrives as ${forwarded.method} http://${forwarded.host}${forwarded.path}`] : []),
  ];
}

/** What a target makes of the rule: the same outcome, or the reason why the routes are refused there. */
function explainTarget(spec: RoutesSpec, target: RouteTarget, request: RouteRequest): string[] {
  const problems = new Problems(target);
  const table = compileRoutes(problems, { ...spec, target });
  const { entry } = matchRequest(table, request);
  if (problems.any) {
    const [first] = problems.all;
    const more = problems.all.length === 1 ? "" : ` (and ${problems.all.length - 1} more)`;
    return [`${target}: refused: ${first?.path ?? ""}: ${first?.allowed ?? ""}${more}`];
  }
  const uses = featuresOf(table).filter(
    ({ route }) => entry !== undefined && (route === entry.rule.route || (route === "" && entry.rule.guards !== undefined)),
  );
  const notes = [...new Set(uses.map(({ feature }) => feature))].flatMap((feature) => {
    const { support, reason } = capabilities[feature][target];
    return support === "native" ? [] : [`  ${capabilities[feature].title} (${support}): ${reason}`];
  });
  return [`${target}: ${entry === undefined ? "404" : `rule ${entry.rule.name}`}`, ...notes];
}
