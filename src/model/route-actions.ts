/** What a route does where it goes to no destination: a redirect, an answer of the gateway, or the routes of another team. */
import { checkDnsLabel, checkInteger, checkKnownKeys, checkObject, checkOneOf, exactlyOne } from "./checks";
import { joinPath, type Problems } from "./errors";
import { checkNamespace } from "./route-destinations";
import type { DelegateDestination } from "./route-destination-types";
import { checkNewHost, checkNewPath } from "./route-policies";
import type { RedirectPolicy, ResponsePolicy } from "./route-policy-types";
import type { RouteAction } from "./route-table";
import type { MeshRoute } from "./route-types";

/** The action of a route without destinations. */
export function normalizeAction(problems: Problems, path: string, { redirect, response, delegate }: MeshRoute): RouteAction {
  if (redirect !== undefined) {
    const at = joinPath(path, "redirect");
    const given: RedirectPolicy = checkObject(problems, at, redirect) ? redirect : {};
    checkRedirect(problems, at, given);
    return { ...given, kind: "redirect", status: given.status ?? 302 };
  }
  if (response !== undefined) {
    const at = joinPath(path, "response");
    const given: Partial<ResponsePolicy> = checkObject(problems, at, response) ? response : {};
    const { status, body = "" } = given;
    checkKnownKeys(problems, at, given, ["status", "body"]);
    checkInteger(problems, joinPath(at, "status"), status, { min: 200, max: 599 });
    if (typeof body !== "string" || body.length > 4096) {
      problems.add(joinPath(at, "body"), body, "text of at most 4096 characters is allowed");
    }
    return { kind: "respond", status: Number(status), body };
  }
  const at = joinPath(path, "delegate");
  const given: Partial<DelegateDestination> = checkObject(problems, at, delegate) ? delegate : {};
  checkKnownKeys(problems, at, given, ["name", "namespace"]);
  checkDnsLabel(problems, joinPath(at, "name"), given.name);
  checkNamespace(problems, joinPath(at, "namespace"), given.namespace);
  return { ...given, kind: "delegate", name: String(given.name) };
}

function checkRedirect(problems: Problems, at: string, redirect: RedirectPolicy): void {
  const { scheme, host, port, path, prefix, status } = redirect;
  checkKnownKeys(problems, at, redirect, ["scheme", "host", "port", "path", "prefix", "status"]);
  if (scheme !== undefined) {
    checkOneOf(problems, joinPath(at, "scheme"), scheme, ["http", "https"]);
  }
  checkNewHost(problems, joinPath(at, "host"), host);
  if (port !== undefined) {
    checkInteger(problems, joinPath(at, "port"), port, { min: 1, max: 65535 });
  }
  checkNewPath(problems, joinPath(at, "path"), path);
  checkNewPath(problems, joinPath(at, "prefix"), prefix);
  if (path !== undefined && prefix !== undefined) {
    exactlyOne(problems, at, redirect, ["path", "prefix"]);
  }
  if (status !== undefined && ![301, 302, 303, 307, 308].includes(status)) {
    problems.add(joinPath(at, "status"), status, "301, 302, 303, 307 or 308 is allowed");
  }
  if ([scheme, host, port, path, prefix].every((part) => part === undefined)) {
    problems.add(at, redirect, "at least one of scheme, host, port, path and prefix is needed, or the client comes back to the same place");
  }
}
