/** A mesh of real pods for one test file: the stack `live` with edits, on a live cluster with Kafka and an object store, gone with the test process. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import pg from "pg";
import { parse } from "yaml";
import { removeFolder } from "../../tools/live/down";
import type { TopicSpec } from "../../tools/live/kafka";
import { liveImages, type LiveGround, startLiveGround } from "../../tools/live/mesh";
import { type Produced, type ProduceOptions, produce, readTruth, type Truth } from "../../tools/live/produce";
import type { LiveNodeSpec } from "../../tools/live/state";
import { temporaryRoot } from "../../tools/cluster";
import { type ApiRequest, apiClient } from "../../tools/kubeconfig";
import { projectRoot } from "../../tools/paths";
import { eventually } from "./cluster";
import { type TestStack, testStack } from "./pulumi";

/** Untyped, because tests also write what is wrong. */
export type MeshConfig = any;

/** `describe` where it holds, else `describe.skip`. Benchmarks come here without jest. */
const describeWhere = (able: boolean): jest.Describe =>
  typeof describe === "undefined" ? (undefined as never) : able ? describe : describe.skip;
const canLive = process.env["LIVE_MISSING"] === undefined;

/** For tests of real nodes: skipped where the machine cannot run them. */
export const describeLive = describeWhere(canLive);

/** As `describeLive`, for files that take long: `npm run test:live` and `npm run test:all` run them, `npm test` counts them as skipped. */
export const describeLongLive = describeWhere(canLive && process.env["LIVE_LONG"] !== undefined);

export interface LiveMesh {
  ground: LiveGround;
  request: ApiRequest;
  /** Writes records; default: to `orders`. */
  produce(options: Partial<ProduceOptions>): Promise<Produced>;
  /** Reads the log up to a time, or to its end; default: that of `orders`. */
  truth(options?: { at?: Date; topic?: string }): Promise<Truth>;
  /** A stack of this repository's program on the cluster. */
  stack(mesh: MeshConfig, name?: string): Promise<TestStack>;
  /** Another mesh for a stack. */
  setMesh(stack: TestStack, mesh: MeshConfig): Promise<void>;
  /** Whether a node has the label by which the stack finds its nodes. */
  inPool(node: string, inside: boolean): Promise<void>;
  /** Pods of the namespace with the labels, those that are being deleted left out. */
  pods(selector: string, namespace?: string): Promise<Pod[]>;
  /** Every row of a query, in the database of each node that runs one; the query may depend on the node. */
  onDatabases<T>(sql: string | ((node: string) => string), namespace?: string): Promise<{ node: string; rows: T[] }[]>;
  /** Runs a command in a container. */
  exec(pod: Pod, container: string, command: string[]): Promise<{ code: number; output: string }>;
  /** SIGKILL to every process of a container; false where it does not run. */
  killContainer(pod: Pod, container: string): boolean;
  stop(): Promise<void>;
}

export interface Pod {
  metadata: { name: string; uid: string; namespace: string; labels: Record<string, string> };
  spec: { nodeName: string; containers: { name: string }[] };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

interface ContainerStatus {
  name: string;
  containerID?: string;
  restartCount: number;
  ready: boolean;
  state: Record<string, any>;
  lastState: any;
}

/** Nodes of the stack `live`. */
export const liveNodes = ["a", "b", "c"].map((zone, index) => ({
  name: `n-${index + 1}`,
  zone: `zone-${zone}`,
  labels: { "compute-mesh.dev/pool": "live" },
}));

/** The mesh of stacks/Pulumi.live.yaml with services bound to the snapshots. */
export function liveMeshConfig(snapshots: string[]): MeshConfig {
  const text = fs.readFileSync(path.join(projectRoot, "stacks", "Pulumi.live.yaml"), "utf8");
  const { config } = parse(text) as { config: Record<string, MeshConfig> };
  const mesh = config["compute-mesh:mesh"];
  mesh.snapshots.minutely.snapshots = snapshots;
  for (const version of Object.values<any>(mesh.services.prices.versions)) {
    version.snapshots = snapshots;
  }
  // One route for each version of each snapshot, beside the one for whoever names neither.
  const [plain] = mesh.routes.routes;
  plain.to[0].service.snapshot = snapshots[0];
  const named = snapshots.flatMap((snapshot) =>
    Object.keys(mesh.services.prices.versions as object).map((version) => ({
      name: `prices-${version}-${snapshot}`,
      match: [{ prefix: "/", version, snapshot }],
      to: [{ service: { service: "prices", version, snapshot } }],
    })),
  );
  mesh.routes.routes = [plain, ...named];
  return mesh;
}

/** Ids of the next full minutes, the first one at least so many seconds ahead. */
export function nextSnapshot(secondsAhead: number): { id: string; time: Date } {
  const time = new Date(Math.ceil((Date.now() + secondsAhead * 1000) / 60_000) * 60_000);
  const text = time.toISOString();
  return { id: `${text.slice(0, 10).replace(/-/g, "")}t${text.slice(11, 16).replace(":", "")}z`, time };
}

/** Boots cluster, Kafka and store. Call in `beforeAll` with a time-out of ten minutes, and `stop()` in `afterAll`. */
export async function liveMesh(
  options: { topics?: TopicSpec[]; nodes?: readonly LiveNodeSpec[]; dataTmpfs?: string; images?: readonly string[] } = {},
): Promise<LiveMesh> {
  const root = temporaryRoot("/tmp");
  const nodes = options.nodes ?? liveNodes;
  const topics = options.topics ?? [
    { name: "orders", partitions: 16 },
    { name: "orders-dead", partitions: 1 },
  ];
  const ground = await startLiveGround({
    name: "test",
    root,
    ephemeral: true,
    region: "local-1",
    nodeGraceSeconds: 4,
    ...(options.dataTmpfs === undefined ? {} : { dataTmpfs: options.dataTmpfs }),
    nodes,
    topics,
    images: options.images ?? liveImages,
    crds: ["gateway-api", "kgateway"],
  });
  const client = apiClient(ground.cluster.access, 60_000);
  const stacks: TestStack[] = [];
  const pods = async (selector: string, namespace = "mesh"): Promise<Pod[]> => {
    const { body } = await client.request("GET", `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`);
    return ((body as { items?: (Pod & { metadata: { deletionTimestamp?: string } })[] }).items ?? []).filter(
      (pod) => pod.metadata.deletionTimestamp === undefined,
    );
  };
  return {
    ground,
    request: client.request,
    produce: (options) => produce(ground.kafka.hostBrokers, { topic: "orders", ...options }),
    truth: ({ at, topic = "orders" } = {}) => readTruth(ground.kafka.hostBrokers, { topic, ...(at && { atMilliseconds: at.getTime() }) }),
    stack: async (config, name = "live") => {
      const stack = await testStack({ program: projectRoot, stack: name });
      stacks.push(stack);
      await stack.setConfig({ cloud: cloudOf(ground, config), mesh: JSON.stringify(config) });
      return stack;
    },
    setMesh: (stack, config) => stack.setConfig({ cloud: cloudOf(ground, config), mesh: JSON.stringify(config) }),
    inPool: async (node, inside) => {
      const labels = { "compute-mesh.dev/pool": inside ? "live" : null };
      await client.request("PATCH", `/api/v1/nodes/${node}`, { metadata: { labels } }, "application/merge-patch+json");
    },
    pods,
    onDatabases: async <T>(sql: string | ((node: string) => string), namespace = "mesh") => {
      const database = (await pods("compute-mesh.dev/part=database", namespace)).filter(isReady);
      return Promise.all(
        database.map(async (pod) => {
          const node = pod.spec.nodeName;
          const text = typeof sql === "string" ? sql : sql(node);
          return { node, rows: await query<T>(ground, client.request, pod, namespace, text) };
        }),
      );
    },
    exec,
    killContainer,
    stop: async () => {
      client.close();
      await Promise.all(stacks.map((stack) => stack.dispose()));
      await ground.stop();
      await removeFolder(path.join(root, "test"));
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The stack's `cloud`: the nodes that the mesh names, by their names. */
function cloudOf(ground: LiveGround, mesh: MeshConfig): string {
  const kubernetes = { kubeconfig: ground.cluster.kubeconfig, clusterIdentifier: "live-test" };
  const nodeNames = Object.fromEntries(Object.keys(mesh.nodes).map((node) => [node, node]));
  const selector = { "compute-mesh.dev/pool": "live" };
  return JSON.stringify({ existing: { clusterName: "live", region: "local-1", kubernetes, selector, nodeNames } });
}

export const isReady = (pod: Pod): boolean =>
  pod.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

async function query<T>(ground: LiveGround, request: ApiRequest, pod: Pod, namespace: string, sql: string): Promise<T[]> {
  const { body } = await request("GET", `/api/v1/namespaces/${namespace}/secrets/mesh-db-credentials`);
  const text = (key: string): string => Buffer.from((body as any).data[key] as string, "base64").toString();
  const client = new pg.Client({
    host: "127.0.0.1",
    port: await ground.cluster.openDoor(`${pod.status.podIP}:5432`),
    database: "mesh",
    user: text("username"),
    password: text("password"),
  });
  await client.connect();
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

/** Runs a command among the processes of a container, with its files, network and environment; standard output and errors together, and the exit code. */
async function exec(pod: Pod, container: string, command: string[]): Promise<{ code: number; output: string }> {
  const pid = firstProcess(pod, container);
  const variables = fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  const enter = ["nsenter", `--target=${pid}`, "--mount", "--net", "--pid", "--uts", "--setuid=65532", "--setgid=65532"];
  const child = spawn(enter[0], [...enter.slice(1), "env", "-i", ...variables, ...command], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
  });
}

/** The process that is number 1 within the container: the others come and go, and where numbers begin anew the smallest is not the oldest. */
export function firstProcess(pod: Pod, container: string): number {
  const pid = processesOf(pod, container).find((one) => {
    try {
      return /^NSpid:.*\t1$/m.test(fs.readFileSync(`/proc/${one}/status`, "utf8"));
    } catch {
      return false; // it has ended meanwhile
    }
  });
  if (pid === undefined) {
    throw new Error(`the container ${container} of ${pod.metadata.name} does not run`);
  }
  return pid;
}

/** Process ids of a container as this machine sees them, found by its id in their control groups. */
export function processesOf(pod: Pod, container: string): number[] {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status;
  const status = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === container);
  const id = status?.containerID?.split("//")[1];
  if (id === undefined || status?.state["running"] === undefined) {
    return [];
  }
  const pids = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(id);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

function killContainer(pod: Pod, container: string): boolean {
  const pids = processesOf(pod, container);
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
  return pids.length > 0;
}

/** Waits until `count` pods with the labels are ready. */
export async function podsReady(mesh: LiveMesh, selector: string, count: number, seconds: number, namespace = "mesh"): Promise<Pod[]> {
  return eventually(
    `${count} ready pods with ${selector}`,
    async () => {
      const ready = (await mesh.pods(selector, namespace)).filter(isReady);
      return ready.length === count && ready;
    },
    seconds,
  );
}
