/** What a user writes about the store of a snapshot group. */
import type * as pulumi from "@pulumi/pulumi";

/** Keys of an S3 store, where the nodes have no identity of their own. */
export interface S3CredentialsArgs {
  /** Name of the Secret. */
  name: string;
  /** Default: `accessKeyId`. */
  accessKeyIdKey?: string;
  /** Default: `secretAccessKey`. */
  secretAccessKeyKey?: string;
}

/** A bucket of Amazon S3 or of anything that speaks S3 with conditional puts. */
export interface S3StoreArgs {
  bucket: pulumi.Input<string>;
  /** Default: the one that the environment of the pods names. */
  region?: pulumi.Input<string>;
  /** URL of a store that is not Amazon's. Default: Amazon S3. */
  endpoint?: pulumi.Input<string>;
  /** Folder in the bucket, without slashes at the ends. Default: none. */
  prefix?: pulumi.Input<string>;
  /** Default: the identity of the ServiceAccount (`serviceAccountAnnotations`). */
  credentialsSecret?: S3CredentialsArgs;
}

/** A bucket of Google Cloud Storage; access by the identity of the ServiceAccount. */
export interface GcsStoreArgs {
  bucket: pulumi.Input<string>;
  /** Folder in the bucket, without slashes at the ends. Default: none. */
  prefix?: pulumi.Input<string>;
}

/** A container of Azure Blob Storage; access by the identity of the ServiceAccount. */
export interface AzureBlobStoreArgs {
  /** Name of the storage account. */
  account: pulumi.Input<string>;
  container: pulumi.Input<string>;
  /** Folder in the container, without slashes at the ends. Default: none. */
  prefix?: pulumi.Input<string>;
}

/** A folder of an NFS server that every node mounts. The namespace must allow the Pod Security Standard `baseline`. */
export interface NfsStoreArgs {
  server: pulumi.Input<string>;
  /** Exported path, writable for user 65532. */
  path: pulumi.Input<string>;
}

/** A folder on each mesh node, for one machine and for tests: snapshots die with their node. The namespace must allow `privileged`. */
export interface NodeDirectoryStoreArgs {
  /** Absolute path; it is created where it is missing. */
  hostPath: string;
}

/** Where snapshots go, exactly one of these. What lies there belongs to no stack: removing the group leaves it. */
export interface SnapshotStoreArgs {
  s3?: S3StoreArgs;
  gcs?: GcsStoreArgs;
  azureBlob?: AzureBlobStoreArgs;
  nfs?: NfsStoreArgs;
  nodeDirectory?: NodeDirectoryStoreArgs;
}
