/** What retention keeps, and that it really removes the rest. */
import fc from "fast-check";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatSnapshotId } from "../../src/model/snapshot-id";
import { serializeManifest } from "../../src/model/manifest";
import { prune } from "../src/prune";
import { expired, type RetainedSnapshot } from "../src/retention";
import type { Retention } from "../src/pod-files";
import { watchRetention } from "../src/retention-watch";
import type { AgentContext } from "../src/shard-snapshot";
import { contextWith, removeFolder, temporaryFolder } from "./support";

const now = new Date("2026-11-21T12:00:00Z");
const hoursAgo = (hours: number): string => formatSnapshotId(new Date(now.getTime() - hours * 3_600_000));

/** What stands for a snapshot: the objects that prune goes by. */
const put = async (context: AgentContext, id: string, shards: number[]): Promise<void> => {
  for (const shard of shards) {
    const ranges = { orders: { [shard]: { from: 0n, to: 1n } } };
    const facts = { rows: 1, bytes: 1, checksum: `sha256:${"0".repeat(64)}`, format: "f", engine: "postgres", engineVersion: "17" };
    await context.store.putIfAbsent(
      `hourly/${id}/shard-${shard}.manifest.json`,
      serializeManifest({ snapshot: id, shard, ranges, ...facts }),
    );
    await context.store.putIfAbsent(`hourly/${id}/shard-${shard}.data`, "x");
    await context.store.putIfAbsent(`hourly/${id}/shard-${shard}.cut.json`, "x");
  }
};

describe("retention", () => {
  it("keeps the newest, and the last one of each hour, day and week that is asked for", () => {
    const hourly = Array.from({ length: 24 * 15 }, (_unused, index) => ({ id: hoursAgo(index), complete: true }));
    const gone = new Set(expired(hourly, { keep: { last: 2, daily: 3, weekly: 2 }, pinned: [] }, now, 3600));
    const kept = hourly.map(({ id }) => id).filter((id) => !gone.has(id));
    expect(kept).toEqual(["20261121t1200z", "20261121t1100z", "20261120t2300z", "20261119t2300z", "20261115t2300z"]);
  });

  it("never removes a pinned one, nor the newest complete one, nor one that is still worked on", () => {
    const snapshot = fc.record({ hours: fc.integer({ min: 0, max: 400 }), complete: fc.boolean() });
    const keep = fc.record({ last: fc.integer({ min: 1, max: 3 }), hourly: fc.nat(3), daily: fc.nat(3), weekly: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.uniqueArray(snapshot, { selector: ({ hours }) => hours, maxLength: 40 }),
        keep,
        fc.infiniteStream(fc.boolean()),
        (list, rules, coins) => {
          const snapshots: RetainedSnapshot[] = list.map(({ hours, complete }) => ({ id: hoursAgo(hours), complete }));
          const pinned = snapshots.filter(() => coins.next().value as boolean).map(({ id }) => id);
          const gone = expired(snapshots, { keep: rules, pinned }, now, 2 * 3600);
          const complete = snapshots
            .filter((one) => one.complete)
            .map(({ id }) => id)
            .sort();
          pinned.forEach((id) => expect(gone).not.toContain(id));
          complete.slice(-rules.last).forEach((id) => expect(gone).not.toContain(id));
          expect(gone).not.toContain(hoursAgo(1));
          if (complete.length === 0) {
            expect(gone).toEqual([]);
          }
          // What goes goes at once: a second run finds nothing more.
          const left = snapshots.filter(({ id }) => !gone.includes(id));
          expect(expired(left, { keep: rules, pinned }, now, 2 * 3600)).toEqual([]);
        },
      ),
    );
  });

  it("removes manifests before data and data before cuts, and counts only whole snapshots", async () => {
    const folder = temporaryFolder();
    const context = await contextWith({ directory: { path: folder, shared: true } });
    const ids = [hoursAgo(0), hoursAgo(5), hoursAgo(6), hoursAgo(7), hoursAgo(8)];
    await put(context, ids[0], [1]); // in progress
    await put(context, ids[1], [0]); // given up, but nothing newer is whole
    await put(context, ids[2], [0, 1]);
    await put(context, ids[3], [0]); // given up, something newer is whole
    await put(context, ids[4], [0, 1]); // whole
    const removed: string[] = [];
    const store = { ...context.store, delete: (key: string) => (removed.push(key.split(".")[1]), context.store.delete(key)) };
    const retention: Retention = { keep: { last: 1 }, pinned: [] };
    expect(await prune({ ...context, store }, retention, { now, dryRun: true })).toEqual([ids[4], ids[3]]);
    expect(removed).toEqual([]);
    expect(await prune({ ...context, store }, { ...retention, pinned: [ids[4]] }, { now })).toEqual([ids[3]]);
    expect(removed).toEqual(["manifest", "data", "cut"]);
    expect(await prune({ ...context, store }, retention, { now })).toEqual([ids[4]]);
    expect(removed.slice(3)).toEqual(["manifest", "manifest", "data", "data", "cut", "cut"]);
    expect(readdirSync(join(folder, "hourly")).sort()).toEqual([ids[2], ids[1], ids[0]]);
    removeFolder(folder);
  });

  it("keeps what was pinned until the grace is over, and after a start everything for as long", async () => {
    const folder = temporaryFolder();
    const context = await contextWith({ directory: { path: folder, shared: true } });
    const ids = [hoursAgo(1), hoursAgo(2), hoursAgo(3)];
    for (const id of ids) {
      await put(context, id, [0, 1]);
    }
    let time = now.getTime();
    let pinned = [ids[2]];
    const watch = watchRetention(
      () => ({ keep: { last: 1 }, pinned }),
      600,
      () => time,
    );
    const removed = (): Promise<string[]> => prune(context, watch.read(), { now, held: (id) => !watch.released(id) });
    expect(await removed()).toEqual([]);
    expect(watch.nextRelease()).toBe(time + 600_000);
    time += 600_000;
    expect(await removed()).toEqual([ids[1]]);
    expect(watch.nextRelease()).toBeUndefined();
    pinned = [];
    time += 599_000;
    expect(await removed()).toEqual([]);
    expect(watch.nextRelease()).toBe(time + 1000);
    time += 1000;
    expect(await removed()).toEqual([ids[2]]);
    expect(readdirSync(join(folder, "hourly"))).toEqual([ids[0]]);
    removeFolder(folder);
  });

  it("leaves a snapshot that another version of the agent wrote", async () => {
    const folder = temporaryFolder();
    const context = await contextWith({ directory: { path: folder, shared: true } });
    const ids = [hoursAgo(5), hoursAgo(6), hoursAgo(7)];
    for (const id of ids) {
      await put(context, id, [0, 1]);
    }
    const file = join(folder, "hourly", ids[2], "shard-0.manifest.json");
    writeFileSync(file, readFileSync(file, "utf8").replace("v1alpha1", "v2"));
    expect(await prune(context, { keep: { last: 1 }, pinned: [] }, { now })).toEqual([ids[1]]);
    expect(readdirSync(join(folder, "hourly")).sort()).toEqual([ids[2], ids[0]]);
    removeFolder(folder);
  });
});
