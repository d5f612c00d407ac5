/**
 * Encryption of data before it leaves the node: AES-256-GCM in segments, so that any size can be streamed and no byte is used before its
 * segment is proven.
 *
 * Layout: `CMENC1\n`, 8 bytes that identify the key, 32 bytes of salt, then segments of 64 KiB, each with its tag of 16 bytes. Every object has a key of
 * its own (HKDF-SHA-256 of the group's key with the salt and the place of the object), so nonces can simply count: 4 zero bytes, 7 of the
 * segment's number, 1 that marks the last one. The mark makes a truncated object fail (the STREAM construction: Hoang, Reyhanitabar, Rogaway
 * and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015).
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { AgentError, messageOf } from "./errors";

const magic = Buffer.from("CMENC1\n");
const keyIdBytes = 8;
const saltBytes = 32;
const headBytes = magic.length + keyIdBytes + saltBytes;
const segmentBytes = 64 * 1024;
const tagBytes = 16;

/** Reads a key of 256 bits: 32 bytes as they are, or as 64 hexadecimal digits, or as base64. */
export function readKey(file: string): Buffer {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw keyFailure(file, "a readable key file", messageOf(error));
  }
  const text = content.toString("latin1").trim();
  const key =
    content.length === 32
      ? content
      : /^[0-9a-f]{64}$/i.test(text)
        ? Buffer.from(text, "hex")
        : /^[A-Za-z0-9+/]{43}=$/.test(text)
          ? Buffer.from(text, "base64")
          : undefined;
  if (key === undefined) {
    throw keyFailure(file, "a key of 32 bytes, plain, as hexadecimal digits or as base64", `${content.length} bytes of something else`);
  }
  return key;
}

/** @param place of the object, part of its key: data that was moved elsewhere does not decrypt */
export function encrypt(key: Buffer, place: string): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    const salt = randomBytes(saltBytes);
    const objectKey = deriveKey(key, salt, place);
    yield Buffer.concat([magic, keyIdOf(key), salt]);
    let number = 0;
    for await (const { bytes, last } of segments(source, segmentBytes)) {
      const cipher = createCipheriv("aes-256-gcm", objectKey, nonce(number++, last));
      yield Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    }
  };
}

/** @throws AgentError where the key is another one or the data is not what was written */
export function decrypt(key: Buffer, place: string): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    let objectKey: Buffer | undefined;
    let number = 0;
    for await (const { bytes, last } of segments(source, segmentBytes + tagBytes, headBytes)) {
      if (objectKey === undefined) {
        objectKey = openHead(key, place, bytes);
        continue;
      }
      const end = bytes.length - tagBytes;
      try {
        // The length is given, because a shorter tag would be taken for a weaker one.
        const decipher = createDecipheriv("aes-256-gcm", objectKey, nonce(number, last), { authTagLength: tagBytes });
        decipher.setAuthTag(bytes.subarray(Math.max(0, end)));
        yield Buffer.concat([decipher.update(bytes.subarray(0, Math.max(0, end))), decipher.final()]);
      } catch (error) {
        throw corrupted(place, `segment ${number} to decrypt${last ? " and to be the last" : ""}`, "changed or missing bytes", error);
      }
      number++;
    }
    if (number === 0) {
      throw corrupted(place, "an encrypted object", "less than its head");
    }
  };
}

/** Whether data begins as encrypted data does. */
export function isEncrypted(start: Buffer): boolean {
  return start.subarray(0, magic.length).equals(magic);
}

function openHead(key: Buffer, place: string, head: Buffer): Buffer {
  if (head.length < headBytes || !isEncrypted(head)) {
    throw corrupted(place, "an encrypted object", "other bytes at its start");
  }
  const id = head.subarray(magic.length, magic.length + keyIdBytes);
  if (!id.equals(keyIdOf(key))) {
    throw new AgentError({
      kind: "refused",
      what: place,
      expected: `the key that it was encrypted with (${id.toString("hex")})`,
      found: `another key (${keyIdOf(key).toString("hex")})`,
      todo: "mount the Secret with the old key; a key must outlive every snapshot made with it",
    });
  }
  return deriveKey(key, head.subarray(magic.length + keyIdBytes), place);
}

/** Says which key it is, and nothing about it. */
function keyIdOf(key: Buffer): Buffer {
  return createHmac("sha256", key).update("compute-mesh key id").digest().subarray(0, keyIdBytes);
}

function deriveKey(key: Buffer, salt: Buffer, place: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, `compute-mesh snapshot ${place}`, 32));
}

function nonce(number: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  // Six bytes are the most that Buffer writes at once; 2^48 segments are 16 exabytes.
  bytes.writeUIntBE(number, 5, 6);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

/** Cuts a stream into pieces of one size, after a first one of `first` bytes where given. The last piece is marked, and may be short or empty. */
async function* segments(source: AsyncIterable<Buffer>, size: number, first?: number): AsyncGenerator<{ bytes: Buffer; last: boolean }> {
  let wanted = first ?? size;
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of source) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes > wanted) {
      let all = Buffer.concat(held);
      // More than wanted, not as much: the last piece is only known when the source ends.
      while (all.length > wanted) {
        yield { bytes: all.subarray(0, wanted), last: false };
        all = all.subarray(wanted);
        wanted = size;
      }
      held = [all];
      heldBytes = all.length;
    }
  }
  yield { bytes: Buffer.concat(held), last: true };
}

function keyFailure(file: string, expected: string, found: string): AgentError {
  const todo = "put such a key into the Secret of encryption.keySecret, for example from: openssl rand -hex 32";
  return new AgentError({ kind: "usage", what: `encryption key ${file}`, expected, found, todo });
}

function corrupted(place: string, expected: string, found: string, cause?: unknown): AgentError {
  const todo = "the object in the store is damaged; restore from another snapshot";
  return new AgentError({ kind: "corrupted", what: place, expected, found, todo, cause });
}
