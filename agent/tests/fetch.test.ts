/** Downloading shards as files, and the last words of a container. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodeOf } from "../src/errors";
import { fetchShards } from "../src/fetch";
import { run } from "../src/main";
import type { AgentContext } from "../src/shard-snapshot";
import { writeTermination } from "../src/termination";
import {
  contextWith,
  createDatabase,
  describeWhere,
  failureOf,
  fakeKafka,
  inDatabase,
  ingestAll,
  noPostgres,
  postgresBin,
  records,
  removeFolder,
  snapshotId,
  takeSnapshots,
  temporaryFolder,
  withPostgres,
  writePodFiles,
} from "./support";

// psql and the server share two cores with whatever else runs.
jest.setTimeout(60_000);

describeWhere(postgresBin !== undefined, noPostgres)("fetched shards", () => {
  const server = withPostgres();
  let store: string;
  let folder: string;
  let context: AgentContext;
  const later = "20261121t0700z";

  beforeAll(async () => {
    store = temporaryFolder();
    const kafka = fakeKafka({ orders: [records(50, 20), records(30), records(9, 5), []], "trade.log": [records(13, 1), records(7)] });
    const key = Buffer.alloc(32, 9);
    context = { ...(await contextWith({ directory: { path: store, shared: true } }, { database: createDatabase(server, "source") })), key };
    ingestAll(server, "source", kafka);
    await takeSnapshots(context, kafka, snapshotId, later);
  }, 60_000);
  afterAll(() => removeFolder(store));
  beforeEach(() => {
    folder = join(temporaryFolder(), "data");
  });
  afterEach(() => removeFolder(join(folder, "..")));

  const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), "utf8"));

  it("are the rows below the cut, decrypted, as the database writes them", async () => {
    expect(await fetchShards(context, snapshotId, [0, 1], folder)).toEqual({
      snapshot: snapshotId,
      shards: [0, 1],
      there: [],
      rows: 30 + 30 + 4 + 12 + 7,
    });
    const copy = (sql: string): string => inDatabase(server, "source", `SET timezone = 'UTC'; COPY (${sql}) TO STDOUT`);
    const file = (shard: number, table: string): string => readFileSync(join(folder, `shard-${shard}`, `${table}.tsv`), "utf8").trimEnd();
    expect(file(0, "orders")).toBe(copy("SELECT * FROM orders WHERE part = 0 AND off < 30 OR part = 2 AND off < 4 ORDER BY part, off"));
    expect(file(0, "trades")).toBe(copy("SELECT * FROM trades WHERE part = 0 AND off < 12 ORDER BY off"));
    expect(file(1, "trades")).toBe(copy("SELECT * FROM trades WHERE part = 1 ORDER BY off"));
    expect(json("shard-0", "shard.json")).toMatchObject({
      kind: "FetchedShard",
      snapshot: snapshotId,
      shard: 0,
      rows: 46,
      tables: {
        orders: { topic: "orders", columns: ["part", "off", "ts", "key", "doc"], rows: 34 },
        trades: {
          topic: "trade.log",
          columns: ["part", "off", "ts", "key", "label", "lot", "number", "rate", "price", "done", "at", "more"],
          rows: 12,
        },
      },
    });
    expect(json("snapshot.json")).toMatchObject({ kind: "FetchedSnapshot", snapshot: snapshotId, shards: [0, 1] });
    expect(readdirSync(folder).sort()).toEqual(["shard-0", "shard-1", "snapshot.json"]);
  });

  it("go on where a killed download stood, and are marked whole only at the end", async () => {
    const data = join(store, "hourly", snapshotId, "shard-1.data");
    const whole = readFileSync(data);
    truncateSync(data, whole.length - 1);
    try {
      expect(exitCodeOf(await failureOf(fetchShards(context, snapshotId, [0, 1], folder)))).toBe(5);
    } finally {
      writeFileSync(data, whole);
    }
    expect(existsSync(join(folder, "snapshot.json"))).toBe(false);
    expect(existsSync(join(folder, "shard-1"))).toBe(false);
    // What a kill in the middle of shard 1 leaves.
    mkdirSync(join(folder, ".tmp-shard-1"), { recursive: true });
    writeFileSync(join(folder, ".tmp-shard-1", "orders.tsv"), "half a row");
    const before = readFileSync(join(folder, "shard-0", "shard.json"), "utf8");
    expect(await fetchShards(context, snapshotId, [0, 1], folder)).toMatchObject({ shards: [1], there: [0] });
    expect(readFileSync(join(folder, "shard-0", "shard.json"), "utf8")).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(["shard-0", "shard-1", "snapshot.json"]);
    expect(await fetchShards(context, snapshotId, [0, 1], folder)).toMatchObject({ shards: [], there: [0, 1], rows: 0 });
  });

  it("are never of two snapshots in one folder", async () => {
    await fetchShards(context, snapshotId, [0], folder);
    const error = await failureOf(fetchShards(context, later, [0], folder));
    expect(exitCodeOf(error)).toBe(6);
    expect(error.message).toContain(`expected snapshot ${later}, or no such file, found ${snapshotId}`);
    rmSync(join(folder, "snapshot.json"));
    expect(exitCodeOf(await failureOf(fetchShards(context, later, [0], folder)))).toBe(6);
  });

  it("come by command for the shards of the node; an unknown or incomplete snapshot is told apart", async () => {
    const files = temporaryFolder();
    const keyFile = join(files, "key");
    writeFileSync(keyFile, Buffer.alloc(32, 9));
    const where = writePodFiles(
      files,
      { store: { directory: { path: store, shared: true } }, encryption: { keyFile } },
      { shards: "1", primary: "" },
    );
    const printed: string[] = [];
    const command = (...words: string[]): Promise<number> =>
      run([...words, ...where], new AbortController().signal, (text) => printed.push(text));
    expect(await command("fetch", snapshotId, "--to", folder)).toBe(0);
    expect(printed).toEqual([`snapshot ${snapshotId}: fetched 1 shards with 37 rows\n`]);
    expect(readdirSync(folder).sort()).toEqual(["shard-1", "snapshot.json"]);
    expect(exitCodeOf(await failureOf(command("fetch", "20200101t0000z", "--to", folder)))).toBe(4);
    expect(exitCodeOf(await failureOf(command("fetch", "yesterday", "--to", folder)))).toBe(2);
    expect(exitCodeOf(await failureOf(command("fetch", snapshotId)))).toBe(2);
    const manifest = join(store, "hourly", later, "shard-1.manifest.json");
    const text = readFileSync(manifest);
    rmSync(manifest);
    expect(exitCodeOf(await failureOf(command("fetch", later, "--to", join(folder, "b"))))).toBe(3);
    writeFileSync(manifest, text);
    removeFolder(files);
  });
});

describe("the last words of a container", () => {
  it("are written where the kubelet has made the file, at most 4 KiB, and nowhere else", () => {
    const folder = temporaryFolder();
    const file = join(folder, "termination-log");
    writeTermination("nobody reads this", file);
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, "");
    writeTermination("é".repeat(5000), file);
    expect(readFileSync(file).length).toBe(4096);
    writeTermination("the end", file);
    expect(readFileSync(file, "utf8")).toBe("the end");
    removeFolder(folder);
  });
});
