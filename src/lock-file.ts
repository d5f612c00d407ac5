/** The lock file of the shard map, read and written. */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { meshLockName } from "./model/mesh-lock";

/** A lock file as a ComputeMesh takes it: `shards: { count: 16, lock: lockFile("mesh.lock.json") }`. */
export interface LockFile {
  /** Its name for messages. */
  path: string;
  /** Its content; absent where there is no such file yet. */
  text?: string;
  /** The command that brings it up to date, for messages. */
  mend: string;
  /** Where it is there, the mesh brings the file up to date instead of refusing one that is not. */
  write?: (text: string) => void;
}

/** With this variable set to `update` a program brings its lock files up to date. */
export const lockVariable = "COMPUTE_MESH_LOCK";

/**
 * Reads a lock file. With `COMPUTE_MESH_LOCK=update` in the environment (a preview is enough), the mesh writes it anew where it is out of date.
 *
 * @param path default `mesh.lock.json` in the folder that the program runs in
 * @param mend the command that messages name. Default: a preview with that variable.
 */
export function lockFile(path = meshLockName, mend = `${lockVariable}=update pulumi preview`): LockFile {
  let text: string | undefined;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw error;
    }
  }
  const update = process.env[lockVariable] === "update";
  return {
    path: basename(path),
    mend,
    ...(text === undefined ? {} : { text }),
    ...(update ? { write: (content: string) => writeFileSync(path, content) } : {}),
  };
}
