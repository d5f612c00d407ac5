/** Which matches of equal precedence could take the same request, without comparing all with all. */
import { groupBy } from "./groups";
import { pathStart } from "./route-patterns";
import type { AtomicMatch, RouteEntry, ValueMatch } from "./route-table";

/**
 * Calls `visit` for every pair of entries of different rules that have equal precedence and could take one request; more pairs than needed can come.
 *
 * Only equal paths, or two regular expressions that start alike, can tie. Among them, matches are grouped by the names that they test, and two groups
 * are joined by the values of the names that both test (a hash join): a thousand shards are then compared each with its own few.
 */
export function forEachRival<Entry extends RouteEntry>(entries: readonly Entry[], visit: (a: Entry, b: Entry) => void): void {
  const plain = entries.filter(({ match }) => match.path.kind !== "regex");
  for (const group of groupBy(plain, ({ match }) => `${match.path.kind} ${match.path.value} ${rankKey(match)}`).values()) {
    joinGroups([...groupBy(group, shapeKey).values()], visit);
  }
  const regexes = groupBy(
    entries.filter(({ match }) => match.path.kind === "regex"),
    ({ match }) => rankKey(match),
  );
  for (const group of regexes.values()) {
    joinExpressions(group, visit);
  }
}

/** Two methods never meet, and levels that differ decide. */
function rankKey({ method, headers, query, guard }: AtomicMatch): string {
  return `${method ?? ""} ${headers.length} ${query.length} ${guard ?? ""}`;
}

/** The names that a match tests, those with exact values apart. */
export function shapeKey({ match }: RouteEntry): string {
  const names = (list: readonly ValueMatch[]): string[] => list.map(({ name, kind }) => (kind === "exact" ? name : `~${name}`));
  return JSON.stringify([names(match.headers), names(match.query)]);
}

function joinGroups<Entry extends RouteEntry>(shapes: readonly Entry[][], visit: (a: Entry, b: Entry) => void): void {
  shapes.forEach((shape, index) => {
    shapes.slice(index).forEach((other) => join(shape, other, visit));
  });
}

/** Pairs of two groups whose exact values agree. Entries of one rule are no rivals. */
function join<Entry extends RouteEntry>(shape: readonly Entry[], other: readonly Entry[], visit: (a: Entry, b: Entry) => void): void {
  const [one, two] = [shape[0], other[0]];
  if (one === undefined || two === undefined) {
    return;
  }
  const common = exactNames(one.match).filter((name) => exactNames(two.match).includes(name));
  const keyOf = ({ match }: Entry): string => {
    const values = new Map(exactValues(match));
    return JSON.stringify(common.map((name) => values.get(name)));
  };
  const table = groupBy(shape, keyOf);
  const same = shape === other;
  other.forEach((entry) => {
    for (const rival of table.get(keyOf(entry)) ?? []) {
      if (same && rival === entry) {
        break;
      }
      if (rival.rule !== entry.rule) {
        visit(rival, entry);
      }
    }
  });
}

function exactValues({ headers, query }: AtomicMatch): [name: string, value: string][] {
  return [
    ...headers.filter(({ kind }) => kind === "exact").map(({ name, value }): [string, string] => [`header ${name}`, value]),
    ...query.filter(({ kind }) => kind === "exact").map(({ name, value }): [string, string] => [`query ${name}`, value]),
  ];
}

function exactNames(match: AtomicMatch): string[] {
  return exactValues(match).map(([name]) => name);
}

/** Two expressions can meet only where the literal start of one begins with that of the other. */
function joinExpressions<Entry extends RouteEntry>(group: readonly Entry[], visit: (a: Entry, b: Entry) => void): void {
  const starts = groupBy(group, ({ match }) => pathStart(match.path));
  const lengths = [...new Set([...starts.keys()].map((start) => start.length))];
  for (const [start, entries] of starts) {
    const shapes = [...groupBy(entries, shapeKey).values()];
    joinGroups(shapes, visit);
    for (const length of lengths.filter((one) => one < start.length)) {
      const shorter = starts.get(start.slice(0, length));
      if (shorter !== undefined) {
        for (const other of groupBy(shorter, shapeKey).values()) {
          shapes.forEach((shape) => join(other, shape, visit));
        }
      }
    }
  }
}
