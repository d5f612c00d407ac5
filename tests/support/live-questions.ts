/** What tests ask a running mesh again and again: gatherers, databases, agents, probes and logs. */
import * as fs from "node:fs";
import * as path from "node:path";
import { CompressionCodecs, CompressionTypes, Kafka, logLevel } from "kafkajs";
import { unpack } from "../../agent/src/kafka-records";
import { get } from "../../tools/live/get";
import type { Sums, Truth } from "../../tools/live/produce";
import { eventually } from "./cluster";
import { isReady, type LiveMesh, type Pod } from "./live";

// kafkajs itself reads gzip alone, and ingest writes its dead letters with snappy.
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: () => Promise.reject(new Error("tests only read what is compressed")),
  decompress: (body: Buffer) => Promise.resolve(unpack(CompressionTypes.Snappy, body)),
});

/** What a gatherer answers. */
export interface Answer {
  snapshot: string;
  version: string;
  complete: boolean;
  missing: { shard: number; reason: string }[];
  answer: any;
}

/** Pods that gather the answers of one version about one snapshot. */
export const gatherers = (mesh: LiveMesh, version: string, snapshot: string): Promise<Pod[]> =>
  mesh.pods(`compute-mesh.dev/part=${version}-${snapshot}-answer`);

/** Asks one gatherer. Throws where there is no answer with status 200. */
export async function askPod(mesh: LiveMesh, pod: Pod, url: string, milliseconds = 30_000): Promise<Answer> {
  const port = await mesh.ground.cluster.openDoor(`${pod.status.podIP}:8080`);
  const { status, text } = await get(port, url, {}, milliseconds);
  if (status !== 200) {
    throw new Error(`${url} of ${pod.metadata.name}: ${status} ${text.slice(0, 300)}`);
  }
  return JSON.parse(text) as Answer;
}

/** Waits for a complete answer of any gatherer; the error says what the last one of each pod was. */
export async function completeAnswer(mesh: LiveMesh, url: string, version: string, snapshot: string, seconds = 120): Promise<Answer> {
  let last: string[] = [];
  return eventually(
    () => [`a complete answer to ${url} of ${version} about ${snapshot}`, ...last].join("\n  "),
    async () => {
      last = [];
      for (const pod of await gatherers(mesh, version, snapshot)) {
        const answer = isReady(pod) ? await askPod(mesh, pod, url).catch((error: Error) => error) : new Error("not ready");
        if (!(answer instanceof Error) && answer.complete) {
          return answer;
        }
        last.push(`${pod.metadata.name}: ${answer instanceof Error ? answer.message : JSON.stringify(answer.missing)}`);
      }
      return false;
    },
    seconds,
  );
}

/** Count and sum of every customer. */
export type CustomerSums = Record<string, Pick<Sums, "count" | "sum">>;

/** What a truth says of every customer. */
export const sumsOfTruth = ({ byKey }: Truth): CustomerSums =>
  Object.fromEntries(Object.entries(byKey).map(([key, { count, sum }]) => [key, { count, sum }]));

/** What the service's `/customers` says of every customer. */
export const sumsOfAnswer = (answer: ({ customer: string } & CustomerSums[string])[]): CustomerSums =>
  Object.fromEntries(answer.map(({ customer, count, sum }) => [customer, { count, sum }]));

/** The sums of a truth, as the service's `/total` gives them. */
export const totalOf = ({ total: { count, sum, min, max } }: Truth): Sums => ({ count, sum, min, max });

/** Partition → one text "rows, different offsets, sum" for each database that has rows of it. */
export async function copies(mesh: LiveMesh, table = "orders"): Promise<Record<string, string[]>> {
  type Row = { part: number; rows: string; offsets: string; sum: string };
  const found = await mesh.onDatabases<Row>(
    `SELECT part, count(*) AS rows, count(DISTINCT off) AS offsets, sum(amount) AS sum FROM ${table} GROUP BY part`,
  );
  const result: Record<string, string[]> = {};
  for (const { part, rows, offsets, sum } of found.flatMap((one) => one.rows)) {
    (result[part] ??= []).push(`${rows} ${offsets} ${sum}`);
  }
  return result;
}

/** What `copies` must be where every record of the truth is in the databases of two owners once. */
export const copiesOf = (truth: Pick<Truth, "byPartition">): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(truth.byPartition).map(([part, { count, sum }]) => {
      const text = `${count} ${count} ${sum}`;
      return [part, [text, text]];
    }),
  );

/** Waits until every owner has the whole log, and asserts that it has it once. */
export async function expectWholeLog(mesh: LiveMesh, truth: Pick<Truth, "byPartition">, seconds: number, table = "orders"): Promise<void> {
  const expected = copiesOf(truth);
  const canonical = (value: unknown): string => JSON.stringify(Object.entries(value as object).sort(([a], [b]) => Number(a) - Number(b)));
  let last: Record<string, string[]> = {};
  await eventually(
    "",
    async () => {
      last = await copies(mesh, table).catch(() => ({}));
      return canonical(last) === canonical(expected);
    },
    seconds,
  ).catch(() => undefined);
  expect(last).toEqual(expected);
}

/** Runs the agent's program in the pod of a node. Output of logs and results together. */
export async function agent(mesh: LiveMesh, node: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const pod = await podOn(mesh, "snapshot", node);
  return mesh.exec(pod, "snapshot", ["compute-mesh-agent", ...args]);
}

/** The pod of a part on a node, running. */
export async function podOn(mesh: LiveMesh, part: string, node: string, seconds = 60): Promise<Pod> {
  return eventually(
    `the container ${part} runs on ${node}`,
    async () =>
      (await mesh.pods(`compute-mesh.dev/part=${part}`)).find(
        ({ spec, status }) => spec.nodeName === node && status.containerStatuses?.some((one) => one.state["running"] !== undefined),
      ),
    seconds,
  );
}

/** SIGKILL to a container of a node, once it runs. */
export async function kill(mesh: LiveMesh, part: string, node: string, seconds = 120): Promise<void> {
  await eventually(
    `the container ${part} on ${node} is killed`,
    async () => mesh.killContainer(await podOn(mesh, part, node, seconds), part),
    seconds,
  );
}

/** A snapshot as `list --json` shows it. */
export interface Listed {
  id: string;
  complete: boolean;
  missing: number[];
  problems: string[];
  rows: number;
}

export async function listSnapshots(mesh: LiveMesh, node: string): Promise<Listed[]> {
  const { code, output } = await agent(mesh, node, "list", "--json");
  if (code !== 0) {
    throw new Error(`list: exit code ${code}: ${output}`);
  }
  return JSON.parse(output.slice(output.indexOf("["))) as Listed[];
}

/** What ingest says of itself on a node. */
export async function ingestReport(
  mesh: LiveMesh,
  node: string,
): Promise<{ status: number; ready: boolean; reason: string; note?: string }> {
  const pod = await podOn(mesh, "ingest", node);
  const port = await mesh.ground.cluster.openDoor(`${pod.status.podIP}:4195`);
  const { status, text } = await get(port, "/ready", {}, 10_000);
  return { ...(JSON.parse(text) as { ready: boolean; reason: string; note?: string }), status };
}

/** Waits until the report of a node's ingest matches. */
export async function ingestSays(mesh: LiveMesh, node: string, pattern: RegExp, seconds: number): Promise<string> {
  let last = "";
  return eventually(
    `ingest on ${node} says ${pattern}`,
    async () => {
      const report = await ingestReport(mesh, node).catch(() => undefined);
      last = report === undefined ? last : `${report.reason}; ${report.note ?? ""}`;
      return pattern.test(last) && last;
    },
    seconds,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it said: ${last}`);
  });
}

/** The log of a container. */
export async function logOf(mesh: LiveMesh, pod: Pod, container: string): Promise<string> {
  const { name, namespace } = pod.metadata;
  const { body } = await mesh.request("GET", `/api/v1/namespaces/${namespace}/pods/${name}/log?container=${container}`);
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** Folder of a snapshot in the store, where objects are plain files; undefined before the first of them. */
export function snapshotFolder(mesh: LiveMesh, id: string): string | undefined {
  const root = path.join(mesh.ground.store.dataFolder, "mesh-snapshots");
  const found = fs.readdirSync(root, { recursive: true }) as string[];
  const name = found.find((file) => path.basename(file) === id);
  return name === undefined ? undefined : path.join(root, name);
}

/** Calls with an administrator of Kafka. */
export async function withKafkaAdmin<T>(mesh: LiveMesh, run: (admin: ReturnType<Kafka["admin"]>) => Promise<T>): Promise<T> {
  const admin = new Kafka({ clientId: "test", brokers: mesh.ground.kafka.hostBrokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Kafka forgets the records of a topic below the offsets, by partition. */
export async function forgetRecords(mesh: LiveMesh, topic: string, below: Readonly<Record<string, number>>): Promise<void> {
  const partitions = Object.entries(below).map(([partition, offset]) => ({ partition: Number(partition), offset: String(offset) }));
  await withKafkaAdmin(mesh, async (admin) => {
    // Asking for something else first: this request alone does not look for the partitions' leaders.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions });
  });
}

/** What the dead letters are copies of, as topic/partition/offset, with the reason of each. */
export async function deadLetters(mesh: LiveMesh, topic = "orders-dead"): Promise<Map<string, string>> {
  const ends = await withKafkaAdmin(mesh, (admin) => admin.fetchTopicOffsets(topic));
  const all = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const letters = new Map<string, string>();
  if (all === 0) {
    return letters;
  }
  const kafka = new Kafka({ clientId: "test", brokers: mesh.ground.kafka.hostBrokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `test-${Date.now()}` });
  let read = 0;
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message: { headers } }) => {
        const header = (name: string): string => String(headers?.[`mesh_${name}`]);
        letters.set(["topic", "partition", "offset"].map(header).join("/"), header("error"));
        read += 1;
        return Promise.resolve();
      },
    });
    await eventually("all dead letters are read", () => read >= all, 60);
  } finally {
    await consumer.disconnect();
  }
  return letters;
}
