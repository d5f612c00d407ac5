/** Requests to a gateway at a port of this machine: as lines for a shell, and asked at once. */
import { request as httpRequest } from "node:http";
import { formatAction, routeWitnesses, type RouteRequest, type RouteTable } from "../../src/model/routes";

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

/** What came back: the status, and the body as text. */
export function send(port: number, request: RouteRequest): Promise<{ status: number; body: string }> {
  const { method, host, headers } = request;
  const options = {
    host: "127.0.0.1",
    port,
    path: targetOf(request),
    method,
    headers: { ...headers, host },
    timeout: 10_000,
    agent: false,
  } as const;
  return new Promise((resolve, reject) => {
    const call = httpRequest(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.once("timeout", () => call.destroy(new Error("no answer within 10 s")));
    call.once("error", reject).end();
  });
}

/** Who answered, in a few words. */
export function answerWords({ status, body }: { status: number; body: string }): string {
  try {
    const { service, version, snapshot, pod, node } = JSON.parse(body) as Record<string, string | undefined>;
    const who = service === undefined ? pod : [service, version].filter((word) => word !== undefined).join(" ");
    if (who !== undefined) return `${who}${snapshot === undefined ? "" : `, snapshot ${snapshot}`}, on ${node ?? "no node"}`;
  } catch {
    // Not one of the demo backends.
  }
  return `status ${status}`;
}
