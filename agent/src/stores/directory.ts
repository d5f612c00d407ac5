/**
 * A directory as a store, on NFS or on the node. Objects are written beside their place under a name of their own and then linked there:
 * link(2) fails where the name exists, also on NFS, where O_EXCL is not reliable everywhere (open(2), NOTES).
 */
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, rm, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AgentError, messageOf } from "../errors";
import { type ObjectStore, type StoredObject, storeFailure } from "./store";

const temporaryPrefix = ".tmp-";
/** What a killed writer leaves is removed after this time; none writes that long. */
const temporaryMilliseconds = 24 * 3600 * 1000;

/** @param path folder that exists and is writable */
export function openDirectoryStore(path: string): ObjectStore {
  const name = `directory ${path}`;
  const createFrom = async (key: string, source: Readable): Promise<boolean> => {
    const target = join(path, key);
    const temporary = join(dirname(target), `${temporaryPrefix}${randomUUID()}`);
    try {
      // Before the first byte is read: a missing mount must not fill the root file system.
      await stat(path);
      await mkdir(dirname(target), { recursive: true });
      await pipeline(source, createWriteStream(temporary, { flags: "wx", mode: 0o640 }));
      await sync(temporary);
      const created = await linkOnce(temporary, target);
      await sync(dirname(target));
      return created;
    } catch (error) {
      throw error instanceof AgentError ? error : failure(name, `create ${key}`, error);
    } finally {
      source.destroy();
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  };
  return {
    name,
    get: async (key) => {
      try {
        const handle = await open(join(path, key), "r");
        return createReadStream("", { fd: handle, highWaterMark: 256 * 1024 });
      } catch (error) {
        if (codeOf(error) === "ENOENT") {
          // No object in a store that is there, or no store at all.
          await stat(path).catch((missing: unknown) => Promise.reject(failure(name, "open", missing)));
          return undefined;
        }
        throw failure(name, `read ${key}`, error);
      }
    },
    putIfAbsent: (key, text) => createFrom(key, Readable.from([Buffer.from(text)])),
    createFrom,
    list: (prefix) => listDirectory(name, path, prefix),
    delete: async (key) => {
      try {
        await unlink(join(path, key));
      } catch (error) {
        if (codeOf(error) !== "ENOENT") {
          throw failure(name, `delete ${key}`, error);
        }
      }
      // Only an empty folder can be removed this way.
      await rmdir(dirname(join(path, key))).catch(() => undefined);
    },
  };
}

/** An answer that got lost on NFS looks like a name that exists; then the temporary file has two links (open(2), NOTES). */
async function linkOnce(temporary: string, target: string): Promise<boolean> {
  try {
    await link(temporary, target);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") {
      return (await stat(temporary)).nlink === 2;
    }
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* listDirectory(name: string, root: string, prefix: string): AsyncIterable<StoredObject> {
  const folder = prefix.includes("/") ? dirname(`${prefix}x`) : ".";
  try {
    await stat(root);
    yield* walk(root, folder, prefix);
  } catch (error) {
    throw failure(name, `list ${prefix}`, error);
  }
}

async function* walk(root: string, folder: string, prefix: string): AsyncIterable<StoredObject> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") {
      return [];
    }
    throw error;
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const key = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (key.startsWith(prefix) || prefix.startsWith(`${key}/`)) {
        yield* walk(root, key, prefix);
      }
      continue;
    }
    const stats = await stat(join(root, key)).catch(() => undefined);
    if (stats === undefined) {
      continue;
    }
    if (entry.name.startsWith(temporaryPrefix)) {
      if (Date.now() - stats.mtimeMs > temporaryMilliseconds) {
        await rm(join(root, key), { force: true });
      }
    } else if (key.startsWith(prefix)) {
      yield { key, bytes: stats.size };
    }
  }
}

const advice: Record<string, string> = {
  ENOENT: "check that the folder is mounted",
  EACCES: "make the folder writable for the user of the agent",
  EPERM: "the file system must allow links (link(2)) to the user of the agent",
  ENOTSUP: "the file system must know links (link(2))",
  EROFS: "mount it writable",
};

function failure(store: string, call: string, error: unknown): AgentError {
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new AgentError({
      kind: "unreachable",
      what: `${store}, ${call}`,
      expected: "space",
      found: messageOf(error),
      todo: "make room or keep fewer snapshots; nothing half-written stays, the agent tries again",
      retry: true,
      cause: error,
    });
  }
  return storeFailure(store, call, error, advice[code ?? ""]);
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
