/** Snapshot ids: the time T of a snapshot in UTC, to the minute, as a DNS label: `20261121t0600z`. */

const idPattern = /^(\d{4})(\d{2})(\d{2})t(\d{2})(\d{2})z$/;

/** What a snapshot id must look like, for error messages. */
export const snapshotIdRule = "a snapshot id is allowed: a time of the calendar in UTC as yyyymmddthhmmz, for example 20261121t0600z";

/** The id of the snapshot of a time; seconds are cut off. Years 0 to 9999. */
export function formatSnapshotId(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace(/[-:]/g, "").toLowerCase()}z`;
}

/** The time of a snapshot id, undefined where it is none. */
export function parseSnapshotId(id: string): Date | undefined {
  const match = idPattern.exec(id);
  if (match === null) {
    return undefined;
  }
  const [, year, month, day, hour, minute] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:00.000Z`);
  // The 30th of February is either no time at all or read as the 2nd of March.
  return !Number.isNaN(date.getTime()) && formatSnapshotId(date) === id ? date : undefined;
}

/** Whether `id` is a snapshot id. */
export function isSnapshotId(id: unknown): id is string {
  return typeof id === "string" && parseSnapshotId(id) !== undefined;
}
