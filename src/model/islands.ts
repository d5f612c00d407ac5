/** Islands become plain routes; that no request can reach two instances is proven, or refused with a request that does. */
import {
  checkBoolean,
  checkDnsLabel,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkUnique,
  isObject,
  nearestWord,
} from "./checks";
import { joinPath, type Problems } from "./errors";
import type { Island, IslandMatch, IslandType } from "./island-types";
import { moveRoutes } from "./island-routes";
import { dnsName } from "./names";
import { formatRequest } from "./route-format";
import { normalizeHosts } from "./route-hosts";
import { isPlainPath } from "./route-input";
import type { MeshRoute } from "./route-types";
import { normalizeConditions } from "./route-values";
import { witnessHost } from "./route-witness";

/** Deeper than anybody can read, and an end for types that contain themselves. */
const maxDepth = 8;

/** A route of an instance, with the place that it comes from. */
export interface PlacedRoute {
  /** Property path, for example `islands[0] (eu-1), route prices`. */
  path: string;
  route: MeshRoute;
}

/** The matcher of an instance together with those of the instances around it. */
export interface WholeMatch {
  hosts?: string[];
  /** "" or a path without a slash at its end. */
  prefix: string;
  headers: Record<string, string>;
  query: Record<string, string>;
  stripPrefix: boolean;
}

/** The routes of every instance of every island, in their order. */
export function expandIslands(problems: Problems, types: unknown, islands: unknown): PlacedRoute[] {
  const known = checkTypes(problems, types);
  if (islands === undefined || !checkList(problems, "islands", islands)) {
    return [];
  }
  return expand(problems, known, islands as Island[], {
    path: "islands",
    name: [],
    match: { prefix: "", headers: {}, query: {}, stripPrefix: false },
  });
}

function checkTypes(problems: Problems, types: unknown): ReadonlyMap<string, IslandType> {
  if (types === undefined || !checkList(problems, "islandTypes", types)) {
    return new Map();
  }
  const usable = types.flatMap((type: unknown, index): IslandType[] => {
    const path = joinPath("islandTypes", index);
    if (!checkObject(problems, path, type)) {
      return [];
    }
    checkKnownKeys(problems, path, type, ["name", "services", "workloads", "routes", "islands"]);
    checkDnsLabel(problems, joinPath(path, "name"), type["name"]);
    const lists = (["services", "workloads"] as const).map(
      (key) => type[key] === undefined || checkList(problems, joinPath(path, key), type[key]),
    );
    if (!lists.every(Boolean) || !checkList(problems, joinPath(path, "routes"), type["routes"])) {
      return [];
    }
    checkOwn(problems, path, type as unknown as IslandType);
    return [type as unknown as IslandType];
  });
  const names = usable.map(({ name }) => name);
  checkUnique(problems, "islandTypes", names, "name");
  return new Map(usable.map((type) => [type.name, type]));
}

/** Services and workloads; what else is in a workload is checked where it is deployed. */
function checkOwn(problems: Problems, path: string, { services = [], workloads = [] }: IslandType): void {
  services.forEach((service, at) => {
    const place = joinPath(joinPath(path, "services"), at);
    if (checkObject(problems, place, service)) {
      checkKnownKeys(problems, place, service, ["name", "port"]);
      checkDnsLabel(problems, joinPath(place, "name"), service["name"]);
      checkInteger(problems, joinPath(place, "port"), service["port"], { min: 1, max: 65535 });
    }
  });
  const taken = services.map((service: unknown) => (isObject(service) ? service["name"] : undefined));
  workloads.forEach((workload, at) => {
    const place = joinPath(joinPath(path, "workloads"), at);
    if (checkObject(problems, place, workload)) {
      checkDnsLabel(problems, joinPath(place, "name"), workload["name"]);
      if (taken.includes(workload["name"])) {
        problems.add(joinPath(place, "name"), workload["name"], "another name is needed: a Service or workload of the type has this one");
      }
      taken.push(workload["name"]);
    }
  });
}

interface Around {
  path: string;
  /** Names of the instances around, outermost first. */
  name: string[];
  match: WholeMatch;
}

function expand(problems: Problems, types: ReadonlyMap<string, IslandType>, islands: readonly Island[], around: Around): PlacedRoute[] {
  const valid = islands.map((island, index) => {
    const path = joinPath(around.path, index);
    const match = checkIsland(problems, path, island, around.match);
    return match === undefined ? undefined : { island, path, match };
  });
  checkUnique(
    problems,
    around.path,
    valid.map((one, index) => one?.island.name ?? index),
    "name",
  );
  const instances = valid.filter((one) => one !== undefined);
  checkDisjoint(problems, instances);
  return instances.flatMap(({ island, path, match }) => {
    const type = types.get(island.type);
    if (type === undefined) {
      const nearest = typeof island.type === "string" ? nearestWord(island.type, [...types.keys()]) : undefined;
      const known = [...types.keys()].join(", ") || "none";
      problems.add(
        joinPath(path, "type"),
        island.type,
        `${nearest === undefined ? "" : `perhaps ${nearest} is meant; `}known types are ${known}`,
      );
      return [];
    }
    const name = [...around.name, island.name];
    if (name.length > maxDepth) {
      problems.add(
        path,
        name.join(" > "),
        `at most ${maxDepth} islands inside each other are allowed; a type that contains itself has no end`,
      );
      return [];
    }
    const routes = moveRoutes(problems, `${path} (${name.join("-")})`, type, match, dnsName(...name));
    return [...routes, ...expand(problems, types, type.islands ?? [], { path: joinPath(path, "islands"), name, match })];
  });
}

/** The whole matcher of an instance, `undefined` where something is wrong. */
function checkIsland(problems: Problems, path: string, island: unknown, around: WholeMatch): WholeMatch | undefined {
  const before = problems.all.length;
  if (!checkObject(problems, path, island)) {
    return undefined;
  }
  checkKnownKeys(problems, path, island, ["name", "type", "match", "stripPrefix"]);
  checkDnsLabel(problems, joinPath(path, "name"), island["name"]);
  const { match, stripPrefix = false } = island as Partial<Island>;
  const at = joinPath(path, "match");
  checkBoolean(problems, joinPath(path, "stripPrefix"), stripPrefix);
  if (!checkObject(problems, at, match)) {
    return undefined;
  }
  checkKnownKeys(problems, at, match, ["hosts", "prefix", "headers", "query"]);
  const { hosts, prefix, headers = {}, query = {} }: IslandMatch = match;
  if (Object.keys(match).length === 0) {
    problems.add(at, match, "at least one of hosts, prefix, headers and query is needed, which leads to this island and to no other");
  }
  if (prefix !== undefined && (!isPlainPath(prefix) || prefix === "/")) {
    problems.add(joinPath(at, "prefix"), prefix, "a path of at least one element is allowed, for example /eu-1");
  }
  normalizeConditions(problems, at, { headers }, "header");
  normalizeConditions(problems, at, { query }, "query");
  if (hosts !== undefined) {
    normalizeHosts(problems, joinPath(at, "hosts"), hosts);
    if (around.hosts !== undefined) {
      problems.add(joinPath(at, "hosts"), hosts, "the island around it has hosts already; tell these apart by prefix, header or query");
    }
  }
  if (problems.all.length > before) {
    return undefined;
  }
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, value] of [...Object.entries(lower), ...Object.entries(query)]) {
    const outer = name in lower ? around.headers[name] : around.query[name];
    if (outer !== undefined && outer !== value) {
      problems.add(at, value, `the island around it wants ${name} to be ${outer}, so no request could reach this one`);
    }
  }
  const allHosts = hosts ?? around.hosts;
  return {
    ...(allHosts === undefined ? {} : { hosts: allHosts }),
    prefix: `${around.prefix}${(prefix ?? "").replace(/\/$/, "")}`,
    headers: { ...around.headers, ...lower },
    query: { ...around.query, ...query },
    stripPrefix: stripPrefix || around.stripPrefix,
  };
}

/** Notes instances that one request could reach together, with that request. */
function checkDisjoint(problems: Problems, instances: readonly { island: Island; path: string; match: WholeMatch }[]): void {
  instances.forEach((one, index) => {
    for (const other of instances.slice(0, index)) {
      const request = meetingRequest(one.match, other.match);
      if (request !== undefined) {
        const allowed = `a matcher that no other island has is needed: ${request} would reach ${other.island.name} (${other.path}) as well`;
        problems.add(joinPath(one.path, "match"), one.island.match, allowed);
        return;
      }
    }
  });
}

/** A request that two matchers take, `undefined` where there is none. */
function meetingRequest(a: WholeMatch, b: WholeMatch): string | undefined {
  const differ = (one: Record<string, string>, two: Record<string, string>): boolean =>
    Object.entries(one).some(([name, value]) => two[name] !== undefined && two[name] !== value);
  const under = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`);
  const [hostsA, hostsB] = [a.hosts ?? ["*"], b.hosts ?? ["*"]];
  // Different host names are different virtual hosts; no hosts at all means those of all routes, on both sides.
  const sharedHost =
    a.hosts === undefined || b.hosts === undefined ? (a.hosts ?? b.hosts ?? ["*"])[0] : hostsA.find((host) => hostsB.includes(host));
  if (
    sharedHost === undefined ||
    differ(a.headers, b.headers) ||
    differ(a.query, b.query) ||
    !(under(a.prefix, b.prefix) || under(b.prefix, a.prefix))
  ) {
    return undefined;
  }
  const longer = a.prefix.length > b.prefix.length ? a.prefix : b.prefix;
  return formatRequest({
    host: witnessHost([sharedHost]),
    method: "GET",
    path: longer === "" ? "/" : longer,
    headers: { ...a.headers, ...b.headers },
    query: { ...a.query, ...b.query },
  });
}
