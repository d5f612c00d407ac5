/**
 * Conditions that are always true, for gateways that order matches by counting conditions: the guard of a snapshot goes after the matches that name one and
 * before the match that it guards, which has one condition less, and no whole number lies between.
 */
import { groupBy } from "./groups";
import { snapshotsOf } from "./route-guards";
import { comparePrecedence } from "./route-match";
import { shapeKey } from "./route-pairs";
import type { AtomicMatch, RouteEntry, ValueMatch, VirtualHost } from "./route-table";

/** Headers that every request has when Envoy looks for a route, whatever the client sent: a condition that one is there is always true. */
const alwaysThere = ["x-forwarded-proto", "host", "x-request-id"];

/** The names of `count` headers that a match does not test and that every request has; fewer where there are no more. */
export function trueConditions(match: AtomicMatch, count: number): string[] {
  return alwaysThere.filter((name) => match.headers.every((condition) => condition.name !== name)).slice(0, count);
}

/** Matches of one path that test the same names and stand on one level. */
interface Shape {
  entries: RouteEntry[];
  /** One of its matches: all have the same names. */
  match: AtomicMatch;
  /** What the gateway counts: headers, query parameters. */
  counts: [number, number];
}

/**
 * How many conditions more each match needs so that the counts alone give our order. Among matches of one path we go from the least specific up, and add
 * one wherever the counts would not rise above those of a match that can take the same request.
 */
export function extraConditions({ order }: VirtualHost): Map<AtomicMatch, number> {
  const extra = new Map<AtomicMatch, number>();
  const guards = order.filter(({ match }) => match.guard !== undefined);
  const places = { header: commonPresence(guards, "header"), query: commonPresence(guards, "query") };
  const groups =
    guards.length === 0
      ? []
      : groupBy(order, ({ match }) => `${match.path.kind} ${match.path.value} ${match.method !== undefined}`).values();
  for (const group of groups) {
    if (group.some(({ match }) => match.guard !== undefined)) {
      raiseCounts(group, places, extra);
    }
  }
  return extra;
}

interface Places {
  header: string | undefined;
  query: string | undefined;
}

function raiseCounts(group: readonly RouteEntry[], places: Places, extra: Map<AtomicMatch, number>): void {
  const shapes = [...groupBy(group, (entry) => `${shapeKey(entry)} ${entry.match.guard ?? ""}`).values()]
    .flatMap((entries): Shape[] => {
      const match = entries[0]?.match;
      return match === undefined ? [] : [{ entries, match, counts: [match.headers.length, match.query.length] }];
    })
    .sort((a, b) => comparePrecedence(b.match, a.match));
  shapes.forEach((shape, index) => {
    const below = shapes
      .slice(0, index)
      .filter((other) => comparePrecedence(shape.match, other.match) < 0 && areRivals(shape, other, places));
    const [headers, query] = shape.counts;
    let added = 0;
    while (below.some(({ counts }) => !(headers + added > counts[0] || (headers + added === counts[0] && query > counts[1])))) {
      added += 1;
    }
    shape.counts = [headers + added, query];
    shape.entries.forEach(({ match }) => extra.set(match, added));
  });
}

/** Whether it matters which of two shapes goes first; the first one is the more specific. */
function areRivals(shape: Shape, below: Shape, places: Places): boolean {
  const rules = new Set([...shape.entries, ...below.entries].map(({ rule }) => rule));
  if (rules.size === 1 || (shape.match.guard !== undefined && below.match.guard !== undefined)) {
    return false;
  }
  // A request that names a snapshot where the first one does not look is answered by the guard of the first one.
  const guarded = shape.match.guard === undefined && shape.entries.every(({ rule }) => snapshotsOf(rule).length > 0);
  const tests = (list: readonly ValueMatch[], name: string | undefined): boolean => list.some((condition) => condition.name === name);
  const openHeader = !tests(shape.match.headers, places.header);
  const openQuery = openHeader && !tests(shape.match.query, places.query);
  const decided = (openHeader && tests(below.match.headers, places.header)) || (openQuery && tests(below.match.query, places.query));
  return !(guarded && decided);
}

/** The one name whose presence every guard of a kind tests: that of the snapshot. */
function commonPresence(guards: readonly RouteEntry[], kind: "header" | "query"): string | undefined {
  const lists = guards
    .filter(({ match }) => match.guard === kind)
    .map(({ match }) => (kind === "header" ? match.headers : match.query).filter((condition) => condition.kind === "present"));
  const [first, ...others] = lists.map((list) => list.map(({ name }) => name));
  const common = (first ?? []).filter((name) => others.every((names) => names.includes(name)));
  return common.length === 1 ? common[0] : undefined;
}
