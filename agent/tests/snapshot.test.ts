/** Snapshots of a real PostgreSQL in a directory, with Kafka in memory. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodeOf } from "../src/errors";
import { run } from "../src/main";
import { restore } from "../src/restore";
import { type AgentContext, readManifest, snapshotShard } from "../src/shard-snapshot";
import { verify } from "../src/verify";
import {
  contentOf,
  contextWith,
  createDatabase,
  describeWhere,
  failureOf,
  type FakeKafka,
  fakeKafka,
  inDatabase,
  ingest,
  ingestAll,
  noPostgres,
  offsetsOf,
  postgresBin,
  records,
  removeFolder,
  snapshotId,
  takeSnapshots,
  temporaryFolder,
  withPostgres,
  writePodFiles,
} from "./support";

describeWhere(postgresBin !== undefined, noPostgres)("a snapshot", () => {
  const server = withPostgres();
  let folder: string;
  let kafka: FakeKafka;
  let context: AgentContext & { lines: string[] };
  let databases = 0;
  let source: string;

  beforeEach(async () => {
    folder = temporaryFolder();
    source = `source_${databases++}`;
    // Partition 3 of orders is empty; the last records are of the next hour.
    kafka = fakeKafka({ orders: [records(500, 20), records(300), records(40, 5), []], "trade.log": [records(30, 1), records(7)] });
    const database = createDatabase(server, source);
    context = await contextWith({ directory: { path: folder, shared: true } }, { database });
    ingestAll(server, source, kafka);
  });
  afterEach(() => removeFolder(folder));

  const take = async (shard: number, by: AgentContext = context): Promise<Awaited<ReturnType<typeof snapshotShard>>> =>
    snapshotShard(by, kafka, snapshotId, shard);
  const takeAll = (): Promise<void> => takeSnapshots(context, kafka, snapshotId);
  const place = (shard: number, part: string): string => join(folder, "hourly", snapshotId, `shard-${shard}.${part}`);

  it("restores to identical rows below the cut, and to the offsets of the cut", async () => {
    await takeAll();
    const target = createDatabase(server, `target_${databases++}`);
    const other = await contextWith({ directory: { path: folder, shared: true } }, { database: target });
    expect(await restore(other, "newest")).toMatchObject({ snapshot: snapshotId, shards: [0, 1], rows: 480 + 300 + 35 + 29 + 7 });
    const cut = "(part, off) NOT IN (SELECT 0, generate_series(480, 499)) AND NOT (part = 2 AND off >= 35)";
    const trades = "SELECT count(*) FROM trades";
    expect(inDatabase(server, target.database, trades)).toBe("36");
    expect(contentOf(server, target.database, `${cut} AND off <> 29`)).toBe(contentOf(server, source, `${cut} AND off <> 29`));
    expect(offsetsOf(server, target.database)).toBe("orders|0|480\norders|1|300\norders|2|35\norders|3|0\ntrade.log|0|29\ntrade.log|1|7");
  });

  it("restores one shard alone, and never over what is there", async () => {
    await takeAll();
    const target = createDatabase(server, `target_${databases++}`);
    const other = await contextWith({ directory: { path: folder, shared: true } }, { database: target });
    await restore(other, snapshotId, [1]);
    const before = contentOf(server, target.database);
    expect(inDatabase(server, target.database, "SELECT DISTINCT part FROM orders ORDER BY 1")).toBe("1");
    const error = await failureOf(restore(other, snapshotId, [1]));
    expect(error.message).toBe(
      "shard 1 in the database of this node: expected no rows and no offsets, found next offset 300 of partition 1 of orders; " +
        "restore into an empty database; to replace the shard, stop ingest, remove its rows and offsets and try again. Nothing was changed",
    );
    expect(exitCodeOf(error)).toBe(6);
    expect(await restore(other, snapshotId, undefined, true)).toMatchObject({ shards: [0], skipped: [1] });
    expect(contentOf(server, target.database, "part % 2 = 1")).toBe(before);
  });

  it("is one and the same, however often it is taken", async () => {
    await takeAll();
    const before = readdirSync(join(folder, "hourly", snapshotId)).map((name) => [
      name,
      readFileSync(join(folder, "hourly", snapshotId, name), "hex"),
    ]);
    ingest(server, source, "orders", 0, 600, 500);
    expect(await take(0)).toMatchObject({ done: true, written: false });
    expect(await take(1)).toMatchObject({ done: true, written: false });
    expect(
      readdirSync(join(folder, "hourly", snapshotId)).map((name) => [name, readFileSync(join(folder, "hourly", snapshotId, name), "hex")]),
    ).toEqual(before);
  });

  it("has one cut and one manifest where several agents take it at the same time", async () => {
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => take(0)));
    const [first] = outcomes;
    outcomes.forEach((outcome) => expect(outcome).toMatchObject({ done: true, manifest: (first as { manifest: object }).manifest }));
    expect(readdirSync(join(folder, "hourly", snapshotId)).sort()).toEqual(["shard-0.cut.json", "shard-0.data", "shard-0.manifest.json"]);
    expect(await verify(context, snapshotId, [0])).toMatchObject({ shards: 1, rows: 480 + 35 + 29 });
  });

  it("keeps the cut that was fixed first, though records arrive late and the log grows", async () => {
    kafka.logs["orders"][1].push({ time: 0 });
    await snapshotShard(context, kafka, snapshotId, 1);
    kafka.logs["orders"][1].push({ time: 0 }, { time: 0 });
    ingest(server, source, "orders", 1, 303, 300);
    const outcome = await take(1);
    expect(outcome).toMatchObject({ done: true, manifest: { ranges: { orders: { 1: { from: 0n, to: 301n } } } } });
  });

  it("waits for a record that is not ingested and says which", async () => {
    inDatabase(
      server,
      source,
      "DELETE FROM orders WHERE part = 0 AND off >= 470; UPDATE mesh_offsets SET next_offset = 470 WHERE topic = 'orders' AND partition = 0;",
    );
    expect(await take(0)).toEqual({
      done: false,
      lags: [{ topic: "orders", partition: 0, next: 470n, cut: 480n, reason: "the record at offset 470 is not ingested" }],
    });
    ingest(server, source, "orders", 0, 500, 470);
    expect(await take(0)).toMatchObject({ done: true });
  });

  it("waits for no record that can never come: markers, aborted and compacted ones", async () => {
    const time = 0;
    kafka.logs["orders"][1].push({ time, kind: "aborted" }, { time, kind: "marker" }, { time, kind: "gone" });
    kafka.logs["orders"][3].push({ time, kind: "aborted" }, { time, kind: "marker" });
    expect(await take(1)).toMatchObject({ done: true, manifest: { ranges: { orders: { 1: { to: 303n }, 3: { from: 2n, to: 2n } } } } });
  });

  it("waits where a transaction is not decided", async () => {
    kafka.logs["orders"][1].push({ time: 0, kind: "open" });
    expect(await take(1)).toMatchObject({ done: false, lags: [{ reason: "transactions from offset 300 on are not decided" }] });
  });

  it("goes on after a kill between data and manifest, without writing the data again", async () => {
    await failureOf(snapshotShard(context, kafka, snapshotId, 0, () => Promise.reject(new Error("killed"))));
    const data = readFileSync(place(0, "data"), "hex");
    expect(await readManifest(context.store, "hourly", snapshotId, 0)).toBeUndefined();
    expect(await take(0)).toMatchObject({ done: true, written: true, manifest: { rows: 480 + 35 + 29 } });
    expect(readFileSync(place(0, "data"), "hex")).toBe(data);
    await verify(context, snapshotId, [0]);
  });

  it("replaces damaged data that no manifest refers to", async () => {
    await failureOf(snapshotShard(context, kafka, snapshotId, 0, () => Promise.reject(new Error("killed"))));
    truncateSync(place(0, "data"), 500);
    expect(await take(0)).toMatchObject({ done: true, written: true });
    await verify(context, snapshotId, [0]);
    expect(context.lines.join()).toContain("found damaged data without a manifest and removed it");
  });

  it("leaves nothing in the store where the database fails in the middle", async () => {
    inDatabase(server, source, "ALTER TABLE trades RENAME TO elsewhere");
    const error = await failureOf(take(0));
    expect(error.message).toContain(`database ${source}`);
    expect(error.message).toContain("ingest has not made its tables");
    expect(readdirSync(join(folder, "hourly", snapshotId))).toEqual(["shard-0.cut.json"]);
    inDatabase(server, source, "ALTER TABLE elsewhere RENAME TO trades");
    expect(await take(0)).toMatchObject({ done: true });
  });

  it("finds any changed byte, and restores nothing of it", async () => {
    await takeAll();
    const whole = readFileSync(place(0, "data"));
    const target = createDatabase(server, `target_${databases++}`);
    const other = await contextWith({ directory: { path: folder, shared: true } }, { database: target });
    for (let tries = 0; tries < 25; tries++) {
      const changed = Buffer.from(whole);
      const at = Math.floor((tries * whole.length) / 25);
      changed[at] ^= 1 << (tries % 8);
      writeFileSync(place(0, "data"), changed);
      expect(exitCodeOf(await failureOf(verify(context, snapshotId)))).toBe(5);
      expect(exitCodeOf(await failureOf(restore(other, snapshotId, [0])))).toBe(5);
    }
    writeFileSync(place(0, "data"), whole.subarray(0, -7));
    expect((await failureOf(verify(context, snapshotId))).message).toBe(
      `hourly/${snapshotId}/shard-0.data in directory ${folder}: expected ${whole.length} bytes, as the manifest says, found ${whole.length - 7} bytes; ` +
        "the object in the store is damaged; restore from another snapshot",
    );
    expect(contentOf(server, target.database) + offsetsOf(server, target.database)).toBe("");
    writeFileSync(place(0, "data"), whole);
    expect(await verify(context, snapshotId)).toMatchObject({ shards: 2, rows: 851 });
  }, 60_000);

  it("compares with Kafka: a lost row is found, one that Kafka has removed since is counted", async () => {
    await takeAll();
    expect(await verify(context, snapshotId, undefined, kafka)).toMatchObject({ rows: 851, goneFromKafka: 0 });
    kafka.logs["orders"][0][5] = { time: 0, kind: "gone" };
    expect(await verify(context, snapshotId, undefined, kafka)).toMatchObject({ goneFromKafka: 1 });
    removeFolder(join(folder, "hourly"));
    inDatabase(server, source, "DELETE FROM orders WHERE part = 2 AND off = 17");
    await takeAll();
    expect((await failureOf(verify(context, snapshotId, undefined, kafka))).message).toContain(
      `partition 2 of orders of shard 0 of ${snapshotId}: expected the record of Kafka at offset 17, found the row of offset 18`,
    );
    // Where it is a dead letter, it need not be there; no other record is excused by that.
    kafka.dead.set("orders/2", new Set([17n]));
    const told = { ...context, settings: { ...context.settings, deadLetterTopic: "dead" } };
    expect(await verify(told, snapshotId, undefined, kafka)).toMatchObject({ rows: 850, setAside: 1 });
    kafka.dead.set("orders/2", new Set([18n]));
    expect((await failureOf(verify(told, snapshotId, undefined, kafka))).message).toContain("at offset 17");
  });

  it("does not take a snapshot of a topic with other partitions", async () => {
    kafka.logs["orders"].push(records(3));
    expect((await failureOf(take(0))).message).toContain(
      "topic orders: expected 4 partitions, as the shards cover them, found 5 partitions",
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it("reads no manifest of a newer version", async () => {
    await takeAll();
    writeFileSync(place(0, "manifest.json"), readFileSync(place(0, "manifest.json"), "utf8").replace("v1alpha1", "v2"));
    const error = await failureOf(verify(context, snapshotId));
    expect(error.message).toContain(`hourly/${snapshotId}/shard-0.manifest.json in directory ${folder}: expected a readable shardManifest`);
    expect(error.message).toContain("compute-mesh.dev/v2");
    expect(error.message).toContain("use the version of the agent that wrote it, or a newer one");
  });

  it("encrypts with a key, and opens with no other", async () => {
    const key = Buffer.alloc(32, 7);
    const secret = { ...context, key };
    await snapshotShard(secret, kafka, snapshotId, 0);
    expect(readFileSync(place(0, "data")).subarray(0, 6).toString()).toBe("CMENC1");
    expect(await verify(secret, snapshotId, [0])).toMatchObject({ shards: 1 });
    expect(exitCodeOf(await failureOf(verify(context, snapshotId, [0])))).toBe(6);
    expect((await failureOf(verify({ ...context, key: Buffer.alloc(32, 8) }, snapshotId, [0]))).message).toContain("found another key");
  });

  it("says which snapshots there are where one is unknown", async () => {
    await takeAll();
    expect((await failureOf(verify(context, "20260101t0000z"))).message).toContain(
      `expected snapshot 20260101t0000z, found the snapshots ${snapshotId}`,
    );
    expect(exitCodeOf(await failureOf(restore(context, "20260101t0000z")))).toBe(4);
    removeFolder(join(folder, "hourly"));
    expect((await failureOf(restore(context, "newest"))).message).toContain("expected a complete snapshot, found no snapshots");
  });

  it("does not restore a snapshot that lacks a shard, and changes nothing", async () => {
    await take(0);
    const error = await failureOf(restore(context, snapshotId));
    expect(error.message).toContain("found no manifest of 1");
    expect(exitCodeOf(error)).toBe(3);
  });

  it("lists, verifies and restores by command, with the pod's files", async () => {
    await takeAll();
    const files = temporaryFolder();
    const target = createDatabase(server, `target_${databases++}`);
    const where = writePodFiles(files, { store: { directory: { path: folder, shared: true } }, database: target });
    const printed: string[] = [];
    const command = (...words: string[]): Promise<number> =>
      run([...words, ...where], new AbortController().signal, (text) => printed.push(text));
    expect(await command("list")).toBe(0);
    expect(await command("verify", "newest")).toBe(0);
    expect(await command("restore", snapshotId, "--own")).toBe(0);
    expect(await command("prune")).toBe(0);
    expect(printed[0]).toMatch(
      /^SNAPSHOT +TIME \(UTC\) +STATE +SHARDS +ROWS +SIZE +NOTES\n20261121t0600z {2}2026-11-21 06:00 {2}complete {2}2\/2 +851 /,
    );
    expect(printed[1]).toMatch(/^snapshot 20261121t0600z: 2 shards, 851 rows, \d+ bytes are as they were written\n$/);
    expect(printed.slice(2)).toEqual(["snapshot 20261121t0600z: restored 2 shards with 851 rows\n", "nothing to remove\n"]);
    removeFolder(files);
  });
});
