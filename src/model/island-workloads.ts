/** What is deployed for every instance of an island. */
import { joinPath, Problems } from "./errors";
import type { Island, IslandType, IslandWorkload } from "./island-types";
import { expandIslands } from "./islands";
import { dnsName } from "./names";

/** A workload of one instance. */
export interface PlacedWorkload {
  /** Property path, for example `islands[0] (eu-1), type cell: workloads[0]`. */
  path: string;
  /** Name of the instance, with those around it. */
  island: string;
  /** Name of the service. */
  service: string;
  workload: IslandWorkload;
}

/** The workloads of every instance, in the order of the instances; none where the types or instances are not usable, which `expandIslands` says. */
export function islandWorkloads(types: readonly IslandType[] = [], islands: readonly Island[] = []): PlacedWorkload[] {
  const problems = new Problems("islands");
  expandIslands(problems, types, islands);
  return problems.any ? [] : workloadsOf(new Map(types.map((type) => [type.name, type])), islands, "islands", []);
}

function workloadsOf(types: ReadonlyMap<string, IslandType>, islands: readonly Island[], path: string, around: string[]): PlacedWorkload[] {
  return islands.flatMap((island, index) => {
    const { name = "", workloads = [], islands: inner = [] } = types.get(island.type) ?? {};
    const [place, whole] = [joinPath(path, index), [...around, island.name]];
    const own = workloads.map((workload, at): PlacedWorkload => ({
      path: `${place} (${whole.join("-")}), ${joinPath(`type ${name}: workloads`, at)}`,
      island: dnsName(...whole),
      service: dnsName(...whole, workload.name),
      workload,
    }));
    return [...own, ...workloadsOf(types, inner, joinPath(place, "islands"), whole)];
  });
}
