/** The example service on three nodes with a database each, asked through the gatherer with the rules that docs/answers.md shows. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { formatAnswerSettings, parseAnswerSettings } from "../../src/model/answers-settings";
import { createSnapshotViewsSql, createTablesSql } from "../../src/model/table-sql";
import type { TableFacts } from "../../src/model/tables";
import { startPostgres, type PostgresServer } from "../../tests/unit/ingest/postgres-server";
import { ask, gathererFor, jsonLines, lines, snapshot, type TestGatherer } from "./answer-pods";
import { freePort } from "./answer-process";
import { describeWhere, inDatabase, noPostgres, postgresBin, removeFolder, temporaryFolder } from "./support";

jest.setTimeout(120_000);

const root = resolve(__dirname, "../..");
const shardCount = 6;
const cut = 400;
const table: TableFacts = {
  name: "orders",
  columns: [
    { name: "customer", type: "text", from: ["customer"], required: true },
    { name: "amount", type: "int64", from: ["amount"], required: true },
    { name: "item", type: "text", from: ["item"], required: false },
  ],
  document: false,
};
/** The rules as the documentation shows them. */
const merge = parse(/```yaml\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/answers.md"), "utf8"))![1]);

/** The order at an offset of a partition, as SQL and here. */
const orderSql = `SELECT p, o, to_timestamp(o), NULL, (ARRAY['ann','bob','Ärger','zoé','10','9'])[1 + (o * 7 + p) % 6], (o * 37 + p * 11) % 1000 - 100, CASE WHEN o % 3 = 0 THEN NULL ELSE 'item-' || o % 5 END`;
const truth = Array.from({ length: shardCount }, (_unused, p) =>
  Array.from({ length: cut }, (_none, o) => ({
    customer: ["ann", "bob", "Ärger", "zoé", "10", "9"][(o * 7 + p) % 6],
    amount: ((o * 37 + p * 11) % 1000) - 100,
    item: o % 3 === 0 ? null : `item-${o % 5}`,
    partition: p,
    offset: o,
  })),
).flat();

/** Node i owns the shards i and i + 3 first, and those of the node before it second. */
const shardsOf = (node: number): { shards: number[]; primary: number[] } => {
  const primary = [node, node + 3];
  const second = [(node + 2) % 3, ((node + 2) % 3) + 3];
  return { primary, shards: [...primary, ...second].sort((a, b) => a - b) };
};

describeWhere(postgresBin !== undefined, noPostgres)("the example service", () => {
  let server: PostgresServer;
  let folder: string;
  const processes: ChildProcess[] = [];
  let gatherers: TestGatherer[] = [];
  const urls: Record<string, string[]> = {};

  beforeAll(async () => {
    server = await startPostgres(postgresBin!);
    folder = temporaryFolder();
    for (const node of [0, 1, 2]) {
      const { shards, primary } = shardsOf(node);
      server.psql(`CREATE DATABASE node${node};`);
      const views = createSnapshotViewsSql("postgres", snapshot, { orders: table }, shardCount);
      inDatabase(
        server,
        `node${node}`,
        `${[...createTablesSql("postgres", [table]), ...views].join(";\n")};
         INSERT INTO orders ${orderSql} FROM generate_series(0, ${cut + 99}) o, unnest(ARRAY[${shards.join(",")}]) p;
         INSERT INTO mesh_cuts SELECT '${snapshot}', 'orders', p, ${cut} FROM unnest(ARRAY[${shards.join(",")}]) p;`,
      );
      writeFileSync(
        join(folder, `node${node}.env`),
        `MESH_NODE=n-${node}\nMESH_SHARDS=${shards.join(",")}\nMESH_PRIMARY_SHARDS=${primary.join(",")}\n`,
      );
    }
    for (const [version, release] of [
      ["v1", "1.4.0"],
      ["v2", "2.0.0"],
    ] as const) {
      urls[version] = await Promise.all([0, 1, 2].map((node) => startPrices(node, version, release)));
      const owners = urls[version].map((url, node) => ({ node: `n-${node}`, url, ...shardsOf(node) }));
      const settings = { service: "prices", version, snapshot, shardCount, owners, merge };
      parseAnswerSettings(formatAnswerSettings(settings));
      gatherers.push(await gathererFor(settings));
    }
  });
  afterAll(async () => {
    await Promise.all(gatherers.map((gatherer) => gatherer.stop()));
    gatherers = [];
    processes.forEach((child) => child.kill("SIGKILL"));
    server.stop();
    removeFolder(folder);
  });

  async function startPrices(node: number, version: string, release: string): Promise<string> {
    const port = await freePort();
    const child = spawn(process.execPath, [join(root, "stacks/prices/server.mjs")], {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        PATH: process.env["PATH"],
        ...{
          MESH_SNAPSHOT: snapshot,
          MESH_VERSION: version,
          PRICES_RELEASE: release,
          PORT: String(port),
          MESH_NODE_FILE: join(folder, `node${node}.env`),
        },
        ...{
          DATABASE_HOST: "127.0.0.1",
          DATABASE_PORT: server.env["PGPORT"],
          DATABASE_NAME: `node${node}`,
          DATABASE_USER: "mesh",
          DATABASE_PASSWORD: "unused",
        },
      },
    });
    processes.push(child);
    process.once("exit", () => child.kill("SIGKILL"));
    for (const end = Date.now() + 20_000; ; await new Promise((done) => setTimeout(done, 50))) {
      const reply = await ask(port, "/healthz").catch(() => undefined);
      if (reply?.status === 200) {
        return `http://127.0.0.1:${port}`;
      }
      if (Date.now() > end) {
        throw new Error(`the service does not become ready: ${reply?.text}`);
      }
    }
  }

  const portOf = (version: string, node: number): number => Number(new URL(urls[version][node]).port);
  const answerOf = async (gatherer: number, path: string): Promise<any> => {
    const answer = JSON.parse((await ask(gatherers[gatherer].port, path)).text);
    expect([path, answer.complete, answer.missing]).toEqual([path, true, []]);
    return answer.answer;
  };
  const sum = (rows: typeof truth): number => rows.reduce((all, { amount }) => all + amount, 0);
  const total = {
    count: truth.length,
    sum: sum(truth),
    min: Math.min(...truth.map(({ amount }) => amount)),
    max: Math.max(...truth.map(({ amount }) => amount)),
  };
  const customers = ["10", "9", "ann", "bob", "zoé", "Ärger"].map((customer) => {
    const rows = truth.filter((row) => row.customer === customer);
    return { customer, sum: sum(rows), count: rows.length, largest: Math.max(...rows.map(({ amount }) => amount)) };
  });
  const top = (k: number): unknown =>
    [...truth].sort((a, b) => b.amount - a.amount || a.partition - b.partition || a.offset - b.offset).slice(0, k);

  it("gives the truth over the rows below the cut, in both releases", async () => {
    expect(await answerOf(0, "/total")).toEqual(total);
    expect(await answerOf(1, "/total")).toEqual({ ...total, withItem: truth.filter(({ item }) => item !== null).length });
    expect(await answerOf(0, "/customers")).toEqual(customers.map(({ largest: _largest, ...row }) => row));
    expect(await answerOf(1, "/customers")).toEqual(customers);
    expect(await answerOf(0, "/top")).toEqual(top(10));
    expect(await answerOf(1, "/top?k=37")).toEqual(top(37));
    expect(await answerOf(1, "/average")).toEqual({ count: total.count, sum: total.sum, average: total.sum / total.count });
    expect((await ask(gatherers[0].port, "/average")).status).toBe(404);
    expect(await ask(gatherers[1].port, "/top?k=100000")).toMatchObject({ status: 400, text: expect.stringContaining("from 1 to 99999") });
    const streamed = jsonLines((await ask(gatherers[1].port, "/customers", lines)).text);
    expect(streamed.pop()).toMatchObject({ complete: true, rows: 6 });
    expect(streamed).toEqual(customers);
  });

  it("answers for the first shards of its node when it is asked directly, and says so", async () => {
    const { headers, text } = await ask(portOf("v1", 1), "/total");
    expect(headers).toMatchObject({ "mesh-shards": "1,4", "mesh-snapshot": snapshot, "mesh-version": "v1", "mesh-node": "n-1" });
    expect(JSON.parse(text).count).toBe(2 * cut);
    expect((await ask(portOf("v1", 1), "/total", { "mesh-shards": "2" })).status).toBe(421);
    expect((await ask(portOf("v1", 1), "/total", { "mesh-snapshot": "20261121t0500z" })).status).toBe(421);
  });

  it("is not ready, and does not answer, for a shard that is not whole, while another owner is asked", async () => {
    inDatabase(server, "node0", "DELETE FROM mesh_cuts WHERE partition = 3;");
    expect(await ask(portOf("v1", 0), "/healthz")).toMatchObject({ status: 503, text: expect.stringContaining("lacks the shards 3 here") });
    expect((await ask(portOf("v1", 0), "/total")).status).toBe(503);
    expect(await answerOf(0, "/total")).toMatchObject(total);
    inDatabase(server, "node0", `INSERT INTO mesh_cuts VALUES ('${snapshot}', 'orders', 3, ${cut});`);
    expect((await ask(portOf("v1", 0), "/healthz")).status).toBe(200);
  });

  it("goes on when a pod dies, and says what is missing when its replica dies, too", async () => {
    // The first three processes are those of v1.
    processes[0].kill("SIGKILL");
    expect(await answerOf(0, "/total")).toMatchObject(total);
    processes[1].kill("SIGKILL");
    const answer = JSON.parse((await ask(gatherers[0].port, "/total")).text);
    // Shards 0 and 3 are on the nodes 0 and 1 alone.
    expect(answer).toMatchObject({
      complete: false,
      missing: [
        { shard: 0, reason: "refused" },
        { shard: 3, reason: "refused" },
      ],
    });
    expect(answer.answer.count).toBe(4 * cut);
  });
});
