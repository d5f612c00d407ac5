/** What a route does beside choosing a destination: from what the user wrote to the fields of its rules. */
import { checkBoolean, checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf, exactlyOne } from "./checks";
import { joinPath, keyPath, type Problems } from "./errors";
import { normalizeCors } from "./route-cors";
import { isHostName } from "./route-hosts";
import { isPlainPath } from "./route-input";
import { compareText } from "./route-match";
import { RetryCondition, type FaultPolicy, type HeaderEdits, type RetryPolicy, type RewritePolicy } from "./route-policy-types";
import { parseRegex } from "./route-regex";
import type { Edits, Retries, RouteRule } from "./route-table";
import type { MeshRoute } from "./route-types";
import { checkConditionName, checkConditionValue } from "./route-values";

/** The longest time that a route may wait, in seconds: one day. */
const maxSeconds = 86_400;

/** The fields of a rule that do not depend on its matches. */
export type RulePolicies = Pick<
  RouteRule,
  "timeoutSeconds" | "retries" | "rewrite" | "requestHeaders" | "responseHeaders" | "fault" | "cors" | "webSocket"
>;

/** The policies of a route, checked. */
export function normalizePolicies(problems: Problems, path: string, route: MeshRoute): RulePolicies {
  const at = (member: keyof MeshRoute): string => joinPath(path, member);
  const { timeoutSeconds, webSocket = false } = route;
  checkSeconds(problems, at("timeoutSeconds"), timeoutSeconds);
  if (checkBoolean(problems, at("webSocket"), webSocket) && webSocket && timeoutSeconds !== undefined) {
    problems.add(at("timeoutSeconds"), timeoutSeconds, "a WebSocket stays open, so its route has no timeout");
  }
  const retries = optional(route.retries, (given) => normalizeRetries(problems, at("retries"), given, timeoutSeconds));
  const rewrite = optional(route.rewrite, (given) => normalizeRewrite(problems, at("rewrite"), given));
  const requestHeaders = optional(route.requestHeaders, (given) => normalizeEdits(problems, at("requestHeaders"), given));
  const responseHeaders = optional(route.responseHeaders, (given) => normalizeEdits(problems, at("responseHeaders"), given));
  const fault = optional(route.fault, (given) => normalizeFault(problems, at("fault"), given));
  const cors = optional(route.cors, (given) => normalizeCors(problems, at("cors"), given));
  return {
    webSocket,
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(retries === undefined ? {} : { retries }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    ...(fault === undefined ? {} : { fault }),
    ...(cors === undefined ? {} : { cors }),
  };
}

function optional<T, R>(given: T | undefined, make: (given: T) => R): R | undefined {
  return given === undefined ? undefined : make(given);
}

/** Notes what is no duration that every gateway can say. */
export function checkSeconds(problems: Problems, path: string, seconds: unknown): void {
  const whole = (milliseconds: number): boolean => Math.abs(milliseconds - Math.round(milliseconds)) < 1e-6;
  if (seconds !== undefined && !(typeof seconds === "number" && seconds > 0 && seconds <= maxSeconds && whole(seconds * 1000))) {
    problems.add(path, seconds, `seconds above 0 and up to ${maxSeconds}, in whole milliseconds, are allowed`);
  }
}

/** After these a server has not begun to work on the request. */
const safeConditions: RetryCondition[] = [RetryCondition.ConnectFailure, RetryCondition.RefusedStream];

function normalizeRetries(problems: Problems, path: string, given: RetryPolicy, timeout: number | undefined): Retries | undefined {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  checkKnownKeys(problems, path, given, ["attempts", "on", "perTrySeconds", "backoffSeconds"]);
  const { attempts, on, perTrySeconds, backoffSeconds } = given;
  checkInteger(problems, joinPath(path, "attempts"), attempts, { min: 0, max: 10 });
  const conditions: unknown = on ?? safeConditions;
  if (checkList(problems, joinPath(path, "on"), conditions)) {
    if (conditions.length === 0) {
      problems.add(joinPath(path, "on"), conditions, "at least one condition is needed, or nothing is tried again");
    }
    conditions.forEach((one, index) => checkOneOf(problems, joinPath(joinPath(path, "on"), index), one, Object.values(RetryCondition)));
  }
  checkSeconds(problems, joinPath(path, "perTrySeconds"), perTrySeconds);
  checkSeconds(problems, joinPath(path, "backoffSeconds"), backoffSeconds);
  if (perTrySeconds !== undefined && timeout !== undefined && perTrySeconds >= timeout) {
    problems.add(
      joinPath(path, "perTrySeconds"),
      perTrySeconds,
      `less than the route's timeout of ${timeout} is allowed, or no second try fits`,
    );
  }
  return {
    attempts,
    on: [...new Set(on ?? safeConditions)].sort(),
    ...(perTrySeconds === undefined ? {} : { perTrySeconds }),
    ...(backoffSeconds === undefined ? {} : { backoffSeconds }),
    otherPlace: false,
  };
}

function normalizeRewrite(problems: Problems, path: string, given: RewritePolicy): RewritePolicy | undefined {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  const rewrite: RewritePolicy = given;
  checkKnownKeys(problems, path, rewrite, ["prefix", "path", "regex", "host"]);
  const ways = (["prefix", "path", "regex"] as const).filter((way) => rewrite[way] !== undefined);
  if (ways.length > 1) {
    exactlyOne(problems, path, rewrite, ["prefix", "path", "regex"]);
  } else if (ways.length === 0 && rewrite.host === undefined) {
    problems.add(path, given, "at least one of prefix, path, regex and host is needed");
  }
  checkNewPath(problems, joinPath(path, "prefix"), rewrite.prefix);
  checkNewPath(problems, joinPath(path, "path"), rewrite.path);
  checkNewHost(problems, joinPath(path, "host"), rewrite.host);
  if (rewrite.regex !== undefined && checkObject(problems, joinPath(path, "regex"), rewrite.regex)) {
    const { pattern, substitution } = rewrite.regex;
    checkKnownKeys(problems, joinPath(path, "regex"), rewrite.regex, ["pattern", "substitution"]);
    const parsed =
      typeof pattern === "string" && pattern.length <= 1024 ? parseRegex(pattern) : { refused: "text of at most 1024 characters" };
    if ("refused" in parsed) {
      problems.add(
        joinPath(path, "regex.pattern"),
        pattern,
        `a regular expression of literals, classes, groups and quantifiers is allowed (${parsed.refused})`,
      );
    }
    if (typeof substitution !== "string" || !/^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|\\\d)*$/.test(substitution) || substitution.length > 1024) {
      problems.add(joinPath(path, "regex.substitution"), substitution, "characters of a path and \\0 to \\9 for groups are allowed");
    }
  }
  return rewrite.prefix === undefined || rewrite.prefix === "/" ? rewrite : { ...rewrite, prefix: rewrite.prefix.replace(/\/$/, "") };
}

/** Notes what is no path that a request can be given. */
export function checkNewPath(problems: Problems, path: string, given: unknown): void {
  if (given !== undefined && !isPlainPath(given)) {
    problems.add(path, given, "a path that starts with /, without empty, . or .. elements, %2F, query or fragment, is allowed");
  }
}

/** Notes what is no host that a request can be sent to. */
export function checkNewHost(problems: Problems, path: string, given: unknown): void {
  if (given !== undefined && (!isHostName(given) || given.startsWith("*"))) {
    problems.add(path, given, "a host name in lower case without port is allowed");
  }
}

function normalizeEdits(problems: Problems, path: string, given: HeaderEdits): Edits | undefined {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  checkKnownKeys(problems, path, given, ["set", "add", "remove"]);
  const { set = {}, add = {}, remove = [] }: HeaderEdits = given;
  const taken = new Set<string>();
  const name = (at: string, text: unknown): void => {
    if (checkConditionName(problems, at, "header", text) && taken.size === taken.add(text.toLowerCase()).size) {
      problems.add(at, text, "a header is set, added or removed once; case does not count");
    }
  };
  const pairs = (member: "set" | "add", values: unknown): Edits["set"] => {
    if (!checkObject(problems, joinPath(path, member), values)) {
      return [];
    }
    return Object.entries(values)
      .map(([key, value]) => {
        const at = keyPath(joinPath(path, member), key);
        name(at, key);
        checkConditionValue(problems, at, "header", value);
        // Envoy replaces %…% in a header's value by facts of the request.
        if (typeof value === "string" && value.includes("%")) {
          problems.add(at, value, "a value without % is allowed, because gateways replace what stands between two of them");
        }
        return { name: key.toLowerCase(), value: String(value) };
      })
      .sort((a, b) => compareText(a.name, b.name));
  };
  const edits = { set: pairs("set", set), add: pairs("add", add) };
  const removed: unknown[] = checkList(problems, joinPath(path, "remove"), remove) ? remove : [];
  removed.forEach((text, index) => name(joinPath(joinPath(path, "remove"), index), text));
  if (taken.size > 16) {
    problems.add(path, `${taken.size} headers`, "at most 16 headers can be changed (HTTPRoute)");
  }
  return { ...edits, remove: removed.map((text) => String(text).toLowerCase()).sort() };
}

function normalizeFault(problems: Problems, path: string, given: FaultPolicy): RouteRule["fault"] {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  const { delay, abort }: FaultPolicy = given;
  checkKnownKeys(problems, path, given, ["delay", "abort"]);
  if (delay === undefined && abort === undefined) {
    problems.add(path, given, "at least one of delay and abort is needed");
  }
  const percent = (at: string, value: unknown): void => {
    if (value !== undefined) {
      checkInteger(problems, joinPath(at, "percent"), value, { min: 0, max: 100 });
    }
  };
  if (delay !== undefined && checkObject(problems, joinPath(path, "delay"), delay)) {
    checkKnownKeys(problems, joinPath(path, "delay"), delay, ["seconds", "percent"]);
    checkSeconds(problems, joinPath(path, "delay.seconds"), delay.seconds ?? 0);
    percent(joinPath(path, "delay"), delay.percent);
  }
  if (abort !== undefined && checkObject(problems, joinPath(path, "abort"), abort)) {
    checkKnownKeys(problems, joinPath(path, "abort"), abort, ["status", "percent"]);
    checkInteger(problems, joinPath(path, "abort.status"), abort.status, { min: 200, max: 599 });
    percent(joinPath(path, "abort"), abort.percent);
  }
  return {
    ...(delay === undefined ? {} : { delay: { seconds: delay.seconds, percent: delay.percent ?? 100 } }),
    ...(abort === undefined ? {} : { abort: { status: abort.status, percent: abort.percent ?? 100 } }),
  };
}
