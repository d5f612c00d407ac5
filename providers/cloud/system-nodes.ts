/** Nodes for what is no part of the mesh, where a cluster is made with them. */
import { checkInteger, checkKnownKeys, checkList, checkObject, checkUnique } from "../../src/model/checks";
import { joinPath, type Problems } from "../../src/model/errors";
import { checkPattern } from "./options";
import { checkZone, type ZoneRules } from "./zones";

/** How one cloud says it. */
export interface SystemNodeRules {
  region: string;
  zones: ZoneRules;
  /** Property that says how many, and the most of them. */
  count: string;
  most: number;
  machine: RegExp;
  /** Some machine, for messages. */
  example: string;
}

/** Checks `zones` and `systemNodes` of a cluster that is created. */
export function checkSystemNodes(
  problems: Problems,
  path: string,
  create: { zones?: unknown; systemNodes?: unknown },
  rules: SystemNodeRules,
): void {
  const zones = joinPath(path, "zones");
  if (create.zones !== undefined && checkList(problems, zones, create.zones)) {
    if (create.zones.length === 0) {
      problems.add(zones, [], "at least one zone is needed; leave them out for the default");
    }
    create.zones.forEach((zone, index) => checkZone(problems, joinPath(zones, index), zone, rules.region, rules.zones));
    checkUnique(problems, zones, create.zones);
  }
  const nodes = joinPath(path, "systemNodes");
  if (create.systemNodes === undefined || !checkObject(problems, nodes, create.systemNodes)) {
    return;
  }
  checkKnownKeys(problems, nodes, create.systemNodes, ["instanceType", rules.count]);
  const { instanceType, [rules.count]: count } = create.systemNodes;
  if (instanceType !== undefined) {
    const allowed = `the name of a machine is allowed, for example ${rules.example}`;
    checkPattern(problems, joinPath(nodes, "instanceType"), instanceType, rules.machine, allowed);
  }
  if (count !== undefined) {
    checkInteger(problems, joinPath(nodes, rules.count), count, { min: 1, max: rules.most });
  }
}
