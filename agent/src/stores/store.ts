/** What the agent needs of a store. Every write creates: no object is ever changed. */
import type { Readable } from "node:stream";
import { AgentError, messageOf } from "../errors";

/** One object of a listing. */
export interface StoredObject {
  key: string;
  bytes: number;
}

/** A store of objects. Keys are relative to the store's own prefix. */
export interface ObjectStore {
  /** For messages, for example `s3 bucket mesh-snapshots`. */
  name: string;
  /** The content as a stream; undefined where there is no such object. */
  get(key: string): Promise<Readable | undefined>;
  /** Creates the object whole, or not at all; false where there is one already. */
  putIfAbsent(key: string, text: string): Promise<boolean>;
  /** The same for a stream of unknown length. A stream that fails leaves nothing. */
  createFrom(key: string, source: Readable): Promise<boolean>;
  /** All objects whose key begins with `prefix`. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Removes an object; one that is not there is no error. */
  delete(key: string): Promise<void>;
}

/** Longest JSON object that is read: a cut of 65,536 partitions is far below it. */
const maxTextBytes = 64 * 1024 * 1024;

/** The text of an object; undefined where there is none. */
export async function getText(store: ObjectStore, key: string): Promise<string | undefined> {
  const stream = await store.get(key);
  if (stream === undefined) {
    return undefined;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxTextBytes) {
      stream.destroy();
      throw new AgentError({
        kind: "corrupted",
        what: `${key} in ${store.name}`,
        expected: `at most ${maxTextBytes} bytes of JSON`,
        found: "more",
        todo: "something else has written it; move it away",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The size of one object; undefined where there is none. */
export async function sizeOf(store: ObjectStore, key: string): Promise<number | undefined> {
  for await (const object of store.list(key)) {
    if (object.key === key) {
      return object.bytes;
    }
  }
  return undefined;
}

/**
 * Whether the store keeps its promise: of two conditional puts of one key the second must be refused. Stores that ignore the condition would
 * let two nodes overwrite each other.
 */
export async function checkConditionalPut(store: ObjectStore, group: string): Promise<void> {
  const key = `${group}/conditional-put-check`;
  await store.putIfAbsent(key, "This object shows that the store refuses to create what is there already.\n");
  if (await store.putIfAbsent(key, "This text must never be stored.\n")) {
    throw new AgentError({
      kind: "refused",
      what: store.name,
      expected: "a store that creates an object only where there is none (conditional put)",
      found: `${key} was created twice`,
      todo: "use a store with conditional writes; without them two nodes would overwrite each other's snapshots",
    });
  }
}

/** The failure of a call to a store. */
export function storeFailure(store: string, call: string, error: unknown, refused?: string): AgentError {
  return new AgentError({
    kind: "unreachable",
    what: `${store}, ${call}`,
    expected: "an answer",
    found: messageOf(error),
    todo: refused ?? "check the network, the endpoint and the health of the store; the agent tries again",
    retry: refused === undefined,
    cause: error,
  });
}
