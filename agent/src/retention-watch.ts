/**
 * When a snapshot may go after it was pinned: not before the grace. Pods of a service that was bound to it may still run, and files of a ConfigMap reach
 * the nodes at different times.
 *
 * What was pinned is remembered in memory only: after a start everything counts as just unpinned, so a restart prolongs and never shortens.
 */
import type { Retention } from "./pod-files";

/** Retention with the grace. Times in milliseconds. */
export interface RetentionWatch {
  /** Reads the file and notes what is pinned. */
  read(): Retention;
  /** Whether a snapshot is neither pinned nor within the grace. Call `read` before. */
  released(id: string): boolean;
  /** When the next snapshot that is kept for the grace alone is released; undefined where there is none. */
  nextRelease(): number | undefined;
}

/** @param read reads the retention file */
export function watchRetention(read: () => Retention, graceSeconds: number, now: () => number = Date.now): RetentionWatch {
  const started = now();
  const lastPinned = new Map<string, number>();
  const grace = graceSeconds * 1000;
  let pinned: readonly string[] = [];
  const until = (id: string): number => (lastPinned.get(id) ?? started) + grace;
  return {
    read: () => {
      const retention = read();
      const time = now();
      ({ pinned } = retention);
      pinned.forEach((id) => lastPinned.set(id, time));
      return retention;
    },
    released: (id) => now() >= until(id),
    nextRelease: () => {
      const unpinned = [...lastPinned].filter(([id]) => !pinned.includes(id)).map(([, time]) => time);
      const times = [started, ...unpinned].map((time) => time + grace).filter((time) => time > now());
      return times.length === 0 ? undefined : Math.min(...times);
    },
  };
}
