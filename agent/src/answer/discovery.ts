/** Finds the ready pods of a Service and their shards: EndpointSlice → Kubernetes node → mesh node → shards. */
import { setTimeout as sleep } from "node:timers/promises";
import { isObject } from "../../../src/model/checks";
import type { AnswerOwner, AnswerUpstream } from "../../../src/model/answers-settings";
import { messageOf } from "../errors";
import type { Log } from "../log";
import type { NodeShards } from "../pod-files";
import type { KubernetesApi } from "./kubernetes-api";
import { createOwnerTable, type Owner, type OwnerTable } from "./owners";
import type { ShardFiles } from "./shard-files";

const pollMilliseconds = 2000;
/** Labels of Nodes change with the machines, not with the pods. */
const nodesMilliseconds = 60_000;
const nodeLabel = "compute-mesh.dev/node";

/** A ready pod as an EndpointSlice names it. */
export interface Endpoint {
  host: string;
  kubernetesNode: string;
}

/** What is known of the pods. */
export interface Discovery {
  /** The newest owners; undefined before the first answer. */
  table(): OwnerTable | undefined;
}

/** What `watchOwners` tells of. */
export interface DiscoveryEvents {
  /** After every look: undefined, or why there is no news. What was known stays. */
  looked(problem: string | undefined): void;
  log: Log;
}

/** Owners at fixed addresses. */
export function staticTable(owners: readonly Required<AnswerOwner>[], shardCount: number): OwnerTable {
  return createOwnerTable(
    owners.map(({ node, url, shards, primary }) => {
      const { hostname, port } = new URL(url);
      return ownerOf(hostname.replace(/^\[|\]$/g, ""), port === "" ? 80 : Number(port), { node, shards, primary });
    }),
    shardCount,
  );
}

/** Looks every two seconds until the signal; a list from the API server's cache (`resourceVersion=0`), so that many gatherers cost it little. */
export async function watchOwners(
  api: KubernetesApi,
  upstream: AnswerUpstream,
  files: ShardFiles,
  shardCount: number,
  signal: AbortSignal,
  found: (table: OwnerTable) => void,
  events: DiscoveryEvents,
): Promise<void> {
  const meshNodes = createMeshNodes(api);
  let last = "";
  while (!signal.aborted) {
    try {
      const endpoints = endpointsOf(await api.get(slicesPath(upstream)));
      const shardsByNode = files.read();
      const owners: Owner[] = [];
      const strangers: string[] = [];
      for (const { host, kubernetesNode } of endpoints) {
        const key = upstream.nodes === "nodeName" ? kubernetesNode : await meshNodes(kubernetesNode);
        const shards = key === undefined ? undefined : shardsByNode.get(key);
        if (shards === undefined) {
          strangers.push(kubernetesNode);
        } else {
          owners.push(ownerOf(host, upstream.port, shards));
        }
      }
      const state = JSON.stringify([owners, strangers]);
      if (state !== last) {
        last = state;
        events.log("info", `${owners.length} ready pods of ${upstream.endpointService}`, {
          pods: owners.map(({ address, node }) => `${node}=${address}`),
          ...(strangers.length === 0 ? {} : { nodesWithoutShards: strangers }),
        });
        found(createOwnerTable(owners, shardCount));
      }
      events.looked(undefined);
    } catch (error) {
      events.looked(messageOf(error));
    }
    await sleep(pollMilliseconds, undefined, { signal }).catch(() => undefined);
  }
}

function slicesPath({ namespace, endpointService }: AnswerUpstream): string {
  const query = new URLSearchParams({ labelSelector: `kubernetes.io/service-name=${endpointService}`, resourceVersion: "0" });
  return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${query.toString()}`;
}

/** The ready endpoints of an EndpointSliceList, each address once. Slices overlap for a moment while endpoints move between them. */
export function endpointsOf(list: unknown): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of itemsOf(list)) {
    for (const endpoint of Array.isArray(slice["endpoints"]) ? (slice["endpoints"] as unknown[]) : []) {
      if (!isObject(endpoint) || !Array.isArray(endpoint["addresses"])) {
        continue;
      }
      const { addresses, nodeName, conditions } = endpoint;
      const [host] = addresses as unknown[];
      // The API's word: no condition at all means ready.
      const ready = !isObject(conditions) || conditions["ready"] !== false;
      if (ready && typeof host === "string" && typeof nodeName === "string") {
        found.set(host, { host, kubernetesNode: nodeName });
      }
    }
  }
  return [...found.values()];
}

/** Kubernetes node → mesh node by its label; all Nodes are listed where one is unknown, at most every two seconds, and once a minute. */
function createMeshNodes(api: KubernetesApi): (kubernetesNode: string) => Promise<string | undefined> {
  let names = new Map<string, string>();
  let listed = -Infinity;
  return async (kubernetesNode) => {
    const age = performance.now() - listed;
    if (age > nodesMilliseconds || (!names.has(kubernetesNode) && age > pollMilliseconds / 2)) {
      const query = new URLSearchParams({ labelSelector: nodeLabel, resourceVersion: "0" });
      const list = await api.get(
        `/api/v1/nodes?${query.toString()}`,
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
      );
      names = new Map(
        itemsOf(list).flatMap(({ metadata }): [string, string][] => {
          const { name, labels } = isObject(metadata) ? metadata : {};
          const label = isObject(labels) ? labels[nodeLabel] : undefined;
          return typeof name === "string" && typeof label === "string" ? [[name, label]] : [];
        }),
      );
      listed = performance.now();
    }
    return names.get(kubernetesNode);
  };
}

function itemsOf(list: unknown): Record<string, unknown>[] {
  const items = isObject(list) ? list["items"] : undefined;
  if (!Array.isArray(items)) {
    throw new Error("the API server answered without a list of items");
  }
  return items.filter(isObject);
}

function ownerOf(host: string, port: number, { node, shards, primary }: NodeShards): Owner {
  return { address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`, host, port, node, shards, primary };
}
