/**
 * Finds the match that takes a request among very many, in time that depends on the depth of the path and on how many different kinds of conditions
 * there are, and not on the number of matches.
 *
 * Paths are looked up by text: an exact path at once, prefixes by each element of the request's path, longest first. Below one path, matches that test the
 * same names are one table keyed by the values (tuple space search, Srinivasan et al., SIGCOMM 1999). Regular expressions are tried one by one,
 * but only those whose literal start fits.
 */
import { compareMatches, matches } from "./route-match";
import { readRegex } from "./route-patterns";
import type { AtomicMatch, RouteRequest, ValueMatch } from "./route-table";

/** Entries that can be found by request. */
export interface MatchIndex<Entry> {
  /** The most specific entry that takes a request. */
  first(request: RouteRequest): Entry | undefined;
  /** Every entry that takes a request, most specific first. */
  all(request: RouteRequest): Entry[];
}

/** Matches that test the same names, by the values that they want. */
interface Shape {
  method: boolean;
  headers: string[];
  query: string[];
  positions: Map<string, number[]>;
}

interface PathTables {
  exact: Map<string, Map<string, Shape>>;
  prefix: Map<string, Map<string, Shape>>;
  rawPrefix: Map<string, Map<string, Shape>>;
  /** By the literal start of the expressions. */
  regex: Map<string, Map<string, Shape>>;
}

/** Indexes entries. Of two with equal matches the first is found first. */
export function indexMatches<Entry extends { match: AtomicMatch }>(entries: readonly Entry[]): MatchIndex<Entry> {
  const sorted = [...entries].sort((a, b) => compareMatches(a.match, b.match));
  const tables: PathTables = { exact: new Map(), prefix: new Map(), rawPrefix: new Map(), regex: new Map() };
  sorted.forEach(({ match }, position) => addMatch(tables, match, position));
  const rawLengths = lengthsOf(tables.rawPrefix);
  const regexLengths = lengthsOf(tables.regex);

  function* groups(path: string): Generator<Map<string, Shape>[]> {
    yield present([tables.exact.get(path)]);
    yield present(regexLengths.map((length) => (length > path.length ? undefined : tables.regex.get(path.slice(0, length)))));
    const raw = rawLengths.filter((length) => length <= path.length);
    const byLength = [
      ...elementPrefixes(path).map((prefix) => ({ length: prefix.length, shapes: tables.prefix.get(prefix) })),
      ...raw.map((length) => ({ length, shapes: tables.rawPrefix.get(path.slice(0, length)) })),
    ].sort((a, b) => b.length - a.length);
    for (const { shapes } of byLength) {
      yield present([shapes]);
    }
  }

  const hits = (shapes: readonly Map<string, Shape>[], request: RouteRequest): number[] =>
    shapes
      .flatMap((table) => [...table.values()].flatMap((shape) => shape.positions.get(requestKey(shape, request)) ?? []))
      .filter((position) => takes(sorted[position], request))
      .sort((a, b) => a - b);

  return {
    first(request) {
      let best: number | undefined;
      for (const shapes of groups(request.path)) {
        const [found] = shapes.length === 0 ? [] : hits(shapes, request);
        if (found !== undefined) {
          best = found;
          break;
        }
      }
      return best === undefined ? undefined : sorted[best];
    },
    all(request) {
      const positions = [...groups(request.path)].flatMap((shapes) => hits(shapes, request)).sort((a, b) => a - b);
      return positions.map((position) => sorted[position]).filter((entry) => entry !== undefined);
    },
  };
}

function takes(entry: { match: AtomicMatch } | undefined, request: RouteRequest): boolean {
  return entry !== undefined && matches(entry.match, request);
}

function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value): value is T => value !== undefined);
}

function lengthsOf(table: ReadonlyMap<string, unknown>): number[] {
  return [...new Set([...table.keys()].map((key) => key.length))].sort((a, b) => b - a);
}

/** `/a/b/` → `/a/b/`, `/a/b`, `/a`, `/`. */
function elementPrefixes(path: string): string[] {
  const prefixes = new Set([path]);
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    prefixes.add(path.slice(0, at));
  }
  return [...prefixes.add("/")];
}

function addMatch(tables: PathTables, match: AtomicMatch, position: number): void {
  const { kind, value } = match.path;
  const key = kind === "regex" ? (readRegex(value)?.literalPrefix ?? "") : value;
  const shapes = tables[kind].get(key) ?? new Map<string, Shape>();
  tables[kind].set(key, shapes);
  const exact = (list: readonly ValueMatch[]): string[] => list.filter((pair) => pair.kind === "exact").map(({ name }) => name);
  const names = { method: match.method !== undefined, headers: exact(match.headers), query: exact(match.query) };
  const shapeKey = JSON.stringify(names);
  const shape = shapes.get(shapeKey) ?? { ...names, positions: new Map<string, number[]>() };
  shapes.set(shapeKey, shape);
  const values = [...match.headers, ...match.query].filter((pair) => pair.kind === "exact").map((pair) => pair.value);
  const valueKey = JSON.stringify([match.method ?? "", ...values]);
  const positions = shape.positions.get(valueKey);
  if (positions === undefined) {
    shape.positions.set(valueKey, [position]);
  } else {
    positions.push(position);
  }
}

function requestKey({ method, headers, query }: Shape, request: RouteRequest): string {
  return JSON.stringify([
    method ? request.method : "",
    ...headers.map((name) => request.headers[name] ?? ""),
    ...query.map((name) => request.query[name] ?? ""),
  ]);
}
