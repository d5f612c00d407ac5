/** Requests to a gateway at a port of this machine: as lines for a shell, and asked at once. */
import { formatAction, routeWitnesses, type RouteRequest, type RouteTable } from "../../src/model/routes";
import { ask, type Got } from "../live/get";

/** A request that a route takes. */
export interface RouteExample {
  route: string;
  /** Where it goes, for example `prices v1 90 %, prices v2 10 %`. */
  destination: string;
  request: RouteRequest;
}

/** One for each rule. */
export function routeExamples(table: RouteTable): RouteExample[] {
  return routeWitnesses(table).flatMap(({ rule, request }) =>
    request === undefined ? [] : [{ route: rule.name, destination: formatAction(rule), request }],
  );
}

const quoted = (text: string): string => (/^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function targetOf({ path, query }: RouteRequest): string {
  const words = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return words.length === 0 ? path : `${path}?${words.join("&")}`;
}

/** The line for a shell. */
export function curlLine(port: number, request: RouteRequest): string {
  const headers = [["Host", request.host], ...Object.entries(request.headers)];
  const method = request.method === "GET" ? [] : request.method === "HEAD" ? ["-I"] : ["-X", request.method];
  return [
    "curl -s",
    ...method,
    ...headers.flatMap(([name, value]) => ["-H", quoted(`${name}: ${value}`)]),
    quoted(`http://127.0.0.1:${port}${targetOf(request)}`),
  ].join(" ");
}

/** Sends it; ten seconds without a byte are an error. */
export function send(port: number, request: RouteRequest): Promise<Got> {
  const { method, host, headers } = request;
  return ask(port, { method, path: targetOf(request), headers: { ...headers, host } }, 10_000);
}

/** Who answered, in a few words. */
export function answerWords({ status, text }: Got): string {
  try {
    const { service, version, snapshot, pod, node } = JSON.parse(text) as Record<string, string | undefined>;
    const who = service === undefined ? pod : [service, version].filter((word) => word !== undefined).join(" ");
    if (who !== undefined) return `${who}${snapshot === undefined ? "" : `, snapshot ${snapshot}`}, on ${node ?? "no node"}`;
  } catch {
    // Not one of the demo backends.
  }
  return `status ${status}`;
}
