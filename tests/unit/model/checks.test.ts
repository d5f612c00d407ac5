import fc from "fast-check";
import * as checks from "../../../src/model/checks";
import { Problems } from "../../../src/model/errors";
import { formatBytes, parseQuantity, readableBytes } from "../../../src/model/quantity";

/** The problems that a check notes, as `path: given: allowed`. */
function noted(check: (problems: Problems) => unknown): string[] {
  const problems = new Problems("x");
  check(problems);
  return problems.all.map((problem) => `${problem.path}: ${problem.given}: ${problem.allowed}`);
}

describe("checks", () => {
  it("names unknown keys and what was perhaps meant", () => {
    expect(noted((p) => checks.checkKnownKeys(p, "store", { bukket: 1, "a/b": 2, region: 3 }, ["bucket", "region"]))).toEqual([
      'store.bukket: "bukket": unknown key, perhaps bucket is meant; known keys are bucket, region',
      'store["a/b"]: "a/b": unknown key; known keys are bucket, region',
    ]);
    expect(noted((p) => checks.checkKnownKeys(p, "", { a: 1 }, []))).toEqual(['a: "a": unknown key; no key is known here']);
  });

  it("suggests nothing for words that are not alike", () => {
    expect(checks.nearestWord("s3", ["gcs", "nfs"])).toBeUndefined();
    expect(checks.nearestWord("Postgres", ["postgres"])).toBe("postgres");
    expect(checks.nearestWord("shardcout", ["shardCount", "replicas"])).toBe("shardCount");
  });

  it("keeps component names short enough for their children", () => {
    expect(noted((p) => checks.checkComponentName(p, "a".repeat(40)))).toEqual([]);
    expect(noted((p) => checks.checkComponentName(p, "a".repeat(41)))[0]).toContain("at most 40 characters");
    expect(noted((p) => checks.checkComponentName(p, "Big"))[0]).toContain('name: "Big": a DNS label');
    expect(noted((p) => checks.checkDnsLabel(p, "name", 7))).toHaveLength(1);
  });

  it("takes whole numbers of a range only", () => {
    const range = { min: 1, max: 5 };
    expect([1, 5].flatMap((value) => noted((p) => checks.checkInteger(p, "n", value, range)))).toEqual([]);
    for (const value of [0, 6, 1.5, NaN, Infinity, "3", null, undefined, 2 ** 53]) {
      expect(noted((p) => checks.checkInteger(p, "n", value, range))).toHaveLength(1);
    }
    expect(noted((p) => checks.checkInteger(p, "n", NaN, { min: 1 }))).toEqual(['n: "NaN": a whole number of at least 1 is allowed']);
  });

  it("wants exactly one of several members", () => {
    expect(checks.exactlyOne(new Problems("x"), "store", { s3: {}, gcs: undefined }, ["s3", "gcs"])).toBe("s3");
    expect(noted((p) => checks.exactlyOne(p, "store", { s3: {}, gcs: {} }, ["s3", "gcs"]))).toEqual([
      'store: "s3 and gcs": exactly one of s3, gcs is allowed',
    ]);
    expect(noted((p) => checks.exactlyOne(p, "store", {}, ["s3", "gcs"]))).toEqual(["store: nothing: exactly one of s3, gcs is allowed"]);
  });

  it("takes words of a list only", () => {
    expect(noted((p) => checks.checkOneOf(p, "e", "postgres", ["postgres", "duckdb"]))).toEqual([]);
    expect(noted((p) => checks.checkOneOf(p, "e", "postgress", ["postgres", "duckdb"]))).toEqual([
      'e: "postgress": perhaps postgres is meant; postgres or duckdb is allowed',
    ]);
  });

  it("points from a duplicate to the first", () => {
    expect(noted((p) => checks.checkUnique(p, "nodes", ["a", "b", "a"], "name"))).toEqual([
      'nodes[2].name: "a": it is taken already by nodes[0].name',
    ]);
  });

  it("takes quantities that are large enough", () => {
    expect(checks.checkQuantity(new Problems("x"), "memory", "8Gi")).toBe(8 * 2 ** 30);
    for (const [value, range] of [
      ["0", {}],
      ["-1", {}],
      ["8GB", {}],
      [8, {}],
      ["1Mi", { min: 2 ** 21 }],
    ] as const) {
      expect(noted((p) => checks.checkQuantity(p, "memory", value, range))).toHaveLength(1);
    }
    expect(checks.checkQuantity(new Problems("x"), "memory", "0", { min: 0 })).toBe(0);
  });
});

describe("quantities", () => {
  it("are read as Kubernetes reads them", () => {
    const known = {
      "500m": 0.5,
      "100m": 0.1,
      "1Gi": 2 ** 30,
      "1.5Ki": 1536,
      "1e3": 1000,
      "1E3": 1000,
      "1E": 1e18,
      "2k": 2000,
      ".5": 0.5,
      "5.": 5,
      "+3": 3,
      "-2": -2,
      "7n": 7e-9,
      "0": 0,
    };
    expect(Object.fromEntries(Object.keys(known).map((text) => [text, parseQuantity(text)]))).toEqual(known);
    for (const text of ["", "Gi", "1 Gi", "1GB", "1gi", "1K", "0x10", "1e", "--1", "Infinity", "1e999"]) {
      expect(parseQuantity(text)).toBeUndefined();
    }
  });

  it("keep their bytes through text", () => {
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => parseQuantity(formatBytes(bytes)) === bytes));
    expect([2 ** 30, 1536, 1000, 3 * 2 ** 20, 0].map(formatBytes)).toEqual(["1Gi", "1536", "1000", "3Mi", "0"]);
    expect([0, 1023, 1536, 2 ** 31].map(readableBytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "2.0 GiB"]);
  });
});
