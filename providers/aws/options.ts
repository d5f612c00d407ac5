/** Options of the AWS provider and what can be wrong with them. */
import type * as pulumi from "@pulumi/pulumi";
import type { DataProtection } from "../../src/kubernetes/children";
import { checkBoolean, checkKnownKeys, checkObject, checkOneOf, isObject } from "../../src/model/checks";
import { joinPath, keyPath, Problems } from "../../src/model/errors";
import { checkApart, checkCidr, checkInside, type Cidr } from "../cloud/cidr";
import {
  checkAuthorizedNetworks,
  checkCreateOrExisting,
  checkDataProtection,
  checkKubernetesVersion,
  checkNodeOptions,
  checkOrigins,
  checkPattern,
  checkTags,
  type TagRules,
} from "../cloud/options";
import { checkFamilies } from "../cloud/families";
import { checkZone, type ZoneRules } from "../cloud/zones";
import { ec2Types } from "./instance-types";

/** Addresses of one zone. */
export interface AwsZoneOptions {
  /** Range of the nodes and pods, from /16 to /28; each pod takes one address of it. */
  cidr: string;
  /** Range of the NAT gateway and of public load balancers. Needed where `nat` puts a gateway here, and wherever a load balancer should be public. */
  publicCidr?: string;
}

/** A network that is made. */
export interface AwsNetworkCreateOptions {
  /** Range of the VPC, from /16 to /28; those of the zones lie in it. */
  cidr: string;
  /** Zone → its addresses. They are written down, not computed, so that a new zone never moves an old one. */
  zones: Record<string, AwsZoneOptions>;
  /**
   * How nodes reach what is outside: `zone`, a NAT gateway in every zone, so that no zone needs another; `one`, in the first zone by name, which is cheaper
   * and takes all zones down with its own; `none`, where you see to it. Default: `zone`.
   */
  nat?: string;
}

/** A network that is there. */
export interface AwsNetworkExistingOptions {
  /** Zone → id of the subnet whose addresses nodes and pods take. */
  subnetIds: Record<string, pulumi.Input<string>>;
}

/** Exactly one member. */
export interface AwsNetworkOptions {
  create?: AwsNetworkCreateOptions;
  existing?: AwsNetworkExistingOptions;
}

/** A cluster that is made. */
export interface AwsClusterCreateOptions {
  /** Name of the cluster, also for placement rules; another name is another cluster. */
  name: string;
  /** Kubernetes version such as `1.34`; nodes follow it in place, one zone after the other. Default: the newest of EKS at creation. */
  version?: string;
  /** The API server has an address in the network alone, so that Pulumi must run where it reaches it. Default: true. */
  privateEndpoint?: boolean;
  /** Ranges that reach the public address, which there is with `privateEndpoint: false`. */
  authorizedNetworks?: string[];
  /** ARN of a KMS key that encrypts the Kubernetes API's data. Default: EKS's own key. */
  encryptionKey?: pulumi.Input<string>;
  /**
   * Runs the Cluster Autoscaler, without which a pool stays at its initial size. Default: false, for many have one, or Karpenter, from a chart of their own.
   */
  autoscaler?: boolean;
}

/** A cluster that is there. Its EKS Pod Identity Agent gives snapshots their identity. */
export interface AwsClusterExistingOptions {
  /** Its name in the region. */
  name: string;
}

/** Exactly one member. */
export interface AwsClusterOptions {
  create?: AwsClusterCreateOptions;
  existing?: AwsClusterExistingOptions;
}

/** How machines come to be. */
export interface AwsNodeOptions {
  /** Nodes are there already, carry their labels, and nothing is made. Default: false. */
  adopt?: boolean;
  /** Families of machines to choose from, for example `["m7gd", "r7gd"]`. Default: all current ones of the table. */
  families?: string[];
  /** ARN of the IAM role of the machines. Default: one is made with what EKS needs and no more. */
  roleArn?: pulumi.Input<string>;
}

/** Options of the AWS provider. */
export interface AwsProviderOptions {
  /** Region of the nodes, for example `eu-west-1`. */
  region: string;
  /** Where nodes are; needed unless `nodes.adopt`. */
  network?: AwsNetworkOptions;
  cluster: AwsClusterOptions;
  nodes?: AwsNodeOptions;
  /** Tags on everything that is made. Machines and their disks carry those of the day they were made: a tag is no reason to replace a machine. */
  tags?: Record<string, string>;
  /** Protection of snapshot stores, on unless it says otherwise; and of the cluster, where it is given. */
  dataProtection?: DataProtection;
}

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices; we set up to ten ourselves. */
const tagRules: TagRules = {
  most: 40,
  key: /^(?!aws:)[\p{L}\p{N} _.:/=+@-]{1,128}$/u,
  value: /^[\p{L}\p{N} _.:/=+@-]{0,256}$/u,
  allowed: "keys of 1 to 128 and texts of at most 256 letters, digits, spaces and _.:/=+-@ are allowed; keys do not begin with aws:",
};

/** Zones (`eu-west-1a`), local zones (`us-west-2-lax-1a`) and wavelength zones of a region. */
export const awsZoneRules: ZoneRules = {
  belongs: (zone, region) => zone.startsWith(region) && /^([a-z]|-[a-z0-9-]*[0-9][a-z])$/.test(zone.slice(region.length)),
  example: (region) => `${region}a`,
};

/** What a region looks like. */
export const awsRegionRule = "a region is allowed, for example eu-west-1";
export const awsRegionPattern = /^[a-z]{2,}(-[a-z]+)+-\d{1,2}$/;

/** Name of the cluster. */
export function awsClusterName({ cluster }: AwsProviderOptions): string {
  return cluster.create?.name ?? cluster.existing?.name ?? "";
}

/** The zones that the options name, sorted. */
export function awsZones(options: AwsProviderOptions): string[] {
  const { create, existing } = options.network ?? {};
  return Object.keys(create?.zones ?? existing?.subnetIds ?? {}).sort();
}

/** @throws MeshInputError with every problem */
export function checkAwsOptions(options: AwsProviderOptions): void {
  const problems = new Problems("awsProvider");
  if (!checkObject(problems, "", options)) {
    problems.throwIfAny();
  }
  checkKnownKeys(problems, "", options, ["region", "network", "cluster", "nodes", "tags", "dataProtection"]);
  checkPattern(problems, "region", options.region, awsRegionPattern, awsRegionRule);
  const cluster = checkCluster(problems, options);
  checkOrigins(problems, options, { network: checkNetwork(problems, options, cluster), cluster });
  checkNodes(problems, options.nodes);
  checkTags(problems, "tags", options.tags, tagRules);
  checkDataProtection(problems, "dataProtection", options.dataProtection);
  problems.throwIfAny();
}

function checkCluster(problems: Problems, options: AwsProviderOptions): "create" | "existing" | undefined {
  const chosen = checkCreateOrExisting(problems, "cluster", options.cluster, {
    create: ["name", "version", "privateEndpoint", "authorizedNetworks", "encryptionKey", "autoscaler"],
    existing: ["name"],
  });
  if (chosen !== undefined) {
    const path = joinPath("cluster", chosen);
    const { name } = options.cluster[chosen] as { name: unknown };
    const rule =
      "the name of a cluster is allowed: letters, digits, hyphens and underscores, beginning and ending with a letter or digit, at most 63";
    checkPattern(problems, joinPath(path, "name"), name, /^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/, rule);
  }
  if (chosen === "create") {
    const create = options.cluster.create as AwsClusterCreateOptions;
    checkKubernetesVersion(problems, "cluster.create.version", create.version);
    checkAuthorizedNetworks(problems, "cluster.create", create);
    if (create.autoscaler !== undefined) {
      checkBoolean(problems, "cluster.create.autoscaler", create.autoscaler);
    }
  }
  return chosen;
}

function checkNetwork(problems: Problems, options: AwsProviderOptions, cluster: string | undefined): "create" | "existing" | undefined {
  if (options.network === undefined) {
    if (!(cluster === "existing" && options.nodes?.adopt === true)) {
      problems.add("network", undefined, "create or existing is needed: machines lie in subnets");
    }
    return undefined;
  }
  const chosen = checkCreateOrExisting(problems, "network", options.network, { create: ["cidr", "zones", "nat"], existing: ["subnetIds"] });
  if (chosen === undefined) {
    return chosen;
  }
  const key = chosen === "create" ? "zones" : "subnetIds";
  const path = `network.${chosen}.${key}`;
  const zones = (options.network[chosen] as unknown as Record<string, unknown>)[key];
  if (!checkObject(problems, path, zones)) {
    return chosen;
  }
  Object.keys(zones).forEach((zone) => checkZone(problems, keyPath(path, zone), zone, options.region, awsZoneRules));
  // https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
  const least = cluster === "create" ? 2 : 1;
  if (Object.keys(zones).length < least) {
    problems.add(path, Object.keys(zones), least === 2 ? "EKS needs subnets in at least two zones" : "at least one zone is needed");
  }
  if (chosen === "create") {
    checkRanges(problems, options.network.create as AwsNetworkCreateOptions);
  }
  return chosen;
}

function checkRanges(problems: Problems, network: AwsNetworkCreateOptions): void {
  const all = checkCidr(problems, "network.create.cidr", network.cidr, 16, 28);
  const nat = network.nat ?? "zone";
  checkOneOf(problems, "network.create.nat", nat, ["zone", "one", "none"]);
  const ranges: [string, Cidr | undefined][] = [];
  const names = Object.keys(network.zones).sort();
  for (const name of names) {
    const path = keyPath("network.create.zones", name);
    const zone: unknown = network.zones[name];
    if (!checkObject(problems, path, zone)) {
      continue;
    }
    checkKnownKeys(problems, path, zone, ["cidr", "publicCidr"]);
    ranges.push([joinPath(path, "cidr"), checkCidr(problems, joinPath(path, "cidr"), zone["cidr"], 16, 28)]);
    const publicPath = joinPath(path, "publicCidr");
    if (zone["publicCidr"] !== undefined) {
      ranges.push([publicPath, checkCidr(problems, publicPath, zone["publicCidr"], 16, 28)]);
    } else if (nat === "zone" || (nat === "one" && name === names[0])) {
      problems.add(publicPath, undefined, `the NAT gateway of nat: "${nat}" needs a range of its own; a /28 is enough`);
    }
  }
  ranges.forEach(([path, range]) => checkInside(problems, path, range, "network.create.cidr", all));
  checkApart(problems, ranges);
}

function checkNodes(problems: Problems, nodes: unknown): void {
  checkNodeOptions(problems, "nodes", nodes, ["families", "roleArn"]);
  if (isObject(nodes)) {
    checkFamilies(problems, "nodes.families", nodes["families"], ec2Types);
  }
}
