/** Asks a real gateway what our own matcher has an opinion about, and says where the two differ. */
import { formatRequest, type RouteRule } from "../../src/model/routes";
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import type { EchoNetwork } from "./echo-network";
import { grpcPort, oddPort, podAddress, podPort } from "./echo-network";
import { requestsFor } from "./random-requests";
import { type RandomModel, serviceNames } from "./random-routes";
import { addressOf, complaint } from "./route-oracle";

/** A Service with two pods, one of which is at an address that nobody has. */
export const gatherersService = "gatherers";
export const deadAddress = "198.19.0.1";

/** Services beside those of random routes, for single features: `f0` to `f19` have one pod each, `many` has eight; `odd` has one that behaves as it is asked to, `odd-few` is the same one under another name, `odds` has three; the one of `near` and that of `far` have to be started; `two` and those of `grpc` speak HTTP/2; the last ones are of islands. */
const featureServices: [string, string[]][] = [
  ...Array.from({ length: 20 }, (_unused, index): [string, string[]] => [`f${index}`, [podAddress(200 + index)]]),
  ["many", Array.from({ length: 8 }, (_unused, index) => podAddress(300 + index))],
  ["odd", [podAddress(0)]],
  ["odd-few", [podAddress(0)]],
  ["odds", [podAddress(401), podAddress(402), podAddress(403)]],
  ["near", [podAddress(500)]],
  ["far", [podAddress(501)]],
  [gatherersService, [podAddress(600), deadAddress]],
  ["two", [podAddress(612)]],
  ["grpc", [podAddress(610)]],
  ["grpc-2", [podAddress(611)]],
  ...["eu-c1-api", "eu-c2-api", "us-c1-api", "us-c2-api"].map((name, index): [string, string[]] => [name, [podAddress(620 + index)]]),
];
/** The addresses of the pods behind each Service. */
export const addressesByService: ReadonlyMap<string, string[]> = new Map([
  // Pod 0 is the odd one.
  ...serviceNames.map((name, index): [string, string[]] => [name, [podAddress(index + 1)]]),
  ...featureServices,
]);
/** The Service of each address. */
export const serviceByAddress: ReadonlyMap<string, string> = new Map(
  [...addressesByService].flatMap(([name, addresses]) => addresses.map((address): [string, string] => [address, name])),
);
/** Where pods listen that are started one by one. */
export const mortalPort = 9100;
const portOf = (service: string): number =>
  service.startsWith("odd")
    ? oddPort
    : service.startsWith("grpc")
      ? grpcPort
      : service === "near" || service === "far"
        ? mortalPort
        : podPort;

/** What came out of it. */
export interface Comparison {
  /** How many requests were answered. */
  asked: number;
  /** Those of which some match of a route took the request. */
  matched: number;
  /** Each with the request, and the routes that it is about. */
  complaints: string[];
}

/** Sends the requests of all models to one port, and compares the answers. */
export async function compareAnswers(network: EchoNetwork, port: number, models: readonly RandomModel[]): Promise<Comparison> {
  const asked = models.flatMap((model, index) => requestsFor(model, index).map((request) => ({ model, request })));
  const answers = await network.ask(
    asked.map(({ request }) => ({ port, method: request.method, host: request.host, path: addressOf(request), headers: request.headers })),
  );
  const complaints = asked.flatMap(({ model, request }, index) => {
    const found = complaint(model.table, request, answers[index], serviceByAddress);
    return found === undefined ? [] : [`${formatRequest(request)}\n  ${found}\n  ${JSON.stringify(model.spec.routes)}`];
  });
  return { asked: asked.length, matched: answers.filter(({ status }) => status !== 404).length, complaints };
}

/** The first complaints, for a message. */
export function firstOf({ asked, complaints }: Comparison, count = 5): string {
  return complaints.length === 0 ? "" : [`${complaints.length} of ${asked} answers differ`, ...complaints.slice(0, count)].join("\n");
}

/** The Services and their pods, without any controller. */
export function podObjects(namespace: string): CustomObject<string, unknown>[] {
  return [...addressesByService].flatMap(([name, addresses]) => [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels: {} },
      spec: { ports: [{ name: "http", port: portOf(name) }] },
    },
    endpointSlice(namespace, name, addresses),
  ]);
}

/** The pods of a Service. */
export function endpointSlice(namespace: string, service: string, addresses: readonly string[]): CustomObject<string, unknown> {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${service}-1`, namespace, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: [{ name: "http", port: portOf(service), protocol: "TCP" }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  } as unknown as CustomObject<string, unknown>;
}

/** What random models must say among them, or the comparison would prove less than it seems to. */
export const wantedFeatures = [
  ...["exact", "prefix", "rawPrefix", "regex"].map((kind) => `path ${kind}`),
  ...["headers", "query"].flatMap((place) => ["exact", "regex", "present"].map((kind) => `${place} ${kind}`)),
  "method",
  "guard",
  "hosts of one route",
  "weights",
  "forward",
  "redirect",
  "respond",
  "rewrite prefix",
  "rewrite path",
  "rewrite regex",
  "rewrite host",
  "redirect prefix",
  "redirect path",
  "request headers",
  "response headers",
  "fault",
  "retries",
  "timeout",
];

/** Those of them that are missing; `without`: what a target cannot say. */
export function missingFeatures(models: readonly RandomModel[], without: readonly string[] = []): string[] {
  const seen = new Set(models.flatMap(({ table }) => table.rules.flatMap(featuresOf)));
  if (models.some(({ table }) => table.virtualHosts.length > 1)) seen.add("hosts of one route");
  return wantedFeatures.filter((feature) => !seen.has(feature) && !without.includes(feature));
}

function featuresOf(rule: RouteRule): string[] {
  const { matches, action, backends, rewrite = {}, requestHeaders, responseHeaders, fault, retries, timeoutSeconds, guards } = rule;
  const parts = (prefix: string, of: object): string[] => Object.keys(of).map((name) => `${prefix} ${name}`);
  return [
    ...matches.flatMap(({ path, headers, query, method }) => [
      `path ${path.kind}`,
      ...headers.map(({ kind }) => `headers ${kind}`),
      ...query.map(({ kind }) => `query ${kind}`),
      ...(method === undefined ? [] : ["method"]),
    ]),
    action.kind,
    ...parts(action.kind, action),
    ...parts("rewrite", rewrite),
    ...(backends.length > 1 ? ["weights"] : []),
    ...Object.entries({
      guard: guards,
      "request headers": requestHeaders,
      "response headers": responseHeaders,
      fault,
      retries,
      timeout: timeoutSeconds,
    })
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name),
  ];
}
