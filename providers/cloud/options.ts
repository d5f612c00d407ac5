/** Checks of options that all clouds share. Every function notes its problems with property paths. */
import { checkBoolean, checkKnownKeys, checkList, checkObject, exactlyOne, isObject } from "../../src/model/checks";
import { joinPath, keyPath, type Problems } from "../../src/model/errors";
import { checkCidr } from "./cidr";

/** What tags (labels in Google Cloud) may be. */
export interface TagRules {
  most: number;
  key: RegExp;
  value: RegExp;
  /** In words, for messages. */
  allowed: string;
}

/** Checks tags, which all clouds call differently and limit differently. */
export function checkTags(problems: Problems, path: string, tags: unknown, rules: TagRules): void {
  if (tags === undefined || !checkObject(problems, path, tags)) {
    return;
  }
  if (Object.keys(tags).length > rules.most) {
    problems.add(path, `${Object.keys(tags).length} tags`, `at most ${rules.most} are allowed beside our own`);
  }
  for (const [key, value] of Object.entries(tags)) {
    if (!rules.key.test(key) || typeof value !== "string" || !rules.value.test(value)) {
      problems.add(keyPath(path, key), value, rules.allowed);
    }
  }
}

/**
 * "Create or adopt": `{ create: {…} }` or `{ existing: {…} }`, exactly one.
 *
 * @returns which one, where its content is an object with no other keys than those listed
 */
export function checkCreateOrExisting(
  problems: Problems,
  path: string,
  value: unknown,
  keys: { create: readonly string[]; existing: readonly string[] },
): "create" | "existing" | undefined {
  if (!checkObject(problems, path, value)) {
    return undefined;
  }
  checkKnownKeys(problems, path, value, ["create", "existing"]);
  const chosen = exactlyOne(problems, path, value, ["create", "existing"]) as "create" | "existing" | undefined;
  if (chosen === undefined) {
    return undefined;
  }
  const inner = joinPath(path, chosen);
  if (!checkObject(problems, inner, value[chosen])) {
    return undefined;
  }
  checkKnownKeys(problems, inner, value[chosen], keys[chosen]);
  return chosen;
}

/** Whether `value` is a text that fits. `allowed` says in words what does. */
export function checkPattern(problems: Problems, path: string, value: unknown, pattern: RegExp, allowed: string): value is string {
  if (typeof value === "string" && pattern.test(value)) {
    return true;
  }
  problems.add(path, value, allowed);
  return false;
}

/** Kubernetes versions as all three clouds write them. */
export function checkKubernetesVersion(problems: Problems, path: string, version: unknown): void {
  if (version !== undefined) {
    checkPattern(problems, path, version, /^1\.\d{2}(\.\d+)?$/, 'a Kubernetes version as text is allowed, for example "1.34"');
  }
}

/** Ranges from which a public endpoint may be reached; the whole Internet must be said by name, and is then the user's decision. */
export function checkAuthorizedNetworks(
  problems: Problems,
  path: string,
  control: { privateEndpoint?: unknown; authorizedNetworks?: unknown },
): void {
  const { privateEndpoint, authorizedNetworks } = control;
  if (privateEndpoint !== undefined) {
    checkBoolean(problems, joinPath(path, "privateEndpoint"), privateEndpoint);
  }
  const ranges = joinPath(path, "authorizedNetworks");
  if (authorizedNetworks === undefined) {
    if (privateEndpoint === false) {
      problems.add(ranges, undefined, "a public endpoint needs the ranges that may reach it, for example 203.0.113.0/24");
    }
    return;
  }
  if (!checkList(problems, ranges, authorizedNetworks)) {
    return;
  }
  if (privateEndpoint !== false) {
    problems.add(ranges, authorizedNetworks, "only a public endpoint has them; say privateEndpoint: false, or leave them out");
  }
  if (authorizedNetworks.length === 0) {
    problems.add(ranges, [], "at least one range is needed: nobody could reach the endpoint");
  }
  authorizedNetworks.forEach((range, index) => checkCidr(problems, joinPath(ranges, index), range, 0, 32));
}

/** Checks `dataProtection`. */
export function checkDataProtection(problems: Problems, path: string, protection: unknown): void {
  if (protection === undefined || !checkObject(problems, path, protection)) {
    return;
  }
  checkKnownKeys(problems, path, protection, ["protect", "retainOnDelete"]);
  for (const key of ["protect", "retainOnDelete"]) {
    if (protection[key] !== undefined) {
      checkBoolean(problems, joinPath(path, key), protection[key]);
    }
  }
}

/** Checks `nodes: { adopt: true, … }`; `keys` are the members beside `adopt`. */
export function checkNodeOptions(problems: Problems, path: string, nodes: unknown, keys: readonly string[] = []): void {
  if (nodes === undefined || !checkObject(problems, path, nodes)) {
    return;
  }
  checkKnownKeys(problems, path, nodes, ["adopt", ...keys]);
  if (nodes["adopt"] !== undefined) {
    checkBoolean(problems, joinPath(path, "adopt"), nodes["adopt"]);
  }
}

/** A cluster that is created needs a network, where the cloud has none of its own for it. */
export function checkNetworkGiven(problems: Problems, network: unknown, cluster: "create" | "existing" | undefined): void {
  if (cluster === "create" && network === undefined) {
    problems.add("network", undefined, "a cluster that is created needs network.create or network.existing");
  }
}

/** Adopted nodes lie in a cluster that is there, and a cluster that is there lies in a network that is there. */
export function checkOrigins(
  problems: Problems,
  options: { network?: unknown; cluster?: unknown; nodes?: unknown },
  chosen: { network: "create" | "existing" | undefined; cluster: "create" | "existing" | undefined },
): void {
  if (chosen.cluster === "existing" && chosen.network === "create") {
    problems.add("network", "create", "an existing cluster has its network already: network.existing is allowed");
  }
  if (chosen.cluster === "create" && isObject(options.nodes) && options.nodes["adopt"] === true) {
    problems.add("nodes.adopt", true, "a cluster that is created has no nodes to adopt; cluster.existing is allowed with it");
  }
}
