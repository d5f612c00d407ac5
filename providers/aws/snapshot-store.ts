/** A bucket for snapshots, and the identity of the pods that may use it; no key is anywhere. */
import { PodIdentityAssociation } from "@pulumi/aws/eks";
import { Role, RolePolicy } from "@pulumi/aws/iam";
import {
  Bucket,
  BucketLifecycleConfiguration,
  BucketObjectLockConfiguration,
  BucketOwnershipControls,
  BucketPolicy,
  BucketPublicAccessBlock,
  BucketServerSideEncryptionConfiguration,
  BucketVersioning,
} from "@pulumi/aws/s3";
import * as pulumi from "@pulumi/pulumi";
import { dataOptions } from "../../src/kubernetes/children";
import { Problems, type InputProblem } from "../../src/model/errors";
import { checkPattern } from "../cloud/options";
import { checkStoreRequest, defaultRecoveryDays } from "../cloud/store-request";
import { checkOtherRegion } from "../cloud/zones";
import type { ChildOptions, SnapshotStoreHandle, SnapshotStoreRequest } from "../provider";
import type { AwsCluster } from "./cluster";
import { namePrefix, tagsOf, trustOf } from "./names";
import { type AwsProviderOptions, awsRegionPattern, awsRegionRule } from "./options";

const keyArn = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/\S+$/;

/** Everything that is wrong with a store on AWS. */
export function checkAwsStore(options: AwsProviderOptions, request: SnapshotStoreRequest): InputProblem[] {
  const problems = new Problems("store");
  problems.addAll("", checkStoreRequest(request));
  const { region, encryptionKey } = request;
  if (region !== undefined && checkPattern(problems, "region", region, awsRegionPattern, awsRegionRule)) {
    checkOtherRegion(problems, "region", region, options.region);
  }
  if (encryptionKey !== undefined) {
    checkPattern(problems, "encryptionKey", encryptionKey, keyArn, "the ARN of a KMS key in the region of the store is allowed");
    const keyRegion = encryptionKey.split(":")[3];
    if (keyArn.test(encryptionKey) && keyRegion !== (region ?? options.region)) {
      problems.add("encryptionKey", encryptionKey, `S3 takes keys of the bucket's region alone, which is ${region ?? options.region}`);
    }
  }
  return [...problems.all];
}

/** Makes the bucket with everything that keeps it, and binds its role to the ServiceAccount by EKS Pod Identity. */
export function createAwsStore(
  name: string,
  options: AwsProviderOptions,
  cluster: AwsCluster,
  request: SnapshotStoreRequest,
  opts: ChildOptions,
): SnapshotStoreHandle {
  const region = request.region ?? options.region;
  const bucket = createBucket(name, options, region, request, opts);
  const role = createRole(name, options, request, bucket, opts);
  const identity = new PodIdentityAssociation(
    `${name}-identity`,
    {
      region: options.region,
      clusterName: cluster.name,
      namespace: request.namespace,
      serviceAccount: request.serviceAccountName,
      roleArn: role.arn,
      tags: tagsOf(options, `${name}-identity`),
    },
    { ...opts, dependsOn: [...cluster.dependsOn, ...role.dependsOn] },
  );
  return {
    store: { s3: { bucket: bucket.bucket, region } },
    serviceAccountAnnotations: {},
    ready: identity.id.apply(() => true),
    dependsOn: [identity],
  };
}

function createBucket(
  name: string,
  options: AwsProviderOptions,
  region: string,
  request: SnapshotStoreRequest,
  opts: ChildOptions,
): Bucket {
  const { objectLockDays, encryptionKey } = request;
  const protection = dataOptions(request.dataProtection ?? options.dataProtection);
  const bucket = new Bucket(
    `${name}-bucket`,
    {
      region,
      bucketPrefix: namePrefix(request.mesh, request.storeName),
      forceDestroy: false,
      objectLockEnabled: objectLockDays !== undefined,
      tags: tagsOf(options, `${name}-bucket`, { "compute-mesh:holds-data": "snapshots" }),
    },
    { ...opts, ...protection },
  );
  const of = { region, bucket: bucket.bucket };
  // Kept with the bucket: a retained bucket whose rules were removed would be open to what they forbid.
  const kept = { ...opts, retainOnDelete: protection.retainOnDelete ?? false };
  const versioning = new BucketVersioning(`${name}-versioning`, { ...of, versioningConfiguration: { status: "Enabled" } }, kept);
  const closed = { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true };
  const access = new BucketPublicAccessBlock(`${name}-private`, { ...of, ...closed }, kept);
  new BucketOwnershipControls(`${name}-owner`, { ...of, rule: { objectOwnership: "BucketOwnerEnforced" } }, kept);
  const algorithm = encryptionKey === undefined ? { sseAlgorithm: "AES256" } : { sseAlgorithm: "aws:kms", kmsMasterKeyId: encryptionKey };
  const rules = [{ applyServerSideEncryptionByDefault: algorithm, bucketKeyEnabled: encryptionKey !== undefined }];
  new BucketServerSideEncryptionConfiguration(`${name}-encryption`, { ...of, rules }, kept);
  const lifecycle = {
    id: "removed-objects",
    status: "Enabled",
    filter: {},
    noncurrentVersionExpiration: { noncurrentDays: request.recoveryDays ?? defaultRecoveryDays },
    expiration: { expiredObjectDeleteMarker: true },
    abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
  };
  new BucketLifecycleConfiguration(`${name}-lifecycle`, { ...of, rules: [lifecycle] }, { ...kept, dependsOn: [versioning] });
  if (objectLockDays !== undefined) {
    const rule = { defaultRetention: { mode: "COMPLIANCE", days: objectLockDays } };
    new BucketObjectLockConfiguration(`${name}-lock`, { ...of, rule }, { ...kept, dependsOn: [versioning] });
  }
  const insecure = {
    Sid: "TlsOnly",
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
  const policy = pulumi.jsonStringify({ Version: "2012-10-17", Statement: [insecure] });
  // S3 refuses two changes of one bucket's access at a time.
  new BucketPolicy(`${name}-policy`, { ...of, policy }, { ...kept, dependsOn: [access] });
  return bucket;
}

/** What the agents do with their store and no more: no versions, no rules. */
function createRole(
  name: string,
  options: AwsProviderOptions,
  request: SnapshotStoreRequest,
  bucket: Bucket,
  opts: ChildOptions,
): { arn: pulumi.Output<string>; dependsOn: pulumi.Resource[] } {
  const { namespace, serviceAccountName, encryptionKey } = request;
  // The tags of the session say which pod it is: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
  const condition = {
    StringEquals: { "aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": serviceAccountName },
  };
  const role = new Role(
    `${name}-role`,
    {
      namePrefix: namePrefix(request.mesh, request.storeName),
      assumeRolePolicy: trustOf("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"], condition),
      tags: tagsOf(options, `${name}-role`),
    },
    opts,
  );
  const key =
    encryptionKey === undefined ? [] : [{ Effect: "Allow", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: encryptionKey }];
  const statements = [
    { Effect: "Allow", Action: ["s3:ListBucket"], Resource: bucket.arn },
    {
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
      Resource: pulumi.interpolate`${bucket.arn}/*`,
    },
    ...key,
  ];
  const policy = pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements });
  const allowed = new RolePolicy(`${name}-role-policy`, { role: role.name, policy }, opts);
  return { arn: role.arn, dependsOn: [allowed] };
}
