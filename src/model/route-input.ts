/** From what the user wrote to atomic matches: hosts, dimensions, paths, methods, headers, query parameters. */
import { checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf, checkUnique, exactlyOne, isObject } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import { compareText } from "./route-match";
import { readRegex, regexRule } from "./route-regex";
import type { AtomicMatch, PathMatch, ValueMatch } from "./route-table";
import type { DimensionKey, RouteDimensions, RouteMatch } from "./route-types";

/** The methods that the Gateway API can match. */
export const httpMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"] as const;

/** RFC 9110 token: the name of a header, and of a query parameter where it must be portable. */
const token = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}$/;
/** Visible ASCII, spaces only inside. */
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/;
/** Gateways differ in whether they decode a query before they compare; these characters are never encoded. */
const queryText = /^[A-Za-z0-9._~-]{1,1024}$/;
const hostName = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
/** As the HTTPRoute CRD has it. */
const pathText = /^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;

const matchKeys = ["prefix", "exact", "regex", "methods", "headers", "query", "snapshot", "version", "shard"];
const dimensionNames = ["snapshot", "version", "shard"] as const;

/** Where requests carry each dimension: at least one of header (lower case) and query. */
export type DimensionKeys = Record<(typeof dimensionNames)[number], DimensionKey>;

/** The host names, checked. */
export function normalizeHosts(problems: Problems, hosts: unknown): string[] {
  if (!checkList(problems, "hosts", hosts)) {
    return [];
  }
  if (hosts.length === 0) {
    problems.add("hosts", [], "at least one host name is allowed; * alone takes every host");
  }
  hosts.forEach((host, index) => checkHost(problems, joinPath("hosts", index), host, hosts.length === 1));
  checkUnique(problems, "hosts", hosts);
  return hosts.filter((host): host is string => typeof host === "string");
}

function checkHost(problems: Problems, path: string, host: unknown, alone: boolean): void {
  if (host === "*") {
    if (!alone) {
      problems.add(path, host, "* takes every host, so it must be the only one");
    }
  } else if (typeof host !== "string" || host.length > 253 || !hostName.test(host) || /(?:^|\.)[0-9]+$/.test(host)) {
    problems.add(
      path,
      host,
      "a host name in lower case without port is allowed, for example mesh.example.com or *.example.com; no IP address",
    );
  }
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
    if (text !== undefined && checkName(problems, joinPath(path, kind), kind, text)) {
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

function checkName(problems: Problems, path: string, kind: "header" | "query", name: unknown): name is string {
  if (typeof name !== "string" || !token.test(name)) {
    problems.add(
      path,
      name,
      `the name of a ${kind === "header" ? "header" : "query parameter"} is letters, digits and !#$%&'*+-.^_\`|~ (RFC 9110 token), at most 256`,
    );
    return false;
  }
  if (kind === "header" && name.toLowerCase() === "host") {
    problems.add(path, name, "the host is matched by `hosts`; gateways do not show it as a header");
    return false;
  }
  if (kind === "query" && !queryText.test(name)) {
    problems.add(path, name, "only letters, digits and ._~- are allowed in a query parameter, because gateways differ in what they decode");
    return false;
  }
  return true;
}

/** One match as atomic matches: one per method and per place where a dimension can be. Empty where something is wrong. */
export function normalizeMatch(problems: Problems, path: string, given: unknown, keys: DimensionKeys): AtomicMatch[] {
  const before = problems.all.length;
  if (!checkObject(problems, path, given)) {
    return [];
  }
  checkKnownKeys(problems, path, given, matchKeys);
  const match: RouteMatch = given;
  const pathMatch = normalizePath(problems, path, match);
  const methods = normalizeMethods(problems, joinPath(path, "methods"), match.methods);
  const headers = normalizePairs(problems, joinPath(path, "headers"), "header", match.headers);
  const query = normalizePairs(problems, joinPath(path, "query"), "query", match.query);
  const places = dimensionPlaces(problems, path, match, keys);
  if (problems.all.length > before || pathMatch === undefined) {
    return [];
  }
  return methods.flatMap((method) =>
    places.map((place) =>
      atomic(problems, path, { path: pathMatch, method, headers: [...headers, ...place.headers], query: [...query, ...place.query] }),
    ),
  );
}

function atomic(problems: Problems, path: string, match: AtomicMatch): AtomicMatch {
  const sorted = (kind: string, pairs: readonly ValueMatch[]): ValueMatch[] => {
    const names = pairs.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      problems.add(
        path,
        twice,
        `a ${kind} can have one value only: say a dimension by its own key (snapshot, version, shard) or by its ${kind}, not both`,
      );
    }
    return [...pairs].sort((a, b) => compareText(a.name, b.name));
  };
  return { ...match, headers: sorted("header", match.headers), query: sorted("query parameter", match.query) };
}

function normalizePath(problems: Problems, path: string, match: RouteMatch): PathMatch | undefined {
  const given = (["prefix", "exact", "regex"] as const).filter((kind) => match[kind] !== undefined);
  const [kind = "prefix"] = given;
  if (given.length > 1) {
    exactlyOne(problems, path, match, ["prefix", "exact", "regex"]);
    return undefined;
  }
  const value: unknown = match[kind] ?? "/";
  if (kind === "regex") {
    if (typeof value !== "string" || value.length > 1024 || readRegex(value) === undefined) {
      problems.add(joinPath(path, kind), value, regexRule);
      return undefined;
    }
    return { kind, value };
  }
  if (typeof value !== "string" || value.length > 1024 || !isPlainPath(value)) {
    problems.add(
      joinPath(path, kind),
      value,
      "a path that starts with /, without empty, . or .. elements, %2F, query or fragment, is allowed",
    );
    return undefined;
  }
  // `/prices/` and `/prices` are the same prefix of elements.
  return { kind, value: kind === "prefix" && value.length > 1 ? value.replace(/\/$/, "") : value };
}

function isPlainPath(text: string): boolean {
  return pathText.test(text) && !text.includes("//") && !/%2f/i.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text);
}

function normalizeMethods(problems: Problems, path: string, given: unknown): (string | undefined)[] {
  if (given === undefined || !checkList(problems, path, given)) {
    return [undefined];
  }
  if (given.length === 0) {
    problems.add(path, given, "at least one method is allowed; leave it out for any method");
  }
  const methods = given.map((method) => (typeof method === "string" ? method.toUpperCase() : method));
  methods.forEach((method, index) => {
    if (methods.indexOf(method) < index) {
      problems.add(joinPath(path, index), given[index], "each method is allowed once");
    }
    checkOneOf(problems, joinPath(path, index), method, httpMethods);
  });
  return methods.filter((method): method is string => typeof method === "string").sort(compareText);
}

function normalizePairs(problems: Problems, path: string, kind: "header" | "query", given: unknown): ValueMatch[] {
  if (given === undefined || !checkObject(problems, path, given)) {
    return [];
  }
  const pairs = Object.entries(given).map(([name, value]) => {
    checkName(problems, keyPath(path, name), kind, name);
    checkValue(problems, keyPath(path, name), kind, value);
    return { name: kind === "header" ? name.toLowerCase() : name, kind: "exact" as const, value: String(value) };
  });
  pairs.forEach(({ name }, index) => {
    if (pairs.findIndex((pair) => pair.name === name) < index) {
      problems.add(keyPath(path, name), name, "each header is allowed once; case does not count");
    }
  });
  return pairs;
}

function checkValue(problems: Problems, path: string, kind: "header" | "query", value: unknown): void {
  if (kind === "header" && (typeof value !== "string" || !headerValue.test(value))) {
    problems.add(path, value, "the value of a header is visible ASCII text, at most 4096 characters");
  } else if (kind === "query" && (typeof value !== "string" || !queryText.test(value))) {
    problems.add(path, value, "letters, digits and ._~- are allowed in a query, at most 1024, because gateways differ in what they decode");
  }
}

interface Place {
  headers: ValueMatch[];
  query: ValueMatch[];
}

/** Every way in which a request can carry the dimensions that a match names. */
function dimensionPlaces(problems: Problems, path: string, match: RouteMatch, keys: DimensionKeys): Place[] {
  let places: Place[] = [{ headers: [], query: [] }];
  for (const dimension of dimensionNames) {
    const value = dimensionValue(problems, joinPath(path, dimension), match[dimension]);
    if (value === undefined) {
      continue;
    }
    const { header, query } = keys[dimension];
    if (query !== undefined) {
      checkValue(problems, joinPath(path, dimension), "query", value);
    }
    const exactly = (name: string): ValueMatch => ({ name, kind: "exact", value });
    places = places.flatMap((place) => [
      ...(header === undefined ? [] : [{ ...place, headers: [...place.headers, exactly(header)] }]),
      ...(query === undefined ? [] : [{ ...place, query: [...place.query, exactly(query)] }]),
    ]);
  }
  return places;
}

function dimensionValue(problems: Problems, path: string, given: unknown): string | undefined {
  if (given === undefined) {
    return undefined;
  }
  if (path.endsWith(".shard")) {
    return checkInteger(problems, path, given, { min: 0 }) ? String(given) : undefined;
  }
  checkValue(problems, path, "header", given);
  return typeof given === "string" ? given : undefined;
}
