/**
 * What the Gateway API makes of a table: its precedence cannot be chosen, only counted (path, method, headers, query parameters), and one HTTPRoute holds
 * only so much. Where our order needs more than the counts say, matches get conditions more that are always true.
 */
import type { Problems } from "./errors";
import { groupBy } from "./groups";
import type { SourcedEntry } from "./route-checks";
import { formatMatch, formatRequest } from "./route-format";
import { extraConditions, trueConditions } from "./route-extra";
import { comparePrecedence } from "./route-match";
import { pathStart } from "./route-patterns";
import type { AtomicMatch, RouteTable } from "./route-table";
import { intersect, minimalRequest, witnessHost } from "./route-witness";

/** Limits of one `HTTPRoute` (Gateway API v1.6.1, standard channel). Rules and matches are spread over several; the rest cannot be. */
export const httpRouteLimits = {
  hostnames: 16,
  rules: 16,
  matchesPerRule: 64,
  matches: 128,
  backendRefs: 16,
  headers: 16,
  queryParams: 16,
} as const;

/** Notes what no number of HTTPRoutes could say. `order`: the entries of one virtual host. */
export function checkGatewayOrder(problems: Problems, order: readonly SourcedEntry[], hosts: readonly string[]): void {
  const extra = extraConditions({ hosts: [...hosts], order: [...order] });
  const limits = httpRouteLimits;
  const said = new Set<string>();
  const note = ({ path, match }: SourcedEntry, allowed: string): void => {
    if (!said.has(path)) {
      said.add(path);
      problems.add(path, formatMatch(match), allowed);
    }
  };
  for (const entry of order) {
    const added = extra.get(entry.match) ?? 0;
    if (entry.match.headers.length + added > limits.headers || entry.match.query.length > limits.queryParams) {
      note(
        entry,
        `an HTTPRoute match takes at most ${limits.headers} headers and ${limits.queryParams} query parameters, dimensions included`,
      );
    }
    if (trueConditions(entry.match, added).length < added) {
      note(entry, "fewer levels of headers on this path are needed: HTTPRoutes cannot order so many beside the guard of its snapshots");
    }
  }
  checkExpressions(order, extra, (loser, winner, request) =>
    note(
      loser,
      `as an HTTPRoute it is a regular expression, which would change where ${formatRequest(request)} goes; tell it apart from ${formatMatch(winner.match)} (${winner.path} of route ${winner.rule.route}), or use prefixes by elements`,
    ),
  );
}

/** Raw prefixes become regular expressions, which go before every prefix and are told apart by counts only: no pair may change its order by that. */
function checkExpressions(
  order: readonly SourcedEntry[],
  extra: ReadonlyMap<AtomicMatch, number>,
  report: (raw: SourcedEntry, other: SourcedEntry, request: ReturnType<typeof minimalRequest>) => void,
): void {
  const byPath = [...groupBy(order, ({ match }) => `${match.path.kind} ${match.path.value}`).values()];
  const starts = byPath.map(([first]) => (first === undefined ? "" : pathStart(first.match.path)));
  byPath.forEach((group, index) => {
    if (group[0]?.match.path.kind !== "rawPrefix") {
      return;
    }
    const start = starts[index] ?? "";
    byPath.forEach((others, at) => {
      const near = at !== index && ((starts[at] ?? "").startsWith(start) || start.startsWith(starts[at] ?? ""));
      const kind = others[0]?.match.path.kind;
      if (!near || kind === "exact" || (kind === "rawPrefix" && at < index)) {
        return;
      }
      for (const raw of group) {
        for (const other of others) {
          const ours = comparePrecedence(raw.match, other.match);
          const theirs = compareCounts(raw.match, other.match, extra);
          const both = raw.rule === other.rule || Math.sign(ours) === Math.sign(theirs) ? undefined : intersect(raw.match, other.match);
          if (both !== undefined) {
            report(raw, other, minimalRequest(both, witnessHost(["*"])));
          }
        }
      }
    });
  });
}

/** As `comparePrecedence`, by what an HTTPRoute shows of the matches, one of which is a regular expression there. */
function compareCounts(raw: AtomicMatch, other: AtomicMatch, extra: ReadonlyMap<AtomicMatch, number>): number {
  const count = (match: AtomicMatch): number => match.headers.length + (extra.get(match) ?? 0);
  return (
    (other.path.kind === "prefix" ? -1 : 0) ||
    Number(other.method !== undefined) - Number(raw.method !== undefined) ||
    count(other) - count(raw) ||
    other.query.length - raw.query.length
  );
}

/** Notes hosts and destinations that do not fit. `pathOf`: the property path of a route by its name. */
export function checkGatewayLimits(problems: Problems, table: RouteTable, pathOf: (route: string) => string): void {
  const limits = httpRouteLimits;
  const crowded = new Map(table.rules.filter(({ backends }) => backends.length > limits.backendRefs).map((rule) => [rule.route, rule]));
  crowded.forEach(({ backends }, route) => {
    const allowed = `an HTTPRoute rule takes at most ${limits.backendRefs}, versions counted one by one`;
    problems.add(`${pathOf(route)}.to`, `${backends.length} destinations`, allowed);
  });
}
