/** What is wrong with options of the Google Cloud provider: all of it at once, before anything is made. */
import { checkKnownKeys, checkObject, checkOneOf, isObject } from "../../src/model/checks";
import { Problems } from "../../src/model/errors";
import { checkApart, checkCidr } from "../cloud/cidr";
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
import { checkZone } from "../cloud/zones";
import { machineTypes } from "./instance-types";
import {
  checkKey,
  clusterNamePattern,
  defaultPodCidr,
  defaultServiceCidr,
  defaultSystemType,
  type GcpClusterCreateOptions,
  type GcpNetworkOptions,
  type GcpProviderOptions,
  labelRules,
  machinePattern,
  projectPattern,
  regionPattern,
  regionRule,
  zoneRules,
} from "./options";

/**
 * Checks the options of `gcpProvider`.
 *
 * @throws MeshInputError with every problem
 */
export function checkGcpOptions(options: GcpProviderOptions): void {
  const problems = new Problems("gcpProvider");
  if (!checkObject(problems, "", options)) {
    problems.throwIfAny();
  }
  checkKnownKeys(problems, "", options, ["project", "region", "network", "cluster", "nodes", "tags", "dataProtection"]);
  checkPattern(problems, "project", options.project, projectPattern, "the id of a project is needed, for example my-project-123456");
  checkPattern(problems, "region", options.region, regionPattern, regionRule);
  const chosen = { network: checkNetwork(problems, options.network), cluster: checkCluster(problems, options) };
  checkNetworkGiven(problems, options.network, chosen.cluster);
  checkOrigins(problems, options, chosen);
  checkNodeOptions(problems, "nodes", options.nodes, ["families", "serviceAccount"]);
  checkFamilies(problems, "nodes.families", options.nodes?.families, machineTypes);
  if (isObject(options.nodes) && options.nodes.serviceAccount !== undefined) {
    const allowed = "the e-mail address of a service account is allowed, for example nodes@my-project.iam.gserviceaccount.com";
    checkPattern(problems, "nodes.serviceAccount", options.nodes.serviceAccount, /^[^@\s]+@[^@\s]+$/, allowed);
  }
  checkTags(problems, "tags", options.tags, labelRules);
  checkDataProtection(problems, "dataProtection", options.dataProtection);
  problems.throwIfAny();
}

function checkNetwork(problems: Problems, network: GcpNetworkOptions | undefined): "create" | "existing" | undefined {
  if (network === undefined) {
    return undefined;
  }
  const chosen = checkCreateOrExisting(problems, "network", network, {
    create: ["cidr", "podCidr", "serviceCidr"],
    existing: ["network", "subnetwork", "podRange", "serviceRange"],
  });
  if (chosen === "create" && network.create !== undefined) {
    const { cidr, podCidr = defaultPodCidr, serviceCidr = defaultServiceCidr } = network.create;
    checkApart(problems, [
      ["network.create.cidr", checkCidr(problems, "network.create.cidr", cidr, 12, 28)],
      ["network.create.podCidr", checkCidr(problems, "network.create.podCidr", podCidr, 9, 21)],
      ["network.create.serviceCidr", checkCidr(problems, "network.create.serviceCidr", serviceCidr, 16, 27)],
    ]);
  }
  if (chosen === "existing" && network.existing !== undefined) {
    for (const key of ["network", "subnetwork", "podRange", "serviceRange"] as const) {
      if (network.existing[key] !== undefined || key === "network" || key === "subnetwork") {
        checkPattern(problems, `network.existing.${key}`, network.existing[key], /^\S+$/, `the name of a ${key} is needed`);
      }
    }
  }
  return chosen;
}

function checkCluster(problems: Problems, options: GcpProviderOptions): "create" | "existing" | undefined {
  const { cluster, region } = options;
  const chosen = checkCreateOrExisting(problems, "cluster", cluster, {
    create: ["name", "version", "releaseChannel", "privateEndpoint", "authorizedNetworks", "zones", "systemNodes", "encryptionKey"],
    existing: ["name", "location"],
  });
  if (chosen === undefined) {
    return undefined;
  }
  const path = `cluster.${chosen}`;
  const allowed =
    "the name of a GKE cluster is needed: lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters";
  checkPattern(problems, `${path}.name`, cluster[chosen]?.name, clusterNamePattern, allowed);
  if (chosen === "create" && cluster.create !== undefined) {
    checkClusterCreate(problems, path, cluster.create, region);
  }
  if (chosen === "existing" && cluster.existing?.location !== undefined) {
    const { location } = cluster.existing;
    if (location !== region) {
      checkZone(problems, `${path}.location`, location, region, zoneRules);
    }
  }
  return chosen;
}

function checkClusterCreate(problems: Problems, path: string, create: GcpClusterCreateOptions, region: string): void {
  checkKubernetesVersion(problems, `${path}.version`, create.version);
  if (create.releaseChannel !== undefined) {
    checkOneOf(problems, `${path}.releaseChannel`, create.releaseChannel, ["RAPID", "REGULAR", "STABLE", "EXTENDED"]);
  }
  checkAuthorizedNetworks(problems, path, create);
  checkKey(problems, `${path}.encryptionKey`, create.encryptionKey);
  checkSystemNodes(problems, path, create, {
    region,
    zones: zoneRules,
    count: "perZone",
    most: 10,
    machine: machinePattern,
    example: defaultSystemType,
  });
}
