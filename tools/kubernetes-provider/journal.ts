/**
 * A note of every create, written before the API server is asked and dropped when a later command shows that the state has the object.
 *
 * An engine or provider killed between the API server's answer and the state leaves an object that the state does not know. The next update would
 * have to refuse it as somebody else's (the official provider does). By the note, the object proves to be what this very create made, and
 * the update goes on with it. Notes lie in PULUMI_HOME; without that variable there are none.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { mapsAt, type JsonMap, textAt } from "./json";

export interface Note {
  /** The field manager of the create: random, so that an object that has it can only be its work. */
  fieldManager: string;
  /** Known once the API server has answered: the proof for an object without a field of its own, which has no managers. */
  uid?: string;
}

export interface Journal {
  /** Notes that the object is about to be created, or that it has been. */
  write: (urn: string, id: string, note: Note) => Promise<void>;
  /** The note of an earlier create of the same resource and object that no state is known to hold. */
  interrupted: (urn: string, id: string) => Promise<Note | undefined>;
  /** The state has the object, or the object is gone: drop the note. Notes of this process stay, its state is not written yet. */
  settle: (urn: string, id: string) => Promise<void>;
}

/** A journal that remembers nothing. */
export const noJournal: Journal = { write: async () => {}, interrupted: () => Promise.resolve(undefined), settle: async () => {} };

/**
 * Opens the notes for one cluster and one Pulumi backend.
 *
 * @param home PULUMI_HOME
 * @param scope what tells equal URNs apart: the backend and the API server
 */
export async function openJournal(home: string, ...scope: readonly string[]): Promise<Journal> {
  const folder = path.join(home, "kubernetes-stand-in", "creates");
  const earlier = new Set(await fs.readdir(folder).catch(() => [] as string[]));
  const fileOf = (urn: string, id: string): string =>
    `${createHash("sha256")
      .update(JSON.stringify([...scope, urn, id]))
      .digest("hex")
      .slice(0, 40)}.json`;
  return {
    write: async (urn, id, note) => {
      const file = fileOf(urn, id);
      earlier.delete(file);
      await fs.mkdir(folder, { recursive: true, mode: 0o700 });
      await fs.writeFile(path.join(folder, file), JSON.stringify({ urn, id, ...note }), { mode: 0o600 });
    },
    interrupted: async (urn, id) => {
      const file = fileOf(urn, id);
      return earlier.has(file) ? parseNote(await fs.readFile(path.join(folder, file), "utf8").catch(() => "")) : undefined;
    },
    settle: async (urn, id) => {
      if (earlier.delete(fileOf(urn, id))) {
        await fs.rm(path.join(folder, fileOf(urn, id)), { force: true });
      }
    },
  };
}

/** True when the object is the work of the noted create. */
export function madeBy(live: JsonMap, note: Note | undefined): note is Note {
  if (!note) {
    return false;
  }
  const managers = mapsAt(live, "metadata", "managedFields").filter((entry) => entry["operation"] === "Apply");
  return (
    (note.uid !== undefined && note.uid === textAt(live, "metadata", "uid")) ||
    managers.some((entry) => entry["manager"] === note.fieldManager)
  );
}

/** A process killed while writing leaves half a note, which is none. */
function parseNote(text: string): Note | undefined {
  try {
    const note = JSON.parse(text) as Partial<Note>;
    return typeof note.fieldManager === "string" ? { fieldManager: note.fieldManager, uid: note.uid } : undefined;
  } catch {
    return undefined;
  }
}
