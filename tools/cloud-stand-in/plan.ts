/** Check and Diff: names for what has none, and what a change does to a resource. */
import { diff, type Change } from "../kubernetes-provider/diff";
import type { JsonMap } from "../kubernetes-provider/json";
import { replaces } from "../kubernetes-provider/replace";
import { unknown } from "../kubernetes-provider/wire";
import type { Cloud, Rule } from "./rule";

/** Where inputs keep the list of those that the provider filled in; the providers built on Terraform's have it under the same name. */
export const defaultsKey = "__defaults";

/** The inputs with an automatic name: that of before, else the resource's own with digits. */
export function named(cloud: Cloud, rule: Rule, news: JsonMap, olds: JsonMap, ownName: string, digits: string): JsonMap {
  const property = rule.autoname;
  // Where the program gives the beginning of a name, the cloud completes it.
  if (property === undefined || news[property] !== undefined || news[`${property}Prefix`] !== undefined) {
    return news;
  }
  const kept = isAutonamed(rule, olds) ? olds[property] : undefined;
  return { ...news, [property]: kept ?? `${ownName}${cloud.nameSeparator}${digits.slice(0, 7)}`, [defaultsKey]: [property] };
}

export interface CloudPlan {
  changes: readonly Change[];
  /** Those that replace the resource. */
  forced: readonly Change[];
  deleteBeforeReplace: boolean;
}

/** Compares inputs as the program gave them then and now: a stand-in's resources do not change by themselves. */
export function planChange(cloud: Cloud, rule: Rule, olds: JsonMap, news: JsonMap): CloudPlan {
  const changes = diff(withoutDefaults(olds), withoutDefaults(news));
  const forced = changes.filter((change) => replaces(rule.replacedBy, change) || hidesReplacement(rule, change));
  const property = rule.autoname;
  const sameName = property !== undefined && olds[property] === news[property];
  const first = !isAutonamed(rule, news) && (cloud.deletesFirst === "always" || sameName);
  return { changes, forced, deleteBeforeReplace: forced.length > 0 && first };
}

/** A whole object that is not known yet may turn out to change what replaces. */
function hidesReplacement(rule: Rule, change: Change): boolean {
  const at = change.path.filter((key) => typeof key === "string").join(".");
  return change.after === unknown && rule.replacedBy.some((path) => path === at || path.startsWith(`${at}.`));
}

function isAutonamed(rule: Rule, inputs: JsonMap): boolean {
  const defaults = inputs[defaultsKey];
  return Array.isArray(defaults) && defaults.includes(rule.autoname ?? "");
}

function withoutDefaults(inputs: JsonMap): JsonMap {
  const { [defaultsKey]: _defaults, ...rest } = inputs;
  return rest;
}
