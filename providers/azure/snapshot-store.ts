/** A snapshot store in Azure Blob Storage, and the identity of the pods that may use it; no key is anywhere. */
import { RoleAssignment } from "@pulumi/azure-native/authorization";
import { FederatedIdentityCredential, UserAssignedIdentity } from "@pulumi/azure-native/managedidentity";
import {
  BlobContainer,
  BlobServiceProperties,
  ManagementPolicy,
  StorageAccount,
  type StorageAccountArgs,
} from "@pulumi/azure-native/storage";
import * as pulumi from "@pulumi/pulumi";
import { dataOptions } from "../../src/kubernetes/children";
import { Problems, type InputProblem } from "../../src/model/errors";
import { contentHash } from "../../src/model/names";
import { checkPattern } from "../cloud/options";
import { checkStoreRequest, defaultRecoveryDays } from "../cloud/store-request";
import { checkOtherRegion } from "../cloud/zones";
import type { ChildOptions, SnapshotStoreHandle, SnapshotStoreRequest } from "../provider";
import type { AzureCluster } from "./cluster";
import { type AzureProviderOptions, locationPattern, locationRule, tagsOf, tagsOfTheDay } from "./options";

/** Built-in role "Storage Blob Data Contributor", https://learn.microsoft.com/azure/role-based-access-control/built-in-roles. */
const blobContributor = "/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe";

const containerName = "snapshots";
/** `https://<vault>.vault.azure.net/keys/<key>`, with or without a version. */
const keyPattern = /^(https:\/\/[a-z0-9-]+\.vault\.azure\.net)\/keys\/([A-Za-z0-9-]+)(?:\/([0-9a-f]{32}))?$/;

/** Everything that is wrong with a store on Azure. */
export function checkAzureStore(options: AzureProviderOptions, request: SnapshotStoreRequest): InputProblem[] {
  const problems = new Problems("store");
  // https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview: 1 to 365 days
  problems.addAll("", checkStoreRequest(request, 365));
  const { region, encryptionKey } = request;
  if (region !== undefined && checkPattern(problems, "region", region, locationPattern, locationRule)) {
    checkOtherRegion(problems, "region", region, options.location);
  }
  if (encryptionKey !== undefined) {
    const allowed = "the URL of a key in a key vault is allowed: https://<vault>.vault.azure.net/keys/<key>";
    checkPattern(problems, "encryptionKey", encryptionKey, keyPattern, allowed);
    if (options.keyIdentityId === undefined) {
      problems.add("encryptionKey", encryptionKey, "the provider's option keyIdentityId must name the identity that may use the key");
    }
  }
  return [...problems.all];
}

/**
 * Makes a storage account over all zones with one private, versioned, encrypted container, and an identity that one Kubernetes ServiceAccount may act as.
 *
 * What is removed or overwritten stays as a version, and after `recoveryDays` as a deleted one for as long again. Azure takes no lock at once: the policy of
 * `objectLockDays` holds from the start, and its owner can shorten it until it is locked by hand
 * (`az storage account update --immutability-state Locked`), which later updates leave alone.
 */
export function createAzureStore(
  name: string,
  options: AzureProviderOptions,
  cluster: AzureCluster,
  request: SnapshotStoreRequest,
  opts: ChildOptions,
): SnapshotStoreHandle {
  const { resourceGroup } = options;
  const { account, container } = createAccount(name, options, request, opts);
  const identity = new UserAssignedIdentity(
    `${name}-identity`,
    { resourceGroupName: resourceGroup, location: options.location, tags: tagsOf(options) },
    { ...opts, ...tagsOfTheDay },
  );
  const federation = new FederatedIdentityCredential(
    `${name}-federation`,
    {
      resourceGroupName: resourceGroup,
      resourceName: identity.name,
      issuer: cluster.issuerUrl,
      subject: `system:serviceaccount:${request.namespace}:${request.serviceAccountName}`,
      audiences: ["api://AzureADTokenExchange"],
    },
    opts,
  );
  const access = new RoleAssignment(
    `${name}-access`,
    { principalId: identity.principalId, principalType: "ServicePrincipal", roleDefinitionId: blobContributor, scope: container.id },
    opts,
  );
  return {
    store: { azureBlob: { account: account.name, container: container.name } },
    serviceAccountAnnotations: { "azure.workload.identity/client-id": identity.clientId },
    ready: pulumi.all([federation.id, access.id]).apply(() => true),
    dependsOn: [federation, access],
  };
}

function createAccount(
  name: string,
  options: AzureProviderOptions,
  request: SnapshotStoreRequest,
  opts: ChildOptions,
): { account: StorageAccount; container: BlobContainer } {
  const { recoveryDays = defaultRecoveryDays } = request;
  const protection = dataOptions(request.dataProtection ?? options.dataProtection);
  const account = new StorageAccount(`${name}-account`, accountArgs(options, request), {
    ...opts,
    ...protection,
    // Locked by hand, see above.
    ...(request.objectLockDays === undefined ? {} : { ignoreChanges: ["immutableStorageWithVersioning.immutabilityPolicy.state"] }),
  });
  const of = { resourceGroupName: options.resourceGroup, accountName: account.name };
  // Kept with the account: what is retained without its rules would lose what they keep.
  const kept = { ...opts, retainOnDelete: protection.retainOnDelete ?? false };
  const retention = { enabled: true, days: recoveryDays };
  const service = new BlobServiceProperties(
    `${name}-service`,
    {
      ...of,
      blobServicesName: "default",
      isVersioningEnabled: true,
      deleteRetentionPolicy: retention,
      containerDeleteRetentionPolicy: retention,
    },
    kept,
  );
  const rule = {
    name: "removed-blobs",
    type: "Lifecycle",
    enabled: true,
    definition: {
      filters: { blobTypes: ["blockBlob"] },
      actions: { version: { delete: { daysAfterCreationGreaterThan: recoveryDays } } },
    },
  };
  new ManagementPolicy(
    `${name}-lifecycle`,
    { ...of, managementPolicyName: "default", policy: { rules: [rule] } },
    { ...kept, dependsOn: [service] },
  );
  const container = new BlobContainer(
    `${name}-container`,
    { ...of, containerName, publicAccess: "None" },
    { ...opts, ...protection, dependsOn: [service] },
  );
  return { account, container };
}

function accountArgs(options: AzureProviderOptions, request: SnapshotStoreRequest): StorageAccountArgs {
  const location = request.region ?? options.location;
  const [, keyVaultUri = "", keyName = "", keyVersion] = keyPattern.exec(request.encryptionKey ?? "") ?? [];
  const { keyIdentityId } = options;
  const ownKey = request.encryptionKey !== undefined && keyIdentityId !== undefined;
  return {
    resourceGroupName: options.resourceGroup,
    accountName: accountNameOf(options, request),
    location,
    kind: "StorageV2",
    // Three zones of the location; a location without zones cannot have it.
    sku: { name: "Standard_ZRS" },
    allowBlobPublicAccess: false,
    // Without account keys nobody comes in but identities with a role.
    allowSharedKeyAccess: false,
    allowCrossTenantReplication: false,
    enableHttpsTrafficOnly: true,
    minimumTlsVersion: "TLS1_2",
    ...(ownKey ? { identity: { type: "UserAssigned", userAssignedIdentities: [keyIdentityId] } } : {}),
    encryption: ownKey
      ? {
          keySource: "Microsoft.Keyvault",
          keyVaultProperties: { keyVaultUri, keyName, ...(keyVersion === undefined ? {} : { keyVersion }) },
          encryptionIdentity: { encryptionUserAssignedIdentity: keyIdentityId },
          requireInfrastructureEncryption: true,
          services: { blob: { enabled: true, keyType: "Account" } },
        }
      : {
          keySource: "Microsoft.Storage",
          requireInfrastructureEncryption: true,
          services: { blob: { enabled: true, keyType: "Account" } },
        },
    ...(request.objectLockDays === undefined
      ? {}
      : {
          immutableStorageWithVersioning: {
            enabled: true,
            immutabilityPolicy: {
              immutabilityPeriodSinceCreationInDays: request.objectLockDays,
              state: "Unlocked",
              allowProtectedAppendWrites: false,
            },
          },
        }),
    tags: tagsOf(options, { "compute-mesh:holds-data": "snapshots" }),
  };
}

/**
 * Names of storage accounts are unique in all of Azure and have at most 24 lower-case letters and digits, so Pulumi's own suffix does not fit: a readable part, and a
 * hash of all that makes it another account. Frozen: another hash would be another account.
 */
export function accountNameOf(options: AzureProviderOptions, { mesh, storeName, region, objectLockDays }: SnapshotStoreRequest): string {
  const readable = `${mesh}${storeName}`.replace(/[^a-z0-9]/g, "").slice(0, 12);
  const identity = {
    project: pulumi.getProject(),
    stack: pulumi.getStack(),
    resourceGroup: options.resourceGroup,
    location: region ?? options.location,
    mesh,
    storeName,
    // Azure decides the days of a lock at creation.
    objectLockDays: objectLockDays ?? 0,
  };
  return `${readable}${contentHash(identity).slice(0, 12)}`;
}
