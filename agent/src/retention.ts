/** Which snapshots go. Pure: names and times only. */
import { parseSnapshotId } from "../../src/model/snapshot-id";
import type { Retention } from "./pod-files";

/** A snapshot as retention sees it. */
export interface RetainedSnapshot {
  id: string;
  complete: boolean;
}

/**
 * The ids that retention removes, oldest first. What any rule names stays: the newest `last`, the last of each of so many hours, days and ISO weeks
 * (those that have one), every pinned one, and always the newest complete one. Rules count complete snapshots only. An incomplete one goes when
 * nobody works on it any more and a newer one is complete.
 *
 * @param workSeconds how long after its time a snapshot may still be completed
 */
export function expired(snapshots: readonly RetainedSnapshot[], { keep, pinned }: Retention, now: Date, workSeconds: number): string[] {
  const newestFirst = [...snapshots].sort((a, b) => (a.id < b.id ? 1 : -1));
  const complete = newestFirst.filter((snapshot) => snapshot.complete).map(({ id }) => id);
  const kept = new Set([...pinned, ...complete.slice(0, Math.max(1, keep.last))]);
  const periods: [number | undefined, (time: Date) => string][] = [
    [keep.hourly, (time) => time.toISOString().slice(0, 13)],
    [keep.daily, (time) => time.toISOString().slice(0, 10)],
    [keep.weekly, isoWeek],
  ];
  for (const [count = 0, periodOf] of periods) {
    const seen = new Set<string>();
    for (const id of complete) {
      const period = periodOf(parseSnapshotId(id) as Date);
      if (!seen.has(period) && seen.size < count) {
        seen.add(period);
        kept.add(id);
      }
    }
  }
  const newest = complete[0];
  return newestFirst
    .filter(({ id, complete: isWhole }) => {
      const age = (now.getTime() - (parseSnapshotId(id) as Date).getTime()) / 1000;
      return !kept.has(id) && (isWhole || (newest !== undefined && id < newest && age > workSeconds));
    })
    .map(({ id }) => id)
    .reverse();
}

/** The Monday of the week, in UTC. */
function isoWeek(time: Date): string {
  const day = (time.getUTCDay() + 6) % 7;
  return new Date(time.getTime() - day * 86_400_000).toISOString().slice(0, 10);
}
