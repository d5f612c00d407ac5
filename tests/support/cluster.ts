/** One embedded cluster per test file, gone with the test process whatever happens to it. */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type ClusterInfo, deleteCluster, startCluster, temporaryRoot } from "../../tools/cluster";
import type { CrdSet } from "../../tools/crds";
import { apiClient, type ApiRequest } from "../../tools/kubeconfig";
import { sharedCrds } from "./crds";

/** How a test's cluster is started. */
export interface TestClusterOptions {
  /** Default: `test`. */
  name?: string;
  /** Sets of CRDs to install. Default: none. */
  crds?: CrdSet[];
}

/** A cluster of one test file. */
export interface TestCluster {
  kubeconfigPath: string;
  /** The text of that file. */
  kubeconfig: string;
  info: ClusterInfo;
  /** A request as administrator. The path begins with `/api/…` or `/apis/…`. */
  request: ApiRequest;
  /** What a GET as administrator returns; undefined where it does not succeed, as where there is no such object. */
  read: (apiPath: string) => Promise<any>;
  /** Ends the cluster and removes its files. */
  stop(): Promise<void>;
}

/**
 * Starts an ephemeral cluster in a temporary folder; ready in a few seconds. Call in `beforeAll` with a timeout of at least two minutes (the
 * first run on a machine may have to build the tools: `npm test` does that before), and `stop()` in `afterAll`.
 */
export async function testCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const root = temporaryRoot(tmpdir());
  const name = options.name ?? "test";
  try {
    const info = await startCluster({ name, root, ephemeral: true, quiet: true, crds: options.crds, crdFolder: sharedCrds });
    const client = apiClient(info.access, 60_000);
    return {
      kubeconfigPath: info.kubeconfigPath,
      kubeconfig: info.kubeconfig,
      info,
      request: client.request,
      read: async (apiPath) => {
        const { status, body } = await client.request("GET", apiPath);
        return status === 200 ? body : undefined;
      },
      stop: async () => {
        client.close();
        await deleteCluster(name, { root });
        rmSync(root, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
}

/** A Node that the embedded cluster simulates: it becomes Ready within about a second. */
export function simulatedNode(name: string, labels: Record<string, string> = {}): object {
  const resources = { cpu: "8", memory: "32Gi", pods: "110", "ephemeral-storage": "100Gi" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels }, annotations: { "kwok.x-k8s.io/node": "fake" } },
    status: { allocatable: resources, capacity: resources },
  };
}

/** Polls until `condition` returns something other than undefined or false. Throws after `seconds`, saying `what` it waited for; a function can say more by then. */
export async function eventually<T>(
  what: string | (() => string),
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  seconds = 30,
): Promise<T> {
  for (const deadline = Date.now() + seconds * 1000; ;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`${typeof what === "string" ? what : what()}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
