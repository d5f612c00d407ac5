/** Asks a real gateway what our own matcher has an opinion about, and says where the two differ. */
import { formatRequest } from "../../src/model/routes";
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import type { EchoNetwork } from "./echo-network";
import { podAddress, podPort } from "./echo-network";
import { type RandomModel, requestsFor, serviceNames } from "./random-routes";
import { addressOf, complaint } from "./route-oracle";

/** The address of the one pod behind each Service that random routes go to. */
export const addressByService: ReadonlyMap<string, string> = new Map(serviceNames.map((name, index) => [name, podAddress(index)]));
const serviceByAddress = new Map([...addressByService].map(([name, address]) => [address, name]));

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

/** Services with one pod each, without any controller. */
export function podObjects(namespace: string): CustomObject<string, unknown>[] {
  return [...addressByService].flatMap(([name, address]) => [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels: {} },
      spec: { ports: [{ name: "http", port: podPort }] },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-1`, namespace, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "http", port: podPort, protocol: "TCP" }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    } as unknown as CustomObject<string, unknown>,
  ]);
}
