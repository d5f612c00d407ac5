/**
 * A snapshot never leaks: a request that names a snapshot is answered from it, or not at all.
 *
 * Routes that name a snapshot take care of themselves. A route that names none, but whose pods are bound to one, would also take requests that name another
 * one, one that is not deployed yet, or no longer. So each of its matches gets two more: with the pods' own snapshot it goes the same way, and with any
 * other it is answered by the gateway itself.
 */
import type { Problems } from "./errors";
import { formatMatch } from "./route-format";
import { compareText, matchKey } from "./route-match";
import type { AtomicMatch, Destination, RouteRule, ValueMatch } from "./route-table";
import type { DimensionKey } from "./route-types";

/** A match with where it was written. */
export interface SourcedMatch {
  match: AtomicMatch;
  /** Property path of the match, for example `routes[1].match[0]`. */
  path: string;
}

/** A rule under construction. */
export interface DraftRule {
  rule: RouteRule;
  sources: SourcedMatch[];
}

/** Name of the rules that answer requests for snapshots that are not served; no route may have it. */
export const guardName = "unknown-snapshot";

/** Adds the matches with the pods' own snapshot to the rules, and returns the rules that answer for all others, one for each set of hosts. */
export function guardSnapshots(drafts: readonly DraftRule[], key: DimensionKey): DraftRule[] {
  const open = drafts
    .map((draft) => ({ draft, sources: draft.sources.filter(({ match }) => openPlaces(match, key).length > 0) }))
    .filter(({ draft, sources }) => sources.length > 0 && snapshotsOf(draft.rule).length > 0);
  if (open.length === 0) {
    return [];
  }
  const taken = new Set(drafts.flatMap(({ rule, sources }) => sources.flatMap(({ match }) => placeKeys(rule, match))));
  const guards = new Map<string, DraftRule>();
  for (const { draft, sources } of open) {
    const { hosts } = draft.rule;
    const snapshots = snapshotsOf(draft.rule);
    const guard = guards.get(hosts.join()) ?? { rule: guardRule(hosts), sources: [] };
    guards.set(hosts.join(), guard);
    for (const { match, path } of sources) {
      for (const { kind, name } of openPlaces(match, key)) {
        addMatch(guard, { ...withCondition(match, kind, { name, kind: "present", value: "" }), guard: kind }, path, taken);
        if (snapshots.length === 1 && snapshots[0] !== undefined) {
          addMatch(draft, { ...withCondition(match, kind, { name, kind: "exact", value: snapshots[0] }), own: true }, path, taken);
        }
      }
    }
  }
  return [...guards.values()].filter(({ sources }) => sources.length > 0);
}

/** Adds a match unless a rule of one of its hosts has it already. */
function addMatch(draft: DraftRule, match: AtomicMatch, path: string, taken: Set<string>): void {
  const places = placeKeys(draft.rule, match);
  if (places.every((place) => !taken.has(place))) {
    places.forEach((place) => taken.add(place));
    draft.sources.push({ match, path });
  }
}

function placeKeys({ hosts }: RouteRule, match: AtomicMatch): string[] {
  const key = matchKey(match);
  return hosts.map((host) => `${host} ${key}`);
}

function guardRule(hosts: string[]): RouteRule {
  return {
    name: guardName,
    route: guardName,
    hosts,
    matches: [],
    action: { kind: "respond", status: 404, body: "This snapshot is not served here.\n" },
    backends: [],
    mirrors: [],
    webSocket: false,
    guards: "snapshot",
  };
}

/** Where a request could name a snapshot without the match looking there. The header wins, so a match on it leaves nothing open. */
function openPlaces(match: AtomicMatch, { header, query }: DimensionKey): { kind: "header" | "query"; name: string }[] {
  const tested = (list: readonly ValueMatch[], name: string): boolean => list.some((condition) => condition.name === name);
  if (header !== undefined && tested(match.headers, header)) {
    return [];
  }
  return [
    ...(header === undefined ? [] : [{ kind: "header" as const, name: header }]),
    ...(query === undefined || tested(match.query, query) ? [] : [{ kind: "query" as const, name: query }]),
  ];
}

function withCondition(match: AtomicMatch, kind: "header" | "query", condition: ValueMatch): AtomicMatch {
  const member = kind === "header" ? "headers" : "query";
  return { ...match, [member]: [...match[member], condition].sort((a, b) => compareText(a.name, b.name)) };
}

/** Notes matches that name a snapshot by its header or parameter, and would be answered from another one. */
export function checkLeaks(problems: Problems, drafts: readonly DraftRule[], key: DimensionKey): void {
  for (const { rule, sources } of drafts) {
    for (const { match, path } of sources) {
      const tested = [...match.headers.filter(({ name }) => name === key.header), ...match.query.filter(({ name }) => name === key.query)];
      const snapshots = rule.guards === undefined && tested.some(({ kind }) => kind !== "exact") ? snapshotsOf(rule) : [];
      if (snapshots.length > 0) {
        const allowed = `name snapshots with \`snapshot\`: requests for other snapshots must not be answered from ${snapshots.join(", ")}`;
        problems.add(path, formatMatch(match), allowed);
      }
    }
  }
}

/** The snapshots of everything that a rule can answer from. */
export function snapshotsOf({ backends }: RouteRule): string[] {
  const found = (destination: Destination): (string | undefined)[] =>
    destination.kind === "failover" ? destination.places.flatMap(found) : destination.kind === "service" ? [destination.snapshot] : [];
  const all = backends.flatMap(({ destination }) => found(destination));
  return [...new Set(all.filter((snapshot) => snapshot !== undefined))].sort();
}
