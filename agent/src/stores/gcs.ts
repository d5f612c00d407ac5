/** Google Cloud Storage; `ifGenerationMatch: 0` creates only where there is no object (https://cloud.google.com/storage/docs/request-preconditions). */
import { type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type File, Storage } from "@google-cloud/storage";
import { AgentError } from "../errors";
import { type ObjectStore, type StoredObject, storeFailure } from "./store";

/** As in settings.json. */
export interface GcsSettings {
  bucket: string;
  prefix?: string;
}

/** Credentials come from the identity of the pod, or from `GOOGLE_APPLICATION_CREDENTIALS`. `GCS_API_ENDPOINT` is for private endpoints and emulators. */
export function openGcsStore(settings: GcsSettings): ObjectStore {
  const name = `gcs bucket ${settings.bucket}`;
  const apiEndpoint = process.env["GCS_API_ENDPOINT"];
  const bucket = new Storage(apiEndpoint === undefined ? {} : { apiEndpoint }).bucket(settings.bucket);
  const prefix = settings.prefix === undefined ? "" : `${settings.prefix}/`;
  const file = (key: string): File => bucket.file(`${prefix}${key}`);
  const createFrom = async (key: string, source: Readable): Promise<boolean> => {
    // Resumable, because a plain upload of unknown length that fails in the middle starts anew, and the source cannot.
    const target = file(key).createWriteStream({ resumable: true, validation: "crc32c", preconditionOpts: { ifGenerationMatch: 0 } });
    try {
      await pipeline(source, target);
      return true;
    } catch (error) {
      if (statusOf(error) === 412) {
        return false;
      }
      throw error instanceof AgentError ? error : failure(name, `create ${key}`, error);
    } finally {
      source.destroy();
    }
  };
  return {
    name,
    get: async (key) => {
      const stream = file(key).createReadStream({ validation: false });
      // The first answer tells whether there is such an object.
      try {
        await new Promise<void>((resolve, reject) => {
          stream.once("readable", resolve).once("error", reject);
        });
        return stream;
      } catch (error) {
        stream.destroy();
        if (statusOf(error) === 404 && !isMissingBucket(error)) {
          return undefined;
        }
        throw failure(name, `read ${key}`, error);
      }
    },
    putIfAbsent: async (key, text) => {
      try {
        await file(key).save(text, { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } });
        return true;
      } catch (error) {
        if (statusOf(error) === 412) {
          return false;
        }
        throw failure(name, `create ${key}`, error);
      }
    },
    createFrom,
    list: async function* (keys): AsyncIterable<StoredObject> {
      try {
        for await (const found of bucket.getFilesStream({ prefix: `${prefix}${keys}` }) as AsyncIterable<File>) {
          yield { key: found.name.slice(prefix.length), bytes: Number(found.metadata.size ?? 0) };
        }
      } catch (error) {
        throw failure(name, `list ${keys}`, error);
      }
    },
    delete: async (key) => {
      try {
        await file(key).delete({ ignoreNotFound: true });
      } catch (error) {
        throw failure(name, `delete ${key}`, error);
      }
    },
  };
}

function statusOf(error: unknown): number | undefined {
  const { code, status } = error as { code?: unknown; status?: unknown };
  const number = Number(code ?? status);
  return Number.isInteger(number) ? number : undefined;
}

function isMissingBucket(error: unknown): boolean {
  return error instanceof Error && error.message.includes("bucket does not exist");
}

function failure(store: string, call: string, error: unknown): AgentError {
  const status = statusOf(error);
  const advice =
    status === 401 || status === 403
      ? "allow the identity of the ServiceAccount to create, get, list and delete objects of the bucket"
      : status === 404
        ? "create the bucket or correct its name"
        : undefined;
  return storeFailure(store, call, error, advice);
}
