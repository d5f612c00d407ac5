/**
 * A note of every create, written before the API server is asked and dropped when a later command shows that the state has the object.
 *
 * An engine or provider killed between the API server's answer and the state leaves an object that the state does not know. The next update would
 * have to refuse it as somebody else's (the official provider does). With the note, and the random field manager in it, the object proves to be
 * what this very create made, so that the update can go on. Notes lie in PULUMI_HOME; without that variable there are none.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { mapsAt, type JsonMap } from "./json";

export interface Journal {
  /** Notes that the object is about to be created under this field manager. */
  begin: (urn: string, id: string, fieldManager: string) => Promise<void>;
  /** The field manager of an earlier create of the same resource and object that no state is known to hold. */
  interrupted: (urn: string, id: string) => Promise<string | undefined>;
  /** The state has the object, or the object is gone: drop the note. Notes of this process stay, its state is not written yet. */
  settle: (urn: string, id: string) => Promise<void>;
}

/** A journal that remembers nothing. */
export const noJournal: Journal = { begin: async () => {}, interrupted: async () => undefined, settle: async () => {} };

/**
 * Opens the notes for one cluster and one Pulumi backend.
 *
 * @param home PULUMI_HOME
 * @param scope what tells equal URNs apart: the backend and the API server
 */
export async function openJournal(home: string, ...scope: readonly string[]): Promise<Journal> {
  const folder = path.join(home, "kubernetes-stand-in", "creates");
  const earlier = new Set(await fs.readdir(folder).catch(() => [] as string[]));
  const fileOf = (urn: string, id: string): string => `${createHash("sha256").update(JSON.stringify([...scope, urn, id])).digest("hex").slice(0, 40)}.json`;
  return {
    begin: async (urn, id, fieldManager) => {
      const file = fileOf(urn, id);
      earlier.delete(file);
      await fs.mkdir(folder, { recursive: true, mode: 0o700 });
      await fs.writeFile(path.join(folder, file), JSON.stringify({ urn, id, fieldManager }), { mode: 0o600 });
    },
    interrupted: async (urn, id) => {
      const file = fileOf(urn, id);
      if (!earlier.has(file)) {
        return undefined;
      }
      const text = await fs.readFile(path.join(folder, file), "utf8").catch(() => "{}");
      return (parseNote(text).fieldManager ?? "") || undefined;
    },
    settle: async (urn, id) => {
      if (earlier.delete(fileOf(urn, id))) {
        await fs.rm(path.join(folder, fileOf(urn, id)), { force: true });
      }
    },
  };
}

/** True when `manager` is one of the object's server-side apply managers, which for a random name only its maker can be. */
export function madeBy(live: JsonMap, manager: string | undefined): boolean {
  return manager !== undefined && mapsAt(live, "metadata", "managedFields").some((each) => each["manager"] === manager && each["operation"] === "Apply");
}

/** A process killed while writing leaves half a note, which is none. */
function parseNote(text: string): { fieldManager?: string } {
  try {
    return JSON.parse(text) as { fieldManager?: string };
  } catch {
    return {};
  }
}
