/** `list`: the snapshots as a table. */
import { parseSnapshotId } from "../../src/model/snapshot-id";
import { readableBytes } from "../../src/model/quantity";
import type { SnapshotState } from "./catalog";

/** One line for each snapshot, oldest first. */
export function formatTable(states: readonly SnapshotState[], shardCount: number, pinned: readonly string[]): string {
  const rows = states.map((state) => [
    state.id,
    (parseSnapshotId(state.id) as Date).toISOString().slice(0, 16).replace("T", " "),
    state.complete ? "complete" : "incomplete",
    `${shardCount - state.missing.length}/${shardCount}`,
    String(state.rows),
    readableBytes(state.bytes),
    [pinned.includes(state.id) ? "pinned" : "", missingText(state.missing), ...state.problems].filter((text) => text !== "").join("; "),
  ]);
  const table = [["SNAPSHOT", "TIME (UTC)", "STATE", "SHARDS", "ROWS", "SIZE", "NOTES"], ...rows];
  const widths = table[0].map((_title, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function missingText(missing: readonly number[]): string {
  const shown = missing.slice(0, 8).join(", ");
  return missing.length === 0 ? "" : `missing ${missing.length === 1 ? "shard" : "shards"} ${shown}${missing.length > 8 ? ", …" : ""}`;
}
