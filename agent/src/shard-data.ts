/** Data of a shard on its way to and from the store: text, gzip, encryption, checksum. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import type { ShardCut } from "../../src/model/cut";
import type { BlockCount, DataHead, DataSink } from "./data-format";
import { readData } from "./data-format";
import { decrypt, encrypt, isEncrypted } from "./encryption";
import { AgentError, messageOf } from "./errors";
import { shardKey } from "./layout";
import type { ObjectStore } from "./stores/store";

/** Size and checksum of what is stored. */
export interface Stored {
  bytes: number;
  /** `sha256:` and 64 hexadecimal digits. */
  checksum: string;
}

/** What was read. */
export interface ReadResult extends Stored {
  head: DataHead;
  counts: BlockCount[];
  encrypted: boolean;
}

/** The lowest level: rows of JSON get hardly smaller above it, and it is three times as fast. */
const gzipLevel = 1;

/** A stream of what is stored, made of the text; `stored` is right once the stream has ended. */
export function packed(text: AsyncIterable<Buffer>, key: Buffer | undefined, place: string): { stream: Readable; stored: () => Stored } {
  const hash = createHash("sha256");
  let bytes = 0;
  const zipped = through(text, createGzip({ level: gzipLevel, chunkSize: 64 * 1024 }));
  const written = key === undefined ? zipped : encrypt(key, place)(zipped);
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of written) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  return {
    stream: Readable.from(counted(), { objectMode: false }),
    stored: () => ({ bytes, checksum: `sha256:${hash.copy().digest("hex")}` }),
  };
}

/**
 * Reads the data of a shard and proves it; undefined where there is none.
 *
 * @throws AgentError of kind `corrupted` where anything is not as it was written
 */
export async function readShardData(
  store: ObjectStore,
  group: string,
  cut: ShardCut,
  key: Buffer | undefined,
  sink: DataSink,
): Promise<ReadResult | undefined> {
  const name = shardKey(group, cut.snapshot, cut.shard, "data");
  const place = `${name} in ${store.name}`;
  const stream = await store.get(name);
  if (stream === undefined) {
    return undefined;
  }
  const hash = createHash("sha256");
  let bytes = 0;
  let encrypted = false;
  async function* stored(): AsyncGenerator<Buffer> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      encrypted ||= bytes === 0 && isEncrypted(chunk);
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  async function* plain(): AsyncGenerator<Buffer> {
    const source = stored();
    const first = await source.next();
    const whole = (async function* (): AsyncGenerator<Buffer> {
      if (!first.done) {
        yield first.value;
      }
      yield* source;
    })();
    if (!encrypted) {
      yield* whole;
    } else if (key === undefined) {
      throw new AgentError({
        kind: "refused",
        what: place,
        expected: "the key that it was encrypted with",
        found: "no key in the settings",
        todo: "give the SnapshotGroup the encryption key of its snapshots",
      });
    } else {
      yield* decrypt(key, placeOf(group, cut))(whole);
    }
  }
  try {
    const { head, counts } = await readData(through(plain(), createGunzip({ chunkSize: 256 * 1024 })), place, cut, sink);
    return { head, counts, encrypted, bytes, checksum: `sha256:${hash.digest("hex")}` };
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (error instanceof AgentError || !(code === "Z_DATA_ERROR" || code === "Z_BUF_ERROR")) {
      throw error;
    }
    const todo = "the object in the store is damaged; restore from another snapshot";
    throw new AgentError({ kind: "corrupted", what: place, expected: "whole gzip data", found: messageOf(error), todo, cause: error });
  } finally {
    stream.destroy();
  }
}

/** What binds encrypted data to its place. */
export function placeOf(group: string, cut: ShardCut): string {
  return shardKey(group, cut.snapshot, cut.shard, "data");
}

/** A transform as an async generator; errors of both sides come out of it. */
async function* through(
  source: AsyncIterable<Buffer>,
  transform: NodeJS.ReadWriteStream & { destroy(error?: Error): void },
): AsyncGenerator<Buffer> {
  const input = Readable.from(source, { objectMode: false });
  input.on("error", (error: Error) => transform.destroy(error));
  input.pipe(transform);
  try {
    for await (const chunk of transform as AsyncIterable<Buffer>) {
      yield chunk;
    }
  } finally {
    input.destroy();
    transform.destroy();
  }
}
