import type { ResourceValidationPolicy } from "@pulumi/policy";
import { objectsOf, valueAt, type Properties } from "../objects";

interface Config {
  maxReplicasPerZone?: number;
}

/** A message names at most this many shards, so that it stays readable. */
const maxListed = 5;

/** The loss of one zone takes no shard with it. */
export const replicasInDifferentZones: ResourceValidationPolicy = {
  name: "replicas-in-different-zones",
  displayName: "Replicas are in different zones",
  description: "All owners of one shard are mesh nodes of different zones.",
  severity: "high",
  tags: ["compute-mesh", "availability"],
  remediationSteps:
    "Compute the shard map with zoneSpread required, after adding mesh nodes in more zones or lowering the number of replicas. " +
    "A mesh in one zone only sets this policy to advisory, or maxReplicasPerZone to its number of replicas.",
  configSchema: {
    properties: {
      maxReplicasPerZone: { type: "integer", minimum: 1, default: 1, description: "Owners of one shard that may be in one zone." },
    },
  },
  validateResource: (args, reportViolation) => {
    // ComputeMesh makes a ShardedIngest too, so this covers both.
    if (args.type !== "compute-mesh:index:ShardedIngest") {
      return;
    }
    const { maxReplicasPerZone = 1 } = args.getConfig<Config>();
    const zones = new Map(objectsOf(args.props["nodes"]).map((node) => [String(node["name"]), zoneOf(node)]));
    const owners = valueAt(args.props, "shardMap", "owners");
    const crowded = (Array.isArray(owners) ? owners : []).flatMap((nodes: unknown, shard) =>
      crowdedZones(Array.isArray(nodes) ? nodes.map(String) : [], zones, maxReplicasPerZone).map((zone) => `shard ${shard}: ${zone}`),
    );
    if (crowded.length > 0) {
      const more = crowded.length > maxListed ? `; and ${crowded.length - maxListed} more` : "";
      reportViolation(`Replicas share a zone: ${crowded.slice(0, maxListed).join("; ")}${more}.`);
    }
  },
};

/** Zones have the same names at several providers and in several regions. */
function zoneOf(node: Properties): string {
  return ["provider", "region", "zone"]
    .map((key) => node[key])
    .filter((part) => typeof part === "string" && part !== "")
    .join("/");
}

/** The zones that hold too many owners of one shard, as text. A node that nothing is known about shares its zone with nobody. */
function crowdedZones(nodes: readonly string[], zones: ReadonlyMap<string, string>, allowed: number): string[] {
  const byZone = new Map<string, string[]>();
  for (const node of nodes) {
    const zone = zones.get(node);
    if (zone !== undefined) {
      byZone.set(zone, [...(byZone.get(zone) ?? []), node]);
    }
  }
  return [...byZone].filter(([, inZone]) => inZone.length > allowed).map(([zone, inZone]) => `${inZone.join(" and ")} in ${zone}`);
}
