/** Requests that prove something about matches. */
import { httpMethods } from "./route-input";
import type { MatchIndex } from "./route-index";
import { commonPath, commonValue, readRegex, sampleValue } from "./route-patterns";
import { compareText } from "./route-match";
import type { AtomicMatch, RouteEntry, RouteRequest, ValueMatch } from "./route-table";

/** What witnesses are made for. */
export interface WitnessContext<Entry extends RouteEntry> {
  index: MatchIndex<Entry>;
  /** A host of the virtual host. */
  host: string;
  /** A path element that no match names. */
  fresh: string;
}

/** A path element with which no path of a match starts. */
export function freshElement(entries: readonly RouteEntry[]): string {
  const elements = new Set(entries.flatMap(({ match }) => match.path.value.split("/")));
  for (let number = 1; ; number++) {
    const element = number === 1 ? "any" : `any${number}`;
    if (![...elements].some((taken) => taken.startsWith(element))) {
      return element;
    }
  }
}

/**
 * A request that satisfies `wanted` and whose winner is accepted.
 *
 * It carries no header and no parameter more than `wanted` asks for, since each more could only make a more specific match win. So trying the methods,
 * the path itself and a path below it that no route names, is complete where no regular expression and no condition on presence is near.
 */
export function findWitness<Entry extends RouteEntry>(
  { index, host, fresh }: WitnessContext<Entry>,
  wanted: AtomicMatch,
  accept: (winner: Entry) => boolean,
): RouteRequest | undefined {
  const start = minimalRequest(wanted, host);
  for (const path of witnessPaths(wanted, start.path, fresh)) {
    for (const method of wanted.method === undefined ? httpMethods : [wanted.method]) {
      const request = { ...start, path, method };
      const winner = index.first(request);
      if (winner !== undefined && accept(winner)) {
        return request;
      }
    }
  }
  return undefined;
}

function witnessPaths({ path }: AtomicMatch, first: string, fresh: string): string[] {
  const below = path.value === "/" ? "" : path.value;
  switch (path.kind) {
    case "prefix":
      return [first, `${below}/${fresh}`];
    case "rawPrefix":
      return [first, `${path.value}${fresh}`];
    case "exact":
    case "regex":
      return [first];
  }
}

/** The least request that satisfies a match; another match may still win it. */
export function minimalRequest(match: AtomicMatch, host: string): RouteRequest {
  const values = (list: readonly ValueMatch[]): Record<string, string> =>
    Object.fromEntries(list.map((condition) => [condition.name, sampleValue(condition)]));
  return {
    host,
    method: match.method ?? "GET",
    path: match.path.kind === "regex" ? (readRegex(match.path.value)?.sample ?? "/") : match.path.value,
    headers: values(match.headers),
    query: values(match.query),
  };
}

/** A host name for witnesses. */
export function witnessHost(hosts: readonly string[]): string {
  const [first = "*"] = hosts;
  return first === "*" ? "mesh.example.test" : first.replace(/^\*/, "any");
}

/**
 * A match for requests that both matches take, or `undefined` where there is none. Where two regular expressions meet, it takes one text that both take,
 * and so not all of these requests.
 */
export function intersect(a: AtomicMatch, b: AtomicMatch): AtomicMatch | undefined {
  if (a.method !== undefined && b.method !== undefined && a.method !== b.method) {
    return undefined;
  }
  const headers = unite(a.headers, b.headers);
  const query = headers && unite(a.query, b.query);
  if (headers === undefined || query === undefined) {
    return undefined;
  }
  const same = a.path.kind === b.path.kind && a.path.value === b.path.value;
  const common = same ? undefined : commonPath(a.path, b.path);
  if (common !== undefined && common.text === undefined && common.unknown === undefined) {
    return undefined;
  }
  const path = common?.text === undefined ? a.path : { kind: "exact" as const, value: common.text };
  const method = a.method ?? b.method;
  return { path, ...(method === undefined ? {} : { method }), headers, query };
}

function unite(a: readonly ValueMatch[], b: readonly ValueMatch[]): ValueMatch[] | undefined {
  const byName = new Map(a.map((condition) => [condition.name, condition]));
  for (const condition of b) {
    const before = byName.get(condition.name);
    if (before !== undefined && (before.kind !== condition.kind || before.value !== condition.value)) {
      const value = before.kind === "exact" && condition.kind === "exact" ? undefined : commonValue(before, condition);
      if (value === undefined) {
        return undefined;
      }
      byName.set(condition.name, { name: condition.name, kind: "exact", value });
    } else {
      byName.set(condition.name, condition);
    }
  }
  return [...byName.values()].sort((x, y) => compareText(x.name, y.name));
}
