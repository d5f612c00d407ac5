/** One node: ingest beside COPY by hand and beside the stock image, snapshot and restore beside pg_dump and pg_restore, and recovery from nothing. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { formatSnapshotId } from "../../src/model/snapshot-id";
import { eventually } from "../support/cluster";
import { isReady, type Pod } from "../support/live";
import { type MemoryWatch, watchMemory } from "./cgroups";
import { inside, type NodeDatabase, nodeDatabase, whileStopped } from "./inside";
import { median, rounds, short } from "./report";
import { type Bench, type Deployed, deploy, ingested, losePod, oneNodeMesh, readyPod, sleep } from "./setting";

const node = "n-1";
const mebibyte = 1024 ** 2;
/** Records bear times of so long ago, so that a snapshot of a minute that has passed holds them all. */
const agoMilliseconds = 30 * 60_000;

/** Measures all of it in one mesh, and ingest once more in a mesh with the stock image. */
export async function measureOneNode(bench: Bench): Promise<void> {
  const { sizes, mesh } = bench;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mesh-bench-"));
  try {
    await mesh.produce({ topic: "orders", messages: sizes.rows, startMilliseconds: Date.now() - agoMilliseconds });
    await mesh.produce({ topic: "events", messages: sizes.documents, startMilliseconds: Date.now() - agoMilliseconds, seed: 2 });
    const one = await deploy(bench, "one", oneNodeMesh("mesh"));
    const memory = watchMemory(mesh, one.name);
    const documents = await measureDeployed(bench, one, memory, folder).finally(() => memory.stop());
    await one.remove();
    await stockRates(bench, documents, folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns how many documents are ingested a second. */
async function measureDeployed(bench: Bench, one: Deployed, memory: MemoryWatch, folder: string): Promise<number> {
  const { sizes, report, mesh } = bench;
  const database = await nodeDatabase(mesh, await readyPod(bench, one.name, "database", node), one.name);
  await filled(database, "orders", sizes.rows);
  await filled(database, "events", sizes.documents);
  report.say("ingest beside COPY by hand");
  await ingestBesideCopy(bench, database, folder);
  const documents = await documentRates(bench, database, sizes.documents, folder);
  report.say("snapshot and restore beside pg_dump and pg_restore");
  const bytes = await snapshotsBesideDump(bench, one, database, folder);
  report.say("recovery of a database that lost everything");
  await recovery(bench, one, database, bytes);
  await sleep(10_000);
  const idle = await memory.now();
  const peak = await memory.stop();
  for (const program of ["ingest", "database", "snapshot"]) {
    const detail = program === "database" ? ", tmpfs with all rows and copies included" : "";
    const what = { snapshot: "agent" }[program] ?? program;
    report.add({ what: `memory of ${what}, peak`, value: peak[program], unit: "MiB", detail: `idle ${short(idle[program])} MiB${detail}` });
  }
  return documents;
}

function filled(database: NodeDatabase, topic: string, records: number): Promise<true> {
  return eventually(`${records} records of ${topic}`, async () => (await ingested(database, topic)) >= records, 300);
}

/** Empties a table with its offsets and looks on while it is filled again. Rows a second from the last look that saw nothing to the last commit. */
async function fillAgain(database: NodeDatabase, topic: string, records: number): Promise<number> {
  await database.sql(`BEGIN; TRUNCATE ${topic}; DELETE FROM mesh_offsets WHERE topic = '${topic}'; COMMIT`);
  let began = performance.now();
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await sleep(20)) {
    const asked = performance.now();
    const rows = await ingested(database, topic);
    if (rows === 0) began = asked;
    if (rows >= records) return records / ((performance.now() - began) / 1000);
  }
  throw new Error(`${topic}: not filled again within 5 minutes`);
}

/** Copies the rows of a table into an empty one like it by psql. Rows a second. */
async function copyByHand(database: NodeDatabase, table: string, records: number, file: string): Promise<number> {
  await database.sql(`DROP TABLE IF EXISTS by_hand; CREATE TABLE by_hand (LIKE ${table} INCLUDING ALL)`);
  const { seconds } = await database.tool(["psql", "-qX", "-c", "COPY by_hand FROM STDIN"], { input: file });
  const [{ count }] = await database.sql<{ count: string }>("SELECT count(*) FROM by_hand");
  if (Number(count) !== records) throw new Error(`COPY by hand: ${count} rows instead of ${records}`);
  await database.sql("DROP TABLE by_hand");
  return records / seconds;
}

/** The rows of a table as a file of COPY. */
async function rowsOf(database: NodeDatabase, table: string, folder: string): Promise<string> {
  const file = path.join(folder, `${table}.tsv`);
  await database.tool(["psql", "-qX", "-c", `COPY ${table} TO STDOUT`], { output: file });
  return file;
}

async function inTurns(count: number, work: (() => Promise<number>)[]): Promise<number[][]> {
  const results: number[][] = work.map(() => []);
  for (let round = 0; round < count; round++) {
    for (const [index, one] of work.entries()) results[index].push(await one());
  }
  return results;
}

async function ingestBesideCopy({ sizes, report }: Bench, database: NodeDatabase, folder: string): Promise<void> {
  const file = await rowsOf(database, "orders", folder);
  const [ours, copy] = await inTurns(sizes.rounds, [
    () => fillAgain(database, "orders", sizes.rows),
    () => copyByHand(database, "orders", sizes.rows, file),
  ]);
  report.add({
    what: `ingest of one node, typed columns, ${short(sizes.rows)} rows`,
    value: median(ours),
    unit: "rows/s",
    beside: { what: "COPY by hand", value: median(copy) },
    detail: rounds(ours),
  });
}

async function documentRates({ sizes, report }: Bench, database: NodeDatabase, records: number, folder: string): Promise<number> {
  const file = await rowsOf(database, "events", folder);
  const [ours, copy] = await inTurns(sizes.rounds, [
    () => fillAgain(database, "events", records),
    () => copyByHand(database, "events", records, file),
  ]);
  report.add({
    what: `ingest of one node, documents, ${short(records)} rows`,
    value: median(ours),
    unit: "rows/s",
    beside: { what: "COPY by hand", value: median(copy) },
    detail: rounds(ours),
  });
  return median(ours);
}

async function stockRates(bench: Bench, ours: number, folder: string): Promise<void> {
  const { sizes, report, mesh } = bench;
  const stock = await deploy(bench, "stock", oneNodeMesh("stock"));
  const memory = watchMemory(mesh, stock.name);
  const pod = await readyPod(bench, stock.name, "database", node);
  const database = await nodeDatabase(mesh, pod, stock.name);
  await filled(database, "events", sizes.documents);
  const file = await rowsOf(database, "events", folder);
  const restart = async (): Promise<number> => {
    // It asks for the offsets before it starts, and never again.
    await losePod(bench, await readyPod(bench, stock.name, "ingest", node));
    return fillAgain(database, "events", sizes.documents);
  };
  const [rates, copy] = await inTurns(sizes.rounds, [restart, () => copyByHand(database, "events", sizes.documents, file)]);
  const name = `ingest of one node, documents, ${short(sizes.documents)} rows`;
  const beside = { what: "COPY by hand", value: median(copy) };
  report.add({ what: `stock image: ${name}`, value: median(rates), unit: "rows/s", beside, detail: rounds(rates) });
  report.add({ what: name, value: ours, unit: "rows/s", beside: { what: "stock image", value: median(rates) } });
  report.add({ what: "memory of the stock image, peak", value: (await memory.stop())["engine"], unit: "MiB" });
  await database.close();
  await stock.remove();
}

/** Returns the bytes of all rows as COPY writes them. */
async function snapshotsBesideDump(bench: Bench, one: Deployed, database: NodeDatabase, folder: string): Promise<number> {
  const { sizes, report } = bench;
  const agent = await readyPod(bench, one.name, "snapshot", node);
  const bytes = ["orders", "events"].reduce((sum, table) => sum + fs.statSync(path.join(folder, `${table}.tsv`)).size, 0);
  const dump = path.join(folder, "dump");
  const minute = Math.floor((Date.now() - 60_000) / 60_000) * 60_000;
  let round = 0;
  let id = "";
  const [take, takeDump] = await inTurns(sizes.rounds, [
    async () => {
      id = formatSnapshotId(new Date(minute - 60_000 * (sizes.rounds - round++)));
      return (await inside(agent, "snapshot", ["compute-mesh-agent", "snapshot", "--once", "--at", id])).seconds;
    },
    async () => (await database.tool(["pg_dump", "-Fc", "-t", "orders", "-t", "events"], { output: dump })).seconds,
  ]);
  const speed = (seconds: number[]): number => bytes / mebibyte / median(seconds);
  report.add({
    what: `snapshot of ${short(bytes / mebibyte)} MiB of rows in 16 shards`,
    value: speed(take),
    unit: "MiB/s",
    beside: { what: "pg_dump -Fc", value: speed(takeDump) },
    detail: `seconds: ${take.map(short).join(", ")}; pg_dump ${takeDump.map(short).join(", ")}`,
  });
  const [back, backByHand] = await inTurns(sizes.rounds, [
    () => whileStopped(agent, "snapshot", () => restoreOnce(database, agent, id, sizes.rows + sizes.documents)),
    async () => {
      await database.tool(["dropdb", "--if-exists", "by_hand"]);
      await database.tool(["createdb", "by_hand"]);
      const { seconds } = await database.tool(["pg_restore", "-d", "by_hand"], { input: dump });
      await database.tool(["dropdb", "by_hand"]);
      return seconds;
    },
  ]);
  report.add({
    what: `restore of ${short(bytes / mebibyte)} MiB of rows in 16 shards`,
    value: speed(back),
    unit: "MiB/s",
    beside: { what: "pg_restore", value: speed(backByHand) },
    detail: `seconds: ${back.map(short).join(", ")}; pg_restore ${backByHand.map(short).join(", ")}`,
  });
  return bytes;
}

async function restoreOnce(database: NodeDatabase, agent: Pod, id: string, rows: number): Promise<number> {
  await database.sql("BEGIN; TRUNCATE orders, events; DELETE FROM mesh_offsets; DELETE FROM mesh_shards; COMMIT");
  const { seconds, text } = await inside(agent, "snapshot", ["compute-mesh-agent", "restore", id, "--own"]);
  if (!text.includes(`with ${rows} rows`)) throw new Error(`restore of ${id}: ${text.trim().slice(-500)}`);
  return seconds;
}

/** The database's pod is lost with all that it had in memory. */
async function recovery(bench: Bench, one: Deployed, before: NodeDatabase, bytes: number): Promise<void> {
  const { sizes, report, mesh } = bench;
  const later = Math.round(sizes.rows / 10);
  await mesh.produce({ topic: "orders", messages: later, seed: 3 });
  await filled(before, "orders", sizes.rows + later);
  await before.close();
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  await losePod(bench, before.pod);
  const pod = await eventually(
    "another pod of the database",
    async () =>
      (await mesh.pods("compute-mesh.dev/part=database", one.name)).find(
        (other) => other.metadata.uid !== before.pod.metadata.uid && other.status.podIP !== undefined,
      ),
    120,
  );
  const database = await eventually("an answer of the database", () => nodeDatabase(mesh, pod, one.name).catch(() => undefined), 120);
  const up = elapsed();
  const shards = async (): Promise<number> =>
    (await database.sql<{ count: string }>("SELECT count(*) FROM mesh_shards").catch(() => [{ count: "0" }])).reduce(
      (sum, { count }) => sum + Number(count),
      0,
    );
  await eventually("the first shard", async () => (await shards()) > 0, 300);
  const first = elapsed();
  await eventually("all shards", async () => (await shards()) === 16, 300);
  const restored = elapsed();
  await filled(database, "orders", sizes.rows + later);
  const replayed = elapsed();
  await eventually(
    "all pods ready",
    async () => {
      const pods = (await mesh.pods("compute-mesh.dev/part", one.name)).filter(({ spec }) => spec.nodeName === node);
      return pods.length >= 3 && pods.every(isReady);
    },
    300,
  );
  const ready = elapsed();
  const [{ count }] = await database.sql<{ count: string }>("SELECT count(*) FROM orders");
  if (Number(count) !== sizes.rows + later) throw new Error(`recovery: ${count} rows instead of ${sizes.rows + later}`);
  report.add({
    what: "recovery: database pod lost, to all pods ready",
    value: ready,
    unit: "s",
    detail: `database answers after ${short(up)} s, first shard restored ${short(first)}, all ${short(restored)} (${short(bytes / mebibyte / (restored - up))} MiB/s), ${short(later)} later records replayed ${short(replayed)}`,
  });
  await database.close();
}
