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

/** The lines to read, for example `mesh nodes: 2 × m7gd.2xlarge, price class 5.2 each, 10.5 in all (spot)`. */
export function describeCosts(lines: readonly CostLine[]): string[] {
  return lines.map((line) => {
    const [count, each, all] = costNumbers(line);
    const price = each === "" ? "" : `, price class ${each} each, ${all} in all`;
    return `${line.what}: ${count} × ${line.type}${price}${line.note === undefined ? "" : ` (${line.note})`}`;
  });
}

/** How many, the price class of one and of all of them, as text; the last two are empty where nothing is paid by the hour. */
export function costNumbers(line: CostLine): [count: string, each: string, all: string] {
  const { count, maxCount, priceClass } = line;
  const range = (least: number, most: number | undefined): string => (most === undefined ? String(least) : `${least} to ${most}`);
  return priceClass === undefined
    ? [range(count, maxCount), "", ""]
    : [
        range(count, maxCount),
        String(round(priceClass)),
        range(round(count * priceClass), maxCount === undefined ? undefined : round(maxCount * priceClass)),
      ];
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
