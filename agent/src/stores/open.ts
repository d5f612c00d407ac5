/** Opens the store of the settings. A client library is loaded only where its store is used: each costs memory and start-up time. */
import type { AzureBlobSettings } from "./azure-blob";
import type { GcsSettings } from "./gcs";
import type { S3Settings } from "./s3";
import type { ObjectStore } from "./store";

/** `store` of settings.json: exactly one of these. */
export interface StoreSettings {
  s3?: S3Settings;
  gcs?: GcsSettings;
  azureBlob?: AzureBlobSettings;
  /** `shared`: whether all nodes see the same directory. */
  directory?: { path: string; shared: boolean };
}

/** @param settings checked: exactly one member */
export async function openStore(settings: StoreSettings): Promise<ObjectStore> {
  const { s3, gcs, azureBlob, directory } = settings;
  if (s3 !== undefined) {
    return (await import("./s3")).openS3Store(s3);
  }
  if (gcs !== undefined) {
    return (await import("./gcs")).openGcsStore(gcs);
  }
  if (azureBlob !== undefined) {
    return (await import("./azure-blob")).openAzureBlobStore(azureBlob);
  }
  return (await import("./directory")).openDirectoryStore((directory as { path: string }).path);
}
