/** IPv4 address ranges in CIDR notation (RFC 4632): do they lie apart, and inside of each other? */
import type { Problems } from "../../src/model/errors";

/** An address range: addresses are unsigned numbers. */
export interface Cidr {
  text: string;
  first: number;
  last: number;
  /** Bits of the network part. */
  prefix: number;
}

const pattern = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/;

/** @returns undefined where the text is no range, or its address has bits beyond the prefix (`10.0.0.1/16`), which clouds refuse */
export function parseCidr(text: string): Cidr | undefined {
  const numbers = pattern.exec(text)?.slice(1).map(Number) ?? [];
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = numbers;
  if (Math.max(a, b, c, d) > 255 || prefix > 32) {
    return undefined;
  }
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { text, first, last: first + size - 1, prefix } : undefined;
}

/** Whether two ranges share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether every address of `inner` is in `outer`. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

/** Whether `value` is a range whose prefix has from `largest` to `smallest` bits; the range where it is. */
export function checkCidr(problems: Problems, path: string, value: unknown, largest: number, smallest: number): Cidr | undefined {
  const cidr = typeof value === "string" ? parseCidr(value) : undefined;
  if (cidr === undefined || cidr.prefix < largest || cidr.prefix > smallest) {
    problems.add(
      path,
      value,
      `a range from /${largest} to /${smallest} is allowed, for example 10.0.0.0/${Math.max(largest, Math.min(smallest, 16))}, whose address has no bits beyond it`,
    );
    return undefined;
  }
  return cidr;
}

/** Notes every range that overlaps with one before it; `ranges` are pairs of property path and range. */
export function checkApart(problems: Problems, ranges: readonly (readonly [path: string, cidr: Cidr | undefined])[]): void {
  ranges.forEach(([path, cidr], index) => {
    const other = cidr && ranges.slice(0, index).find(([, before]) => before !== undefined && overlaps(before, cidr));
    if (cidr && other) {
      problems.add(path, cidr.text, `it overlaps with ${other[0]} (${other[1]?.text ?? ""})`);
    }
  });
}

/** Notes a range that does not lie inside of `outer`. */
export function checkInside(problems: Problems, path: string, cidr: Cidr | undefined, outerPath: string, outer: Cidr | undefined): void {
  if (cidr && outer && !contains(outer, cidr)) {
    problems.add(path, cidr.text, `it must lie inside of ${outerPath} (${outer.text})`);
  }
}
