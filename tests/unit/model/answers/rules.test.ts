import { type MergeArgs, ruleOfPath, withParameters } from "../../../../src/model/answers";
import { normalizeMerge, normalizeMergeRules } from "../../../../src/model/answers-normalize";
import { formatAnswerSettings, parseAnswerSettings, type AnswerSettingsArgs } from "../../../../src/model/answers-settings";
import { Problems } from "../../../../src/model/errors";

const problemsOf = (args: unknown): string[] => {
  const problems = new Problems("rule");
  normalizeMerge(problems, "", args as MergeArgs);
  return problems.all.map(({ path, given, allowed }) => `${path}: ${given}: ${allowed}`);
};

describe("merge rules", () => {
  it("take the exact path before a prefix, and the longest prefix before a shorter one", () => {
    const problems = new Problems("service");
    const at = (k: number): MergeArgs => ({ topK: { k, by: "x" } });
    const rules = normalizeMergeRules(problems, "merge", { "/*": at(1), "/a/*": at(2), "/a/b": at(3), "/a/b/*": at(4), "/a/c/d": at(5) });
    expect(problems.all).toEqual([]);
    const kOf = (path: string): unknown => (ruleOfPath(rules, path) as { k?: number } | undefined)?.k;
    expect(["/", "/x", "/a", "/a/x", "/ab", "/a/b", "/a/b/c/d", "/a/c", "/a/c/d", "/a/c/d/e"].map(kOf)).toEqual([
      1, 1, 2, 2, 1, 3, 4, 2, 5, 2,
    ]);
  });

  it("know nothing of a path without a rule, nor of members of every object", () => {
    const rules = normalizeMergeRules(new Problems(""), "", { "/total": { concat: true } });
    expect(["/", "/total/", "/total/x", "constructor", "/constructor"].map((path) => ruleOfPath(rules, path))).toEqual(
      Array(5).fill(undefined),
    );
  });

  it("take k from the question where they name a parameter", () => {
    const rule = normalizeMerge(new Problems(""), "", { topK: { k: 10, by: "x", kParameter: "k" } });
    expect(withParameters(rule, () => "3")).toMatchObject({ k: 3 });
    expect(withParameters(rule, () => null)).toMatchObject({ k: 10 });
    for (const wrong of ["0", "-1", "1.5", "x", "", "9999999999"]) {
      expect(withParameters(rule, () => wrong)).toBe(`k=${wrong} is not allowed: a whole number of at least 1`);
    }
  });

  it("name every mistake with its place", () => {
    expect(problemsOf({ sum: true, max: true })).toEqual([expect.stringContaining("exactly one of")]);
    expect(problemsOf({ sum: false })).toEqual([expect.stringMatching(/^sum: false: true is allowed/)]);
    expect(problemsOf({ summ: true })[0]).toContain("perhaps sum is meant");
    expect(problemsOf({ groupBy: [], fields: { n: { sum: true } } })[0]).toContain("groupBy: []: at least one member");
    expect(problemsOf({ groupBy: ["a"], fields: { a: { sum: true } } })[0]).toContain("tell the groups apart");
    expect(problemsOf({ groupBy: ["a"], concat: true })[0]).toContain("beside groupBy only fields and topK");
    expect(problemsOf({ groupBy: ["a"], fields: {}, topK: { k: 1, by: "b" } }).join()).toContain("topK.by");
    expect(problemsOf({ fields: { a: { average: { sum: "s", count: "n" } }, s: { sum: true }, n: { max: true } } })).toEqual([
      expect.stringMatching(/^fields\.a\.average\.count: "n": a member that is merged by count or sum is needed: s$/),
    ]);
    expect(problemsOf({ average: { sum: "s", count: "n" } })[0]).toContain("a member among `fields`");
    expect(problemsOf({ fields: { a: { service: { url: "http://x" } } } })[0]).toContain("only a whole answer");
    expect(problemsOf({ service: { url: "http://user:pw@x/" } })[0]).toContain("without user and password");
    expect(problemsOf({ topK: { k: 0, by: "" } })).toHaveLength(2);
    expect(problemsOf(null)).toHaveLength(1);
    expect(
      problemsOf({
        groupBy: ["customer"],
        fields: { sum: { sum: true }, n: { count: true }, mean: { average: { sum: "sum", count: "n" } } },
      }),
    ).toEqual([]);
  });

  it("refuse paths that no question can have", () => {
    for (const path of ["total", "/a?b", "/a*", "/a/*/b", "/a/", "", "*", "/a b"]) {
      const problems = new Problems("");
      normalizeMergeRules(problems, "merge", { [path]: { concat: true } });
      expect([path, problems.all.length]).toEqual([path, 1]);
    }
  });
});

describe("settings of the gatherer", () => {
  const args: AnswerSettingsArgs = {
    ...{ service: "prices", version: "v1", snapshot: "20261121t0600z", shardCount: 2 },
    owners: [{ node: "n-1", url: "http://127.0.0.1:1", shards: [0, 1], primary: [1] }],
    merge: { "/total": { fields: { n: { count: true } } } },
  };
  const errorOf = (changes: object): string => {
    try {
      parseAnswerSettings(formatAnswerSettings({ ...args, ...changes }));
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };

  it("are read as they were written, with the defaults", () => {
    expect(parseAnswerSettings(formatAnswerSettings(args))).toMatchObject({
      ...{ service: "prices", port: 8080, healthPort: 8081, timeoutMilliseconds: 10_000, maxBufferedBytes: 67_108_864 },
      owners: [{ node: "n-1", url: "http://127.0.0.1:1", shards: [0, 1], primary: [1] }],
      merge: { "/total": { operator: "fields", fields: { n: { operator: "count" } } } },
    });
  });

  it("name every mistake at once", () => {
    const message = errorOf({ service: "P", snapshot: "yesterday", shardCount: 0, port: 8081, timeoutMilliseconds: 0, merge: {} });
    for (const path of ["service:", "snapshot:", "shardCount:", "healthPort:", "timeoutMilliseconds:", "merge:"]) {
      expect(message).toContain(path);
    }
    expect(errorOf({ upstream: { endpointService: "x", namespace: "m", port: 1, nodes: "nodeName" } })).toContain(
      "exactly one of upstream, owners",
    );
    expect(errorOf({ owners: [{ node: "n-1", url: "ftp://x", shards: [2], primary: [0] }, null] })).toMatch(
      /owners\[0\]\.url.*\n.*owners\[0\]\.shards\[0\].*\n.*owners\[0\]\.primary/,
    );
    expect(errorOf({ owners: undefined, upstream: { endpointService: "x", namespace: "/", port: 1, nodes: "no" } })).toMatch(
      /namespace.*\n.*nodes/,
    );
  });
});
