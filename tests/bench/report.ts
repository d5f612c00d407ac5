/** What a benchmark has measured, as a table for people and as JSON. */
import * as fs from "node:fs";
import * as path from "node:path";

export interface Measured {
  what: string;
  value: number;
  unit: string;
  /** What it is held against, in the same unit. */
  beside?: { what: string; value: number };
  /** `value` divided by `beside.value`. */
  ratio?: number;
  /** Single rounds, and whatever else explains the value. */
  detail?: string;
}

/** Collects values; each is printed as soon as it is known, because a run takes minutes. */
export class Report {
  public readonly values: Measured[] = [];

  public add(value: Omit<Measured, "ratio">): void {
    const ratio = value.beside === undefined ? {} : { ratio: value.value / value.beside.value };
    this.values.push({ ...value, ...ratio });
    process.stderr.write(`${line(this.values[this.values.length - 1])}\n`);
  }

  /** Says how far it is. */
  public say(text: string): void {
    process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
  }

  /** As a table in Markdown. */
  public table(): string {
    const rows = this.values.map((one) => {
      const beside = one.beside === undefined ? "" : `${one.beside.what}: ${short(one.beside.value)}`;
      return `| ${one.what} | ${short(one.value)} ${one.unit} | ${beside} | ${one.ratio === undefined ? "" : one.ratio.toFixed(2)} | ${one.detail ?? ""} |`;
    });
    return ["| what | measured | beside | ratio | detail |", "|---|---|---|---|---|", ...rows].join("\n");
  }

  /** Writes values and circumstances into the folder, and returns the file's path. */
  public write(folder: string, circumstances: object): string {
    fs.mkdirSync(folder, { recursive: true });
    const time = new Date().toISOString();
    const file = path.join(folder, `live-${time.replace(/[:.]/g, "-")}.json`);
    fs.writeFileSync(file, `${JSON.stringify({ time, ...circumstances, values: this.values }, undefined, 2)}\n`);
    return file;
  }
}

/** The middle one of some values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Three digits, and no fractions from 100 on. */
export const short = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));

/** Rounds of a value. */
export const rounds = (values: readonly number[]): string => `rounds: ${values.map(short).join(", ")}`;

const line = (one: Measured): string =>
  `${one.what}: ${short(one.value)} ${one.unit}${one.beside === undefined ? "" : `, ${one.beside.what}: ${short(one.beside.value)}, ratio ${one.ratio?.toFixed(2)}`}${one.detail === undefined ? "" : ` (${one.detail})`}`;
