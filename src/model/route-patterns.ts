/** What paths and values matches take, as automata: whether two of them share a text, and whether one takes all that the other takes. */
import {
  anyText,
  automatonOf,
  characterSet,
  commonText,
  literalText,
  onlyCharacter,
  takesAll,
  type Automaton,
  type Expression,
} from "./route-automaton";
import { parseRegex } from "./route-regex";
import type { PathMatch, ValueMatch } from "./route-table";

/** What is known of a regular expression. */
export interface RegexFacts {
  /** Every text that it takes starts with this. */
  literalPrefix: string;
  /** A shortest text that it takes. */
  sample: string;
}

interface Pattern extends RegexFacts {
  automaton: Automaton;
}

/** Expressions come back very often: once for each snapshot, version and shard. */
const memory = new Map<string, Pattern | undefined>();
const memorySize = 10_000;

function remembered(key: string, make: () => Pattern | undefined): Pattern | undefined {
  if (!memory.has(key)) {
    if (memory.size >= memorySize) {
      memory.clear();
    }
    memory.set(key, make());
  }
  return memory.get(key);
}

/** Facts of a regular expression for paths, or `undefined` where it is outside of the subset or takes a path that does not start with a slash. */
export function readRegex(text: string): RegexFacts | undefined {
  const found = regexPattern(text, true);
  return found && { literalPrefix: found.literalPrefix, sample: found.sample };
}

/** Facts of a regular expression for values, or `undefined` where it is outside of the subset. */
export function readValueRegex(text: string): RegexFacts | undefined {
  const found = regexPattern(text, false);
  return found && { literalPrefix: found.literalPrefix, sample: found.sample };
}

function regexPattern(text: string, paths: boolean): Pattern | undefined {
  return remembered(`${paths ? "path" : "value"} ${text}`, () => {
    const expression = parseRegex(text);
    if ("refused" in expression) {
      return undefined;
    }
    const literalPrefix = startOf(expression).text;
    const automaton = automatonOf(expression, paths);
    const sample = commonText([automaton]).text;
    return sample === undefined || (paths && !literalPrefix.startsWith("/")) ? undefined : { literalPrefix, sample, automaton };
  });
}

/** The text with which every text of an expression starts; `whole` where it is all of it. */
function startOf(expression: Expression): { text: string; whole: boolean } {
  switch (expression.kind) {
    case "set": {
      const only = onlyCharacter(expression.set);
      return { text: only ?? "", whole: only !== undefined };
    }
    case "sequence":
      return expression.parts.reduce<{ text: string; whole: boolean }>(
        (sum, part) => {
          if (!sum.whole) {
            return sum;
          }
          const { text, whole } = startOf(part);
          return { text: sum.text + text, whole };
        },
        { text: "", whole: true },
      );
    case "alternatives":
      return { text: expression.parts.map((part) => startOf(part).text).reduce(commonStart), whole: false };
    case "repeat":
      return { text: expression.least > 0 ? startOf(expression.of).text : "", whole: false };
  }
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) {
    length += 1;
  }
  return a.slice(0, length);
}

/** A path match as a pattern. */
function pathPattern({ kind, value }: PathMatch): Pattern | undefined {
  if (kind === "regex") {
    return regexPattern(value, true);
  }
  return remembered(`${kind} ${value}`, () => {
    const text = literalText(value);
    const below: Expression = {
      kind: "repeat",
      of: { kind: "sequence", parts: [characterSet("/"), anyText] },
      least: 0,
      most: 1,
    };
    const parts = kind === "exact" ? [text] : kind === "rawPrefix" || value === "/" ? [text, anyText] : [text, below];
    return { literalPrefix: value, sample: value, automaton: automatonOf({ kind: "sequence", parts }, true) };
  });
}

/** A path that both take; `unknown` where that could not be found out, which counts as meeting. */
export function commonPath(a: PathMatch, b: PathMatch): { text?: string; unknown?: true } {
  const [one, other] = [pathPattern(a), pathPattern(b)];
  if (one === undefined || other === undefined) {
    return { unknown: true };
  }
  const apart = !one.literalPrefix.startsWith(other.literalPrefix) && !other.literalPrefix.startsWith(one.literalPrefix);
  return apart ? {} : commonText([one.automaton, other.automaton]);
}

/** Whether `outer` takes every path that `inner` takes, as far as that can be found out. */
export function pathWithin(inner: PathMatch, outer: PathMatch): boolean {
  const [one, other] = [pathPattern(inner), pathPattern(outer)];
  return (
    one !== undefined &&
    other !== undefined &&
    one.literalPrefix.startsWith(other.literalPrefix) &&
    takesAll(other.automaton, one.automaton)
  );
}

/** The start that all paths of a match share. */
export function pathStart(path: PathMatch): string {
  return pathPattern(path)?.literalPrefix ?? "";
}

/** A value that two conditions on one name both take, `undefined` where there is none. */
export function commonValue(a: ValueMatch, b: ValueMatch): string | undefined {
  const [one, other] = [valueAutomaton(a), valueAutomaton(b)];
  const { text, unknown } = commonText([one, other].filter((automaton) => automaton !== undefined));
  // Where the search was given up they count as meeting.
  return text ?? (unknown ? sampleValue(a) : undefined);
}

/** Whether `outer` takes every value that `inner` takes, as far as that can be found out. */
export function valueWithin(inner: ValueMatch, outer: ValueMatch): boolean {
  const [one, other] = [valueAutomaton(inner), valueAutomaton(outer)];
  return one !== undefined && other !== undefined && takesAll(other, one);
}

function valueAutomaton({ kind, value }: ValueMatch): Automaton | undefined {
  if (kind === "regex") {
    return regexPattern(value, false)?.automaton;
  }
  return remembered(`${kind} value ${value}`, () => {
    const expression = kind === "exact" ? literalText(value) : anyText;
    return { literalPrefix: "", sample: value, automaton: automatonOf(expression) };
  })?.automaton;
}

/** A value that a condition takes. */
export function sampleValue({ kind, value }: ValueMatch): string {
  return kind === "exact" ? value : kind === "present" ? "any" : (regexPattern(value, false)?.sample ?? "");
}
