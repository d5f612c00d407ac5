/** Host names, and where requests carry the dimensions: from what the user wrote to checked values. */
import { checkKnownKeys, checkList, checkObject, checkUnique, isObject } from "./checks";
import { joinPath, type Problems } from "./errors";
import { checkConditionName } from "./route-values";
import type { DimensionKey, RouteDimensions } from "./route-types";

const hostName = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

export const dimensionNames = ["snapshot", "version", "shard"] as const;

/** Where requests carry each dimension: at least one of header (lower case) and query. */
export type DimensionKeys = Record<(typeof dimensionNames)[number], DimensionKey>;

/** The host names, checked. */
export function normalizeHosts(problems: Problems, path: string, hosts: unknown): string[] {
  if (!checkList(problems, path, hosts)) {
    return [];
  }
  if (hosts.length === 0) {
    problems.add(path, [], "at least one host name is allowed; * alone takes every host");
  }
  hosts.forEach((host, index) => checkHost(problems, joinPath(path, index), host, hosts.length === 1));
  checkUnique(problems, path, hosts);
  return [...new Set(hosts.filter((host): host is string => typeof host === "string"))].sort();
}

function checkHost(problems: Problems, path: string, host: unknown, alone: boolean): void {
  if (host === "*") {
    if (!alone) {
      problems.add(path, host, "* takes every host, so it must be the only one");
    }
  } else if (!isHostName(host)) {
    problems.add(
      path,
      host,
      "a host name in lower case without port is allowed, for example mesh.example.com or *.example.com; no IP address",
    );
  }
}

/** Whether a value is a host name, or a wildcard below one. */
export function isHostName(host: unknown): host is string {
  return typeof host === "string" && host.length <= 253 && hostName.test(host) && !/(?:^|\.)[0-9]+$/.test(host);
}

/** The dimensions with their defaults, checked: no two of them read the same header or parameter. */
export function normalizeDimensions(problems: Problems, given: RouteDimensions | undefined): DimensionKeys {
  const dimensions: Record<string, unknown> = isObject(given) ? given : {};
  if (given !== undefined && checkObject(problems, "dimensions", given)) {
    checkKnownKeys(problems, "dimensions", given, dimensionNames);
  }
  const taken = new Map<string, string>();
  const keyOf = (name: string): DimensionKey => normalizeDimension(problems, name, dimensions[name], taken);
  return { snapshot: keyOf("snapshot"), version: keyOf("version"), shard: keyOf("shard") };
}

function normalizeDimension(problems: Problems, name: string, given: unknown, taken: Map<string, string>): DimensionKey {
  const path = joinPath("dimensions", name);
  const value = given === undefined || !checkObject(problems, path, given) ? {} : given;
  checkKnownKeys(problems, path, value, ["header", "query"]);
  const key: DimensionKey = {};
  for (const kind of ["header", "query"] as const) {
    const text = value[kind] ?? (kind === "header" && value["query"] === undefined ? `x-mesh-${name}` : undefined);
    if (text !== undefined && checkConditionName(problems, joinPath(path, kind), kind, text)) {
      key[kind] = kind === "header" ? text.toLowerCase() : text;
      const id = `${kind} ${key[kind]}`;
      if (taken.has(id)) {
        problems.add(joinPath(path, kind), text, `another ${kind} is needed: ${taken.get(id) ?? ""} is read from it`);
      }
      taken.set(id, path);
    }
  }
  return key;
}
