/**
 * The regular expressions that routes may use: a subset that RE2 (every gateway) and JavaScript (our own matcher) read alike, and for which an example
 * can be made. Literals, `.`, `\d`, `\w`, escaped punctuation, `[…]`, groups, `|`, and the greedy quantifiers `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`.
 */

/** What is known of a regular expression. */
export interface RegexFacts {
  /** Every path that it takes starts with this. */
  literalPrefix: string;
  /** A path that it takes. */
  sample: string;
}

/** The subset, for error messages. */
export const regexRule =
  "a regular expression for the whole path is allowed that starts with / and uses literals, ., \\d, \\w, [...], groups, | and the quantifiers *, +, ?, {n,m} only";

/** RE2 refuses larger repetitions. */
const maxRepeat = 1000;

interface Piece extends RegexFacts {
  /** Whether it takes nothing but `literalPrefix`. */
  literal: boolean;
}

/** Facts of a regular expression of the subset, or `undefined` where it is outside of it. */
export function readRegex(text: string): RegexFacts | undefined {
  const state = { text, at: 0 };
  try {
    const { literalPrefix, sample } = readAlternatives(state);
    const complete = state.at === text.length && literalPrefix.startsWith("/") && new RegExp(`^(?:${text})$`).test(sample);
    return complete ? { literalPrefix, sample } : undefined;
  } catch {
    return undefined;
  }
}

interface State {
  text: string;
  at: number;
}

function readAlternatives(state: State): Piece {
  const first = readSequence(state);
  let literalPrefix = first.literalPrefix;
  let literal = first.literal;
  while (state.text[state.at] === "|") {
    state.at += 1;
    literalPrefix = commonStart(literalPrefix, readSequence(state).literalPrefix);
    literal = false;
  }
  return { literalPrefix, literal, sample: first.sample };
}

function readSequence(state: State): Piece {
  const whole: Piece = { literalPrefix: "", literal: true, sample: "" };
  while (state.at < state.text.length && !"|)".includes(state.text.charAt(state.at))) {
    const piece = readQuantifier(state, readAtom(state));
    if (whole.literal) {
      whole.literalPrefix += piece.literalPrefix;
    }
    whole.literal &&= piece.literal;
    whole.sample += piece.sample;
  }
  return whole;
}

function readAtom(state: State): Piece {
  const char = state.text.charAt(state.at);
  state.at += 1;
  switch (char) {
    case ".":
      return anyOf("x");
    case "\\":
      return readEscape(state);
    case "[":
      return readClass(state);
    case "(":
      return readGroup(state);
    default:
      return literal(char, /^[-A-Za-z0-9/_~!&',;=:@%]$/);
  }
}

function readEscape(state: State): Piece {
  const char = state.text.charAt(state.at);
  state.at += 1;
  return char === "d" ? anyOf("0") : char === "w" ? anyOf("a") : literal(char, /^[-./+*()$]$/);
}

function readGroup(state: State): Piece {
  if (state.text.startsWith("?:", state.at)) {
    state.at += 2;
  }
  const inner = readAlternatives(state);
  expect(state, ")");
  return inner;
}

/** A class: its text is checked roughly here and exactly by JavaScript; the sample is the first character that it takes. */
function readClass(state: State): Piece {
  const text = /^\^?(?:[-A-Za-z0-9_.~/]|\\[dw.\-])+\]/.exec(state.text.slice(state.at))?.[0];
  if (text === undefined) {
    throw new SyntaxError("class");
  }
  state.at += text.length;
  const taken = new RegExp(`^[${text}$`);
  const sample = [..."xa0-_.~zA"].concat([...text]).find((char) => taken.test(char));
  if (sample === undefined) {
    throw new SyntaxError("empty class");
  }
  return anyOf(sample);
}

function readQuantifier(state: State, atom: Piece): Piece {
  const found = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(state.text.slice(state.at));
  if (found === null) {
    return atom;
  }
  state.at += found[0].length;
  if (/^[*+?{]/.test(state.text.slice(state.at))) {
    throw new SyntaxError("lazy, possessive or doubled quantifier");
  }
  const least = found[0] === "+" ? 1 : Number(found[1] ?? 0);
  const most = found[3] === undefined || found[3] === "" ? least : Number(found[3]);
  if (Math.max(least, most) > maxRepeat) {
    throw new SyntaxError("repetition");
  }
  return { literalPrefix: least > 0 ? atom.literalPrefix : "", literal: false, sample: atom.sample.repeat(least) };
}

function expect(state: State, char: string): void {
  if (state.text[state.at] !== char) {
    throw new SyntaxError(`no ${char}`);
  }
  state.at += 1;
}

function literal(char: string, allowed: RegExp): Piece {
  if (!allowed.test(char)) {
    throw new SyntaxError(`character ${char}`);
  }
  return { literalPrefix: char, literal: true, sample: char };
}

function anyOf(sample: string): Piece {
  return { literalPrefix: "", literal: false, sample };
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) {
    length += 1;
  }
  return a.slice(0, length);
}
