/**
 * Resources of Azure. In azure-native everything in the path of a resource replaces it, and of its body what its table of replacements lists
 * (provider/pkg/gen/replacement.go) or the interface of Azure marks as decided at creation (x-ms-mutability).
 */
import { type JsonMap, textAt } from "../kubernetes-provider/json";
import { type Cloud, type Made, type Rule, text } from "./rule";
import type { Entry, World } from "./world";

const subscription = "/subscriptions/00000000-0000-0000-0000-000000000000";

/**
 * @param path below the resource group, with inputs in the places of `{…}`; the last one gets an automatic name
 * @param replacedBy inputs of the body that replace, beside the location
 */
function pathRule(path: string, replacedBy: readonly string[] = [], outputs: (made: Made) => JsonMap = () => ({})): Rule {
  const whole = `/resourceGroups/{resourceGroupName}${path}`;
  const keys = [...whole.matchAll(/\{(\w+)\}/g)].map(([, key = ""]) => key);
  return {
    id: (inputs) => idOf(path, inputs),
    autoname: keys.at(-1),
    replacedBy: [...keys, "location", ...replacedBy],
    outputs: (made) => ({ name: made.id.split("/").at(-1), type: "played", ...outputs(made) }),
  };
}

function idOf(path: string, inputs: JsonMap): string {
  const whole = `/resourceGroups/{resourceGroupName}${path}`;
  return `${subscription}${whole.replace(/\{(\w+)\}/g, (_all, key: string) => text(inputs, key))}`;
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

const clusterToken = "azure-native:containerservice:ManagedCluster";

/** @throws Error where there is no such cluster */
function clusterOf(args: JsonMap, world: World): Entry {
  return world.need(clusterToken, idOf(cluster, args));
}

/** AKS gives its address and certificate in a kubeconfig alone. */
function credentials(args: JsonMap, world: World): JsonMap {
  const { outputs } = clusterOf(args, world);
  const authority = Buffer.from("certificate").toString("base64");
  const server = `https://${textAt(outputs, "privateFQDN")}:443`;
  const kubeconfig = `apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: ${authority}\n    server: ${server}\n  name: c\nkind: Config\n`;
  return { kubeconfigs: [{ name: "clusterUser", value: Buffer.from(kubeconfig).toString("base64") }] };
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
    [clusterToken]: pathRule(
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
  functions: {
    "azure-native:containerservice:getManagedCluster": (args, world) => {
      const { id, outputs } = clusterOf(args, world);
      return { ...outputs, id };
    },
    "azure-native:containerservice:listManagedClusterUserCredentials": credentials,
  },
};
