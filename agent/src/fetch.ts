/**
 * Downloads shards of a snapshot as files, for services that read those instead of a database:
 *
 *     <folder>/shard-<n>/<table>.tsv   rows below the cut, by partition and offset, as COPY text: tabs between columns, `\N` for null, no header
 *     <folder>/shard-<n>/shard.json    columns, rows and where they come from; with it the shard is whole
 *     <folder>/snapshot.json           last; with it every shard that was asked for is whole
 *
 * Each shard is written beside its place and then moved there, so a start after a kill goes on with the next one.
 */
import { existsSync, readFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDocument } from "../../src/model/documents";
import { findSnapshot } from "./catalog";
import { untypedColumns } from "./data-format";
import { AgentError, messageOf } from "./errors";
import { type AgentContext, readShard } from "./shard-snapshot";
import { readWhole } from "./verify";

/** What was fetched. */
export interface Fetched {
  snapshot: string;
  /** Shards that were downloaded now. */
  shards: number[];
  /** Shards that were there. */
  there: number[];
  rows: number;
}

const doneFile = "snapshot.json";
const temporaryPrefix = ".tmp-";

/**
 * @param id a snapshot id, or `newest`
 * @throws AgentError of kind `refused` where the folder has another snapshot
 */
export async function fetchShards(context: AgentContext, id: string, shards: readonly number[], folder: string): Promise<Fetched> {
  const entry = await findSnapshot(context, id, shards);
  const missing = shards.filter((shard) => !entry.shards.has(shard));
  if (missing.length > 0) {
    throw new AgentError({
      kind: "incomplete",
      what: `snapshot ${entry.id}`,
      expected: `the shards ${shards.join(", ")}`,
      found: `no manifest of ${missing.join(", ")}`,
      todo: "wait until the nodes that own them have taken them; what is fetched stays",
    });
  }
  const result: Fetched = { snapshot: entry.id, shards: [], there: [], rows: 0 };
  const done = formatDocument("FetchedSnapshot", { snapshot: entry.id, shards: [...shards].sort((a, b) => a - b) });
  try {
    await mkdir(folder, { recursive: true });
    for (const name of (await readdir(folder)).filter((found) => found.startsWith(temporaryPrefix))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
    checkOther(join(folder, doneFile), entry.id);
    for (const shard of shards) {
      const place = join(folder, `shard-${shard}`);
      if (existsSync(join(place, "shard.json"))) {
        checkOther(join(place, "shard.json"), entry.id);
        result.there.push(shard);
        continue;
      }
      result.rows += await fetchShard(context, entry.id, shard, join(folder, `${temporaryPrefix}shard-${shard}`), place);
      result.shards.push(shard);
    }
    await writeWhole(folder, done);
  } catch (error) {
    throw error instanceof AgentError ? error : failure(folder, error);
  }
  return result;
}

async function writeWhole(folder: string, text: string): Promise<void> {
  const temporary = join(folder, `${temporaryPrefix}${doneFile}`);
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, join(folder, doneFile));
}

async function fetchShard(context: AgentContext, snapshot: string, shard: number, temporary: string, target: string): Promise<number> {
  const { settings, log } = context;
  const began = Date.now();
  const found = await readShard(context, snapshot, shard);
  if (found === undefined) {
    const todo = "it was removed meanwhile; fetch another snapshot";
    throw new AgentError({ kind: "incomplete", what: `shard ${shard} of ${snapshot}`, expected: "a manifest", found: "nothing", todo });
  }
  await mkdir(temporary);
  const files = new Map<string, FileHandle>();
  const tables: Record<string, { topic: string; columns: readonly string[]; rows: number }> = {};
  let current: FileHandle | undefined;
  try {
    const { cut, manifest } = found;
    await readWhole(context, cut, manifest, {
      begin: async ({ topic, table: stored }) => {
        // Files are named as the tables of today's settings; a topic that is not ingested any more keeps the name it had.
        const name = settings.tables[topic]?.name ?? stored;
        current = files.get(name) ?? (await open(join(temporary, `${name}.tsv`), "wx"));
        if (tables[name] !== undefined && tables[name].topic !== topic) {
          const todo = "fetch with the settings that the snapshot was taken with";
          throw new AgentError({
            kind: "refused",
            what: `table ${name}`,
            expected: "one topic",
            found: `${tables[name].topic} and ${topic}`,
            todo,
          });
        }
        files.set(name, current);
        tables[name] ??= { topic, columns: manifest.columns?.[topic] ?? untypedColumns, rows: 0 };
      },
      rows: async (bytes) => void (await current?.writeFile(bytes)),
      end: ({ topic, table: stored }, count) => {
        tables[settings.tables[topic]?.name ?? stored].rows += count.rows;
      },
    });
    for (const file of files.values()) {
      await file.sync();
    }
    const { rows, checksum } = manifest;
    await writeFile(join(temporary, "shard.json"), formatDocument("FetchedShard", { snapshot, shard, rows, checksum, tables }), {
      flush: true,
    });
  } finally {
    await Promise.all([...files.values()].map((file) => file.close()));
  }
  // A place without shard.json can only be a leftover of something else.
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
  log("info", "fetched a shard", { snapshot, shard, rows: found.manifest.rows, seconds: (Date.now() - began) / 1000 });
  return found.manifest.rows;
}

/** Two snapshots in one folder would be answered from as one. */
function checkOther(file: string, snapshot: string): void {
  if (!existsSync(file)) {
    return;
  }
  let found: unknown;
  try {
    found = (JSON.parse(readFileSync(file, "utf8")) as { snapshot?: unknown }).snapshot;
  } catch (error) {
    found = messageOf(error);
  }
  if (found !== snapshot) {
    const todo = "give each snapshot a folder of its own";
    throw new AgentError({ kind: "refused", what: file, expected: `snapshot ${snapshot}, or no such file`, found: String(found), todo });
  }
}

function failure(folder: string, error: unknown): AgentError {
  const full = ["ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "");
  return new AgentError({
    kind: "unreachable",
    what: `folder ${folder}`,
    expected: full ? "space" : "a writable folder",
    found: messageOf(error),
    todo: full ? "give the volume of the service more space" : "mount a volume there that the user of the agent can write",
    retry: full,
    cause: error,
  });
}
