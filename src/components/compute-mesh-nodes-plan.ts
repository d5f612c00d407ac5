/** The mesh nodes of a ComputeMesh, checked one by one. */
import { keyPath, type Problems } from "../model/errors";
import { sortedEntries } from "../model/names";
import type { MeshNodeFacts } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";
import { attempt, below, unknownNode } from "./compute-mesh-checks";
import { normalizeComputeMeshNode } from "./compute-mesh-node";
import type { PlannedMeshNode } from "./compute-mesh-nodes";

/** The nodes in the order of their names. */
export interface MeshNodesPlan {
  /** Those that are right. */
  nodes: PlannedMeshNode[];
  /** Names as given, and facts in the same order, with a stand-in for each node that is wrong. */
  names: string[];
  facts: MeshNodeFacts[];
}

/** Checks every node and asks the provider for its facts. */
export function planMeshNodes(problems: Problems, name: string, args: ComputeMeshArgs): MeshNodesPlan {
  const entries = sortedEntries(args.nodes);
  const planned = entries.map(([nodeName, { maxShards: _limit, ...entry }]) => {
    const nodeArgs = { ...entry, nodeName, mesh: name, nodeProvider: args.nodeProvider };
    const check = (): PlannedMeshNode & { facts: MeshNodeFacts } => {
      const request = normalizeComputeMeshNode(`${name}-nodes-${nodeName}`, nodeArgs);
      const { dataProtection } = entry;
      return { request, facts: args.nodeProvider.facts(request), ...(dataProtection === undefined ? {} : { dataProtection }) };
    };
    return attempt(problems, check, below(keyPath("nodes", nodeName)));
  });
  const right = planned.find((one) => one !== undefined)?.facts;
  return {
    nodes: planned.filter((one) => one !== undefined),
    names: entries.map(([nodeName]) => nodeName),
    facts: planned.map((one, index) => one?.facts ?? unknownNode(name, index, right)),
  };
}
