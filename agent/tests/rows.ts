/** Rows with values that are easily damaged on their way: what ingest would make of records. */

/** A row by its columns; whole numbers of 64 bits and decimals as text, times in milliseconds. */
export interface Row {
  part: number;
  off: number;
  /** Milliseconds since 1970. */
  ts: number;
  key: string | null;
  /** Typed columns by name, and `doc`. */
  values: Record<string, string | number | boolean | null>;
}

/** Columns whose numbers are times. */
export const timeNames = ["ts", "at"];

/** The record at an offset of a topic of the tests; the same for every engine. */
export function rowOf(topic: string, part: number, off: number): Row {
  const keys = [null, "\\.", "tab\t line\n back\\ é 'quoted'", `k${off}\r`];
  const key = off % 8 === 7 ? `\\' "\b\f\v\u{1f600}` : keys[off % 4];
  const base = { part, off, ts: 1790000000000 + off, key };
  if (topic === "orders") {
    return { ...base, values: { doc: off % 5 === 0 ? null : JSON.stringify({ o: off, text: '"\\N\n\t' }) } };
  }
  const label = [null, "\\N", "a\tb\nc\\"][off % 3];
  const thousandths = off * 125;
  const price = `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, "0")}000000`;
  const more = off % 4 === 0 ? null : '{"a": [1, "\\\\n"]}';
  return {
    ...base,
    values: { label, lot: off % 7, number: String(BigInt(off) * 1000000007n), rate: off / 3, price, done: off % 2 === 0, at: off, more },
  };
}

/** A time as `2026-11-21 06:00:00.000`, in UTC. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("T", " ").replace("Z", "");
}
