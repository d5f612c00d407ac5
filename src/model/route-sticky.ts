/** Keeps users on one version: ranges of a bucket number that stands in a header, in the proportion of the weights. */
import { contentHash, dnsName } from "./names";
import type { DraftRule } from "./route-guards";
import { compareText } from "./route-match";
import type { Backend, RouteRule } from "./route-table";

/** Buckets are the numbers from 0 to 99: a share of 1 % can be told apart. */
const buckets = 100;

/** One rule for each backend of a weighted rule, which takes the requests of its buckets. Requests without a bucket stay with the weighted rule. */
export function stickyRules({ rule, sources }: DraftRule, header: string): DraftRule[] {
  const weighted = rule.backends.filter(({ weight }) => weight > 0);
  if (weighted.length < 2) {
    return [];
  }
  return bucketRanges(weighted).flatMap(({ backend, first, last }) => {
    if (last < first) {
      return [];
    }
    const backends = [{ ...backend, weight: 1 }];
    const value = rangeRegex(first, last);
    const own: RouteRule = {
      ...rule,
      name: dnsName(rule.name, "sticky", contentHash(backend.destination.id).slice(0, 8)),
      action: { kind: "forward", backends },
      backends,
    };
    const condition = { name: header, kind: "regex" as const, value };
    return [
      {
        rule: own,
        sources: sources.map(({ match, path }) => ({
          match: { ...match, headers: [...match.headers, condition].sort((a, b) => compareText(a.name, b.name)) },
          path,
        })),
      },
    ];
  });
}

/** Whole buckets by largest remainder: every backend gets its share, rounded, and all of them together get all buckets. */
export function bucketRanges(backends: readonly Backend[]): { backend: Backend; first: number; last: number }[] {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  const shares = backends.map((backend, index) => {
    const exact = (backend.weight * buckets) / total;
    return { backend, index, count: Math.floor(exact), rest: exact - Math.floor(exact) };
  });
  const missing = buckets - shares.reduce((sum, { count }) => sum + count, 0);
  [...shares]
    .sort((a, b) => b.rest - a.rest || a.index - b.index)
    .slice(0, missing)
    .forEach((share) => (share.count += 1));
  let next = 0;
  return shares.map(({ backend, count }) => {
    const first = next;
    next += count;
    return { backend, first, last: next - 1 };
  });
}

/** A regular expression for the whole numbers from `first` to `last`, both from 0 to 99 and without leading zeros. */
export function rangeRegex(first: number, last: number): string {
  const parts: string[] = [];
  for (let tens = 0; tens <= 9; tens++) {
    const low = Math.max(first - tens * 10, 0);
    const high = Math.min(last - tens * 10, 9);
    if (low <= high) {
      parts.push(`${tens === 0 ? "" : tens}${low === high ? low : `[${low}-${high}]`}`);
    }
  }
  return parts.join("|");
}
