/** What is wrong with options of the Azure provider: all of it at once, before anything is made. */
import { checkBoolean, checkKnownKeys, checkList, checkObject, checkOneOf, isObject } from "../../src/model/checks";
import { joinPath, Problems } from "../../src/model/errors";
import { checkApart, checkCidr, checkInside } from "../cloud/cidr";
import { checkFamilies } from "../cloud/families";
import {
  checkAuthorizedNetworks,
  checkCreateOrExisting,
  checkDataProtection,
  checkKubernetesVersion,
  checkNetworkGiven,
  checkNodeOptions,
  checkOrigins,
  checkPattern,
  checkTags,
} from "../cloud/options";
import { checkSystemNodes } from "../cloud/system-nodes";
import { machineTypes } from "./instance-types";
import {
  type AzureClusterCreateOptions,
  type AzureNetworkOptions,
  type AzureProviderOptions,
  defaultPodCidr,
  defaultServiceCidr,
  defaultSystemType,
  locationPattern,
  locationRule,
  machinePattern,
  outboundTypes,
  resourceIdPattern,
  tagRules,
  zoneRules,
} from "./options";

/** https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules */
const groupPattern = /^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$/u;
const groupRule =
  "the name of a resource group is needed: letters, digits, hyphens, underscores, dots and brackets, no dot at the end, at most 90";
const clusterPattern = /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;
const clusterRule = "the name of an AKS cluster is needed: letters, digits, hyphens and underscores, at most 63";
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const clusterKeys = [
  "name",
  "version",
  "privateEndpoint",
  "authorizedNetworks",
  "adminGroupIds",
  "zones",
  "systemNodes",
  "podCidr",
  "serviceCidr",
  "outbound",
  "encryptionKey",
];

/**
 * Checks the options of `azureProvider`.
 *
 * @throws MeshInputError with every problem
 */
export function checkAzureOptions(options: AzureProviderOptions): void {
  const problems = new Problems("azureProvider");
  if (!checkObject(problems, "", options)) {
    problems.throwIfAny();
  }
  const keys = ["location", "resourceGroup", "network", "cluster", "nodes", "keyIdentityId", "tags", "dataProtection"];
  checkKnownKeys(problems, "", options, keys);
  checkPattern(problems, "location", options.location, locationPattern, locationRule);
  checkPattern(problems, "resourceGroup", options.resourceGroup, groupPattern, groupRule);
  const chosen = { network: checkNetwork(problems, options.network), cluster: checkCluster(problems, options) };
  checkNetworkGiven(problems, options.network, chosen.cluster);
  checkOrigins(problems, options, chosen);
  checkRanges(problems, options, chosen);
  checkNodeOptions(problems, "nodes", options.nodes, ["families", "encryptionAtHost"]);
  if (isObject(options.nodes)) {
    checkFamilies(problems, "nodes.families", options.nodes.families, machineTypes);
    if (options.nodes.encryptionAtHost !== undefined) {
      checkBoolean(problems, "nodes.encryptionAtHost", options.nodes.encryptionAtHost);
    }
  }
  checkId(problems, "keyIdentityId", options.keyIdentityId, "Microsoft.ManagedIdentity/userAssignedIdentities");
  checkTags(problems, "tags", options.tags, tagRules);
  checkDataProtection(problems, "dataProtection", options.dataProtection);
  problems.throwIfAny();
}

function checkId(problems: Problems, path: string, id: unknown, kind: string): void {
  if (id !== undefined) {
    checkPattern(
      problems,
      path,
      id,
      resourceIdPattern(kind),
      `the id of a resource ${kind} is allowed: /subscriptions/…/resourceGroups/…/providers/${kind}/…`,
    );
  }
}

function checkNetwork(problems: Problems, network: AzureNetworkOptions | undefined): "create" | "existing" | undefined {
  if (network === undefined) {
    return undefined;
  }
  const chosen = checkCreateOrExisting(problems, "network", network, { create: ["cidr", "nodeCidr"], existing: ["subnetId"] });
  if (chosen === "existing") {
    checkId(problems, "network.existing.subnetId", network.existing?.subnetId ?? "", "Microsoft.Network/virtualNetworks/subnets");
  }
  return chosen;
}

/** Pods and Services are in an overlay, and still must not have addresses of the network: nodes could not tell one from the other. */
function checkRanges(
  problems: Problems,
  { network, cluster }: AzureProviderOptions,
  chosen: { network: string | undefined; cluster: string | undefined },
): void {
  const create = chosen.network === "create" ? network?.create : undefined;
  const range = create && checkCidr(problems, "network.create.cidr", create.cidr, 8, 27);
  if (create?.nodeCidr !== undefined) {
    const nodes = checkCidr(problems, "network.create.nodeCidr", create.nodeCidr, 8, 27);
    checkInside(problems, "network.create.nodeCidr", nodes, "network.create.cidr", range);
  }
  if (chosen.cluster === "create" && cluster.create !== undefined) {
    const { podCidr = defaultPodCidr, serviceCidr = defaultServiceCidr } = cluster.create;
    checkApart(problems, [
      ["network.create.cidr", range],
      ["cluster.create.podCidr", checkCidr(problems, "cluster.create.podCidr", podCidr, 8, 21)],
      ["cluster.create.serviceCidr", checkCidr(problems, "cluster.create.serviceCidr", serviceCidr, 12, 28)],
    ]);
  }
}

function checkCluster(problems: Problems, options: AzureProviderOptions): "create" | "existing" | undefined {
  const { cluster } = options;
  const chosen = checkCreateOrExisting(problems, "cluster", cluster, { create: clusterKeys, existing: ["name", "resourceGroup"] });
  if (chosen === undefined) {
    return undefined;
  }
  checkPattern(problems, `cluster.${chosen}.name`, cluster[chosen]?.name, clusterPattern, clusterRule);
  if (chosen === "create" && cluster.create !== undefined) {
    checkClusterCreate(problems, "cluster.create", cluster.create, options.location);
  }
  if (cluster.existing?.resourceGroup !== undefined) {
    checkPattern(problems, "cluster.existing.resourceGroup", cluster.existing.resourceGroup, groupPattern, groupRule);
  }
  return chosen;
}

function checkClusterCreate(problems: Problems, path: string, create: AzureClusterCreateOptions, location: string): void {
  checkKubernetesVersion(problems, `${path}.version`, create.version);
  checkAuthorizedNetworks(problems, path, create);
  const groups = `${path}.adminGroupIds`;
  if (create.adminGroupIds !== undefined && checkList(problems, groups, create.adminGroupIds)) {
    create.adminGroupIds.forEach((id, index) =>
      checkPattern(problems, joinPath(groups, index), id, guid, "the object id of an Entra group is allowed, a GUID"),
    );
  }
  if (create.outbound !== undefined) {
    checkOneOf(problems, `${path}.outbound`, create.outbound, outboundTypes);
  }
  checkId(problems, `${path}.encryptionKey`, create.encryptionKey, "Microsoft.Compute/diskEncryptionSets");
  checkSystemNodes(problems, path, create, {
    region: location,
    zones: zoneRules,
    count: "count",
    most: 100,
    machine: machinePattern,
    example: defaultSystemType,
  });
}
