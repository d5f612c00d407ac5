/** Requests that tell random routes apart: those that match, those that nearly do, and those that have nothing to do with any. */
import { matchesPath } from "../../src/model/route-match";
import type { RouteRequest } from "../../src/model/routes";
import type { RandomModel } from "./random-routes";

const requestPaths = [
  "/",
  "/a",
  "/a/",
  "/a/b",
  "/a/b/",
  "/a/b/z",
  "/a/x",
  "/a/z",
  "/ab",
  "/ab/c",
  "/abc",
  "/a/bc",
  "/c1",
  "/cc",
  "/zz",
  "/new",
];
const methods = ["GET", "POST", "PUT"];

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const requestValues = {
  headers: {
    h: ["1", "2", "x"],
    i: ["1", "11", "x"],
    "x-mesh-snapshot": ["s1", "s2", "s9"],
    "x-mesh-version": ["v1", "v2"],
    "x-mesh-shard": ["0", "1", "7"],
  },
  query: { q: ["1", "2", "x"], p: ["1"], snap: ["s1", "s2", "s9"] },
} as const;

/** Headers that edits change, as some requests bring them. */
const editedHeaders = { "x-set": ["old"], "x-add": ["first"], "x-gone": ["gone"] };

/** A witness for every match, and as many requests again that are changed in one place, and some that have nothing to do with any match. */
export function requestsFor({ spec, table }: RandomModel, seed: number): RouteRequest[] {
  const random = randomNumbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const [host] = spec.hosts;
  const anyHost = (): string => pick([host, host, host, `x.${host}`, `y.${host}`, `y.x.${host}`]);
  const entries = table.virtualHosts.flatMap(({ hosts, order }) => order.map((entry) => ({ ...entry, hosts })));
  const some = (values: Record<string, readonly string[]>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values)
        .filter(() => random() < 0.2)
        .map(([name, list]) => [name, pick(list)]),
    );
  const free = (): RouteRequest => {
    return {
      host: anyHost(),
      method: pick(methods),
      path: pick(requestPaths),
      headers: some(requestValues.headers),
      query: some(requestValues.query),
    };
  };
  const witnesses = entries.map(({ match, hosts }): RouteRequest => {
    const value = (kind: "headers" | "query", name: string, wanted: string, how: string): string =>
      how === "exact"
        ? wanted
        : pick(
            (requestValues[kind] as Record<string, readonly string[]>)[name].filter(
              (text) => how === "present" || new RegExp(`^(?:${wanted})$`).test(text),
            ),
          );
    return {
      host: pick(hosts).replace("*", "any"),
      method: match.method ?? pick(methods),
      path: pick(requestPaths.filter((path) => matchesPath(match.path, path))),
      headers: Object.fromEntries(match.headers.map(({ name, kind, value: wanted }) => [name, value("headers", name, wanted, kind)])),
      query: Object.fromEntries(match.query.map(({ name, kind, value: wanted }) => [name, value("query", name, wanted, kind)])),
    };
  });
  const changed = witnesses.map((request): RouteRequest => {
    const other = free();
    const part = pick(["path", "method", "headers", "query", "host"] as const);
    const merged = part === "headers" || part === "query" ? { ...request[part], ...other[part] } : other[part];
    return { ...request, [part]: merged };
  });
  const all = [...witnesses, ...changed, ...Array.from({ length: 4 }, free)];
  return all.map((request) => ({ ...request, headers: { ...some(editedHeaders), ...request.headers } }));
}
