/**
 * Notes of costs: what a mesh will run, by price class.
 *
 * No prices in money: those differ by region, contract and month. A price class is the list price of one hour of Linux relative to a small machine of the same
 * cloud, so that two lines of one table can be compared, and nothing else.
 */

/** One kind of thing that costs money. */
export interface CostLine {
  /** What runs, for example `mesh nodes`, `pool web` or `control plane`. */
  what: string;
  /** In the cloud's own words, for example `m7gd.2xlarge`. */
  type: string;
  /** How many of it; with autoscaling the fewest. */
  count: number;
  /** With autoscaling: the most. */
  maxCount?: number;
  /** Price of one relative to the cloud's unit (`priceUnit` of its table); missing where it is not paid by the hour. */
  priceClass?: number;
  /** For example `spot`, or what is paid for instead of hours. */
  note?: string;
}

/** Lines with the same words as one, in the order of their first. */
export function joinCostLines(lines: readonly CostLine[]): CostLine[] {
  const joined = new Map<string, CostLine>();
  for (const line of lines) {
    const key = JSON.stringify([line.what, line.type, line.priceClass, line.note]);
    const before = joined.get(key);
    const most = (line.maxCount ?? line.count) + (before?.maxCount ?? before?.count ?? 0);
    const count = line.count + (before?.count ?? 0);
    joined.set(key, { ...line, count, ...(most > count ? { maxCount: most } : {}) });
  }
  return [...joined.values()];
}

/** The lines as a table to read: `2 × m7gd.2xlarge  mesh nodes  price class 2 × 8.9 = 17.8`. */
export function describeCosts(lines: readonly CostLine[]): string[] {
  return lines.map((line) => {
    const count = line.maxCount === undefined ? String(line.count) : `${line.count} to ${line.maxCount}`;
    const price = line.priceClass === undefined ? "" : `, price class ${round(line.priceClass)} each, ${total(line)} in all`;
    return `${line.what}: ${count} × ${line.type}${price}${line.note === undefined ? "" : ` (${line.note})`}`;
  });
}

function total(line: CostLine): string {
  const price = line.priceClass ?? 0;
  const least = round(line.count * price);
  return line.maxCount === undefined ? String(least) : `${least} to ${round(line.maxCount * price)}`;
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
