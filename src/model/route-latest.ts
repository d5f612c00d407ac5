/**
 * `latest`: the newest snapshot of a group that is complete, and that every service of the group is bound to.
 *
 * It moves in preview, when a newer snapshot has become complete, and nowhere else: what `latest` means is as checked as every other route.
 */
import { checkKnownKeys, checkList, checkObject } from "./checks";
import { joinPath, type Problems } from "./errors";
import { findService, type KnownServices } from "./route-services";
import type { LatestSnapshot } from "./route-types";

/** The services with what `latest` means for each. */
export function resolveLatest(problems: Problems, given: unknown, services: KnownServices): KnownServices {
  if (given === undefined || !checkList(problems, "latest", given)) {
    return services;
  }
  const owners = new Map<string, string>();
  const resolved = new Map(services);
  given.forEach((policy: unknown, index) => {
    const path = joinPath("latest", index);
    if (!checkObject(problems, path, policy)) {
      return;
    }
    checkKnownKeys(problems, path, policy, ["group", "services", "complete"]);
    const { group, services: names, complete } = policy as Partial<LatestSnapshot>;
    if (typeof group !== "string" || group === "") {
      problems.add(joinPath(path, "group"), group, "the name of the snapshot group is needed");
    }
    if (!checkList(problems, joinPath(path, "services"), names) || !checkList(problems, joinPath(path, "complete"), complete)) {
      return;
    }
    const members = names.map((name, at) => {
      const place = joinPath(joinPath(path, "services"), at);
      const owner = owners.get(name);
      if (owner !== undefined) {
        problems.add(place, name, `it is of another group already: ${owner}`);
      }
      owners.set(name, place);
      return findService(problems, place, name, services);
    });
    const newest = newestCommon(
      complete,
      members.map((service) => service?.snapshots ?? complete),
    );
    if (newest === undefined) {
      const allowed = "a complete snapshot that all services of the group are bound to is needed, or `latest` means nothing";
      problems.add(joinPath(path, "complete"), complete, allowed);
      return;
    }
    members.forEach((service) => service !== undefined && resolved.set(service.facts.name, { ...service, latest: newest }));
  });
  return resolved;
}

/** The newest snapshot of `complete` that is in every list; ids are points in time, so the greatest is the newest. */
export function newestCommon(complete: readonly string[], lists: readonly (readonly string[])[]): string | undefined {
  const candidates = complete.filter((id) => lists.every((list) => list.includes(id)));
  return candidates.sort().at(-1);
}
