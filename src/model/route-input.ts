/** From one match as the user wrote it to atomic matches: paths, methods, headers, query parameters, dimensions. */
import { checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf, exactlyOne } from "./checks";
import { joinPath, type Problems } from "./errors";
import { dimensionNames, type DimensionKeys } from "./route-hosts";
import { compareText } from "./route-match";
import { readRegex } from "./route-patterns";
import { regexRule } from "./route-regex";
import type { AtomicMatch, PathMatch, ValueMatch } from "./route-table";
import type { GrpcMatch, RouteMatch } from "./route-types";
import { checkConditionValue, normalizeConditions, whyRefused } from "./route-values";

/** The methods that the Gateway API can match. */
export const httpMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"] as const;

/** As the HTTPRoute CRD has it. */
const pathText = /^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;

const pathKinds = ["prefix", "exact", "rawPrefix", "regex", "grpc"] as const;
const matchKeys = [
  ...pathKinds,
  "methods",
  "headers",
  "headersMatching",
  "headersPresent",
  "query",
  "queryMatching",
  "queryPresent",
  ...dimensionNames,
];

/** What a match says beside the dimensions. */
export interface BareMatch {
  path: PathMatch;
  methods: (string | undefined)[];
  headers: ValueMatch[];
  query: ValueMatch[];
}

/** The values that a request must carry for the dimensions; absent: any, or none. */
export interface DimensionValues {
  snapshot?: string;
  version?: string;
  shard?: number;
}

/** One match without its dimensions, checked; `undefined` where something is wrong. */
export function normalizeMatch(problems: Problems, path: string, given: unknown, keys: DimensionKeys): BareMatch | undefined {
  const before = problems.all.length;
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  checkKnownKeys(problems, path, given, matchKeys);
  const match: RouteMatch = given;
  const pathMatch = normalizePath(problems, path, match);
  const methods = match.grpc === undefined ? normalizeMethods(problems, joinPath(path, "methods"), match.methods) : ["POST"];
  const headers = normalizeConditions(problems, path, match, "header");
  const query = normalizeConditions(problems, path, match, "query");
  checkDimensions(problems, path, match, keys, { headers, query });
  if (match.grpc !== undefined && match.methods !== undefined) {
    problems.add(joinPath(path, "methods"), match.methods, "a gRPC call is always a POST");
  }
  return problems.all.length > before || pathMatch === undefined ? undefined : { path: pathMatch, methods, headers, query };
}

/** The atomic matches of a match: one per method and per place where a dimension can be. */
export function atomicMatches({ path, methods, headers, query }: BareMatch, values: DimensionValues, keys: DimensionKeys): AtomicMatch[] {
  const places = dimensionPlaces(values, keys);
  const sorted = (list: readonly ValueMatch[]): ValueMatch[] => [...list].sort((a, b) => compareText(a.name, b.name));
  return methods.flatMap((method) =>
    places.map((place) => ({
      path,
      ...(method === undefined ? {} : { method }),
      headers: place.headers.length === 0 ? headers : sorted([...headers, ...place.headers]),
      query: place.query.length === 0 ? query : sorted([...query, ...place.query]),
    })),
  );
}

function normalizePath(problems: Problems, path: string, match: RouteMatch): PathMatch | undefined {
  const given = pathKinds.filter((kind) => match[kind] !== undefined);
  const [kind = "prefix"] = given;
  if (given.length > 1) {
    exactlyOne(problems, path, match, pathKinds);
    return undefined;
  }
  if (kind === "grpc") {
    return grpcPath(problems, joinPath(path, kind), match.grpc);
  }
  const value: unknown = match[kind] ?? "/";
  if (kind === "regex") {
    if (typeof value !== "string" || value.length > 1024 || readRegex(value) === undefined) {
      problems.add(joinPath(path, kind), value, `${regexRule}${whyRefused(value)}`);
      return undefined;
    }
    return { kind, value };
  }
  if (!isPlainPath(value)) {
    problems.add(
      joinPath(path, kind),
      value,
      "a path that starts with /, without empty, . or .. elements, %2F, query or fragment, is allowed",
    );
    return undefined;
  }
  // Every path starts with a slash; `/prices/` and `/prices` are the same prefix of elements.
  if (kind === "rawPrefix" && value === "/") {
    return { kind: "prefix", value };
  }
  return { kind, value: kind === "prefix" && value.length > 1 ? value.replace(/\/$/, "") : value };
}

/** Whether a text is a path that every gateway reads alike. */
export function isPlainPath(text: unknown): text is string {
  return (
    typeof text === "string" &&
    text.length <= 1024 &&
    pathText.test(text) &&
    !text.includes("//") &&
    !/%2f/i.test(text) &&
    !/\/\.{1,2}(?:\/|$)/.test(text)
  );
}

/** A gRPC call is a POST to `/<service>/<method>`. */
function grpcPath(problems: Problems, path: string, given: unknown): PathMatch | undefined {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  checkKnownKeys(problems, path, given, ["service", "method"]);
  const { service, method } = given as Partial<GrpcMatch>;
  if (typeof service !== "string" || !/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(service)) {
    problems.add(joinPath(path, "service"), service, "the full name of a gRPC service is allowed, for example mesh.v1.Quotes");
    return undefined;
  }
  if (method !== undefined && (typeof method !== "string" || !/^[A-Za-z_]\w*$/.test(method))) {
    problems.add(joinPath(path, "method"), method, "the name of a gRPC method is allowed, for example Get");
    return undefined;
  }
  return method === undefined ? { kind: "prefix", value: `/${service}` } : { kind: "exact", value: `/${service}/${method}` };
}

/** Methods in the form of the Gateway API, sorted; one `undefined` for any. */
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

/** The values of the dimensions, and that no header or parameter is tested twice. */
function checkDimensions(
  problems: Problems,
  path: string,
  match: RouteMatch,
  keys: DimensionKeys,
  tested: { headers: ValueMatch[]; query: ValueMatch[] },
): void {
  for (const dimension of dimensionNames) {
    const value: unknown = match[dimension];
    if (value === undefined) {
      continue;
    }
    const place = joinPath(path, dimension);
    const { header, query } = keys[dimension];
    if (
      dimension === "shard"
        ? value !== "each" && !checkInteger(problems, place, value, { min: 0 })
        : !checkText(problems, place, value, query)
    ) {
      continue;
    }
    for (const [kind, name, list] of [
      ["header", header, tested.headers],
      ["query parameter", query, tested.query],
    ] as const) {
      if (name !== undefined && list.some((condition) => condition.name === name)) {
        problems.add(
          path,
          name,
          `a ${kind} can have one value only: say a dimension by its own key (snapshot, version, shard) or by its ${kind}, not both`,
        );
      }
    }
  }
}

function checkText(problems: Problems, path: string, value: unknown, query: string | undefined): boolean {
  return checkConditionValue(problems, path, query === undefined ? "header" : "query", value);
}

interface Place {
  headers: ValueMatch[];
  query: ValueMatch[];
}

/** Every way in which a request can carry the dimensions. */
function dimensionPlaces(values: DimensionValues, keys: DimensionKeys): Place[] {
  let places: Place[] = [{ headers: [], query: [] }];
  for (const dimension of dimensionNames) {
    const value = values[dimension];
    if (value !== undefined) {
      const { header, query } = keys[dimension];
      const exactly = (name: string): ValueMatch => ({ name, kind: "exact", value: String(value) });
      places = places.flatMap((place) => [
        ...(header === undefined ? [] : [{ ...place, headers: [...place.headers, exactly(header)] }]),
        ...(query === undefined ? [] : [{ ...place, query: [...place.query, exactly(query)] }]),
      ]);
    }
  }
  return places;
}
