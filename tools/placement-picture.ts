/** A change of the shard map as a picture: one bar per node, grouped by zone, with what stays, what comes and what goes. */
import type { MapChange, NodeChange } from "./placement-report";

const width = 960;
const left = 190;
const colours = { stays: "#94a3b8", comes: "#16a34a", goes: "#fca5a5" };

/** The picture as the text of an SVG file. */
export function drawChange(change: MapChange, title: string): string {
  const { nodes } = change;
  // From 100 nodes on names no longer fit beside their bars.
  const row = Math.max(3, Math.min(20, Math.floor(2000 / nodes.length)));
  const named = row >= 12;
  const most = Math.max(1, ...nodes.map((node) => Math.max(node.before, node.after + node.goes)));
  const scale = (width - left - 120) / most;
  const parts: string[] = [];
  let y = 92;
  let zone: string | undefined;
  for (const node of nodes) {
    if (node.zone !== zone) {
      zone = node.zone;
      y += 10;
      parts.push(text(16, y + 12, zone, 'font-weight="600"'));
      y += named ? 0 : 4;
    }
    parts.push(...bars(node, y, row, scale), ...(named ? [text(left - 10, y + row - 6, nameOf(node), 'text-anchor="end"')] : []));
    y += row;
  }
  const sum = `${change.moves} of ${change.copies} shard copies move, ${change.primaries} primaries change`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 20}" width="${width}" height="${y + 20}" font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="12" role="img">`,
    `<title>${escape(`${title}: ${sum}`)}</title>`,
    `<rect width="${width}" height="${y + 20}" fill="#ffffff"/>`,
    text(16, 28, title, 'font-size="16" font-weight="600"'),
    text(16, 48, sum),
    ...legend(),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function bars(node: NodeChange, y: number, row: number, scale: number): string[] {
  const height = Math.max(2, row - 4);
  const stays = node.after - node.comes;
  const widths = [
    ["stays", stays],
    ["comes", node.comes],
    ["goes", node.goes],
  ] as const;
  let x = left;
  const shapes = widths.flatMap(([what, copies]) => {
    const shape = `<rect x="${round(x)}" y="${y}" width="${round(copies * scale)}" height="${height}" fill="${colours[what]}"/>`;
    x += copies * scale;
    return copies > 0 ? [shape] : [];
  });
  const label = `${node.before}${node.before === node.after && node.comes === 0 ? "" : ` → ${node.after}`}`;
  return row >= 12 ? [...shapes, text(round(x) + 6, y + row - 6, label)] : shapes;
}

function legend(): string[] {
  const words = { stays: "stays", comes: "comes", goes: "goes" };
  return (["stays", "comes", "goes"] as const).flatMap((what, index) => {
    const x = left + index * 110;
    return [`<rect x="${x}" y="62" width="14" height="14" fill="${colours[what]}"/>`, text(x + 20, 74, words[what])];
  });
}

function nameOf(node: NodeChange): string {
  return node.fate === "stays" ? node.name : `${node.name} (${node.fate})`;
}

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${x}" y="${y}" fill="#1f2937"${more === "" ? "" : ` ${more}`}>${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
