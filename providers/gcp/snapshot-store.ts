/** A snapshot store in Cloud Storage, and the identity that may use it. */
import * as serviceaccount from "@pulumi/gcp/serviceaccount";
import * as storage from "@pulumi/gcp/storage";
import * as pulumi from "@pulumi/pulumi";
import { dataOptions } from "../../src/kubernetes/children";
import { Problems, type InputProblem } from "../../src/model/errors";
import { dnsNameWithin } from "../../src/model/names";
import { checkPattern } from "../cloud/options";
import { checkStoreRequest, defaultRecoveryDays } from "../cloud/store-request";
import { checkOtherRegion } from "../cloud/zones";
import type { ChildOptions, SnapshotStoreHandle, SnapshotStoreRequest } from "../provider";
import { workloadPool } from "./cluster";
import { checkKey, type GcpProviderOptions, labelsOf, regionPattern } from "./options";

const secondsPerDay = 24 * 60 * 60;

/**
 * Makes a private, versioned, encrypted bucket, a service account, and the right of one Kubernetes ServiceAccount to act as it. No key is ever made.
 *
 * What is removed or overwritten stays for `recoveryDays` as a noncurrent version. Soft deletion, which would keep it a second time, is off. A key of Cloud KMS
 * must let the project's Cloud Storage service agent use it (https://cloud.google.com/storage/docs/encryption/using-customer-managed-keys).
 */
export function createGcpStore(
  name: string,
  options: GcpProviderOptions,
  request: SnapshotStoreRequest,
  opts: ChildOptions,
): SnapshotStoreHandle {
  const { project, region } = options;
  const { recoveryDays = defaultRecoveryDays, objectLockDays, encryptionKey } = request;
  const bucket = new storage.Bucket(
    `${name}-bucket`,
    {
      project,
      location: request.region ?? region,
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      versioning: { enabled: true },
      softDeletePolicy: { retentionDurationSeconds: 0 },
      lifecycleRules: [
        { action: { type: "Delete" }, condition: { withState: "ARCHIVED", daysSinceNoncurrentTime: recoveryDays } },
        { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 1 } },
      ],
      ...(encryptionKey === undefined ? {} : { encryption: { defaultKmsKeyName: encryptionKey } }),
      ...(objectLockDays === undefined
        ? {}
        : { retentionPolicy: { retentionPeriod: String(objectLockDays * secondsPerDay), isLocked: true } }),
      labels: labelsOf(options, { "compute-mesh-holds-data": "snapshots" }),
    },
    { ...opts, ...dataOptions(request.dataProtection ?? options.dataProtection) },
  );
  const account = new serviceaccount.Account(
    `${name}-account`,
    {
      project,
      accountId: dnsNameWithin(30, request.mesh, request.storeName, "store"),
      displayName: `Snapshots of mesh ${request.mesh}, store ${request.storeName}`,
    },
    opts,
  );
  const access = new storage.BucketIAMMember(
    `${name}-access`,
    { bucket: bucket.name, role: "roles/storage.objectUser", member: pulumi.interpolate`serviceAccount:${account.email}` },
    opts,
  );
  const identity = new serviceaccount.IAMMember(
    `${name}-identity`,
    {
      serviceAccountId: account.name,
      role: "roles/iam.workloadIdentityUser",
      member: `serviceAccount:${workloadPool(project)}[${request.namespace}/${request.serviceAccountName}]`,
    },
    opts,
  );
  return {
    store: { gcs: { bucket: bucket.name } },
    serviceAccountAnnotations: { "iam.gke.io/gcp-service-account": account.email },
    ready: pulumi.all([access.id, identity.id]).apply(() => true),
    dependsOn: [access, identity],
  };
}

/** What is wrong with a store; paths are relative to the request. */
export function checkGcpStore(options: GcpProviderOptions, request: SnapshotStoreRequest): InputProblem[] {
  const problems = new Problems("snapshotStore");
  problems.addAll("", checkStoreRequest(request));
  if (request.region !== undefined) {
    checkPattern(problems, "region", request.region, regionPattern, "a region of Google Cloud is allowed, for example europe-north1");
    checkOtherRegion(problems, "region", request.region, options.region);
  }
  checkKey(problems, "encryptionKey", request.encryptionKey);
  return [...problems.all];
}
