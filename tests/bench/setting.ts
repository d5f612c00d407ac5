/** The meshes that are measured, and what all measurements need of them. */
import { apiClient } from "../../tools/kubeconfig";
import { eventually } from "../support/cluster";
import { isReady, type LiveMesh, liveMeshConfig, type MeshConfig, type Pod } from "../support/live";
import type { TestStack } from "../support/pulumi";
import { succeeded } from "../support/pulumi-events";
import type { NodeDatabase } from "./inside";
import type { Report } from "./report";

/** How much is measured. */
export interface Sizes {
  /** Orders of the mesh of one node. */
  rows: number;
  /** Documents of the comparison with the stock image. */
  documents: number;
  /** Orders of the mesh of three nodes. */
  asked: number;
  rounds: number;
  /** Seconds of questions of one kind. */
  seconds: number;
}

export interface Bench {
  mesh: LiveMesh;
  report: Report;
  sizes: Sizes;
}

/** A mesh that is deployed. */
export interface Deployed {
  /** Of the mesh and of its namespace. */
  name: string;
  config: MeshConfig;
  stack: TestStack;
  /** Seconds of `pulumi up`. */
  seconds: number;
  /** Deletes it with all of its data. */
  remove(): Promise<void>;
}

/** Deploys a mesh whose name is that of its namespace. */
export async function deploy({ mesh, report }: Bench, name: string, config: MeshConfig): Promise<Deployed> {
  report.say(`deploying the mesh ${name}`);
  const stack = await mesh.stack(config, name);
  await stack.setConfig({ name, cloud: JSON.stringify({ existing: cloudOf(mesh, Object.keys(config.nodes as object)) }) });
  const began = performance.now();
  const keys = config.snapshots === undefined ? undefined : mesh.ground.giveStoreKeys(name, 240);
  succeeded(await stack.up());
  await keys;
  const remove = async (): Promise<void> => {
    report.say(`removing the mesh ${name}`);
    await stack.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack.stack);
    succeeded(await stack.destroy());
    await eventually("the namespace is gone", async () => (await mesh.request("GET", `/api/v1/namespaces/${name}`)).status === 404, 180);
  };
  return { name, config, stack, seconds: (performance.now() - began) / 1000, remove };
}

/** Nodes that are not of the mesh must not be selected: pods would be placed on them, and find no shards. */
function cloudOf({ ground }: LiveMesh, nodes: string[]): object {
  const selector = nodes.length === 1 ? { "kubernetes.io/hostname": nodes[0] } : { "compute-mesh.dev/pool": "live" };
  const kubernetes = { kubeconfig: ground.cluster.kubeconfig, clusterIdentifier: "live-test" };
  return { clusterName: "live", region: "local-1", kubernetes, selector, nodeNames: Object.fromEntries(nodes.map((node) => [node, node])) };
}

/** All shards on one node, without services. Snapshots are taken by hand only: the schedule's time is far. */
export function oneNodeMesh(engine: "mesh" | "stock"): MeshConfig {
  const mesh = liveMeshConfig([]);
  const { orders } = mesh.topics;
  const far = new Date(Date.now() + 12 * 3_600_000).getUTCHours();
  const group = { ...mesh.snapshots.minutely, schedule: `0 ${far} * * *`, cpu: "200m", memory: "512Mi" };
  return {
    kafka: mesh.kafka,
    nodes: { "n-1": { spec: { zone: "zone-a", cpu: "2", memory: "6Gi" } } },
    shards: { count: 16 },
    topics: { ...(engine === "mesh" ? { orders } : {}), events: { partitions: 16 } },
    ingest: {
      cpu: "300m",
      memory: "512Mi",
      engine: engine === "mesh" ? { mesh: {} } : { stock: { program: "bento" } },
      ...(engine === "mesh" ? { deadLetterTopic: "orders-dead" } : {}),
    },
    database: { engine: mesh.database.engine, cpu: "500m", memory: "3Gi", storage: { memory: { size: "2Gi" } } },
    ...(engine === "mesh" ? { snapshots: { byhand: group } } : {}),
  };
}

/** Three nodes, each shard on two, with both versions of the example service. */
export function threeNodeMesh(snapshot: string): MeshConfig {
  const mesh = liveMeshConfig([snapshot]);
  delete mesh.routes;
  return mesh;
}

/** The pod of a part on a node, once it is ready. */
export async function readyPod({ mesh }: Bench, namespace: string, part: string, node: string, seconds = 180): Promise<Pod> {
  return eventually(
    `a ready pod of ${part} on ${node}`,
    async () => (await mesh.pods(`compute-mesh.dev/part=${part}`, namespace)).find((pod) => pod.spec.nodeName === node && isReady(pod)),
    seconds,
  );
}

/** Records of a topic that are in the database with their offsets. */
export async function ingested(database: NodeDatabase, topic: string): Promise<number> {
  const [{ sum }] = await database.sql<{ sum: string }>("SELECT coalesce(sum(next_offset), 0) AS sum FROM mesh_offsets WHERE topic = $1", [
    topic,
  ]);
  return Number(sum);
}

/** Deletes a pod as its node would lose it: at once. */
export async function losePod({ mesh }: Bench, pod: Pod): Promise<void> {
  const client = apiClient(mesh.ground.cluster.access);
  try {
    await client.request("DELETE", `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`, { gracePeriodSeconds: 0 });
  } finally {
    client.close();
  }
}

export const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
