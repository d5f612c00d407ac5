/**
 * Amazon S3 and what speaks its protocol, with conditional writes
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html): `If-None-Match: *` on PutObject and CompleteMultipartUpload.
 */
import type { Readable } from "node:stream";
import * as aws from "@aws-sdk/client-s3";
import { AgentError, messageOf } from "../errors";
import { type ObjectStore, type StoredObject, storeFailure } from "./store";

/** As in settings.json. */
export interface S3Settings {
  bucket: string;
  region?: string;
  endpoint?: string;
  prefix?: string;
}

/** S3 allows 10,000 parts of at least 5 MiB. Parts grow, so that a shard of up to 5 TiB fits and a small one needs little memory. */
const firstPartBytes = 8 * 1024 * 1024;
const partsOfOneSize = 1000;

/** How often a conflict of two writers is tried again; S3 asks for that (409 ConditionalRequestConflict). */
const conflictTries = 5;

/** Credentials come from the environment or from the identity of the pod. */
export function openS3Store(settings: S3Settings): ObjectStore {
  const { bucket, endpoint } = settings;
  const name = `s3 bucket ${bucket}${endpoint === undefined ? "" : ` at ${endpoint}`}`;
  const client = new aws.S3Client({
    ...(settings.region === undefined ? (endpoint === undefined ? {} : { region: "us-east-1" }) : { region: settings.region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // Stores that are not Amazon's do not know the newer checksums; ours is in the manifest.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 300_000 },
  });
  const prefix = settings.prefix === undefined ? "" : `${settings.prefix}/`;
  const at = (key: string): { Bucket: string; Key: string } => ({ Bucket: bucket, Key: `${prefix}${key}` });
  const call = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw error instanceof AgentError ? error : failure(name, what, error);
    }
  };
  const put = (key: string, body: Buffer): Promise<boolean> =>
    call(`create ${key}`, () =>
      conditionally(() => client.send(new aws.PutObjectCommand({ ...at(key), Body: body, ContentLength: body.length, IfNoneMatch: "*" }))),
    );
  return {
    name,
    get: (key) =>
      call(`read ${key}`, async () => {
        try {
          return (await client.send(new aws.GetObjectCommand(at(key)))).Body as Readable;
        } catch (error) {
          if (nameOf(error) === "NoSuchKey") {
            return undefined;
          }
          throw error;
        }
      }),
    putIfAbsent: (key, text) => put(key, Buffer.from(text)),
    createFrom: async (key, source) => {
      try {
        const parts = partsOf(source);
        const first = await parts.next();
        if (first.done || first.value.length < firstPartBytes) {
          return await put(key, first.done ? Buffer.alloc(0) : first.value);
        }
        return await call(`create ${key}`, () => upload(client, at(key), first.value, parts));
      } finally {
        source.destroy();
      }
    },
    list: (keys) => listBucket(client, name, bucket, prefix, keys),
    delete: (key) => call(`delete ${key}`, async () => void (await client.send(new aws.DeleteObjectCommand(at(key))))),
  };
}

/** False where the object exists. */
async function conditionally(send: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await send();
      return true;
    } catch (error) {
      const status = (error as aws.S3ServiceException).$metadata?.httpStatusCode;
      if (status === 412) {
        return false;
      }
      if (status !== 409 || tries === conflictTries) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 200 * tries));
    }
  }
}

async function upload(
  client: aws.S3Client,
  at: { Bucket: string; Key: string },
  first: Buffer,
  parts: AsyncGenerator<Buffer>,
): Promise<boolean> {
  const { UploadId } = await client.send(new aws.CreateMultipartUploadCommand(at));
  try {
    const done: aws.CompletedPart[] = [];
    const send = async (Body: Buffer): Promise<void> => {
      const PartNumber = done.length + 1;
      const { ETag } = await client.send(new aws.UploadPartCommand({ ...at, UploadId, PartNumber, Body, ContentLength: Body.length }));
      done.push({ PartNumber, ETag });
    };
    await send(first);
    for await (const part of parts) {
      await send(part);
    }
    const complete = new aws.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: done }, IfNoneMatch: "*" });
    const created = await conditionally(() => client.send(complete));
    if (!created) {
      await abort(client, at, UploadId);
    }
    return created;
  } catch (error) {
    await abort(client, at, UploadId);
    throw error;
  }
}

/** Parts of an upload that nobody completes cost money. What even this cannot remove, a lifecycle rule of the bucket should. */
async function abort(client: aws.S3Client, at: { Bucket: string; Key: string }, UploadId: string | undefined): Promise<void> {
  await client.send(new aws.AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
}

async function* partsOf(source: Readable): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let count = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= firstPartBytes * 2 ** Math.floor(count / partsOfOneSize)) {
      yield Buffer.concat(chunks);
      count++;
      chunks = [];
      bytes = 0;
    }
  }
  if (bytes > 0) {
    yield Buffer.concat(chunks);
  }
}

async function* listBucket(client: aws.S3Client, name: string, bucket: string, prefix: string, keys: string): AsyncIterable<StoredObject> {
  let ContinuationToken: string | undefined;
  do {
    const request = { Bucket: bucket, Prefix: `${prefix}${keys}`, ContinuationToken };
    const page: aws.ListObjectsV2CommandOutput = await client.send(new aws.ListObjectsV2Command(request)).catch((error: unknown) => {
      throw failure(name, `list ${keys}`, error);
    });
    for (const object of page.Contents ?? []) {
      yield { key: (object.Key ?? "").slice(prefix.length), bytes: object.Size ?? 0 };
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
}

/** Error codes that no second try cures (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
const advice: Record<string, string> = {
  AccessDenied: "allow the agent to get, put, list and delete objects below the prefix",
  CredentialsProviderError: "give the pod credentials: credentialsSecret, or an identity by serviceAccountAnnotations",
  InvalidAccessKeyId: "check the access key in the Secret of the store",
  NoSuchBucket: "create the bucket or correct its name",
  NotImplemented: "the store must know conditional puts (If-None-Match)",
  PermanentRedirect: "correct the region of the store",
  SignatureDoesNotMatch: "check the secret key in the Secret of the store",
};

function failure(store: string, call: string, error: unknown): AgentError {
  const code = nameOf(error);
  const status = (error as aws.S3ServiceException).$metadata?.httpStatusCode;
  const known = advice[code] ?? (status === 401 || status === 403 ? advice["AccessDenied"] : undefined);
  const message = messageOf(error);
  return storeFailure(store, call, new Error(message.includes(code) ? message : `${code}: ${message}`, { cause: error }), known);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}
