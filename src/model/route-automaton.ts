/**
 * Which texts regular expressions take, decided and not guessed: whether two expressions share a text, and whether one takes all that the other takes.
 *
 * An expression becomes an automaton with one state per character of the expression (Glushkov 1961); two of them are walked together, in breadth, so that
 * the text found is a shortest one. Texts are of printable ASCII; every other character is one symbol more.
 */

/** Characters as a set of bits: bit i is the character 0x20 + i, bit 95 stands for every other character. */
type CharacterSet = bigint;

/** The structure of a regular expression. */
export type Expression =
  | { kind: "set"; set: CharacterSet }
  | { kind: "sequence"; parts: Expression[] }
  | { kind: "alternatives"; parts: Expression[] }
  | { kind: "repeat"; of: Expression; least: number; /** Absent: without end. */ most: number | undefined };

const printable = Array.from({ length: 95 }, (_unused, index) => String.fromCharCode(0x20 + index));
const other = 95;
const everything: CharacterSet = (1n << 96n) - 1n;

/** What `.` takes. */
export const anyCharacter: Expression = { kind: "set", set: everything };

/** The characters that can be in the path of a request (RFC 3986, section 3.3). */
const pathCharacters = setOf(/^[-A-Za-z0-9/._~!$&'()*+,;=:@%]$/);

/** Characters of witnesses, the most readable first. */
const preference = [..."a0bcdefghijklmnopqrstuvwxyz123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~/", ...printable];

function setOf(characters: RegExp | string): CharacterSet {
  if (typeof characters === "string") {
    const index = characters.charCodeAt(0) - 0x20;
    return 1n << BigInt(index >= 0 && index < other ? index : other);
  }
  const inside = printable.reduce((set, char, index) => (characters.test(char) ? set | (1n << BigInt(index)) : set), 0n);
  return characters.test("\u00e9") ? inside | (1n << BigInt(other)) : inside;
}

/** The only character of a set, `undefined` where it has none or several. */
export function onlyCharacter(set: bigint): string | undefined {
  const single = set !== 0n && (set & (set - 1n)) === 0n;
  return single ? printable[set.toString(2).length - 1] : undefined;
}

/** The set of the characters that a JavaScript class takes, or of one character. */
export function characterSet(characters: RegExp | string): Expression {
  return { kind: "set", set: setOf(characters) };
}

/** A text taken literally. */
export function literalText(text: string): Expression {
  return { kind: "sequence", parts: [...text].map(characterSet) };
}

/** Any text, the empty one too. */
export const anyText: Expression = { kind: "repeat", of: anyCharacter, least: 0, most: undefined };

/** States 1 … n stand for the characters of an expression, 0 for its start. */
export interface Automaton {
  sets: CharacterSet[];
  next: number[][];
  accepts: boolean[];
}

interface Fragment {
  nullable: boolean;
  first: number[];
  last: number[];
}

/** The automaton of an expression. `paths`: the texts are paths of requests, in which some characters never are. */
export function automatonOf(expression: Expression, paths = false): Automaton {
  const automaton: Automaton = { sets: [0n], next: [[]], accepts: [] };
  const build = (part: Expression): Fragment => {
    switch (part.kind) {
      case "set": {
        const state = automaton.sets.push(paths ? part.set & pathCharacters : part.set) - 1;
        automaton.next.push([]);
        return { nullable: false, first: [state], last: [state] };
      }
      case "sequence":
        return part.parts.map(build).reduce((a, b) => chain(automaton, a, b), { nullable: true, first: [], last: [] });
      case "alternatives":
        return part.parts.map(build).reduce((a, b) => ({
          nullable: a.nullable || b.nullable,
          first: [...a.first, ...b.first],
          last: [...a.last, ...b.last],
        }));
      case "repeat":
        return repeat(automaton, build, part);
    }
  };
  const whole = build(expression);
  automaton.next[0] = whole.first;
  const last = new Set(whole.last);
  automaton.accepts = automaton.sets.map((_set, state) => (state === 0 ? whole.nullable : last.has(state)));
  return automaton;
}

function chain(automaton: Automaton, a: Fragment, b: Fragment): Fragment {
  a.last.forEach((state) => automaton.next[state]?.push(...b.first));
  return {
    nullable: a.nullable && b.nullable,
    first: a.nullable ? [...a.first, ...b.first] : a.first,
    last: b.nullable ? [...a.last, ...b.last] : b.last,
  };
}

function repeat(
  automaton: Automaton,
  build: (part: Expression) => Fragment,
  { of, least, most }: Expression & { kind: "repeat" },
): Fragment {
  let whole: Fragment = { nullable: true, first: [], last: [] };
  for (let count = 0; count < (most ?? Math.max(least, 1)); count++) {
    const one = build(of);
    if (most === undefined && count === Math.max(least, 1) - 1) {
      one.last.forEach((state) => automaton.next[state]?.push(...one.first));
    }
    whole = chain(automaton, whole, count < least ? one : { ...one, nullable: true });
  }
  return whole;
}

/** States that the walk has come to, where from, and with which characters. */
interface Reached {
  states: number[];
  from?: string;
  set: CharacterSet;
}

/** A shortest text that all automata take; `undefined` where there is none, or, in `unknown`, where the search was given up. */
export function commonText(automata: readonly Automaton[], limit = 100_000): { text?: string; unknown?: true } {
  const start = automata.map(() => 0);
  const seen = new Map<string, Reached>([[start.join(), { states: start, set: 0n }]]);
  for (const [key, { states }] of seen) {
    if (states.every((state, index) => automata[index]?.accepts[state])) {
      return { text: spell(seen, key) };
    }
    for (const [to, set] of steps(automata, states)) {
      const toKey = to.join();
      if (!seen.has(toKey)) {
        seen.set(toKey, { states: to, from: key, set });
      }
    }
    if (seen.size > limit) {
      return { unknown: true };
    }
  }
  return {};
}

/** Every state of all automata together that one character leads to, with the characters that do. */
function steps(automata: readonly Automaton[], states: readonly number[]): [number[], CharacterSet][] {
  let reached: [number[], CharacterSet][] = [[[], everything]];
  automata.forEach((automaton, index) => {
    const next = automaton.next[states[index] ?? 0] ?? [];
    reached = reached.flatMap(([to, set]) =>
      next.flatMap((state): [number[], CharacterSet][] => {
        const both = set & (automaton.sets[state] ?? 0n);
        return both === 0n ? [] : [[[...to, state], both]];
      }),
    );
  });
  return reached;
}

function spell(seen: ReadonlyMap<string, Reached>, end: string): string {
  const chars: string[] = [];
  for (let at = seen.get(end); at?.from !== undefined; at = seen.get(at.from)) {
    const { set } = at;
    chars.push(preference.find((char) => (set & setOf(char)) !== 0n) ?? "\u00e9");
  }
  return chars.reverse().join("");
}

/** Whether `outer` takes every text that `inner` takes; `false` also where the search was given up. */
export function takesAll(outer: Automaton, inner: Automaton, limit = 20_000): boolean {
  const start: [number, number[]] = [0, [0]];
  const seen = new Map<string, [number, number[]]>([[JSON.stringify(start), start]]);
  for (const [, [state, set]] of seen) {
    if (inner.accepts[state] && !set.some((one) => outer.accepts[one])) {
      return false;
    }
    for (const to of inner.next[state] ?? []) {
      for (const characters of splitBy(inner.sets[to] ?? 0n, outer, set)) {
        const reached = set.flatMap((one) => (outer.next[one] ?? []).filter((next) => ((outer.sets[next] ?? 0n) & characters) !== 0n));
        const both: [number, number[]] = [to, [...new Set(reached)].sort((a, b) => a - b)];
        seen.set(JSON.stringify(both), both);
      }
    }
    if (seen.size > limit) {
      return false;
    }
  }
  return true;
}

/** Parts of a set that the next states of `automaton` do not tell apart. */
function splitBy(set: CharacterSet, automaton: Automaton, states: readonly number[]): CharacterSet[] {
  let parts = set === 0n ? [] : [set];
  for (const next of new Set(states.flatMap((state) => automaton.next[state] ?? []))) {
    const cut = automaton.sets[next] ?? 0n;
    parts = parts.flatMap((part) => [part & cut, part & ~cut]).filter((part) => part !== 0n);
  }
  return parts;
}
