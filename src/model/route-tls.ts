/** HTTPS at the gateway: which certificate serves which hosts. */
import { checkKnownKeys, checkList, checkObject } from "./checks";
import { joinPath, type Problems } from "./errors";
import { checkNamespace } from "./route-destinations";
import { matchesHost } from "./route-match";
import type { TableTls } from "./route-table";
import type { RoutesTls } from "./route-types";

/** The certificates, each with the hosts that it is for; every host has at most one. */
export function normalizeTls(problems: Problems, given: unknown, hosts: readonly string[]): TableTls[] {
  if (given === undefined || !checkList(problems, "tls", given)) {
    return [];
  }
  const owners = new Map<string, string>();
  return given.flatMap((one: unknown, index): TableTls[] => {
    const path = joinPath("tls", index);
    if (!checkObject(problems, path, one)) {
      return [];
    }
    checkKnownKeys(problems, path, one, ["hosts", "certificateSecret", "certificateNamespace"]);
    const { hosts: wanted = [...hosts], certificateSecret, certificateNamespace } = one as Partial<RoutesTls>;
    if (typeof certificateSecret !== "string" || !/^[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?$/.test(certificateSecret)) {
      problems.add(joinPath(path, "certificateSecret"), certificateSecret, "the name of a Secret of type kubernetes.io/tls is needed");
      return [];
    }
    checkNamespace(problems, joinPath(path, "certificateNamespace"), certificateNamespace);
    if (!checkList(problems, joinPath(path, "hosts"), wanted)) {
      return [];
    }
    wanted.forEach((host: unknown, at) => {
      const place = joinPath(joinPath(path, "hosts"), at);
      const served = typeof host === "string" && hosts.some((declared) => declared === host || matchesHost(declared, host));
      if (!served) {
        problems.add(place, host, `one of the hosts of the routes is allowed: ${hosts.join(", ")}`);
      }
      const owner = owners.get(String(host));
      if (owner !== undefined) {
        problems.add(place, host, `it has a certificate already: ${owner}`);
      }
      owners.set(String(host), place);
    });
    const namespace = certificateNamespace === undefined ? {} : { certificateNamespace };
    return [{ hosts: [...wanted].sort(), certificateSecret, ...namespace }];
  });
}
