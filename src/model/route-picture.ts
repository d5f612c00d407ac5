/** A route table as a picture: hosts, matches in their order, and where they lead. */
import { formatAction } from "./route-facts";
import { formatMatch } from "./route-format";
import type { AtomicMatch, RouteEntry, RouteRule, RouteTable } from "./route-table";

const width = 960;
const rowHeight = 26;
const columns = { match: 30, rule: 520, destination: 690 };
const palette = {
  forward: { fill: "#bbf7d0", stroke: "#16a34a" },
  redirect: { fill: "#fef3c7", stroke: "#d97706" },
  respond: { fill: "#fecaca", stroke: "#dc2626" },
  delegate: { fill: "#ede9fe", stroke: "#7c3aed" },
} as const;

interface Row {
  rule: RouteRule;
  /** The first match of the rule in its place in the order, and how many more follow directly. */
  match: AtomicMatch;
  more: number;
}

/** An SVG picture. Rules follow each other in the order in which they are tried; neighbours with one rule are one row. */
export function drawRoutes(table: RouteTable): string {
  const parts: string[] = [];
  let y = 24;
  for (const { hosts, order } of table.virtualHosts) {
    const rows = rowsOf(order);
    parts.push(text(24, y + 16, fit(hosts.join(", "), 110), 15, "600"));
    y += 28;
    parts.push(
      `<rect x="16" y="${y}" width="${width - 32}" height="${rows.length * rowHeight + 12}" rx="10" fill="#f8fafc" stroke="#94a3b8"/>`,
    );
    rows.forEach((row, index) => parts.push(...drawRow(row, y + 6 + index * rowHeight)));
    y += rows.length * rowHeight + 36;
  }
  const title = `Routes of ${table.hosts.join(", ")}: each match in its order, and where it leads`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" font-family="Segoe UI, Helvetica, Arial, sans-serif" role="img">`,
    `<title>${escape(title)}</title>`,
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#475569"/></marker></defs>',
    `<rect width="${width}" height="${y}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function rowsOf(order: readonly RouteEntry[]): Row[] {
  const rows: Row[] = [];
  for (const { rule, match } of order) {
    const last = rows[rows.length - 1];
    if (last?.rule === rule) {
      last.more += 1;
    } else {
      rows.push({ rule, match, more: 0 });
    }
  }
  return rows;
}

function drawRow({ rule, match, more }: Row, y: number): string[] {
  const { fill, stroke } = palette[rule.action.kind];
  const base = y + rowHeight / 2 + 4;
  const middle = y + rowHeight / 2;
  const boxWidth = width - columns.destination - 28;
  return [
    text(columns.match, base, fit(`${formatMatch(match)}${more === 0 ? "" : ` (and ${more} more)`}`, 74), 12, "normal"),
    text(columns.rule, base, fit(rule.name, 20), 12, "600"),
    `<path d="M${columns.destination - 34} ${middle}L${columns.destination - 4} ${middle}" fill="none" stroke="#475569" stroke-width="1.6" marker-end="url(#a)"/>`,
    `<rect x="${columns.destination}" y="${y + 2}" width="${boxWidth}" height="${rowHeight - 4}" rx="6" fill="${fill}" stroke="${stroke}"/>`,
    text(columns.destination + 8, base, fit(formatAction(rule), 38), 12, "normal"),
  ];
}

function text(x: number, y: number, content: string, size: number, weight: string): string {
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="#1f2937">${escape(content)}</text>`;
}

function fit(content: string, limit: number): string {
  return content.length <= limit ? content : `${content.slice(0, limit - 1)}…`;
}

function escape(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
