import fc from "fast-check";
import type { Merge, MergeArgs } from "../../../../src/model/answers";
import { normalizeMerge } from "../../../../src/model/answers-normalize";
import { partialProblem } from "../../../../src/model/answers-check";
import { mergePartials } from "../../../../src/model/answers-merge";
import { compareAmounts, compareKeys, createSum } from "../../../../src/model/answers-numbers";
import { Problems } from "../../../../src/model/errors";

const rule = (args: MergeArgs): Merge => {
  const problems = new Problems("rule");
  const merge = normalizeMerge(problems, "", args);
  problems.throwIfAny();
  return merge;
};

interface Order {
  customer: string;
  amount: number;
  item: string | null;
}

const order = fc.record({
  customer: fc.constantFrom("ann", "bob", "é", "\u{1F600}", "\uFFEE", "10", "9"),
  // Few different ones, so that there are ties, and some large ones.
  amount: fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -1_000_000, max: 1_000_000 })),
  item: fc.constantFrom("a", "b", null),
});
/** Rows, and for each the shard that it is in; some shards may be empty. */
const spread = fc.tuple(fc.array(fc.tuple(order, fc.nat(4)), { maxLength: 60 }), fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }));

/** A service over some rows, by a computation of its own. */
const services: Record<string, { args: MergeArgs; answer: (rows: Order[]) => unknown }> = {
  total: {
    args: {
      fields: {
        n: { count: true },
        sum: { sum: true },
        low: { min: true },
        high: { max: true },
        mean: { average: { sum: "sum", count: "n" } },
      },
    },
    answer: (rows) => {
      const amounts = rows.map(({ amount }) => amount);
      const sum = amounts.length === 0 ? null : amounts.reduce((a, b) => a + b, 0);
      const mean = sum === null ? null : sum / rows.length;
      return {
        n: rows.length,
        sum,
        low: amounts.length === 0 ? null : Math.min(...amounts),
        high: amounts.length === 0 ? null : Math.max(...amounts),
        mean,
      };
    },
  },
  "sums as text": {
    args: { fields: { sum: { sum: true } } },
    answer: (rows) => {
      // Far beyond 2^53, and with digits behind the point.
      const sum = rows.reduce((all, { amount }) => all + BigInt(amount) * 10n ** 30n + 1n, 0n);
      const digits = (sum < 0n ? -sum : sum).toString().padStart(3, "0");
      return { sum: rows.length === 0 ? null : `${sum < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}` };
    },
  },
  customers: {
    args: { groupBy: ["customer", "item"], fields: { sum: { sum: true }, n: { count: true } } },
    answer: (rows) => {
      const groups = new Map<string, { customer: string; item: string | null; sum: number; n: number }>();
      for (const { customer, item, amount } of rows) {
        const group = groups.get(`${customer} ${item}`) ?? { customer, item, sum: 0, n: 0 };
        groups.set(`${customer} ${item}`, { ...group, sum: group.sum + amount, n: group.n + 1 });
      }
      const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
      return [...groups.values()].sort(
        (a, b) =>
          Buffer.compare(bytes(a.customer), bytes(b.customer)) || (a.item === null ? 1 : b.item === null ? -1 : a.item < b.item ? -1 : 1),
      );
    },
  },
  top: {
    args: { topK: { k: 5, by: "amount" } },
    answer: (rows) => [...rows].sort((a, b) => b.amount - a.amount || (rowText(a) < rowText(b) ? -1 : 1)).slice(0, 5),
  },
  "cheapest by customer": {
    args: { topK: { k: 7, by: "amount", ascending: true, thenBy: ["customer", "item"] } },
    answer: (rows) => {
      const byCustomer = (a: Order, b: Order): number => Buffer.compare(Buffer.from(a.customer), Buffer.from(b.customer));
      const byItem = (a: Order, b: Order): number => (a.item ?? "z").localeCompare(b.item ?? "z");
      return [...rows].sort((a, b) => a.amount - b.amount || byCustomer(a, b) || byItem(a, b)).slice(0, 7);
    },
  },
  items: {
    args: { union: {} },
    answer: (rows) => [...new Set(rows.map(({ customer }) => customer))].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  },
  all: { args: { concat: true }, answer: (rows) => rows },
};

/** Ties of topK are decided by the text of the row with sorted members, by code point. */
function rowText({ amount, customer, item }: Order): string {
  return Buffer.from(JSON.stringify({ amount, customer, item })).toString("latin1");
}

const sortedTexts = (value: unknown): string[] => (value as unknown[]).map((row) => JSON.stringify(row)).sort();

describe.each(Object.entries(services))("merging the partial answers of %s", (name, { args, answer }) => {
  const merge = rule(args);

  it("gives the answer over all rows, however they are spread over shards and whoever answers first", () => {
    fc.assert(
      fc.property(spread, ([rows, sequence]) => {
        const partials = sequence.map((shard) => answer(rows.filter(([, own]) => own === shard).map(([row]) => row)));
        const truth = answer(rows.map(([row]) => row));
        expect(partials.map((partial) => partialProblem(merge, partial))).toEqual(sequence.map(() => undefined));
        const merged = mergePartials(merge, partials);
        if (name === "all") {
          expect(sortedTexts(merged)).toEqual(sortedTexts(truth));
        } else {
          expect(JSON.stringify(merged)).toBe(JSON.stringify(truth));
        }
      }),
    );
  });
});

describe("sums", () => {
  const sumOf = (values: (number | string)[]): unknown => {
    const sum = createSum();
    values.forEach((value) => sum.add(value));
    return sum.result();
  };

  it("of whole numbers are exact, and text beyond 2^53", () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeInteger(), { minLength: 1 }), (values) => {
        const exact = values.reduce((sum, value) => sum + BigInt(value), 0n);
        const safe = exact >= BigInt(Number.MIN_SAFE_INTEGER) && exact <= BigInt(Number.MAX_SAFE_INTEGER);
        expect(sumOf(values)).toBe(safe ? Number(exact) : exact.toString());
      }),
    );
  });

  it("of doubles do not depend on the order, and keep what cancels", () => {
    expect(sumOf([1e100, 0.5, -1e100])).toBe(0.5);
    expect(sumOf([0.1, 0.2, 0.3])).toBe(0.6);
    expect(sumOf([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])).toBe(1);
    // Half to even, decided by a digit far behind: 2^53 + 1 + 2^-60.
    expect(sumOf([2 ** 53, 1, 2 ** -60])).toBe(2 ** 53 + 2);
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), { minLength: 1 }), (values) => {
        const backwards = [...values].reverse();
        const middle = [...values.slice(values.length / 2), ...values.slice(0, values.length / 2)];
        const sum = sumOf(values);
        // Object.is would tell 0 from -0.
        expect([Number(sumOf(backwards)) === Number(sum), Number(sumOf(middle)) === Number(sum)]).toEqual([true, true]);
      }),
    );
  });

  it("keep the digits of decimals as text", () => {
    expect(sumOf(["0.10", "0.2", 5])).toBe("5.30");
    expect(sumOf(["-0.05", "0.04"])).toBe("-0.01");
    expect(sumOf(["9007199254740993", "0"])).toBe("9007199254740993");
    expect(sumOf(["1.5", 0.25])).toBe(1.75);
  });

  it("say so where doubles are not enough", () => {
    expect(() => sumOf([1.7e308, 1.7e308])).toThrow("beyond the range of doubles");
  });
});

describe("the orders of values", () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
    fc.tuple(fc.integer(), fc.nat()).map(([a, b]) => `${a}.${b}`),
    fc.constantFrom("", "a", "-", "007", "7", "7.0", "-0", "0", true, false, null, "\u{1F600}", "\uFFEE"),
    fc.string(),
  );

  it.each([
    ["keys", compareKeys],
    ["amounts", compareAmounts],
  ])("of %s have no circles", (_name, compare) => {
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        expect(Math.sign(compare(a, b)) + Math.sign(compare(b, a))).toBe(0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) {
          expect(compare(a, c)).toBeLessThanOrEqual(0);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("have decimals as text by value, and keys by code point", () => {
    expect(["10", "9", "-2", "9.5", "1e3", 9.25].sort(compareAmounts)).toEqual(["-2", "9", 9.25, "9.5", "10", "1e3"]);
    expect(["10", "9", "\u{1F600}", "\uFFEE"].sort(compareKeys)).toEqual(["10", "9", "\uFFEE", "\u{1F600}"]);
    expect([1e21, "999999999999999999999", "1000000000000000000001"].sort(compareAmounts)).toEqual([
      ...["999999999999999999999", 1e21, "1000000000000000000001"],
    ]);
    expect(compareAmounts(1e-7, "0.00000010")).toBe(0);
    expect(compareAmounts("-5", "-5.0")).toBe(0);
    expect(compareAmounts("-5", "-6")).toBeGreaterThan(0);
  });
});

describe("operators", () => {
  it("leave out null and missing members", () => {
    const merge = rule({
      fields: { s: { sum: true }, n: { count: true }, low: { min: true }, mean: { average: { sum: "s", count: "n" } } },
    });
    expect(mergePartials(merge, [{ s: null, n: 0, low: null }, { n: 0 }])).toEqual({ s: null, n: 0, low: null, mean: null });
    expect(mergePartials(merge, [{ low: 1 }, { low: 2, other: 3 }])).toEqual({ low: 1 });
    expect(mergePartials(merge, [{ s: null }, { s: 3, n: 2, low: 1 }])).toEqual({ s: 3, n: 2, low: 1, mean: 1.5 });
  });

  it("take the top groups after merging, not the groups of the tops", () => {
    const merge = rule({ groupBy: ["c"], fields: { s: { sum: true } }, topK: { k: 1, by: "s" } });
    const partials = [
      [
        { c: "a", s: 10 },
        { c: "b", s: 6 },
      ],
      [{ c: "b", s: 6 }],
    ];
    expect(mergePartials(merge, partials)).toEqual([{ c: "b", s: 12 }]);
  });

  it("keep the same one of two rows with the same key, and rows without the order at the end", () => {
    const union = rule({ union: { by: ["id"] } });
    const rows = [
      { id: 1, v: "b" },
      { v: "a", id: 1 },
    ];
    expect(mergePartials(union, [[rows[0]], [rows[1]]])).toEqual(mergePartials(union, [[rows[1]], [rows[0]]]));
    expect(
      mergePartials(rule({ topK: { k: 3, by: "x", ascending: true } }), [
        [{ x: null }, { x: "10" }],
        [{}, { x: "9" }],
      ]),
    ).toEqual([...[{ x: "9" }, { x: "10" }, { x: null }]]);
  });

  it("merge lists inside of objects", () => {
    const merge = rule({
      fields: { top: { topK: { k: 2, by: "x" } }, names: { union: {} }, by: { groupBy: ["g"], fields: { n: { count: true } } } },
    });
    expect(
      mergePartials(merge, [
        { top: [{ x: 1 }, { x: 5 }], names: ["b", "a"], by: [{ g: 1, n: 1 }] },
        { top: [{ x: 3 }], names: ["a"], by: [{ g: 1, n: 2 }] },
      ]),
    ).toEqual({ top: [{ x: 5 }, { x: 3 }], names: ["a", "b"], by: [{ g: 1, n: 3 }] });
  });

  it("tell what is wrong with a partial answer, and where", () => {
    const merge = rule({ groupBy: ["c"], fields: { s: { sum: true } } });
    expect(
      partialProblem(merge, [
        { c: "a", s: 1 },
        { c: "b", s: "x" },
      ]),
    ).toBe('[1].s: "x" is not a number, or a decimal as text');
    expect(partialProblem(merge, [{ s: 1 }])).toBe("[0].c: nothing is not a text, a number, a boolean or null");
    expect(partialProblem(merge, {})).toBe("{} is not a list");
    expect(partialProblem(merge, null)).toBe("null is no answer");
    expect(partialProblem(rule({ fields: { n: { count: true } } }), { n: -1 })).toContain("n: -1 is not a whole number");
    expect(partialProblem(rule({ fields: { n: { sum: true } } }), JSON.parse('{"n":1e999}'))).toContain("is not a number");
  });
});
