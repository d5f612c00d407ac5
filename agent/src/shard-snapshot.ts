/** One shard of one snapshot: cut, data, manifest. Every step is done once, by whoever comes first, and found done by everyone else. */
import { setPartition, type ShardCut } from "../../src/model/cut";
import { type OffsetRange, parseManifest, serializeManifest, type ShardManifest } from "../../src/model/manifest";
import type { ByPartition } from "../../src/model/offsets";
import { columnNames } from "../../src/model/tables";
import { fixCut, readCut } from "./cut";
import { type BlockCount, blocksOf, dataFormat, type DataHead, encryptedFormat, writeData } from "./data-format";
import { connectDatabase } from "./databases";
import type { DatabaseSession, DatabaseState } from "./databases/database";
import { AgentError, readingFrom } from "./errors";
import type { KafkaLog } from "./kafka";
import { shardKey } from "./layout";
import type { Log } from "./log";
import { type Lag, lagOf } from "./progress";
import type { Settings } from "./settings";
import { packed, placeOf, readShardData, type Stored } from "./shard-data";
import { getText, type ObjectStore } from "./stores/store";

/** Everything that a step needs. */
export interface AgentContext {
  settings: Settings;
  store: ObjectStore;
  /** Encryption key, where snapshots are encrypted. */
  key?: Buffer;
  log: Log;
}

/** What became of a shard. */
export type ShardOutcome =
  | { done: true; manifest: ShardManifest; written: boolean }
  /** `lags` is empty where the database does not hold the shard yet. */
  | { done: false; lags: Lag[] };

/** How long the one who created the data may take to its manifest, before another reads the data and writes it, in milliseconds. */
const manifestPatience = { tries: 5, milliseconds: 1000 };

/**
 * Brings one shard of one snapshot as far as it goes now: done, or waiting for ingest. To call it again, on this node or another, is always right.
 *
 * @param afterDump for tests: called between data and manifest
 */
export async function snapshotShard(
  context: AgentContext,
  kafka: KafkaLog,
  snapshot: string,
  shard: number,
  afterDump?: () => Promise<void>,
): Promise<ShardOutcome> {
  const { settings, store, log } = context;
  const before = await readManifest(store, settings.name, snapshot, shard);
  if (before !== undefined) {
    return { done: true, manifest: before, written: false };
  }
  const cut = await fixCut(store, kafka, settings.name, snapshot, shard, settings.plan);
  const found = await adoptData(context, cut);
  if (found !== undefined) {
    return { done: true, manifest: found, written: true };
  }
  const session = await connectDatabase(settings.database);
  try {
    const state = await session.state();
    // Where agents restore shards, a database without the shard is one that has lost it: what Kafka has removed since would be missing.
    const held = !settings.tends || state.shards.has(shard);
    const lags = held ? await lagOf(cut, state.offsets, kafka, log) : [];
    if (lags.length > 0 || !held) {
      return { done: false, lags };
    }
    const dumped = await dump(context, session, cut, state);
    await afterDump?.();
    const manifest = dumped ?? (await otherManifest(context, cut));
    return { done: true, manifest: await writeManifest(context, manifest), written: true };
  } finally {
    await session.close();
  }
}

/** The manifest of a shard; undefined where there is none. */
export async function readManifest(store: ObjectStore, group: string, snapshot: string, shard: number): Promise<ShardManifest | undefined> {
  const key = shardKey(group, snapshot, shard, "manifest");
  const text = await getText(store, key);
  if (text === undefined) {
    return undefined;
  }
  const place = `${key} in ${store.name}`;
  const manifest = readingFrom("corrupted", place, "use the version of the agent that wrote it, or a newer one", () => parseManifest(text));
  if (manifest.snapshot !== snapshot || manifest.shard !== shard) {
    throw new AgentError({
      kind: "corrupted",
      what: place,
      expected: `shard ${shard} of ${snapshot}`,
      found: `shard ${manifest.shard} of ${manifest.snapshot}`,
      todo: "an object was copied to the wrong place; restore from another snapshot",
    });
  }
  return manifest;
}

/** Writes the rows below the cut; undefined where another has created the data meanwhile. */
async function dump(
  context: AgentContext,
  session: DatabaseSession,
  cut: ShardCut,
  before: DatabaseState,
): Promise<ShardManifest | undefined> {
  const { settings, store, key } = context;
  const head: DataHead = {
    snapshot: cut.snapshot,
    shard: cut.shard,
    engine: settings.database.engine,
    engineVersion: await session.version(),
    columns: Object.fromEntries(Object.keys(cut.offsets).map((topic) => [topic, columnNames(settings.tables[topic])])),
    blocks: blocksOf(cut, Object.fromEntries(Object.entries(settings.tables).map(([topic, { name }]) => [topic, name]))),
  };
  const view = await session.view();
  checkSameDatabase(cut, before, view);
  const counts: BlockCount[] = [];
  const { stream, stored } = packed(
    writeData(head, (block) => view.rows(block, settings.tables[block.topic]), counts),
    key,
    placeOf(settings.name, cut),
  );
  const created = await store.createFrom(shardKey(settings.name, cut.snapshot, cut.shard, "data"), stream);
  // The transaction only reads, so it ends with the connection, also where the store did not want the stream to its end.
  return created ? manifestOf(head, counts, stored(), key !== undefined) : undefined;
}

/** A database in memory may have been replaced by an empty one since its offsets were read. */
function checkSameDatabase(cut: ShardCut, before: DatabaseState, now: DatabaseState): void {
  if (before.shards.has(cut.shard) && !now.shards.has(cut.shard)) {
    throw replaced(`database of this node, shard ${cut.shard}`, "the shard, as a moment ago", "nothing of it");
  }
  for (const [topic, partitions] of Object.entries(cut.offsets)) {
    for (const partition of Object.keys(partitions).map(Number)) {
      const [was, is] = [before.offsets[topic]?.[partition] ?? 0n, now.offsets[topic]?.[partition] ?? 0n];
      if (is < was) {
        throw replaced(`database of this node, partition ${partition} of ${topic}`, `next offset ${was} or more`, String(is));
      }
    }
  }
}

function replaced(what: string, expected: string, found: string): AgentError {
  const todo = "the database was replaced while the snapshot began; the agent tries again when ingest has caught up";
  return new AgentError({ kind: "incomplete", what, expected, found, todo, retry: true });
}

function manifestOf(head: DataHead, counts: readonly BlockCount[], stored: Stored, encrypted: boolean): ShardManifest {
  const ranges: ByPartition<OffsetRange> = {};
  head.blocks.forEach(({ topic, partition, to }, index) => {
    setPartition(ranges, topic, partition, { from: counts[index]?.first ?? to, to });
  });
  return {
    snapshot: head.snapshot,
    shard: head.shard,
    ranges,
    rows: counts.reduce((sum, { rows }) => sum + rows, 0),
    ...stored,
    format: encrypted ? encryptedFormat : dataFormat,
    engine: head.engine,
    engineVersion: head.engineVersion,
    columns: head.columns,
  };
}

async function writeManifest({ settings, store }: AgentContext, manifest: ShardManifest): Promise<ShardManifest> {
  const { snapshot, shard } = manifest;
  if (await store.putIfAbsent(shardKey(settings.name, snapshot, shard, "manifest"), serializeManifest(manifest))) {
    return manifest;
  }
  return (await readManifest(store, settings.name, snapshot, shard)) ?? manifest;
}

/** The manifest of data that another node has just created. */
async function otherManifest(context: AgentContext, cut: ShardCut): Promise<ShardManifest> {
  const { settings, store } = context;
  for (let tries = 0; tries < manifestPatience.tries; tries++) {
    const manifest = await readManifest(store, settings.name, cut.snapshot, cut.shard);
    if (manifest !== undefined) {
      return manifest;
    }
    await new Promise((resolve) => setTimeout(resolve, manifestPatience.milliseconds));
  }
  const manifest = await adoptData(context, cut);
  if (manifest === undefined) {
    throw new AgentError({
      kind: "incomplete",
      what: `data of shard ${cut.shard} of ${cut.snapshot}`,
      expected: "the object that another node has created",
      found: "nothing",
      todo: "it was removed meanwhile; the agent tries again",
      retry: true,
    });
  }
  return manifest;
}

/** Data without a manifest: its writer was killed, or is about to write it. Whole data gets its manifest; damaged data is removed, as nothing refers to it. */
async function adoptData(context: AgentContext, cut: ShardCut): Promise<ShardManifest | undefined> {
  const { settings, store, key, log } = context;
  try {
    const read = await readShardData(store, settings.name, cut, key, {
      begin: () => undefined,
      rows: () => undefined,
      end: () => undefined,
    });
    if (read === undefined) {
      return undefined;
    }
    log("info", "found data without a manifest and completed it", { snapshot: cut.snapshot, shard: cut.shard });
    return await writeManifest(context, manifestOf(read.head, read.counts, read, read.encrypted));
  } catch (error) {
    if (!(error instanceof AgentError) || error.kind !== "corrupted") {
      throw error;
    }
    if ((await readManifest(store, settings.name, cut.snapshot, cut.shard)) !== undefined) {
      throw error;
    }
    log("warning", "found damaged data without a manifest and removed it", {
      snapshot: cut.snapshot,
      shard: cut.shard,
      error: error.message,
    });
    await store.delete(shardKey(settings.name, cut.snapshot, cut.shard, "data"));
    return undefined;
  }
}

/** Cut and manifest of a shard, proven against each other; undefined where the shard is not there. */
export async function readShard(
  { settings, store }: AgentContext,
  snapshot: string,
  shard: number,
): Promise<{ cut: ShardCut; manifest: ShardManifest } | undefined> {
  const manifest = await readManifest(store, settings.name, snapshot, shard);
  if (manifest === undefined) {
    return undefined;
  }
  const cut = await readCut(store, settings.name, snapshot, shard);
  const place = `${shardKey(settings.name, snapshot, shard, "manifest")} in ${store.name}`;
  if (cut === undefined) {
    const todo = "objects of the snapshot were removed; restore from another snapshot";
    throw new AgentError({ kind: "corrupted", what: place, expected: "the cut of the shard beside it", found: "nothing", todo });
  }
  const text = serializeManifest(manifest);
  readingFrom("corrupted", place, "objects of the snapshot were mixed; restore from another snapshot", () =>
    parseManifest(text, undefined, cut),
  );
  return { cut, manifest };
}
