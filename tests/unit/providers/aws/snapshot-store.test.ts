/** The bucket of snapshots and who may use it. */
import type { SnapshotStoreHandle } from "../../../../providers/provider";
import type { Recorder } from "../../../support/mocks";
import { valueOf } from "../../../support/mocks";
import { created, dependencies, existing, run, shape, storeRequest } from "./support";

async function make(
  more: Parameters<typeof storeRequest>[0] = {},
  options = existing,
): Promise<{ recorder: Recorder; handle: SnapshotStoreHandle }> {
  let handle: SnapshotStoreHandle | undefined;
  const recorder = await run(options, (provider, parent) => {
    handle = provider.createSnapshotStore?.("store", storeRequest(more), { parent });
  });
  return { recorder, handle: handle as SnapshotStoreHandle };
}

describe("a snapshot store", () => {
  it("is exactly these resources, and a lock where one is asked for", async () => {
    const all = [
      "aws:eks/podIdentityAssociation:PodIdentityAssociation store-identity",
      "aws:iam/role:Role store-role",
      "aws:iam/rolePolicy:RolePolicy store-role-policy",
      "aws:s3/bucket:Bucket store-bucket",
      "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration store-lifecycle",
      "aws:s3/bucketOwnershipControls:BucketOwnershipControls store-owner",
      "aws:s3/bucketPolicy:BucketPolicy store-policy",
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock store-private",
      "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration store-encryption",
      "aws:s3/bucketVersioning:BucketVersioning store-versioning",
    ];
    const made = async (more: object): Promise<string[]> => shape((await make(more)).recorder).filter((line) => line.includes(" store-"));
    expect(await made({})).toEqual(all);
    const lock = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration store-lock";
    expect(await made({ objectLockDays: 30 })).toEqual([...all, lock].sort());
  });

  it("is private, encrypted, versioned, and forgets what was removed after the days of recovery", async () => {
    const { recorder } = await make({ recoveryDays: 14 });
    expect(recorder.named("store-bucket").inputs).toMatchObject({
      forceDestroy: false,
      objectLockEnabled: false,
      bucketPrefix: "prices-hourly-",
    });
    expect(recorder.named("store-private").inputs).toMatchObject({
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(recorder.named("store-versioning").inputs.versioningConfiguration).toEqual({ status: "Enabled" });
    expect(recorder.named("store-encryption").inputs.rules[0].applyServerSideEncryptionByDefault).toEqual({ sseAlgorithm: "AES256" });
    const [rule] = recorder.named("store-lifecycle").inputs.rules;
    expect(rule.noncurrentVersionExpiration).toEqual({ noncurrentDays: 14 });
    // Which snapshots stay is decided by the group alone: a service may be bound to an old one.
    expect(rule.expiration).toEqual({ expiredObjectDeleteMarker: true });
    expect(JSON.parse(recorder.named("store-policy").inputs.policy).Statement).toEqual([
      expect.objectContaining({ Effect: "Deny", Principal: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
    ]);
  });

  it("locks objects for everybody where that is asked for", async () => {
    const { recorder } = await make({ objectLockDays: 30 });
    expect(recorder.named("store-bucket").inputs.objectLockEnabled).toBe(true);
    expect(recorder.named("store-lock").inputs.rule).toEqual({ defaultRetention: { mode: "COMPLIANCE", days: 30 } });
  });

  it("lets one ServiceAccount in without a key, to objects of this bucket alone", async () => {
    const key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    const { recorder, handle } = await make({ encryptionKey: key }, created);
    expect(recorder.named("store-identity").inputs).toMatchObject({
      clusterName: "quotes",
      namespace: "prices",
      serviceAccount: "prices-snapshots-hourly",
      roleArn: "arn:store-role",
    });
    const [trust] = JSON.parse(recorder.named("store-role").inputs.assumeRolePolicy).Statement;
    expect(trust).toEqual({
      Effect: "Allow",
      Principal: { Service: "pods.eks.amazonaws.com" },
      Action: ["sts:AssumeRole", "sts:TagSession"],
      Condition: {
        StringEquals: {
          "aws:RequestTag/kubernetes-namespace": "prices",
          "aws:RequestTag/kubernetes-service-account": "prices-snapshots-hourly",
        },
      },
    });
    expect(JSON.parse(recorder.named("store-role-policy").inputs.policy).Statement).toEqual([
      { Effect: "Allow", Action: ["s3:ListBucket"], Resource: "arn:store-bucket" },
      {
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        Resource: "arn:store-bucket/*",
      },
      { Effect: "Allow", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: key },
    ]);
    expect(recorder.named("store-encryption").inputs.rules[0]).toEqual({
      applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key },
      bucketKeyEnabled: true,
    });
    expect(handle.serviceAccountAnnotations).toEqual({});
    expect(await valueOf(handle.ready)).toBe(true);
    expect(dependencies(recorder.named("store-identity"))).toEqual(
      expect.arrayContaining(["mesh-cluster-identity-addon", "store-role", "store-role-policy"]),
    );
  });

  it("lies in another region where that is asked for, with all that belongs to it; the identity stays with the cluster", async () => {
    const { recorder, handle } = await make({ region: "eu-central-1" });
    for (const { name, type, inputs } of recorder.resources.filter(({ type }) => type.startsWith("aws:s3/"))) {
      expect([type, name, inputs.region]).toEqual([type, name, "eu-central-1"]);
    }
    expect(recorder.named("store-identity").inputs.region).toBe("eu-west-1");
    expect(handle.store.s3?.region).toBe("eu-central-1");
  });

  it("is protected unless somebody says otherwise; the store's own word counts more than the provider's", async () => {
    const protectionOf = async (more: object, options = existing): Promise<boolean[]> => {
      const { options: made } = (await make(more, options)).recorder.named("store-bucket");
      return [made.protect, made.retainOnDelete];
    };
    expect(await protectionOf({})).toEqual([true, false]);
    expect(await protectionOf({}, { ...existing, dataProtection: { protect: false, retainOnDelete: true } })).toEqual([false, true]);
    expect(await protectionOf({ dataProtection: { retainOnDelete: true } }, { ...existing, dataProtection: { protect: false } })).toEqual([
      true,
      true,
    ]);
  });

  it("keeps its rules where the bucket is kept", async () => {
    const { recorder } = await make({ dataProtection: { protect: false, retainOnDelete: true } });
    const rules = recorder.resources.filter(({ type }) => type.startsWith("aws:s3/"));
    expect(rules.map(({ options }) => options.retainOnDelete)).toEqual(rules.map(() => true));
  });
});
