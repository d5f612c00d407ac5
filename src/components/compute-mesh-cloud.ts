/** What a ComputeMesh asks of its cloud beside nodes: pools, and what it all costs. */
import type * as pulumi from "@pulumi/pulumi";
import type { MeshNodeRequest, NodePoolHandle, NodePoolRequest, NodePoolSpec, NodeProvider } from "../../providers/provider";
import { checkKnownKeys, isObject } from "../model/checks";
import { type CostLine, describeCosts } from "../model/costs";
import { joinPath, keyPath, type Problems } from "../model/errors";
import { sortedEntries } from "../model/names";
import type { Taint } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";
import type { PlannedStore } from "./compute-mesh-snapshots";
import type { VersionedServiceArgs } from "./versioned-service";

/** A pool of interchangeable nodes; its key is its name. No shard is ever on one. */
export interface MeshPoolEntry {
  /** Zones over which the nodes are spread, at least one. */
  zones: string[];
  /** What every node must have. Default: the defaults of a mesh node. */
  spec?: NodePoolSpec;
  /** Fewest nodes, at least 0. */
  minNodes: number;
  /** Most nodes, at least 1. Where it is more than `minNodes`, an autoscaler decides, and updates leave the number alone. */
  maxNodes: number;
  /** Nodes at the start, between the two. Default: `minNodes`. */
  initialNodes?: number;
}

/** One pool as it will be made. */
export interface PlannedPool {
  key: string;
  /** Logical name of what is made. */
  name: string;
  request: NodePoolRequest;
}

const poolKeys = ["zones", "spec", "minNodes", "maxNodes", "initialNodes"];

/** The pools, checked by the provider that will make them. */
export function planPools(problems: Problems, mesh: string, args: ComputeMeshArgs): PlannedPool[] {
  return sortedEntries(args.pools ?? {}).map(([key, entry]) => {
    const path = keyPath("pools", key);
    checkKnownKeys(problems, path, entry, poolKeys);
    const { spec = {}, ...given } = entry;
    const request: NodePoolRequest = { ...given, spec, poolName: key, mesh };
    const { nodeProvider } = args;
    if (nodeProvider.createPool === undefined) {
      problems.add(path, key, `the node provider ${nodeProvider.name} knows no pools`);
    } else {
      const found = nodeProvider.checkPool?.(request) ?? [];
      // The pool's name is its key, and the mesh's own name has been checked.
      problems.addAll(
        "",
        found
          .filter((one) => one.path !== "mesh")
          .map((one) => ({ ...one, path: one.path === "poolName" ? path : joinPath(path, one.path) })),
      );
    }
    return { key, name: `${mesh}-pool-${key}`, request };
  });
}

/** What runs and what it costs, where the provider says so. Everything asked for has passed its check. */
export function planCosts(
  provider: NodeProvider,
  request: { nodes: readonly MeshNodeRequest[]; pools: readonly PlannedPool[]; stores: readonly PlannedStore[] },
): { costs: CostLine[]; machines: Record<string, string>; notes: string[] } {
  const { nodes, pools, stores } = request;
  const costs = provider.costs?.({
    nodes,
    pools: pools.map((pool) => pool.request),
    snapshotStores: stores.map((store) => store.request),
  });
  const machines = Object.fromEntries(
    nodes.flatMap((node) => {
      const machine = provider.describe?.(node);
      return machine === undefined ? [] : [[node.nodeName, machine]];
    }),
  );
  // One line per machine, not per node: a large mesh has few kinds.
  const chosen = [...new Set(Object.values(machines))].map((machine) => `chose ${machine}`);
  return { costs: costs ?? [], machines, notes: [...chosen, ...describeCosts(costs ?? []).map((line) => `costs: ${line}`)] };
}

/** Where pods for a pool belong. */
export interface MeshPoolFacts {
  /** Labels that exactly the nodes of the pool carry. */
  selector: Record<string, string>;
  /** Taints that the pods must tolerate. */
  taints: Taint[];
}

/** Makes the pools. They get the cloud's own Pulumi provider from the mesh. */
export function createPools(
  parent: pulumi.Resource,
  provider: NodeProvider,
  pools: readonly PlannedPool[],
): [key: string, pool: NodePoolHandle][] {
  return pools.flatMap(({ key, name, request }): [string, NodePoolHandle][] => {
    const pool = provider.createPool?.(name, request, { parent });
    return pool === undefined ? [] : [[key, pool]];
  });
}

/** Notes a pool that is not there, and one for a service without gatherers, whose pods stay beside the data. */
export function checkServicePool(problems: Problems, path: string, pool: unknown, args: ComputeMeshArgs, answers: unknown): void {
  if (pool === undefined) {
    return;
  }
  const known = Object.keys(args.pools ?? {});
  if (typeof pool !== "string" || !known.includes(pool)) {
    problems.add(joinPath(path, "pool"), pool, `the key of a pool is allowed; there are: ${known.join(", ") || "none"}`);
  } else if (answers === undefined) {
    problems.add(joinPath(path, "pool"), pool, "only gatherers run on pools, and without answers the service has none");
  } else if (isObject(answers) && answers["placement"] !== undefined) {
    problems.add(joinPath(path, "answers.placement"), answers["placement"], "pool decides where gatherers run");
  }
}

/** The service with its gatherers on the pool that it names. */
export function onPool(
  args: VersionedServiceArgs,
  pool: string | undefined,
  pools: Readonly<Record<string, MeshPoolFacts>>,
): VersionedServiceArgs {
  const placement = pool === undefined ? undefined : pools[pool];
  return placement === undefined || args.answers === undefined ? args : { ...args, answers: { ...args.answers, placement } };
}
