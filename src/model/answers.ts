/**
 * How the partial answers of a service become one: the rules as a user writes them, checked and normalised.
 *
 * A pod answers for some shards only. Its partial answer is a JSON object, a JSON array of rows, or rows as NDJSON. The checks are in
 * answers-normalize.ts, the merging itself is in answers-merge.ts.
 */

/** The first or last rows of an order. */
export interface TopKArgs {
  /** Number of rows, at least 1. */
  k: number;
  /** Member of the rows that they are ordered by: numbers, decimals as text, or texts. Rows without it come last. */
  by: string;
  /** Smallest first. Default: false, largest first. */
  ascending?: boolean;
  /** Members that decide, smallest first, between rows that are equal in `by`, as `ORDER BY amount DESC, id` does. Default: the text of the rows. */
  thenBy?: string[];
  /** Query parameter that gives another `k`, for example `k` for `/top?k=3`; the pods must use the same one. Default: none. */
  kParameter?: string;
}

/** Every value once. */
export interface UnionArgs {
  /** Members that tell rows apart; of two rows that agree in all of them one is kept, always the same one. Default: the whole value. */
  by?: string[];
}

/** The quotient of two other members of the same object, computed after they were merged. The average of averages would be wrong. */
export interface AverageArgs {
  /** Member with the sum; it must be among `fields`. */
  sum: string;
  /** Member with the count; it must be among `fields`. No rows give null. */
  count: string;
}

/** A service of the user's own that merges. */
export interface MergeServiceArgs {
  /** `http://` or `https://`. It gets a POST with one line of JSON per partial answer, `{"shards":[0,3],"answer":…}`, and answers with the merged JSON. */
  url: string;
}

/**
 * How partial answers, or one member of them, become one: exactly one operator. `topK` may stand beside `groupBy` and `fields`, and is applied to the merged groups.
 *
 * Values that are null or missing are left out of every operator. Members that no operator names are left out of the answer.
 */
export interface MergeArgs {
  /** Objects, member by member; with `groupBy` the members of each group's rows. */
  fields?: Record<string, MergeArgs>;
  /** Rows that agree in these members become one; a stream must come sorted by them (numbers by value, texts by code point: `COLLATE "C"`). */
  groupBy?: string[];
  /** `true`. Whole numbers and decimals as text add exactly, other numbers with one rounding. */
  sum?: boolean;
  /** `true`. A sum of whole numbers that begins with 0. */
  count?: boolean;
  /** `true`. Numbers and decimals as text by value, other texts by code point. */
  min?: boolean;
  /** `true`. See `min`. */
  max?: boolean;
  average?: AverageArgs;
  topK?: TopKArgs;
  union?: UnionArgs;
  /** `true`. All rows; of JSON in the order of the shards, of streams as they come. */
  concat?: boolean;
  /** Only for a whole answer, not for a member. */
  service?: MergeServiceArgs;
}

/** `MergeArgs`, checked: one shape per operator. */
export type Merge =
  | { operator: "fields"; fields: Record<string, Merge> }
  | { operator: "groupBy"; keys: string[]; fields: Record<string, Merge>; topK?: TopKMerge }
  | { operator: "sum" | "count" | "min" | "max" | "concat" }
  | { operator: "average"; sum: string; count: string }
  | TopKMerge
  | { operator: "union"; by?: string[] }
  | { operator: "service"; url: string };

export interface TopKMerge {
  operator: "topK";
  k: number;
  by: string;
  ascending: boolean;
  thenBy: string[];
  kParameter?: string;
}

/** The rule that holds for the path of a question: the exact one, else the longest one above it. */
export function ruleOfPath(rules: Readonly<Record<string, Merge>>, path: string): Merge | undefined {
  if (Object.hasOwn(rules, path)) {
    return rules[path];
  }
  for (let above = path; ; above = above.slice(0, above.lastIndexOf("/"))) {
    const rule = `${above}/*`;
    if (Object.hasOwn(rules, rule)) {
      return rules[rule];
    }
    if (above === "") {
      return undefined;
    }
  }
}

/**
 * The rule with the `k` of the question in place of its own.
 *
 * @param parameter value of a query parameter, null where there is none
 * @returns a text that says what is wrong with the question
 */
export function withParameters(merge: Merge, parameter: (name: string) => string | null): Merge | string {
  const topK = merge.operator === "topK" ? merge : merge.operator === "groupBy" ? merge.topK : undefined;
  const given = topK?.kParameter === undefined ? null : parameter(topK.kParameter);
  if (topK === undefined || given === null) {
    return merge;
  }
  if (!/^[1-9]\d{0,8}$/.test(given)) {
    return `${topK.kParameter}=${given.slice(0, 40)} is not allowed: a whole number of at least 1`;
  }
  const asked = { ...topK, k: Number(given) };
  return merge.operator === "groupBy" ? { ...merge, topK: asked } : asked;
}

export { normalizeMerge, normalizeMergeRules } from "./answers-normalize";
