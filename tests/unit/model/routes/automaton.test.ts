import fc from "fast-check";
import { automatonOf, commonText, takesAll, type Automaton } from "../../../../src/model/route-automaton";
import { commonPath, commonValue, pathWithin } from "../../../../src/model/route-patterns";
import { parseRegex } from "../../../../src/model/route-regex";

/** Expressions over two letters, small enough that all short texts tell them apart. */
const expression: fc.Arbitrary<string> = fc.letrec<{ any: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w"),
    fc.tuple(tie("any"), tie("any")).map(([x, y]) => `(?:${x}|${y})`),
  ),
  any: fc
    .array(
      fc.tuple(
        fc.oneof({ maxDepth: 2 }, fc.constantFrom("a", "b"), tie("atom")),
        fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}"),
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    .map((parts) => parts.map(([atom, quantifier]) => `${atom}${quantifier}`).join("")),
})).any;

const texts: string[] = [""];
for (let length = 1; length <= 5; length++) {
  texts.push(...texts.filter((text) => text.length === length - 1).flatMap((text) => ["a", "b"].map((char) => `${text}${char}`)));
}

function automaton(text: string): Automaton {
  const parsed = parseRegex(text);
  if ("refused" in parsed) throw new Error(`${text}: ${parsed.refused}`);
  return automatonOf(parsed);
}
const takes = (regex: string, text: string): boolean => new RegExp(`^(?:${regex})$`).test(text);

describe("two regular expressions", () => {
  it("share a text exactly where some text is taken by both, and a shortest one is found", () => {
    let met = 0;
    fc.assert(
      fc.property(expression, expression, (a, b) => {
        const found = commonText([automaton(a), automaton(b)]).text;
        const shared = texts.find((text) => takes(a, text) && takes(b, text));
        if (found === undefined) {
          expect({ a, b, shared }).toEqual({ a, b, shared: undefined });
        } else {
          expect({ a, b, found, both: takes(a, found) && takes(b, found) }).toEqual({ a, b, found, both: true });
          expect(found.length).toBeLessThanOrEqual(shared?.length ?? Infinity);
          met += 1;
        }
      }),
      { numRuns: 1000 },
    );
    expect(met).toBeGreaterThan(100);
    expect(met).toBeLessThan(1000);
  });

  it("lie within each other only where every text of one is one of the other", () => {
    const counts = { within: 0, apart: 0 };
    fc.assert(
      fc.property(expression, expression, (inner, outer) => {
        const within = takesAll(automaton(outer), automaton(inner));
        const counterexample = texts.find((text) => takes(inner, text) && !takes(outer, text));
        if (within) {
          expect({ inner, outer, counterexample }).toEqual({ inner, outer, counterexample: undefined });
        }
        counts[within ? "within" : "apart"] += 1;
      }),
      { numRuns: 1000 },
    );
    expect(counts.within).toBeGreaterThan(50);
    expect(takesAll(automaton(".*"), automaton("a+b"))).toBe(true);
    expect(takesAll(automaton("(?:a|b)*"), automaton("[ab]{3}"))).toBe(true);
  });
});

describe("paths", () => {
  const prefix = (value: string) => ({ kind: "prefix" as const, value });
  const raw = (value: string) => ({ kind: "rawPrefix" as const, value });
  const regex = (value: string) => ({ kind: "regex" as const, value });

  it("meet where one request is in both", () => {
    expect(commonPath(regex("/v[0-9]+/prices"), prefix("/v1"))).toEqual({ text: "/v1/prices" });
    expect(commonPath(regex("/v[0-9]+"), prefix("/v1/x"))).toEqual({});
    expect(commonPath(raw("/str"), prefix("/strange"))).toEqual({ text: "/strange" });
    expect(commonPath(raw("/str"), prefix("/st"))).toEqual({});
  });

  it("lie within each other by what they take, not by how they are written", () => {
    expect(pathWithin(prefix("/a/b"), prefix("/a"))).toBe(true);
    expect(pathWithin(prefix("/ab"), prefix("/a"))).toBe(false);
    expect(pathWithin(prefix("/ab"), raw("/a"))).toBe(true);
    expect(pathWithin(regex("/a(?:/.*)?"), prefix("/a"))).toBe(true);
    expect(pathWithin(prefix("/a"), regex("/a(?:/.*)?"))).toBe(true);
  });
});

it("finds a value for two conditions on one name", () => {
  const regex = (value: string) => ({ name: "h", kind: "regex" as const, value });
  expect(commonValue(regex("[1-4]?[0-9]"), regex("[5-9][0-9]"))).toBeUndefined();
  expect(commonValue(regex("a+"), regex("a{3}"))).toBe("aaa");
  expect(commonValue({ name: "h", kind: "present", value: "" }, { name: "h", kind: "exact", value: "x y" })).toBe("x y");
});

it.each([
  ["a(?=b)", "RE2 has no look-around"],
  ["(a)\\1", "RE2 has no back-references"],
  ["a++", "RE2 has no atomic groups and possessive quantifiers"],
  ["a*?", "lazy and doubled quantifiers are outside of the subset"],
  ["a{1001}", "a repetition is from 0 to 1000"],
  ["(?:[a-z]{1000}){3}", "it has more than 2000 steps"],
  ["(a", "a ) is missing"],
  ["a)", ") at character 2 closes nothing"],
])("says why %s is refused", (text, reason) => {
  expect(parseRegex(text)).toEqual({ refused: reason });
});
