/** A lock between processes: a file with the holder's identity, taken over when the holder is dead. */
import { linkSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readJson, sleep } from "./files";
import { type ProcessIdentity, isAlive, ownIdentity } from "./process-identity";

/** How a lock is waited for. */
export interface LockOptions {
  /** Called once when somebody else holds it. */
  onWait?: (holder: ProcessIdentity) => void;
  /** Default: one hour. */
  timeoutMilliseconds?: number;
}

let counter = 0;

/** Creates `path` with the whole content at once; false where it exists. A reader never sees it empty. */
function createComplete(path: string, content: string): boolean {
  const temporary = `${path}.${process.pid}.${(counter += 1)}.new`;
  writeFileSync(temporary, content, { mode: 0o600 });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Removes the lock of a dead holder. A second file guards the moment between looking and removing, or two waiters could remove each other's new lock. */
function removeStale(path: string): void {
  const guard = `${path}.takeover`;
  if (!createComplete(guard, "")) {
    // The guard lives for microseconds; an old one was left by a process killed just then.
    const age = Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 10_000) rmSync(guard, { force: true });
    return;
  }
  try {
    const holder = readJson<ProcessIdentity>(path);
    if (!holder || !isAlive(holder)) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

const heldHere = new Map<string, Promise<unknown>>();

/** Runs `action` while holding the lock file `path`. Inside one process callers queue up as well. */
export async function withLock<T>(path: string, action: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const before = heldHere.get(path) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => holdWhile(path, action, options));
  heldHere.set(path, mine);
  try {
    return await mine;
  } finally {
    if (heldHere.get(path) === mine) heldHere.delete(path);
  }
}

async function holdWhile<T>(path: string, action: () => Promise<T>, options: LockOptions): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const deadline = Date.now() + (options.timeoutMilliseconds ?? 3_600_000);
  let told = false;
  while (!createComplete(path, JSON.stringify(ownIdentity()))) {
    const holder = readJson<ProcessIdentity>(path);
    if (holder && isAlive(holder)) {
      if (!told) options.onWait?.(holder);
      told = true;
      if (Date.now() > deadline) throw new Error(`${path} is held by process ${holder.pid} for too long; end it and try again`);
      await sleep(100);
    } else {
      removeStale(path);
    }
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}
