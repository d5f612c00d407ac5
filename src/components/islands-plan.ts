/** The plain part of Islands: which versioned services there are, and that their types and instances are right. */
import { checkComponentName, checkKnownKeys, nearestWord } from "../model/checks";
import { joinPath, Problems } from "../model/errors";
import type { SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import { islandWorkloads, type PlacedWorkload } from "../model/island-workloads";
import { expandIslands } from "../model/islands";
import { throwLocated } from "../mesh-file";
import type { MeshRoutesArgs, MeshServiceArgs } from "./compute-mesh";
import { attempt, below } from "./compute-mesh-checks";
import type { IslandsArgs } from "./islands";
import type { ServiceVersionArgs, VersionedServiceArgs } from "./versioned-service";
import { normalizeVersionedService } from "./versioned-service-plan";

/** One versioned service of one instance. */
export interface PlannedIsland {
  /** Name of the child. */
  name: string;
  args: VersionedServiceArgs;
  facts: VersionedServiceFacts;
}

const argKeys = ["namespace", "islandTypes", "islands", "nodes", "snapshotGroups", "database", "shardMap", "agentImage", "transforms"];

/**
 * Checks the args and names everything.
 *
 * @throws MeshInputError with every problem
 */
export function normalizeIslands(name: string, args: IslandsArgs): PlannedIsland[] {
  const problems = new Problems(`islands ${JSON.stringify(name)}`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argKeys);
  expandIslands(problems, args.islandTypes, args.islands);
  throwLocated(problems, args);
  const { islandTypes, islands, snapshotGroups, ...shared } = args;
  const planned = islandWorkloads(islandTypes, islands).flatMap(({ path, service, ...placed }): PlannedIsland[] => {
    const { snapshotGroup, ...own } = islandServiceArgs(placed);
    const group = findGroup(problems, joinPath(path, "snapshotGroup"), snapshotGroup, snapshotGroups);
    if (group === undefined) {
      return [];
    }
    const serviceArgs: VersionedServiceArgs = { ...own, ...shared, serviceName: service, snapshotGroup: group };
    const child = `${name}-${service}`;
    const facts = attempt(problems, () => normalizeVersionedService(child, serviceArgs).facts, below(path));
    return facts === undefined ? [] : [{ name: child, args: serviceArgs, facts }];
  });
  if (planned.length === 0 && !problems.any) {
    problems.add(
      "islandTypes",
      islandTypes.map((type) => type.name),
      "at least one instance with a workload is needed",
    );
  }
  throwLocated(problems, args);
  return planned;
}

function findGroup(
  problems: Problems,
  path: string,
  wanted: string | undefined,
  groups: readonly SnapshotGroupFacts[],
): SnapshotGroupFacts | undefined {
  const group = wanted === undefined && groups.length === 1 ? groups[0] : groups.find((one) => one.name === wanted);
  if (group === undefined) {
    const names = groups.map((one) => one.name);
    const nearest = wanted === undefined ? undefined : nearestWord(wanted, names);
    problems.add(
      path,
      wanted,
      `${nearest === undefined ? "" : `perhaps ${nearest} is meant; `}known groups are ${names.join(", ") || "none"}`,
    );
  }
  return group;
}

/** A workload as args of a VersionedService, but for what all instances share; pods find the name of their instance in `MESH_ISLAND`. */
export function islandServiceArgs({
  island,
  workload: { name: _name, versions, ...own },
}: Pick<PlacedWorkload, "island" | "workload">): Omit<PlacedWorkload["workload"], "name" | "versions"> & {
  versions: Record<string, ServiceVersionArgs>;
} {
  const withIsland = Object.entries(versions ?? {}).map(([version, given]): [string, ServiceVersionArgs] => [
    version,
    { ...given, env: { ...given.env, MESH_ISLAND: island } },
  ]);
  return { ...own, versions: Object.fromEntries(withIsland) };
}

/** The workloads of a mesh's islands as services of the mesh, by the keys that they would have. */
export function meshIslandServices(
  routes: MeshRoutesArgs | undefined,
  groups: readonly string[],
): { key: string; path: string; given: MeshServiceArgs }[] {
  return islandWorkloads(routes?.islandTypes, routes?.islands).map(({ path, service, ...placed }) => {
    const { snapshotGroup = groups.length === 1 ? groups[0] : undefined, ...own } = islandServiceArgs(placed);
    return { key: service, path: joinPath("routes", path), given: { ...own, snapshotGroup: snapshotGroup ?? "" } };
  });
}
