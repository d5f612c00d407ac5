/** The readable end of `npm start`. */
import { costNumbers } from "../src/model/costs";
import type { MeshSummary } from "../src/model/summary";

const nextOfLocal = [
  "npm run preview                    what would change, after an edit of stacks/Pulumi.local.yaml",
  "npm run gateway                    the real gateway for these routes, with demo backends, and a curl line for each",
  "npm run cluster -- status          the embedded cluster; `-- kubeconfig` prints the file for kubectl",
];

/**
 * The summary as text of at most about 100 columns.
 *
 * @param next lines at the end: what to do next. Default: those of the stack `local`.
 */
export function formatSummary(summary: MeshSummary, next: readonly string[] = nextOfLocal): string {
  const { shards } = summary;
  return [
    `Mesh ${summary.mesh} in namespace ${summary.namespace}: ${count(shards.count, "shard")} × ${shards.replicas} on ${count(summary.nodes.length, "mesh node")} (shard map ${shards.mapVersion})`,
    ...shards.warnings.map((warning) => `  warning: ${warning}`),
    "",
    ...section(
      "Mesh nodes (* = primary)",
      ["node", "zone", "shards"],
      summary.nodes.map((node) => [node.name, node.zone, shardList(node)]),
    ),
    ...section(
      "Machines",
      ["node", "why this one"],
      summary.nodes.flatMap((node) => (node.machine === undefined ? [] : [[node.name, node.machine]])),
    ),
    ...section(
      "What runs, by price class (1 is a small machine of the cloud)",
      ["what", "type", "count", "each", "in all", "note"],
      costRows(summary),
    ),
    ...section(
      "Topics",
      ["topic", "partitions"],
      summary.topics.map((topic) => [topic.name, String(topic.partitions)]),
    ),
    ...section(
      "Databases (each pod reaches the one of its own node)",
      ["engine", "endpoint"],
      summary.databases.map((db) => [db.engine, db.endpoint]),
    ),
    ...section(
      "Snapshots",
      ["group", "schedule", "when", "store", "restores shards", "in use"],
      summary.snapshots.map((group) => [
        ...[group.group, group.schedule, group.when, group.store, group.tends ? "yes" : "no"],
        group.inUse.join(" ") || "none",
      ]),
    ),
    ...section(
      "Services",
      ["service", "version", "snapshot", "endpoint", "answers for", "weight"],
      summary.services.map((one) => [one.service, one.version, one.snapshot, one.endpoint, one.answers, String(one.weight)]),
    ),
    ...section(
      "Routes",
      ["route", "request", "goes to"],
      summary.routes.map((route) => [route.name, route.request, route.destination]),
    ),
    "Next:",
    ...next.map((line) => `  ${line}`),
  ].join("\n");
}

function costRows(summary: MeshSummary): string[][] {
  return (summary.costs ?? []).map((line) => [line.what, line.type, ...costNumbers(line), line.note ?? ""]);
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function shardList(node: MeshSummary["nodes"][number]): string {
  const primary = new Set(node.primaryShards);
  return node.shards.map((shard) => `${shard}${primary.has(shard) ? "*" : ""}`).join(" ");
}

/** A titled table, or nothing where there are no rows. */
function section(title: string, head: string[], rows: string[][]): string[] {
  if (rows.length === 0) {
    return [];
  }
  const widths = head.map((word, column) => Math.max(word.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]): string => `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  return [title, line(head), ...rows.map(line), ""];
}
