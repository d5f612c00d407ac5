/** Numbers of partial answers: sums that depend neither on the order nor on the partition of the rows, and one order of all values. */
import { stableJson } from "./names";

/** A decimal as text, as drivers give 64-bit and decimal columns: no exponent, no plus sign. */
const decimalText = /^-?\d+(\.\d+)?$/;

/** Whether `value` can be summed: a finite number, or a decimal as text. */
export function isSummable(value: unknown): value is number | string {
  return typeof value === "number" ? Number.isFinite(value) : typeof value === "string" && decimalText.test(value);
}

/** Sums numbers one by one. */
export interface Sum {
  add(value: number | string): void;
  /** null where nothing was added. */
  result(): number | string | null;
}

/**
 * Whole JSON numbers up to 2^53 - 1 and decimals as text add exactly; other JSON numbers are doubles and their sum is rounded once, whatever their order.
 *
 * The result is a JSON number; it is text where a text was added, and where whole numbers exceed 2^53 - 1, which many readers of JSON would round.
 * With a double among the values the result is a double.
 *
 * @throws RangeError from `result` where doubles exceed the range of doubles
 */
export function createSum(): Sum {
  let small = 0;
  let exact = 0n;
  /** Digits behind the point of `exact`. */
  let scale = 0;
  let anything = false;
  let texts = false;
  const doubles: number[] = [];
  let anyDouble = false;
  const addExact = (value: bigint, digits: number): void => {
    if (digits > scale) {
      exact *= 10n ** BigInt(digits - scale);
      scale = digits;
    }
    exact += value * 10n ** BigInt(scale - digits);
  };
  const settle = (): void => {
    addExact(BigInt(small), 0);
    small = 0;
  };
  return {
    add: (value) => {
      anything = true;
      if (typeof value === "string") {
        texts = true;
        const point = value.indexOf(".");
        addExact(BigInt(value.replace(".", "")), point < 0 ? 0 : value.length - point - 1);
      } else if (!Number.isSafeInteger(value)) {
        anyDouble = true;
        addDouble(doubles, value);
      } else if (Number.isSafeInteger(small + value)) {
        // Both are exact, and so is their sum while it stays below 2^53.
        small += value;
      } else {
        settle();
        small = value;
      }
    },
    result: () => {
      if (!anything) {
        return null;
      }
      if (!texts && !anyDouble && exact === 0n) {
        return small;
      }
      settle();
      if (anyDouble) {
        const all = [...doubles];
        const near = Number(formatDecimal(exact, scale));
        addDouble(all, near);
        if (scale === 0 && Number.isFinite(near)) {
          // What the conversion cut off counts, too.
          addDouble(all, Number(exact - BigInt(near)));
        }
        return roundDoubles(all);
      }
      const number = Number(exact);
      return !texts && Number.isSafeInteger(number) ? number : formatDecimal(exact, scale);
    },
  };
}

/** The quotient as a double, null for no rows. */
export function quotient(sum: unknown, count: unknown): number | null {
  return !isSummable(sum) || !isSummable(count) || Number(count) === 0 ? null : Number(sum) / Number(count);
}

/** Adds without loss: `doubles` stay numbers whose digits do not overlap, the smallest first (Shewchuk 1997, "grow expansion"). */
function addDouble(doubles: number[], value: number): void {
  let rest = value;
  let kept = 0;
  for (const other of doubles) {
    const [large, little] = Math.abs(rest) < Math.abs(other) ? [other, rest] : [rest, other];
    const sum = large + little;
    const cut = little - (sum - large);
    if (cut !== 0) {
      doubles[kept++] = cut;
    }
    rest = sum;
  }
  doubles.length = kept;
  doubles.push(rest);
}

/** The one double nearest to the sum, as Python's `math.fsum` rounds it. */
function roundDoubles(doubles: readonly number[]): number {
  let index = doubles.length - 1;
  let high = doubles[index] ?? 0;
  let low = 0;
  while (index > 0 && low === 0) {
    const next = doubles[--index] ?? 0;
    const sum = high + next;
    low = next - (sum - high);
    high = sum;
  }
  // A tie that smaller digits decide: half to even went the wrong way if they point away from it.
  const further = doubles[index - 1] ?? 0;
  if (index > 0 && ((low < 0 && further < 0) || (low > 0 && further > 0))) {
    const doubled = low * 2;
    const moved = high + doubled;
    if (moved - high === doubled) {
      high = moved;
    }
  }
  if (!Number.isFinite(high)) {
    throw new RangeError("the sum is beyond the range of doubles");
  }
  return high;
}

function formatDecimal(value: bigint, scale: number): string {
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return `${negative ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(digits.length - scale)}`}`;
}

/**
 * The order of group keys, as databases sort them: booleans, numbers by value, texts by code point (`COLLATE "C"`), null last.
 * Texts of digits are texts here.
 */
export function compareKeys(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") {
    return compareTexts(a, b);
  }
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) {
    return rank;
  }
  if (typeof a === "number" && typeof b === "number") {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  return compareTexts(stableJson(a ?? null), stableJson(b ?? null));
}

/** The order of `min`, `max` and `topK`: numbers and decimals as text by value, all else as `compareKeys` has it. */
export function compareAmounts(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const left = isSummable(a);
  if (left && isSummable(b)) {
    return compareDecimals(a, b);
  }
  if (left || isSummable(b)) {
    // Any text of digits stands among the numbers, before all other texts, so that the order has no circles.
    const other = left ? b : a;
    return (typeof other === "boolean" ? 1 : -1) * (left ? 1 : -1);
  }
  return compareKeys(a, b);
}

function rankOf(value: unknown): number {
  return typeof value === "boolean"
    ? 0
    : typeof value === "number"
      ? 1
      : typeof value === "string"
        ? 2
        : value === null || value === undefined
          ? 4
          : 3;
}

/** By code point. UTF-16 has the characters above U+FFFF, which are pairs from U+D800 on, before U+E000. */
function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left !== right) {
      return left >= 0xd800 && right >= 0xd800 ? ((left + 0x2000) & 0xffff) - ((right + 0x2000) & 0xffff) || left - right : left - right;
    }
  }
  return a.length - b.length;
}

function compareDecimals(a: number | string, b: number | string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  if (left.negative !== right.negative) {
    return left.negative ? -1 : 1;
  }
  // The larger of two negative ones is the smaller amount.
  const [one, other] = left.negative ? [right, left] : [left, right];
  return one.whole.length - other.whole.length || compareTexts(one.whole, other.whole) || compareTexts(one.fraction, other.fraction);
}

/** Digits without the zeros that say nothing; 0 is no digits and not negative. */
function partsOf(value: number | string): { negative: boolean; whole: string; fraction: string } {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  const [, sign = "", digits = "0", behind = "", exponent = "0"] = match ?? [];
  const all = digits + behind;
  const point = digits.length + Number(exponent);
  const whole = (point <= 0 ? "" : all.slice(0, point).padEnd(point, "0")).replace(/^0+/, "");
  const fraction = (point < 0 ? "0".repeat(-point) + all : all.slice(point)).replace(/0+$/, "");
  return { negative: sign === "-" && (whole !== "" || fraction !== ""), whole, fraction };
}
