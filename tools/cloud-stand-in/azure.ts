/**
 * Resources of Azure. In azure-native everything in the path of a resource replaces it, and of its body what its table of replacements lists
 * (provider/pkg/gen/replacement.go) or the interface of Azure marks as decided at creation (x-ms-mutability).
 */
import { type JsonMap, textAt } from "../kubernetes-provider/json";
import { type Cloud, type Made, type Rule, text } from "./rule";

const subscription = "/subscriptions/00000000-0000-0000-0000-000000000000";

/**
 * @param path below the resource group, with inputs in the places of `{…}`; the last one gets an automatic name
 * @param replacedBy inputs of the body that replace, beside the location
 */
function pathRule(path: string, replacedBy: readonly string[] = [], outputs: (made: Made) => JsonMap = () => ({})): Rule {
  const whole = `/resourceGroups/{resourceGroupName}${path}`;
  const keys = [...whole.matchAll(/\{(\w+)\}/g)].map(([, key = ""]) => key);
  const id = (inputs: JsonMap): string => `${subscription}${whole.replace(/\{(\w+)\}/g, (_all, key: string) => text(inputs, key))}`;
  return {
    id,
    autoname: keys.at(-1),
    replacedBy: [...keys, "location", ...replacedBy],
    outputs: (made) => ({ name: made.id.split("/").at(-1), type: "played", ...outputs(made) }),
  };
}

/** A resource that belongs to any other, by its whole id. */
function scopedRule(path: string, nameKey: string, replacedBy: readonly string[]): Rule {
  return {
    id: (inputs, digits) => `${text(inputs, "scope")}${path}/${text(inputs, nameKey) || digits}`,
    autoname: nameKey,
    replacedBy: ["scope", nameKey, ...replacedBy],
    outputs: ({ id }) => ({ name: id.split("/").at(-1) }),
  };
}

const network = "/providers/Microsoft.Network";
const storage = "/providers/Microsoft.Storage/storageAccounts/{accountName}";
const cluster = "/providers/Microsoft.ContainerService/managedClusters/{resourceName}";
const identity = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}";

function clusterOutputs({ inputs, digits }: Made): JsonMap {
  const fqdn = `mesh-${digits}.hcp.westeurope.azmk8s.io`;
  return {
    fqdn,
    privateFQDN: `mesh-${digits}.privatelink.westeurope.azmk8s.io`,
    oidcIssuerProfile: { enabled: true, issuerURL: `https://westeurope.oic.prod-aks.azure.com/${digits}/` },
    currentKubernetesVersion: textAt(inputs, "kubernetesVersion") ?? "1.33",
    identityProfile: {
      kubeletidentity: { clientId: digits, objectId: `kubelet-${digits}`, resourceId: `${subscription}/kubelet-${digits}` },
    },
    nodeResourceGroup: textAt(inputs, "nodeResourceGroup") ?? `MC_${digits}`,
  };
}

export const azure: Cloud = {
  name: "azure-native",
  nameSeparator: "",
  keptInPreview: ["name", "location"],
  deletesFirst: "always",
  rules: {
    "azure-native:resources:ResourceGroup": pathRule(""),
    "azure-native:network:VirtualNetwork": pathRule(`${network}/virtualNetworks/{virtualNetworkName}`),
    "azure-native:network:Subnet": pathRule(`${network}/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}`),
    "azure-native:network:NatGateway": pathRule(`${network}/natGateways/{natGatewayName}`),
    "azure-native:network:PublicIPAddress": pathRule(`${network}/publicIPAddresses/{publicIpAddressName}`, [
      "publicIPAddressVersion",
      "publicIPPrefix",
      "sku",
    ]),
    "azure-native:network:NetworkSecurityGroup": pathRule(`${network}/networkSecurityGroups/{networkSecurityGroupName}`),
    "azure-native:containerservice:ManagedCluster": pathRule(
      cluster,
      ["diskEncryptionSetID", "dnsPrefix", "fqdnSubdomain", "linuxProfile", "networkProfile", "nodeResourceGroup", "windowsProfile"],
      clusterOutputs,
    ),
    "azure-native:containerservice:AgentPool": pathRule(`${cluster}/agentPools/{agentPoolName}`, ["gpuInstanceProfile", "vmSize"]),
    "azure-native:managedidentity:UserAssignedIdentity": pathRule(identity, [], ({ digits }) => ({
      clientId: `client-${digits}`,
      principalId: `principal-${digits}`,
      tenantId: "11111111-1111-1111-1111-111111111111",
    })),
    "azure-native:managedidentity:FederatedIdentityCredential": pathRule(
      `${identity}/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}`,
    ),
    "azure-native:authorization:RoleAssignment": scopedRule("/providers/Microsoft.Authorization/roleAssignments", "roleAssignmentName", [
      "principalId",
      "principalType",
      "roleDefinitionId",
    ]),
    "azure-native:authorization:ManagementLockByScope": scopedRule("/providers/Microsoft.Authorization/locks", "lockName", []),
    "azure-native:storage:StorageAccount": pathRule(
      storage,
      ["isHnsEnabled", "isNfsV3Enabled", "immutableStorageWithVersioning"],
      ({ inputs }) => ({
        primaryEndpoints: { blob: `https://${text(inputs, "accountName")}.blob.core.windows.net/` },
      }),
    ),
    "azure-native:storage:BlobServiceProperties": pathRule(`${storage}/blobServices/{blobServicesName}`),
    "azure-native:storage:BlobContainer": pathRule(`${storage}/blobServices/default/containers/{containerName}`),
    "azure-native:storage:BlobContainerImmutabilityPolicy": pathRule(
      `${storage}/blobServices/default/containers/{containerName}/immutabilityPolicies/{immutabilityPolicyName}`,
    ),
    "azure-native:storage:ManagementPolicy": pathRule(`${storage}/managementPolicies/{managementPolicyName}`),
  },
};
