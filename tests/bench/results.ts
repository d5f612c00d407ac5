/** What `npm run bench` has measured, kept as Markdown for people and as JSON for programs. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { projectRoot } from "../../tools/paths";
import { short } from "./report";

/** One table of results. */
export interface ResultTable {
  title: string;
  head: string[];
  rows: (string | number)[][];
  /** How to read it, one paragraph each. */
  notes: string[];
}

/** Where results are kept, under version control. */
export const resultsFolder = path.join(projectRoot, "bench", "results");

/** The circumstances of a run: on shared cores times say little, ratios more. */
export function circumstances(): Record<string, unknown> {
  const [load] = os.loadavg();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return {
    time: new Date().toISOString(),
    node: process.version,
    cpus: os.cpus().length,
    cpu: os.cpus()[0]?.model,
    memoryGiB: memory,
    load,
  };
}

/** Writes `<name>.md` and `<name>.json` and returns the Markdown. */
export function keep(name: string, tables: readonly ResultTable[]): string {
  const around = circumstances();
  const load = typeof around["load"] === "number" ? around["load"].toFixed(1) : "";
  const text = [
    `# ${name}`,
    `${String(around["time"]).slice(0, 16)}Z, Node ${process.version}, ${String(around["cpus"])} cores shared with other work (load ${load}). Written by \`npm run bench -- --only ${name}\`.`,
    ...tables.flatMap(({ title, head, rows, notes }) => [
      "",
      `## ${title}`,
      "",
      ...markdownTable(head, rows),
      ...notes.flatMap((note) => ["", note]),
    ]),
    "",
  ].join("\n");
  fs.mkdirSync(resultsFolder, { recursive: true });
  fs.writeFileSync(path.join(resultsFolder, `${name}.md`), text);
  fs.writeFileSync(path.join(resultsFolder, `${name}.json`), `${JSON.stringify({ ...around, tables }, undefined, 2)}\n`);
  return text;
}

function markdownTable(head: readonly string[], rows: readonly (string | number)[][]): string[] {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => (typeof cell === "number" ? short(cell) : cell)).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)];
}

/** The exponent b of the power law `y = a x^b` that fits best, by least squares of the logarithms. */
export function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(logs.map(([x]) => x)), mean(logs.map(([, y]) => y))];
  const above = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
