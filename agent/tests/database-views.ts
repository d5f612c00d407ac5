/** What services see in every database engine: views, dropped shards, and the step that waits. */
import { type Bench, cuts, shardOf, tables } from "./database-bench";
import { rowOf } from "./rows";
import { ordersTable, snapshotId, tradesTable } from "./support";
import { nodeWith, runWait, startAgent } from "./tending";

export function viewPromises(bench: Bench): void {
  it("shows exactly the rows below the cuts of a snapshot, while rows are added", async () => {
    const database = await bench.withTables();
    const tending = await startAgent(bench.folder, bench.kafka, nodeWith("node-a", 0, 1), { database, unpinnedGraceSeconds: 0 });
    await tending.settle();
    await bench.cutAll(tending.context);
    tending.pinned.push(snapshotId);
    await tending.round();
    const shown = (topic: string): Promise<string> => bench.given.shown(database, snapshotId, topic, tables[topic]);
    expect(await shown("orders")).toBe("");
    expect(await bench.session(database, (opened) => opened.snapshots())).toEqual([snapshotId]);
    for (const [from, to] of [
      [0, 200],
      [200, 480],
      [480, 500],
    ]) {
      await bench.ingestAll(database, from, to);
      await tending.round();
      expect(await shown("orders")).toBe(to < 480 ? "" : "0|0|480|479\n0|2|85|84\n1|1|300|299");
      expect(await shown("trade.log")).toBe(to < 480 ? "" : "0|0|129|128\n1|1|70|69");
    }
    expect(tending.context.lines.filter((line) => line.includes("made the views"))).toHaveLength(1);
    expect(tending.context.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    tending.pinned.pop();
    await tending.round();
    await tending.round();
    expect(await bench.session(database, async (opened) => [await opened.snapshots(), await opened.cuts(snapshotId)])).toEqual([[], {}]);
  });

  it("makes the views anew where a table has got other columns", async () => {
    const database = await bench.withTables();
    await bench.session(database, (opened) => opened.createViews(snapshotId, tables, 2));
    await bench.given.changeColumns?.(database);
    const columns = [{ ...tradesTable.columns[0], name: "extra" }, ...tradesTable.columns.slice(0, -1)];
    const changed = { ...tables, "trade.log": { ...tradesTable, columns } };
    await bench.session(database, async (opened) => {
      await opened.createViews(snapshotId, changed, 2);
      await opened.addCuts(snapshotId, { "trade.log": { 0: 1n } });
      // A cut never changes.
      await opened.addCuts(snapshotId, { "trade.log": { 0: 1n } });
      expect(await opened.cuts(snapshotId)).toEqual({ "trade.log": { 0: 1n } });
    });
    await bench.given.ingest(database, "trade.log", changed["trade.log"], 0, [rowOf("trade.log", 0, 0), rowOf("trade.log", 0, 1)], 2);
    expect(await bench.given.shown(database, snapshotId, "trade.log", changed["trade.log"])).toBe("0|0|1|0");
    await bench.session(database, (opened) => opened.dropViews(snapshotId, Object.values(changed)));
    expect(await bench.session(database, (opened) => opened.snapshots())).toEqual([]);
  });

  it("drops a shard with its offsets and cuts, and nothing of another", async () => {
    const database = await bench.ingested();
    await bench.session(database, async (opened) => {
      await opened.hold(shardOf(0), "kafka");
      await opened.hold(shardOf(1), "kafka");
      await opened.createViews(snapshotId, tables, 2);
      await opened.addCuts(snapshotId, { orders: { 0: 480n, 1: 300n } });
      expect(await opened.firstOffsets(shardOf(0))).toEqual({ orders: { 0: 0n, 2: 0n }, "trade.log": { 0: 0n } });
      expect(await opened.drop(shardOf(0))).toBe(500 + 90 + 130);
      expect(await opened.cuts(snapshotId)).toEqual({ orders: { 1: 300n } });
      expect(await opened.remainsOf(shardOf(0))).toBeUndefined();
      expect(await opened.firstOffsets(shardOf(0))).toEqual({});
      expect(await opened.drop(shardOf(0))).toBe(0);
    });
    expect(await bench.given.shown(database, snapshotId, "orders", ordersTable)).toBe("1|1|300|299");
    expect(await bench.state(database)).toEqual({ held: "1:kafka", offsets: "orders 300, trade.log 70" });
    expect(await bench.found(database)).toBe(await bench.below(database, cuts[1]));
    await bench.session(database, (opened) => opened.dropViews(snapshotId, Object.values(tables)));
  });

  it("takes no snapshot of rows that are dropped while it reads them", async () => {
    const database = await bench.ingested();
    await bench.session(database, async (opened) => {
      await opened.hold(shardOf(0), "kafka");
      const view = await opened.view();
      const read = async (): Promise<number> => {
        let bytes = 0;
        for await (const piece of view.rows({ topic: "orders", partition: 0, table: "orders", to: 480n }, ordersTable)) {
          bytes += piece.length;
        }
        return bytes;
      };
      const before = await read();
      await bench.session(database, (other) => other.drop(shardOf(0)));
      // Where there is a view of one moment, the rows are still in it; elsewhere it fails.
      expect(await read().catch((error: Error) => error.message)).toEqual(
        bench.given.leavesRemnants ? expect.stringContaining("rows went away while they were read; the agent tries again") : before,
      );
    });
  });

  it("waits for a snapshot in a service's pod", async () => {
    const database = await bench.given.database();
    const wait = (...words: string[]): ReturnType<typeof runWait> => runWait(database, ...words);
    const early = await wait(snapshotId, "--timeout", "0");
    expect(early).toEqual({ code: 3, lines: expect.stringContaining("shards 0, 1 not in the database") });
    expect(early.lines).toContain("its views are not there");
    const tending = await startAgent(bench.folder, bench.kafka, nodeWith("node-a", 0, 1), { database });
    tending.pinned.push(snapshotId);
    await tending.settle();
    await bench.ingestAll(database, 0, Infinity, 1);
    await bench.cutAll(tending.context);
    await tending.round();
    const half = await wait(snapshotId, "--timeout", "0");
    expect(half.lines).toContain("shard 1 not shown: its cut is not taken yet, or ingest has not passed it");
    expect(half.lines).not.toContain("views are not there");
    const waiting = wait(snapshotId);
    await bench.ingest(database, "orders", 1, 300);
    await bench.ingest(database, "trade.log", 1, 70);
    await tending.round();
    expect(await waiting).toMatchObject({ code: 0 });
    await bench.session(database, (opened) => opened.dropViews(snapshotId, Object.values(tables)));
  });
}
