/** Checks of a LocalDbDaemonSet's args that decide nothing else. */
import { checkLabels } from "../kubernetes/label-rules";
import { checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import type { LocalDbDaemonSetArgs } from "./local-db-daemon-set";

const updateStrategies = ["oneNodeAtATime", "onDelete"];
const transformKeys = ["credentials", "config", "priority", "daemonSet", "service", "disruptionBudget", "networkPolicy"];

/** Checks what needs no plan, but for the names of users that the engine keeps to itself. */
export function checkLocalDbRest(problems: Problems, args: LocalDbDaemonSetArgs, reservedUsernames: readonly string[]): void {
  const { credentials, update, priorityClassName, minAvailable, dataProtection, transforms } = args;
  if (args.namespace === undefined || args.namespace === "") {
    problems.add("namespace", args.namespace, "the name of a namespace is needed");
  }
  if (credentials !== undefined && checkObject(problems, "credentials", credentials)) {
    checkKnownKeys(problems, "credentials", credentials, ["username", "password"]);
    const { username, password } = credentials as { username?: unknown; password?: unknown };
    if (username !== undefined && !(typeof username === "string" && /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/.test(username))) {
      problems.add(
        "credentials.username",
        username,
        "lower-case letters, digits and underscores are allowed, at most 63, not beginning with pg_",
      );
    }
    if (typeof username === "string" && reservedUsernames.includes(username)) {
      problems.add("credentials.username", username, `the engine keeps these names to itself: ${reservedUsernames.join(", ")}`);
    }
    if (password === "") {
      problems.add("credentials.password", "empty text", "a password is needed; leave the property out to have one made");
    }
  }
  if (update !== undefined && checkObject(problems, "update", update)) {
    checkKnownKeys(problems, "update", update, ["strategy"]);
    if (update["strategy"] !== undefined) {
      checkOneOf(problems, "update.strategy", update["strategy"], updateStrategies);
    }
  }
  if (priorityClassName !== undefined) {
    checkText(problems, "priorityClassName", priorityClassName, "the name of a PriorityClass is allowed");
  }
  if (minAvailable !== undefined) {
    checkInteger(problems, "minAvailable", minAvailable, { min: 0, max: Math.max(1, args.nodes?.length ?? 1) });
  }
  checkPeers(problems, args);
  if (dataProtection !== undefined && checkObject(problems, "dataProtection", dataProtection)) {
    checkKnownKeys(problems, "dataProtection", dataProtection, ["protect", "retainOnDelete"]);
  }
  if (transforms !== undefined && checkObject(problems, "transforms", transforms)) {
    checkKnownKeys(problems, "transforms", transforms, transformKeys);
  }
}

function checkPeers(problems: Problems, { allowFrom = [] }: LocalDbDaemonSetArgs): void {
  if (!checkList(problems, "allowFrom", allowFrom)) {
    return;
  }
  allowFrom.forEach((peer, index) => {
    const path = joinPath("allowFrom", index);
    if (!checkObject(problems, path, peer)) {
      return;
    }
    checkKnownKeys(problems, path, peer, ["podLabels", "namespaceLabels"]);
    const podLabels = joinPath(path, "podLabels");
    if (checkLabels(problems, podLabels, peer["podLabels"]) && Object.keys(peer["podLabels"]).length === 0) {
      problems.add(podLabels, peer["podLabels"], "at least one label is needed: without one, every pod could connect");
    }
    if (peer["namespaceLabels"] !== undefined) {
      checkLabels(problems, joinPath(path, "namespaceLabels"), peer["namespaceLabels"]);
    }
  });
}

/** Whether `value` is an absolute path that is not the root. */
export function checkFolder(problems: Problems, path: string, value: unknown): value is string {
  const valid = typeof value === "string" && /^\/[^\s]+$/.test(value) && !value.split("/").includes("..") && !/^\/+$/.test(value);
  if (!valid) {
    problems.add(path, value, 'an absolute path below the root is allowed, without spaces and ".."');
  }
  return valid;
}

/** Whether `value` is text that is not empty. */
export function checkText(problems: Problems, path: string, value: unknown, allowed: string): void {
  if (typeof value !== "string" || value === "") {
    problems.add(path, value, allowed);
  }
}
