/** Proves a snapshot: every shard there, every byte as written, every row counted and in its place, and, where asked, every record of Kafka. */
import type { ShardCut } from "../../src/model/cut";
import type { ShardManifest } from "../../src/model/manifest";
import { findSnapshot } from "./catalog";
import { type DataSink } from "./data-format";
import { AgentError } from "./errors";
import type { KafkaLog, SetAside } from "./kafka";
import { shardKey } from "./layout";
import { type ReadResult, readShardData } from "./shard-data";
import { type AgentContext, readShard } from "./shard-snapshot";
import { sizeOf } from "./stores/store";

/** What was proven. */
export interface Verification {
  snapshot: string;
  shards: number;
  rows: number;
  bytes: number;
  /** Rows that Kafka does not have any more, where Kafka was asked: removed by retention or compaction. */
  goneFromKafka: number;
  /** Records without a row because they lie in the dead-letter topic, where one was given. */
  setAside: number;
}

/**
 * @param shards which ones; by default all
 * @param kafka where given, the offsets of the rows are compared with the committed records; those in the dead-letter topic need no row
 * @throws AgentError at the first thing that is wrong
 */
export async function verify(context: AgentContext, id: string, shards?: readonly number[], kafka?: KafkaLog): Promise<Verification> {
  const entry = await findSnapshot(context, id, shards);
  const wanted = shards ?? Array.from({ length: context.settings.plan.shardCount }, (_unused, shard) => shard);
  const missing = wanted.filter((shard) => !entry.shards.has(shard));
  if (missing.length > 0) {
    throw incomplete(entry.id, missing, wanted.length);
  }
  const result: Verification = { snapshot: entry.id, shards: 0, rows: 0, bytes: 0, goneFromKafka: 0, setAside: 0 };
  const { deadLetterTopic } = context.settings;
  const dead = deadLetterTopic === undefined ? undefined : await kafka?.setAside(deadLetterTopic);
  for (const shard of wanted) {
    const found = await readShard(context, entry.id, shard);
    if (found === undefined) {
      throw incomplete(entry.id, [shard], wanted.length);
    }
    const comparison = kafka === undefined ? undefined : compareWithKafka(kafka, entry.id, shard, dead);
    await readWhole(context, found.cut, found.manifest, comparison?.sink ?? { begin: nothing, rows: nothing, end: nothing });
    result.shards++;
    result.rows += found.manifest.rows;
    result.bytes += found.manifest.bytes;
    result.goneFromKafka += comparison?.gone() ?? 0;
    result.setAside += comparison?.setAside() ?? 0;
    context.log("info", "verified a shard", { snapshot: entry.id, shard, rows: found.manifest.rows });
  }
  return result;
}

const nothing = (): void => undefined;

/** Reads the data of a shard to its end and compares it with the manifest. */
export async function readWhole(context: AgentContext, cut: ShardCut, manifest: ShardManifest, sink: DataSink): Promise<ReadResult> {
  const { settings, store, key } = context;
  const name = shardKey(settings.name, cut.snapshot, cut.shard, "data");
  const place = `${name} in ${store.name}`;
  const bytes = await sizeOf(store, name);
  if (bytes !== manifest.bytes) {
    throw differs(place, `${manifest.bytes} bytes, as the manifest says`, bytes === undefined ? "no object" : `${bytes} bytes`);
  }
  const read = await readShardData(store, settings.name, cut, key, sink);
  if (read === undefined) {
    throw differs(place, "the object of the manifest", "no object");
  }
  if (read.checksum !== manifest.checksum) {
    throw differs(place, `${manifest.checksum}, as the manifest says`, read.checksum);
  }
  const rows = read.counts.reduce((sum, count) => sum + count.rows, 0);
  if (rows !== manifest.rows) {
    throw differs(place, `${manifest.rows} rows, as the manifest says`, `${rows} rows`);
  }
  if (manifest.columns !== undefined && JSON.stringify(read.head.columns) !== JSON.stringify(manifest.columns)) {
    throw differs(place, `the columns ${JSON.stringify(manifest.columns)}, as the manifest says`, JSON.stringify(read.head.columns));
  }
  read.head.blocks.forEach(({ topic, partition, to }, index) => {
    const from = manifest.ranges[topic]?.[partition]?.from;
    const first = read.counts[index]?.first ?? to;
    if (from !== first) {
      throw differs(place, `offset ${from} as the first of partition ${partition} of ${topic}, as the manifest says`, String(first));
    }
  });
  return read;
}

/** Both sides come in the order of offsets, so one pass compares them. */
function compareWithKafka(
  kafka: KafkaLog,
  snapshot: string,
  shard: number,
  dead: SetAside = new Map(),
): { sink: DataSink; gone: () => number; setAside: () => number } {
  let gone = 0;
  let setAside = 0;
  let place = "";
  let deadHere: ReadonlySet<bigint> = new Set();
  let records: AsyncGenerator<bigint[], unknown> | undefined;
  let run: bigint[] = [];
  const nextRecord = async (): Promise<bigint | undefined> => {
    for (;;) {
      while (run.length === 0) {
        const { value, done } = await (records as AsyncGenerator<bigint[], unknown>).next();
        if (done) {
          return undefined;
        }
        run = [...value].reverse();
      }
      const next = run.pop() as bigint;
      if (!deadHere.has(next)) {
        return next;
      }
      setAside++;
    }
  };
  let record: bigint | undefined;
  const lost = (offset: bigint, found: string): AgentError =>
    new AgentError({
      kind: "corrupted",
      what: `${place} of shard ${shard} of ${snapshot}`,
      expected: `the record of Kafka at offset ${offset}`,
      found,
      todo: "ingest may have set it aside, which `--dead-letters <topic>` takes into account; else look for what wrote to the tables besides ingest",
    });
  return {
    gone: () => gone,
    setAside: () => setAside,
    sink: {
      begin: async ({ topic, partition, to }) => {
        place = `partition ${partition} of ${topic}`;
        deadHere = dead.get(`${topic}/${partition}`) ?? new Set();
        records = kafka.committed(topic, partition, 0n, to);
        run = [];
        record = await nextRecord();
      },
      rows: async (bytes) => {
        for (let at = 0; at < bytes.length; at = bytes.indexOf(10, at) + 1) {
          const tab = bytes.indexOf(9, at) + 1;
          const offset = BigInt(bytes.subarray(tab, bytes.indexOf(9, tab)).toString("latin1"));
          if (record !== undefined && record < offset) {
            throw lost(record, `the row of offset ${offset}`);
          }
          if (record === offset) {
            record = await nextRecord();
          } else {
            gone++;
          }
        }
      },
      end: () => {
        if (record !== undefined) {
          throw lost(record, "the end of the rows");
        }
      },
    },
  };
}

function incomplete(snapshot: string, missing: readonly number[], wanted: number): AgentError {
  return new AgentError({
    kind: "incomplete",
    what: `snapshot ${snapshot}`,
    expected: `${wanted} shards`,
    found: `no manifest of ${missing.length === 1 ? "shard" : "shards"} ${missing.join(", ")}`,
    todo: "look at the logs of the agents on the nodes that own them; a shard can be completed by `compute-mesh-agent snapshot --once --at <id>` there",
  });
}

function differs(place: string, expected: string, found: string): AgentError {
  return new AgentError({
    kind: "corrupted",
    what: place,
    expected,
    found,
    todo: "the object in the store is damaged; restore from another snapshot",
  });
}
