/**
 * The regular expressions that routes may use: a subset that RE2 (every gateway) and JavaScript (our own matcher) read alike. Literals, `.`, `\d`, `\w`,
 * escaped punctuation, `[…]`, groups, `|`, and the greedy quantifiers `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`.
 */
import { anyCharacter, characterSet, type Expression } from "./route-automaton";

/** The subset, for error messages. */
export const regexRule =
  "a regular expression for the whole path is allowed that starts with / and uses literals, ., \\d, \\w, [...], groups, | and the quantifiers *, +, ?, {n,m} only";

/** As `regexRule`, for the values of headers and query parameters. */
export const valueRegexRule =
  "a regular expression for the whole value is allowed that uses literals, ., \\d, \\w, [...], groups, | and the quantifiers *, +, ?, {n,m} only";

/** RE2 refuses larger repetitions. */
const maxRepeat = 1000;

/** Repetitions are written out in an automaton, ours and RE2's alike; larger ones cost a gateway too much on every request. */
const maxSize = 2000;

interface State {
  text: string;
  at: number;
}

/** The structure of a regular expression of the subset, or why it is outside of it. */
export function parseRegex(text: string): Expression | { refused: string } {
  const foreign = foreignSyntax(text);
  if (foreign !== undefined) {
    return { refused: foreign };
  }
  const state = { text, at: 0 };
  try {
    const expression = readAlternatives(state);
    if (state.at < text.length) {
      return { refused: `${text.slice(state.at, state.at + 1)} at character ${state.at + 1} closes nothing` };
    }
    new RegExp(`^(?:${text})$`);
    return sizeOf(expression) > maxSize ? { refused: `it has more than ${maxSize} steps` } : expression;
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

/** What other dialects have and RE2 has not. */
function foreignSyntax(text: string): string | undefined {
  const known: [RegExp, string][] = [
    [/\(\?<?[=!]/, "RE2 has no look-around"],
    [/\\[1-9]|\\k</, "RE2 has no back-references"],
    [/\(\?>|[*+?}]\+/, "RE2 has no atomic groups and possessive quantifiers"],
  ];
  return known.find(([pattern]) => pattern.test(text.replace(/\\\\/g, "")))?.[1];
}

/** Number of steps once repetitions are written out. */
function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case "set":
      return 1;
    case "repeat":
      return sizeOf(expression.of) * Math.max(expression.least, expression.most ?? expression.least + 1);
    case "sequence":
    case "alternatives":
      return expression.parts.reduce((sum, part) => sum + sizeOf(part), 0);
  }
}

function readAlternatives(state: State): Expression {
  const parts = [readSequence(state)];
  while (state.text[state.at] === "|") {
    state.at += 1;
    parts.push(readSequence(state));
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "alternatives", parts };
}

function readSequence(state: State): Expression {
  const parts: Expression[] = [];
  while (state.at < state.text.length && !"|)".includes(state.text.charAt(state.at))) {
    parts.push(readQuantifier(state, readAtom(state)));
  }
  return { kind: "sequence", parts };
}

function readAtom(state: State): Expression {
  const char = state.text.charAt(state.at);
  state.at += 1;
  switch (char) {
    case ".":
      return anyCharacter;
    case "\\":
      return readEscape(state);
    case "[":
      return readClass(state);
    case "(":
      return readGroup(state);
    default:
      return literal(char, /^[-A-Za-z0-9/_~!&',;=:@% "#<>]$/);
  }
}

function readEscape(state: State): Expression {
  const char = state.text.charAt(state.at);
  state.at += 1;
  return char === "d" || char === "w" ? characterSet(new RegExp(`^\\${char}$`)) : literal(char, /^[-./+*()?[\]{}|^$\\]$/);
}

function readGroup(state: State): Expression {
  if (state.text.startsWith("?:", state.at)) {
    state.at += 2;
  }
  const inner = readAlternatives(state);
  expect(state, ")");
  return inner;
}

/** A class: its text is checked roughly here and exactly by JavaScript. */
function readClass(state: State): Expression {
  const text = /^\^?(?:[-A-Za-z0-9_.~/]|\\[dw.\-])+\]/.exec(state.text.slice(state.at))?.[0];
  if (text === undefined) {
    throw new SyntaxError(`the class at character ${state.at} has more than letters, digits, -, _, ., ~, /, \\d and \\w`);
  }
  state.at += text.length;
  const set = characterSet(new RegExp(`^[${text}$`));
  if (set.kind === "set" && set.set === 0n) {
    throw new SyntaxError("a class takes no character");
  }
  return set;
}

function readQuantifier(state: State, of: Expression): Expression {
  const found = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(state.text.slice(state.at));
  if (found === null) {
    return of;
  }
  state.at += found[0].length;
  if (/^[*+?{]/.test(state.text.slice(state.at))) {
    throw new SyntaxError("lazy and doubled quantifiers are outside of the subset");
  }
  const least = found[0] === "+" ? 1 : Number(found[1] ?? 0);
  const open = found[0] === "*" || found[0] === "+" || found[3] === "";
  const most = open ? undefined : found[0] === "?" ? 1 : found[3] === undefined ? least : Number(found[3]);
  if (Math.max(least, most ?? 0) > maxRepeat || (most !== undefined && most < least)) {
    throw new SyntaxError(`a repetition is from 0 to ${maxRepeat}`);
  }
  return { kind: "repeat", of, least, most };
}

function expect(state: State, char: string): void {
  if (state.text[state.at] !== char) {
    throw new SyntaxError(`a ${char} is missing`);
  }
  state.at += 1;
}

function literal(char: string, allowed: RegExp): Expression {
  if (!allowed.test(char)) {
    throw new SyntaxError(char === "" ? "it ends too early" : `${char} is outside of the subset here`);
  }
  return characterSet(char);
}
