/** Azure Blob Storage; `If-None-Match: *` creates only where there is no blob (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations). */
import type { Readable } from "node:stream";
import { DefaultAzureCredential } from "@azure/identity";
import { BlobServiceClient, type ContainerClient, type RestError } from "@azure/storage-blob";
import { AgentError } from "../errors";
import { type ObjectStore, type StoredObject, storeFailure } from "./store";

/** As in settings.json. */
export interface AzureBlobSettings {
  account: string;
  container: string;
  prefix?: string;
}

const blockBytes = 8 * 1024 * 1024;
const conditions = { conditions: { ifNoneMatch: "*" } };

/** Credentials come from the identity of the pod, or from `AZURE_STORAGE_CONNECTION_STRING`. */
export function openAzureBlobStore(settings: AzureBlobSettings): ObjectStore {
  const { account, container } = settings;
  const name = `azure container ${account}/${container}`;
  const connection = process.env["AZURE_STORAGE_CONNECTION_STRING"];
  const service =
    connection === undefined
      ? new BlobServiceClient(`https://${account}.blob.core.windows.net`, new DefaultAzureCredential())
      : BlobServiceClient.fromConnectionString(connection);
  const client = service.getContainerClient(container);
  const prefix = settings.prefix === undefined ? "" : `${settings.prefix}/`;
  const blob = (key: string): ReturnType<ContainerClient["getBlockBlobClient"]> => client.getBlockBlobClient(`${prefix}${key}`);
  const create = async (key: string, send: () => Promise<unknown>): Promise<boolean> => {
    try {
      await send();
      return true;
    } catch (error) {
      if (codeOf(error) === "BlobAlreadyExists" || codeOf(error) === "ConditionNotMet") {
        return false;
      }
      throw error instanceof AgentError ? error : failure(name, `create ${key}`, error);
    }
  };
  return {
    name,
    get: async (key) => {
      try {
        return (await blob(key).download()).readableStreamBody as Readable | undefined;
      } catch (error) {
        if (codeOf(error) === "BlobNotFound") {
          return undefined;
        }
        throw failure(name, `read ${key}`, error);
      }
    },
    putIfAbsent: (key, text) => create(key, () => blob(key).upload(text, Buffer.byteLength(text), conditions)),
    // Blocks one after the other; only the commit of their list makes the blob, and it is conditional.
    createFrom: async (key, source) => {
      try {
        return await create(key, () => blob(key).uploadStream(source, blockBytes, 2, conditions));
      } finally {
        source.destroy();
      }
    },
    list: async function* (keys): AsyncIterable<StoredObject> {
      try {
        for await (const found of client.listBlobsFlat({ prefix: `${prefix}${keys}` })) {
          yield { key: found.name.slice(prefix.length), bytes: found.properties.contentLength ?? 0 };
        }
      } catch (error) {
        throw failure(name, `list ${keys}`, error);
      }
    },
    delete: async (key) => {
      try {
        await blob(key).deleteIfExists();
      } catch (error) {
        throw failure(name, `delete ${key}`, error);
      }
    },
  };
}

function codeOf(error: unknown): string | undefined {
  const { code, details } = error as Partial<RestError>;
  return (details as { errorCode?: string } | undefined)?.errorCode ?? code;
}

function failure(store: string, call: string, error: unknown): AgentError {
  const status = (error as Partial<RestError>).statusCode;
  const code = codeOf(error);
  const advice =
    status === 401 || status === 403 || (error instanceof Error && error.name === "CredentialUnavailableError")
      ? "give the identity of the ServiceAccount the role Storage Blob Data Contributor on the container"
      : code === "ContainerNotFound"
        ? "create the container or correct its name"
        : undefined;
  return storeFailure(store, call, new Error(`${code ?? ""} ${error instanceof Error ? error.message : String(error)}`.trim()), advice);
}
