/**
 * Record batches of Kafka as they lie in the log (message format 2, https://kafka.apache.org/documentation/#recordbatch), read as far as offsets and
 * transactions need it. A batch says itself whether it is a transaction's marker, which producer wrote it and how many records it has;
 * only where compaction has taken some of its records must it be unpacked.
 */
import { gunzipSync } from "node:zlib";
import { decompress as unpackZstd } from "fzstd";
import { decompress as unpackLz4 } from "lz4js";
import { uncompress as unpackSnappy } from "snappyjs";

/** One batch. */
export interface RecordBatch {
  baseOffset: bigint;
  /** Last offset that the batch covers, also where compaction has removed that record. */
  lastOffset: bigint;
  producerId: bigint;
  transactional: boolean;
  /** Set for the marker that ends a transaction. */
  marker?: "commit" | "abort";
  records: number;
  /** Reads the offsets of the records. */
  offsets(): bigint[];
  /** Reads the headers of the records; of several with one name the last one counts. */
  headers(): Map<string, string>[];
}

const headBytes = 61;

/** The whole batches of a fetch answer; the last one is often cut off. */
export function parseBatches(bytes: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + headBytes <= bytes.length;) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) {
      break;
    }
    const magic = bytes.readInt8(at + 16);
    if (magic !== 2) {
      throw new Error(`records in message format ${magic}, which Kafka 4 does not have any more; format 2 is read here`);
    }
    batches.push(parseBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

function parseBatch(batch: Buffer): RecordBatch {
  const baseOffset = batch.readBigInt64BE(0);
  const attributes = batch.readInt16BE(21);
  const lastDelta = batch.readInt32BE(23);
  const records = batch.readInt32BE(57);
  const body = (): Buffer => unpack(attributes & 7, batch.subarray(headBytes));
  const isMarker = (attributes & 0x20) !== 0;
  return {
    baseOffset,
    lastOffset: baseOffset + BigInt(lastDelta),
    producerId: batch.readBigInt64BE(43),
    transactional: (attributes & 0x10) !== 0,
    ...(isMarker && records > 0 ? { marker: markerType(body()) } : isMarker ? { marker: "commit" } : {}),
    records,
    offsets: () =>
      records === lastDelta + 1
        ? Array.from({ length: records }, (_unused, index) => baseOffset + BigInt(index))
        : offsetDeltas(body(), records).map((delta) => baseOffset + BigInt(delta)),
    headers: () => recordHeaders(body(), records),
  };
}

/** The key of a marker: version, then type: 0 abort, 1 commit. */
function markerType(body: Buffer): "commit" | "abort" {
  const cursor = { bytes: body, at: 0 };
  readVarint(cursor); // length of the record
  cursor.at += 1; // attributes
  readVarint(cursor); // timestamp
  readVarint(cursor); // offset
  readVarint(cursor); // length of the key
  return body.readInt16BE(cursor.at + 2) === 0 ? "abort" : "commit";
}

function offsetDeltas(body: Buffer, records: number): number[] {
  const deltas: number[] = [];
  const cursor = { bytes: body, at: 0 };
  for (let index = 0; index < records; index++) {
    const length = readVarint(cursor);
    const next = cursor.at + length;
    cursor.at += 1;
    readVarint(cursor);
    deltas.push(readVarint(cursor));
    cursor.at = next;
  }
  return deltas;
}

function recordHeaders(body: Buffer, records: number): Map<string, string>[] {
  const cursor = { bytes: body, at: 0 };
  const text = (): string => {
    // Absent keys and values have the length -1.
    const length = Math.max(0, readVarint(cursor));
    cursor.at += length;
    return body.toString("utf8", cursor.at - length, cursor.at);
  };
  return Array.from({ length: records }, () => {
    const length = readVarint(cursor);
    const next = cursor.at + length;
    cursor.at += 1; // attributes
    readVarint(cursor); // timestamp
    readVarint(cursor); // offset
    text(); // key
    text(); // value
    const headers = new Map<string, string>();
    for (let count = readVarint(cursor); count > 0; count--) {
      const name = text();
      headers.set(name, text());
    }
    cursor.at = next;
    return headers;
  });
}

/** Zigzag, as in protocol buffers. Timestamps of 64 bits lose digits here, and nobody reads them. */
function readVarint(cursor: { bytes: Buffer; at: number }): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = cursor.bytes.readUInt8(cursor.at++);
    value += (byte & 0x7f) * factor;
    if (byte < 128) {
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  }
}

/** What a batch's records were before they were compressed by a codec of Kafka's numbering. Throws for one that is not known. */
export function unpack(codec: number, body: Buffer): Buffer {
  switch (codec) {
    case 0:
      return body;
    case 1:
      return gunzipSync(body);
    case 2:
      return unpackSnappyBlocks(body);
    case 3:
      return Buffer.from(unpackLz4(body));
    case 4:
      return Buffer.from(unpackZstd(body));
    default:
      throw new Error(`records compressed by codec ${codec}, which is not known here`);
  }
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);

/** Java's client writes blocks with their lengths (xerial), others one plain block. */
function unpackSnappyBlocks(body: Buffer): Buffer {
  if (!body.subarray(0, 8).equals(xerialMagic)) {
    return unpackSnappy(body);
  }
  const blocks: Buffer[] = [];
  for (let at = 16; at < body.length;) {
    const length = body.readInt32BE(at);
    blocks.push(unpackSnappy(body.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return Buffer.concat(blocks);
}
