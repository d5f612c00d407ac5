/** What the tests of all clouds ask of a provider alike, on mocks. */
import * as pulumi from "@pulumi/pulumi";
import type {
  MeshNodeRequest,
  NodePoolHandle,
  NodePoolRequest,
  NodeProvider,
  SnapshotStoreHandle,
  SnapshotStoreRequest,
} from "../../providers/provider";
import { isObject } from "../../src/model/checks";
import { thrownBy, withJunk } from "./junk";
import { type MockAnswers, type Recorder, startMocks } from "./mocks";

/** Stands for the components below which a provider makes things. */
export class Mesh extends pulumi.ComponentResource {
  public constructor() {
    super("test:index:Mesh", "mesh");
  }
}

/** A mesh node of the mesh `quotes`. */
export function nodeRequest(nodeName: string, zone: string, spec: Partial<MeshNodeRequest["spec"]> = {}): MeshNodeRequest {
  return { nodeName, mesh: "quotes", weight: 1, spec: { zone, ...spec } };
}

/** The pool `web` of the mesh `quotes`: from 1 to 9 nodes, 5 at the start. */
export function poolRequest(zones: string[], spec: NodePoolRequest["spec"] = {}): NodePoolRequest {
  return { poolName: "web", mesh: "quotes", zones, spec, minNodes: 1, maxNodes: 9, initialNodes: 5 };
}

/** A store for the ServiceAccount `prices/nightly`. */
export const storeRequest: SnapshotStoreRequest = {
  storeName: "nightly",
  mesh: "quotes",
  namespace: "prices",
  serviceAccountName: "nightly",
};

/** What a provider is to make below one `Mesh`, after its cluster `m`. */
export interface Wanted {
  nodes?: MeshNodeRequest[];
  pool?: NodePoolRequest;
  /** Made as `s`. */
  store?: SnapshotStoreRequest;
}

/** What it has made. */
export interface MadeThings {
  recorder: Recorder;
  pool: NodePoolHandle | undefined;
  store: SnapshotStoreHandle | undefined;
}

/** Makes the cluster, and what else is wanted. */
export async function makeWith(provider: NodeProvider, answers: MockAnswers, wanted: Wanted = {}): Promise<MadeThings> {
  const recorder = await startMocks(answers);
  const opts = { parent: new Mesh() };
  provider.createCluster("m", opts);
  (wanted.nodes ?? []).forEach((request) => provider.createNode(request.nodeName, request, opts));
  const pool = wanted.pool && provider.createPool?.(wanted.pool.poolName, wanted.pool, opts);
  const store = wanted.store && provider.createSnapshotStore?.("s", wanted.store, opts);
  await recorder.settle();
  return { recorder, pool, store };
}

/** Types and names of the children of the `Mesh`, sorted. */
export function partsOf(recorder: Recorder): string[] {
  return recorder.resources
    .filter(({ parent }) => parent === "mesh")
    .map(({ type, name }) => `${type} ${name}`)
    .sort();
}

/** Logical names of what a resource depends on, through inputs too, sorted. */
export function dependenciesOf(recorder: Recorder, name: string): string[] {
  return recorder
    .named(name)
    .options.dependencies.map((urn) => urn.split("::").pop() ?? "")
    .sort();
}

/**
 * What the checks of a provider throw where values of a good request, at any depth, are of a wrong kind: nothing, because checks note problems.
 *
 * @param zone one of the provider's region
 * @throws Error where the good requests have problems
 */
export function crashesOfChecks(provider: NodeProvider, zone: string): unknown[] {
  const spec = {
    cpu: "4",
    memory: "16Gi",
    architecture: "amd64",
    localDisks: [{ size: "100Gi" }],
    spot: false,
    networkGbps: 1,
    labels: { disk: "fast" },
    taints: [{ key: "mesh", value: "x", effect: "NoSchedule" }],
  };
  const node = nodeRequest("n1", zone, spec);
  const pool = poolRequest([zone], spec);
  const store = { ...storeRequest, recoveryDays: 3, objectLockDays: 3, dataProtection: { protect: false } };
  const problems = [...provider.check(node), ...(provider.checkPool?.(pool) ?? []), ...(provider.checkSnapshotStore?.(store) ?? [])];
  if (problems.length > 0) {
    throw new Error(JSON.stringify(problems));
  }
  const inside = (request: object): object[] => [...withJunk(request)].filter((junk) => isObject(junk));
  const checks = [
    ...inside(node).map((junk) => () => provider.check(junk as MeshNodeRequest)),
    ...inside(pool).map((junk) => () => provider.checkPool?.(junk as NodePoolRequest)),
    ...inside(store).map((junk) => () => provider.checkSnapshotStore?.(junk as SnapshotStoreRequest)),
  ];
  return checks.map(thrownBy).filter((error) => error !== undefined);
}
