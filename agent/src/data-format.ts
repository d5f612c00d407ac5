/**
 * The data of one shard as text, before compression: what psql can execute into prepared tables, and what describes itself, so that a writer that
 * was killed before the manifest can be continued by anyone.
 *
 *     -- {"apiVersion":…,"kind":"ShardData",…}          the head: snapshot, shard and what follows
 *     BEGIN;
 *     COPY "orders" ("part", "off", "ts", "key", "doc") FROM stdin;
 *     0<tab>17<tab>…                                     rows of one partition, by offset
 *     \.
 *     …                                                 one block for each partition of each topic
 *     COPY "mesh_offsets" ("topic", "partition", "next_offset") FROM stdin;
 *     …
 *     \.
 *     COMMIT;
 *     -- {"kind":"ShardDataEnd","partitions":[…]}       the end: rows and first offset of each partition
 *
 * The head names the columns of each topic's table, in the order of the rows. Rows are PostgreSQL's COPY text: a row is exactly one line, and no row is the line `\.` (a backslash is written as two).
 */
import { isObject } from "../../src/model/checks";
import { apiVersion } from "../../src/model/documents";
import type { ShardCut } from "../../src/model/cut";
import { quoteName } from "../../src/model/table-sql";
import { documentColumn, fixedColumns, offsetsTable } from "../../src/model/tables";
import { damaged, type PartitionBlock, readLines } from "./data-lines";
import { AgentError } from "./errors";

/** Name of the format in manifests; `+aes256gcm` follows where it is encrypted. */
export const dataFormat = "postgres-copy+gzip";
export const encryptedFormat = `${dataFormat}+aes256gcm`;

/** The columns of data whose head names none: it was written before tables had typed columns. */
export const untypedColumns: readonly string[] = [...fixedColumns, documentColumn];

/** The head. */
export interface DataHead {
  snapshot: string;
  shard: number;
  engine: string;
  engineVersion: string;
  /** Topic → columns of its table, in the order of the rows. */
  columns: Record<string, string[]>;
  blocks: PartitionBlock[];
}

/** What was found in one partition. */
export interface BlockCount {
  rows: number;
  /** The first offset; undefined where there is no row. */
  first?: bigint;
}

/** The partitions of a cut in the order of the data: topics by name, partitions by number. */
export function blocksOf(cut: ShardCut, tables: Record<string, string>): PartitionBlock[] {
  return Object.keys(cut.offsets)
    .sort()
    .flatMap((topic) =>
      Object.entries(cut.offsets[topic])
        .map(([partition, to]) => ({ topic, partition: Number(partition), table: tables[topic], to }))
        .sort((a, b) => a.partition - b.partition),
    );
}

/** The whole text. `rowsOf` gives the rows of a partition as COPY text. */
export async function* writeData(
  head: DataHead,
  rowsOf: (block: PartitionBlock) => AsyncIterable<Buffer>,
  counts: BlockCount[],
): AsyncGenerator<Buffer> {
  yield Buffer.from(`${headLine(head)}\nBEGIN;\n`);
  for (const block of head.blocks) {
    yield Buffer.from(`${copyLine(block, head)}\n`);
    const count: BlockCount = { rows: 0 };
    for await (const chunk of rowsOf(block)) {
      if (count.first === undefined) {
        count.first = BigInt(chunk.subarray(0, 64).toString("latin1").split("\t")[1]);
      }
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
        count.rows++;
      }
      yield chunk;
    }
    counts.push(count);
    yield Buffer.from("\\.\n");
  }
  const offsets = head.blocks.map(({ topic, partition, to }) => `${topic}\t${partition}\t${to}\n`).join("");
  yield Buffer.from(`${offsetsCopyLine}\n${offsets}\\.\nCOMMIT;\n${endLine(counts)}\n`);
}

/** Who takes the parts of a text that is read. */
export interface DataSink {
  /** The head, before everything else. */
  head?(head: DataHead): Promise<void> | void;
  begin(block: PartitionBlock): Promise<void> | void;
  /** Whole rows of the block, one or more. */
  rows(bytes: Buffer): Promise<void> | void;
  end(block: PartitionBlock, count: BlockCount): Promise<void> | void;
}

/**
 * Reads the text and proves every line: head, partition, ascending offsets below the cut, number of rows, end.
 *
 * @param place where the data lies, for messages
 * @param cut what the data must be of
 * @throws AgentError of kind `corrupted` where a line is not as it must be
 */
export async function readData(
  source: AsyncIterable<Buffer>,
  place: string,
  cut: ShardCut,
  sink: DataSink,
): Promise<{ head: DataHead; counts: BlockCount[] }> {
  const lines = readLines(source, place);
  const take = async (what: string): Promise<string> => {
    const { value, done } = await lines.next();
    if (done || !("line" in value)) {
      throw damaged(place, what, "the end of the data");
    }
    return value.line.toString("utf8");
  };
  const expectLine = async (line: string): Promise<void> => {
    const found = await take(line);
    if (found !== line) {
      throw damaged(place, `the line ${line}`, found);
    }
  };
  const head = parseHead(place, await take("the head"), cut);
  await sink.head?.(head);
  await expectLine("BEGIN;");
  const counts: BlockCount[] = [];
  for (const block of head.blocks) {
    await expectLine(copyLine(block, head));
    await sink.begin(block);
    const count: BlockCount = { rows: 0 };
    let last = -1n;
    for (;;) {
      const { value, done } = await lines.next(block);
      if (done) {
        throw damaged(place, `more rows of partition ${block.partition} of ${block.topic}, or their end`, "the end of the data");
      }
      if ("line" in value) {
        break;
      }
      if (value.first <= last) {
        throw damaged(place, `ascending offsets in partition ${block.partition} of ${block.topic}`, `${value.first} after ${last}`);
      }
      count.first ??= value.first;
      count.rows += value.count;
      last = value.last;
      await sink.rows(value.rows);
    }
    counts.push(count);
    await sink.end(block, count);
  }
  await expectLine(offsetsCopyLine);
  for (const { topic, partition, to } of head.blocks) {
    await expectLine(`${topic}\t${partition}\t${to}`);
  }
  await expectLine("\\.");
  await expectLine("COMMIT;");
  await expectLine(endLine(counts));
  if (!(await lines.next()).done) {
    throw damaged(place, "the end of the data", "more lines");
  }
  return { head, counts };
}

function headLine(head: DataHead): string {
  const blocks = head.blocks.map((block) => ({ ...block, to: String(block.to) }));
  return `-- ${JSON.stringify({ apiVersion, kind: "ShardData", ...head, blocks })}`;
}

function parseHead(place: string, line: string, cut: ShardCut): DataHead {
  let head: Record<string, unknown>;
  try {
    head = JSON.parse(line.replace(/^-- /, "")) as Record<string, unknown>;
  } catch (error) {
    throw damaged(place, "the head of a shard's data", line, error);
  }
  if (head["apiVersion"] !== apiVersion || head["kind"] !== "ShardData") {
    throw new AgentError({
      kind: "corrupted",
      what: place,
      expected: `kind ShardData of ${apiVersion}`,
      found: `kind ${String(head["kind"])} of ${String(head["apiVersion"])}`,
      todo: "use the version of the agent that wrote it, or a newer one",
    });
  }
  const blocks = (head["blocks"] as { topic: string; partition: number; table: string; to: string }[]).map((block) => ({
    ...block,
    to: BigInt(block.to),
  }));
  const tables = Object.fromEntries(blocks.map(({ topic, table }) => [topic, table]));
  const read = { ...(head as unknown as DataHead), columns: readColumns(place, head["columns"], Object.keys(tables)), blocks };
  const expected: DataHead = { ...read, snapshot: cut.snapshot, shard: cut.shard, blocks: blocksOf(cut, tables) };
  if (headLine(read) !== headLine(expected)) {
    throw damaged(place, `shard ${cut.shard} of ${cut.snapshot} up to its cut`, line);
  }
  return read;
}

/** The columns of each topic, those of old data where the head names none. */
function readColumns(place: string, columns: unknown, topics: readonly string[]): Record<string, string[]> {
  if (columns === undefined) {
    return Object.fromEntries(topics.map((topic) => [topic, [...untypedColumns]]));
  }
  const given = isObject(columns) ? columns : {};
  for (const topic of topics) {
    const names = given[topic];
    if (!Array.isArray(names) || !names.every((name) => typeof name === "string") || names[1] !== fixedColumns[1]) {
      throw damaged(place, `the columns of topic ${topic} in the head, partition and offset first`, JSON.stringify(names) ?? "nothing");
    }
  }
  return given as Record<string, string[]>;
}

function copyLine({ topic, table }: PartitionBlock, { columns }: DataHead): string {
  return `COPY ${quoteName("postgres", table)} (${columns[topic].map((name) => quoteName("postgres", name)).join(", ")}) FROM stdin;`;
}

const offsetsCopyLine = `COPY "${offsetsTable}" ("topic", "partition", "next_offset") FROM stdin;`;

function endLine(counts: readonly BlockCount[]): string {
  const partitions = counts.map(({ rows, first }) => ({ rows, ...(first === undefined ? {} : { first: String(first) }) }));
  return `-- ${JSON.stringify({ kind: "ShardDataEnd", partitions })}`;
}
