import fc from "fast-check";
import { parseCut, serializeCut, type ShardCut } from "../../../src/model/cut";
import type { MeshInputError } from "../../../src/model/errors";
import { describeCompleteness, isComplete, parseManifest, serializeManifest, type ShardManifest } from "../../../src/model/manifest";
import { maxOffset } from "../../../src/model/offsets";
import type { ShardPlan } from "../../../src/model/shards";
import { formatSnapshotId, isSnapshotId, parseSnapshotId } from "../../../src/model/snapshot-id";

const snapshot = "20261121t0600z";
const plan: ShardPlan = { shardCount: 4, topics: { orders: { partitions: 8 }, quotes: { partitions: 4 } } };
const cut: ShardCut = { snapshot, shard: 1, offsets: { orders: { 1: 12n, 5: maxOffset }, quotes: { 1: 0n } } };
const manifest: ShardManifest = {
  snapshot,
  shard: 1,
  ranges: { orders: { 1: { from: 0n, to: 12n }, 5: { from: 7n, to: maxOffset } }, quotes: { 1: { from: 0n, to: 0n } } },
  rows: 100,
  bytes: 4096,
  checksum: `sha256:${"0".repeat(64)}`,
  format: "postgres-copy",
  engine: "postgres",
  engineVersion: "18.1",
};

const offset = fc.bigInt({ min: 0n, max: maxOffset });
const topic = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/), fc.constant("__proto__"));
const byPartition = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, Record<number, T>>> =>
  fc
    .uniqueArray(
      fc.tuple(topic, fc.uniqueArray(fc.tuple(fc.nat(2000), value), { selector: ([partition]) => partition, minLength: 1, maxLength: 8 })),
      {
        selector: ([name]) => name,
        maxLength: 5,
      },
    )
    .map((topics) => Object.fromEntries(topics.map(([name, partitions]) => [name, Object.fromEntries(partitions)])));
const ids = fc
  .date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
  .map(formatSnapshotId);

describe("snapshot ids", () => {
  it("are the time to the minute, in UTC, and come back", () => {
    expect(formatSnapshotId(new Date("2026-11-21T06:00:59.999Z"))).toBe(snapshot);
    expect(parseSnapshotId(snapshot)).toEqual(new Date("2026-11-21T06:00:00Z"));
    fc.assert(
      fc.property(
        ids,
        (id) => isSnapshotId(id) && /^[a-z0-9]{14}$/.test(id) && formatSnapshotId(parseSnapshotId(id) ?? new Date(NaN)) === id,
      ),
    );
  });

  it("sort as their times do", () => {
    fc.assert(fc.property(ids, ids, (a, b) => a < b === (parseSnapshotId(a) ?? 0) < (parseSnapshotId(b) ?? 0)));
  });

  it.each([
    "20260230t0600z",
    "20251301t0000z",
    "20260229t0000z",
    "20261121t2400z",
    "20261121t0660z",
    "20261121T0600Z",
    "20261121t0600",
    " 20261121t0600z",
    "",
    7,
    undefined,
  ])("%p is none", (id) => {
    expect(isSnapshotId(id)).toBe(false);
  });

  it("know leap years", () => {
    expect([isSnapshotId("20240229t0000z"), isSnapshotId("20000229t0000z"), isSnapshotId("21000229t0000z")]).toEqual([true, true, false]);
  });
});

describe("cuts", () => {
  it("come back from their text, with all 64 bits of every offset", () => {
    fc.assert(
      fc.property(ids, fc.nat(65535), byPartition(offset), (id, shard, offsets) => {
        const random: ShardCut = { snapshot: id, shard, offsets };
        expect(parseCut(serializeCut(random))).toEqual(random);
      }),
    );
    expect(parseCut(serializeCut(cut), plan)).toEqual(cut);
    expect(JSON.parse(serializeCut(cut))).toMatchObject({
      apiVersion: "compute-mesh.dev/v1alpha1",
      kind: "ShardCut",
      offsets: { orders: { "5": "9223372036854775807" } },
    });
  });

  it("are refused with everything that is wrong", () => {
    const text = JSON.stringify({
      ...JSON.parse(serializeCut(cut)),
      snapshot: "x",
      shard: 4,
      offsets: { orders: { 1: 12, x: "1", 5: "9223372036854775808", 6: "-1", 7: "01" }, quotes: [] },
      more: 1,
    });
    expect(pathsOf(() => parseCut(text, plan))).toEqual([
      "more",
      "offsets.orders.1",
      "offsets.orders.5",
      "offsets.orders.6",
      "offsets.orders.7",
      "offsets.orders.x",
      "offsets.quotes",
      "snapshot",
      "shard",
    ]);
  });

  it("have exactly the partitions of their shard", () => {
    const wrong = { ...cut, offsets: { orders: { 1: 1n, 6: 1n }, trades: { 1: 1n } } };
    expect(pathsOf(() => parseCut(serializeCut(wrong), plan))).toEqual(["offsets.orders", "offsets.quotes", "offsets.trades"]);
  });
});

describe("manifests", () => {
  it("come back from their text", () => {
    const ranges = byPartition(fc.tuple(offset, offset).map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a })));
    fc.assert(
      fc.property(ids, ranges, fc.nat(), (id, random, rows) => {
        const value = { ...manifest, snapshot: id, ranges: random, rows };
        expect(parseManifest(serializeManifest(value))).toEqual(value);
      }),
    );
    expect(parseManifest(serializeManifest(manifest), plan, cut)).toEqual(manifest);
  });

  it("are refused with everything that is wrong", () => {
    const text = JSON.stringify({
      ...JSON.parse(serializeManifest(manifest)),
      ranges: { orders: { 1: { from: "5", to: "4" }, 5: { from: "0", upto: "1" } } },
      rows: -1,
      bytes: 1.5,
      checksum: "md5:0",
      format: " ",
      engineVersion: 18,
    });
    expect(pathsOf(() => parseManifest(text, plan))).toEqual([
      "ranges.orders.5.upto",
      "ranges.orders.5.to",
      "ranges.orders.1.to",
      "rows",
      "bytes",
      "checksum",
      "format",
      "engineVersion",
    ]);
  });

  it("end where the cut of their shard is", () => {
    const late = { ...cut, offsets: { ...cut.offsets, orders: { ...cut.offsets["orders"], 1: 13n } } };
    expect(() => parseManifest(serializeManifest(manifest), plan, late)).toThrow(
      'shardManifest: ranges.orders.1: "12" is not allowed: the cut of the shard is at offset 13',
    );
  });

  const all = [0, 1, 2, 3].map((shard) => ({ ...manifest, shard }));

  it("make a complete snapshot when every shard has one", () => {
    expect(isComplete(all, 4)).toBe(true);
    expect(isComplete([...all, all[2]], 4)).toBe(true);
    expect(describeCompleteness(all.slice(1, 3), 4)).toEqual({ complete: false, missing: [0, 3], conflicts: [] });
    expect(isComplete([], 1)).toBe(false);
  });

  it("make no snapshot where they contradict each other", () => {
    expect(describeCompleteness([...all, { ...all[1], ranges: {} }], 4).conflicts).toEqual([
      "shard 1: two manifests hold different offsets or rows",
    ]);
    expect(describeCompleteness([...all, { ...all[1], snapshot: "20261121t0700z" }], 4).conflicts).toEqual([
      `shard 1: the manifest is of snapshot 20261121t0700z, not ${snapshot}`,
    ]);
    expect(describeCompleteness(all, 3).conflicts).toEqual(["shard 3: there is no such shard, the last is 2"]);
  });
});

function pathsOf(act: () => unknown): string[] {
  try {
    act();
  } catch (error) {
    return (error as MeshInputError).problems.map((problem) => problem.path);
  }
  return [];
}
