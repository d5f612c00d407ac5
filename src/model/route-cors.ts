/** Cross-origin requests: from what the user wrote to checked values. */
import { checkBoolean, checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf } from "./checks";
import { joinPath, type Problems } from "./errors";
import { httpMethods } from "./route-input";
import type { CorsPolicy } from "./route-policy-types";
import { checkConditionName } from "./route-values";

/** The longest time that a browser may keep an answer, in seconds: one day. */
const maxAge = 86_400;

/** The CORS policy of a route. */
export function normalizeCors(problems: Problems, path: string, given: CorsPolicy): CorsPolicy | undefined {
  if (!checkObject(problems, path, given)) {
    return undefined;
  }
  const cors: CorsPolicy = given;
  checkKnownKeys(problems, path, cors, ["origins", "methods", "headers", "exposeHeaders", "maxAgeSeconds", "credentials"]);
  const each = (member: "origins" | "methods" | "headers" | "exposeHeaders", check: (at: string, value: unknown) => void): void => {
    const at = joinPath(path, member);
    const values: unknown = cors[member];
    if ((values !== undefined || member === "origins") && checkList(problems, at, values)) {
      values.forEach((value, index) => check(joinPath(at, index), value));
      if (values.length === 0 || values.length > 64) {
        problems.add(at, values.length, "1 to 64 are allowed");
      }
    }
  };
  each("origins", (at, value) => {
    const alone = value === "*" && cors.origins.length === 1;
    const origin = typeof value === "string" && /^https?:\/\/[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?(?::\d{1,5})?$/.test(value);
    if (!alone && !origin) {
      problems.add(at, value, "an origin such as https://app.example.com is allowed, or * alone");
    }
  });
  each("methods", (at, value) => void checkOneOf(problems, at, value, httpMethods));
  each("headers", (at, value) => void checkConditionName(problems, at, "header", value));
  each("exposeHeaders", (at, value) => void checkConditionName(problems, at, "header", value));
  if (cors.maxAgeSeconds !== undefined) {
    checkInteger(problems, joinPath(path, "maxAgeSeconds"), cors.maxAgeSeconds, { min: 1, max: maxAge });
  }
  if (cors.credentials !== undefined) {
    checkBoolean(problems, joinPath(path, "credentials"), cors.credentials);
  }
  if (cors.credentials === true && cors.origins.includes("*")) {
    problems.add(joinPath(path, "origins"), "*", "named origins are needed with credentials, because browsers refuse * there");
  }
  return cors;
}
