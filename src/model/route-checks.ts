/**
 * What only shows when all routes are seen together: duplicates, ties, shadowed and unreachable routes. Each finding comes with a witness, a request that
 * proves it.
 *
 * Without ties the outcome depends on precedence alone, so one table means the same in a list (Gloo, Istio), in one HTTPRoute, and in rules spread over
 * several HTTPRoutes, whose age and names would decide a tie otherwise.
 */
import type { Problems } from "./errors";
import { groupBy } from "./groups";
import { formatMatch, formatRequest } from "./route-format";
import { indexMatches } from "./route-index";
import { comparePrecedence, compareText, matchKey } from "./route-match";
import { forEachRival } from "./route-pairs";
import type { AtomicMatch, RouteEntry } from "./route-table";
import { findWitness, freshElement, intersect, minimalRequest, witnessHost, type WitnessContext } from "./route-witness";
import { within } from "./route-within";

/** An entry with the place where the user wrote it. */
export interface SourcedEntry extends RouteEntry {
  /** Property path of the match, for example `routes[1].match[0]`. */
  path: string;
}

/**
 * Notes every finding of one virtual host, at most one for each match.
 *
 * @param order all entries, most specific first
 * @param hosts the hosts, for witnesses
 */
export function checkOverlaps(problems: Problems, order: readonly SourcedEntry[], hosts: readonly string[]): void {
  const context = { index: indexMatches(order), host: witnessHost(hosts), fresh: freshElement(order) };
  const findings = new Map<string, { entry: SourcedEntry; allowed: string }>();
  const report = (entry: SourcedEntry, allowed: string): void => {
    if (!findings.has(entry.path)) {
      findings.set(entry.path, { entry, allowed });
    }
  };
  const doubled = new Set<string>();
  for (const group of groupBy(order, ({ match }) => matchKey(match)).values()) {
    const [first, ...others] = [...group].sort((a, b) => comparePaths(a.path, b.path));
    if (first !== undefined && others.length > 0) {
      const request = formatRequest(minimalRequest(first.match, context.host));
      const allowed = `another match is needed, because this one is taken; both take ${request} ${placeOf(first)}`;
      others.forEach((other) => report(other, allowed));
      doubled.add(first.path);
    }
  }
  forEachRival(order, (a, b) => {
    const [earlier, later] = comparePaths(a.path, b.path) <= 0 ? [a, b] : [b, a];
    const guards = a.rule.guards !== undefined && b.rule.guards !== undefined;
    if (!guards && !findings.has(later.path)) {
      const allowed = tie(context, earlier, later);
      if (allowed !== undefined) {
        report(later, `${allowed} ${placeOf(earlier)}`);
      }
    }
  });
  // The first of two equal matches may be the one that gets nothing: that has been said.
  for (const entry of order) {
    if (entry.rule.guards === undefined && !findings.has(entry.path) && !doubled.has(entry.path)) {
      const allowed = unreachable(context, entry);
      if (allowed !== undefined) {
        report(entry, allowed);
      }
    }
  }
  [...findings.values()]
    .sort((a, b) => comparePaths(a.entry.path, b.entry.path))
    .forEach(({ entry, allowed }) => problems.add(entry.path, formatMatch(entry.match), allowed));
}

function placeOf({ path, rule }: SourcedEntry): string {
  return `(${path} of route ${rule.route})`;
}

/** A request that two rules of equal precedence take, and that no more specific one takes away from them. */
function tie(context: WitnessContext<SourcedEntry>, a: SourcedEntry, b: SourcedEntry): string | undefined {
  const both = matchKey(a.match) === matchKey(b.match) ? undefined : intersect(a.match, b.match);
  if (both === undefined) {
    return undefined;
  }
  const witness = findWitness(context, both, (winner) => comparePrecedence(winner.match, a.match) === 0);
  const certain = isPlain(a.match) && isPlain(b.match);
  if (witness === undefined && certain) {
    return undefined;
  }
  // One text that two expressions share may belong to a third match, and another one not: then the tie counts as found.
  const request = formatRequest(witness ?? minimalRequest(both, context.host));
  const deciding = certain ? `add a route for ${formatMatch(both)} to decide` : "make one of them more specific, or tell them apart";
  return `a difference in precedence is needed: ${request} takes this match and ${formatMatch(a.match)} alike; ${deciding}`;
}

/** Why no request takes a match: one other match takes them all, or several do together, for example nine that name one method each. */
function unreachable(context: WitnessContext<SourcedEntry>, entry: SourcedEntry): string | undefined {
  const winners: SourcedEntry[] = [];
  const reached = findWitness(context, entry.match, (winner) => {
    winners.push(winner);
    return winner.rule === entry.rule;
  });
  if (reached !== undefined) {
    return undefined;
  }
  const request = minimalRequest(entry.match, context.host);
  const [strongest] = context.index.all(request);
  const taken = strongest === undefined ? "" : `; ${formatRequest(request)} goes to route ${strongest.rule.route}`;
  const shadow = winners.find((winner) => within(entry.match, winner.match));
  if (shadow !== undefined) {
    return `a match that some request takes is needed: ${formatMatch(shadow.match)} takes every one of these ${placeOf(shadow)}${taken}`;
  }
  // With a regular expression or a condition on presence nearby, other requests could still come through.
  const certain = [entry, ...winners].every(({ match }) => isPlain(match));
  return certain ? `a match that some request takes is needed: more specific routes take every one of these${taken}` : undefined;
}

function isPlain({ path, headers, query }: AtomicMatch): boolean {
  return path.kind !== "regex" && [...headers, ...query].every(({ kind }) => kind === "exact");
}

/** `routes[9]` before `routes[10]`. */
function comparePaths(a: string, b: string): number {
  const padded = (path: string): string => path.replace(/\d+/g, (digits) => digits.padStart(8, "0"));
  return compareText(padded(a), padded(b));
}
