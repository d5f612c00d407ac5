/** Checks merge rules as a user writes them and brings them into one shape per operator. */
import type { Merge, MergeArgs, TopKArgs, TopKMerge } from "./answers";
import { checkBoolean, checkInteger, checkKnownKeys, checkList, checkObject, checkUnique, exactlyOne, isObject } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import { sortedEntries } from "./names";

const operators = ["fields", "groupBy", "sum", "count", "min", "max", "average", "topK", "union", "concat", "service"] as const;

/**
 * The rules of a service by path, in ascending order; what is wrong is noted at `path["/…"].…`.
 *
 * A path is exact (`/total`), or everything at and below it (`/customers/*`; `/*` is everything). See `ruleOfPath` for which one holds.
 */
export function normalizeMergeRules(problems: Problems, path: string, rules: Record<string, MergeArgs>): Record<string, Merge> {
  if (!checkObject(problems, path, rules)) {
    return {};
  }
  if (Object.keys(rules).length === 0) {
    problems.add(path, rules, 'at least one path is needed, for example "/total", or "/*" for all');
  }
  return Object.fromEntries(
    sortedEntries(rules).map(([rule, args]) => {
      const rulePath = keyPath(path, rule);
      if (!/^\/[^\s?#*]*$/.test(rule.replace(/(?<=\/)\*$/, "")) || (rule.endsWith("/") && rule !== "/")) {
        problems.add(rulePath, rule, 'a path is allowed, exact ("/total") or with all below it ("/customers/*"), without a query');
      }
      return [rule, normalizeMerge(problems, rulePath, args)];
    }),
  );
}

/** One rule; what is wrong is noted at `path.…`. What is returned beside a noted problem is of no use. */
export function normalizeMerge(problems: Problems, path: string, args: MergeArgs): Merge {
  return normalize(problems, path, args, true);
}

function normalize(problems: Problems, path: string, args: MergeArgs, whole: boolean): Merge {
  const nothing: Merge = { operator: "concat" };
  if (!checkObject(problems, path, args)) {
    return nothing;
  }
  checkKnownKeys(problems, path, args, operators);
  const given: MergeArgs = args;
  const operator = operatorOf(problems, path, given);
  switch (operator) {
    case undefined:
      return nothing;
    case "sum":
    case "count":
    case "min":
    case "max":
    case "concat":
      if (given[operator] !== true) {
        problems.add(joinPath(path, operator), given[operator], "true is allowed; leave the operator out otherwise");
      }
      return { operator };
    case "fields":
      return { operator, fields: normalizeFields(problems, joinPath(path, "fields"), given.fields) };
    case "groupBy":
      return normalizeGroups(problems, path, given);
    case "topK":
      return normalizeTopK(problems, joinPath(path, "topK"), given.topK);
    case "average":
      problems.add(joinPath(path, "average"), given.average, "an average is a member among `fields`, because it needs its sum and count");
      return nothing;
    case "union":
      return normalizeUnion(problems, joinPath(path, "union"), given.union);
    case "service":
      if (!whole) {
        problems.add(joinPath(path, "service"), given.service, "only a whole answer can be merged by a service");
      }
      return normalizeService(problems, joinPath(path, "service"), given.service);
    default:
      return operator satisfies never;
  }
}

function operatorOf(problems: Problems, path: string, args: MergeArgs): (typeof operators)[number] | undefined {
  if (args.groupBy !== undefined) {
    const strangers = operators.filter((name) => args[name] !== undefined && !["groupBy", "fields", "topK"].includes(name));
    if (strangers.length > 0) {
      problems.add(path, strangers.join(" and "), "beside groupBy only fields and topK are allowed");
      return undefined;
    }
    return "groupBy";
  }
  return exactlyOne(problems, path, args, operators) as (typeof operators)[number] | undefined;
}

function normalizeFields(problems: Problems, path: string, fields: unknown): Record<string, Merge> {
  if (!checkObject(problems, path, fields)) {
    return {};
  }
  if (Object.keys(fields).length === 0) {
    problems.add(path, fields, "at least one member is needed");
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, args]): [string, Merge] => {
      const fieldPath = keyPath(path, name);
      if (name === "__proto__") {
        problems.add(fieldPath, name, "another name is allowed: JavaScript keeps this one for itself");
      }
      const average = isObject(args) && args["average"] !== undefined && exactlyOne(problems, fieldPath, args, operators) !== undefined;
      return [
        name,
        average
          ? normalizeAverage(problems, joinPath(fieldPath, "average"), args["average"], fields)
          : normalize(problems, fieldPath, args as MergeArgs, false),
      ];
    }),
  );
}

function normalizeAverage(problems: Problems, path: string, args: unknown, fields: Record<string, unknown>): Merge {
  if (!checkObject(problems, path, args)) {
    return { operator: "concat" };
  }
  checkKnownKeys(problems, path, args, ["sum", "count"]);
  for (const [key, needed] of [
    ["sum", ["sum"]],
    ["count", ["count", "sum"]],
  ] as const) {
    const member = args[key];
    const field = typeof member === "string" && Object.hasOwn(fields, member) ? fields[member] : undefined;
    if (!isObject(field) || !needed.some((operator) => field[operator] === true)) {
      const sums = Object.keys(fields).filter((name) =>
        needed.some((operator) => (fields[name] as MergeArgs | undefined)?.[operator] === true),
      );
      problems.add(
        joinPath(path, key),
        member,
        `a member that is merged by ${needed.join(" or ")} is needed${sums.length === 0 ? "" : `: ${sums.join(", ")}`}`,
      );
    }
  }
  return { operator: "average", sum: args["sum"] as string, count: args["count"] as string };
}

function normalizeGroups(problems: Problems, path: string, args: MergeArgs): Merge {
  const keys = normalizeMembers(problems, joinPath(path, "groupBy"), args.groupBy);
  const fields = args.fields === undefined ? {} : normalizeFields(problems, joinPath(path, "fields"), args.fields);
  for (const key of keys.filter((name) => Object.hasOwn(fields, name))) {
    problems.add(keyPath(joinPath(path, "fields"), key), key, "the members of groupBy tell the groups apart and are not merged");
  }
  const topK = args.topK === undefined ? {} : { topK: normalizeTopK(problems, joinPath(path, "topK"), args.topK) };
  if (topK.topK !== undefined && ![...keys, ...Object.keys(fields)].includes(topK.topK.by)) {
    problems.add(
      joinPath(path, "topK.by"),
      topK.topK.by,
      `a member of the merged groups is needed: ${[...keys, ...Object.keys(fields)].join(", ")}`,
    );
  }
  return { operator: "groupBy", keys, fields, ...topK };
}

function normalizeTopK(problems: Problems, path: string, args: unknown): TopKMerge {
  const given = (checkObject(problems, path, args) ? args : {}) as Partial<TopKArgs>;
  checkKnownKeys(problems, path, given, ["k", "by", "ascending", "thenBy", "kParameter"]);
  checkInteger(problems, joinPath(path, "k"), given.k, { min: 1 });
  checkMember(problems, joinPath(path, "by"), given.by);
  if (given.ascending !== undefined) {
    checkBoolean(problems, joinPath(path, "ascending"), given.ascending);
  }
  const thenBy = given.thenBy === undefined ? [] : normalizeMembers(problems, joinPath(path, "thenBy"), given.thenBy);
  if (given.kParameter !== undefined) {
    checkMember(problems, joinPath(path, "kParameter"), given.kParameter);
  }
  const parameter = given.kParameter === undefined ? {} : { kParameter: given.kParameter };
  return { operator: "topK", k: given.k ?? 1, by: given.by ?? "", ascending: given.ascending ?? false, thenBy, ...parameter };
}

function normalizeUnion(problems: Problems, path: string, args: unknown): Merge {
  const given = checkObject(problems, path, args) ? args : {};
  checkKnownKeys(problems, path, given, ["by"]);
  return { operator: "union", ...(given["by"] === undefined ? {} : { by: normalizeMembers(problems, joinPath(path, "by"), given["by"]) }) };
}

function normalizeService(problems: Problems, path: string, args: unknown): Merge {
  const given = checkObject(problems, path, args) ? args : {};
  checkKnownKeys(problems, path, given, ["url"]);
  const { url } = given;
  if (typeof url !== "string" || !/^https?:\/\/[^\s/@?#]+(\/[^\s#]*)?$/.test(url) || !URL.canParse(url)) {
    problems.add(
      joinPath(path, "url"),
      url,
      "an address is allowed, for example http://merger.mesh.svc:8080/merge, without user and password",
    );
  }
  return { operator: "service", url: url as string };
}

function normalizeMembers(problems: Problems, path: string, members: unknown): string[] {
  if (!checkList(problems, path, members)) {
    return [];
  }
  if (members.length === 0) {
    problems.add(path, members, "at least one member is needed");
  }
  members.forEach((member, index) => checkMember(problems, joinPath(path, index), member));
  checkUnique(problems, path, members);
  return members as string[];
}

function checkMember(problems: Problems, path: string, member: unknown): void {
  if (typeof member !== "string" || member === "" || member === "__proto__") {
    problems.add(path, member, "the name of a member is needed");
  }
}
