/** COPY text, for engines that neither read nor write it themselves: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format". */

/** What stands for null. */
export const nullText = "\\N";

const letters: Record<string, string> = { "\\": "\\", "\t": "t", "\n": "n", "\r": "r" };
const characters: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** A value as a field of a row. */
export function escapeField(text: string): string {
  return /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => `\\${letters[character]}`) : text;
}

/** The value of a field; null where it is none. */
export function valueOfField(field: string): string | null {
  if (field === nullText) {
    return null;
  }
  return field.includes("\\") ? field.replace(/\\(.)/gs, (_escape, letter: string) => characters[letter] ?? letter) : field;
}

/** A time in UTC, `2026-11-21 06:00:00.500000` or `2026-11-21T06:00:00.500000Z`, as PostgreSQL writes it: `2026-11-21 06:00:00.5+00`. */
export function timeField(text: string): string {
  const time = text.replace("T", " ").replace(/Z$/, "");
  return `${time.includes(".") ? time.replace(/\.?0+$/, "") : time}+00`;
}

/** The time of such a field: date, time of day, and the six digits behind its point. */
export function partsOfTime(field: string): { date: string; time: string; fraction: string } {
  const [date, time] = field.replace(/\+00$/, "").split(" ");
  const [seconds, fraction = ""] = time.split(".");
  return { date, time: seconds, fraction: fraction.padEnd(6, "0") };
}

/** The rows of a piece of COPY text, split into fields. */
export function splitRows(bytes: Buffer, encoding: "utf8" | "latin1"): string[][] {
  const lines = bytes.toString(encoding).split("\n");
  lines.pop();
  return lines.map((line) => line.split("\t"));
}

const pieceLength = 64 * 1024;

/** Lines, gathered to pieces of some size. */
export async function* gatherLines(lines: AsyncIterable<string>, encoding: "utf8" | "latin1"): AsyncGenerator<Buffer> {
  let piece: string[] = [];
  let length = 0;
  for await (const line of lines) {
    piece.push(line, "\n");
    length += line.length + 1;
    if (length >= pieceLength) {
      yield Buffer.from(piece.join(""), encoding);
      [piece, length] = [[], 0];
    }
  }
  if (length > 0) {
    yield Buffer.from(piece.join(""), encoding);
  }
}
