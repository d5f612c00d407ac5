/** Notes of costs from the machines that a cloud chooses. */
import { type CostLine, joinCostLines } from "../../src/model/costs";
import type { CostRequest, NodePoolSpec } from "../provider";
import type { InstanceChoice, InstanceTable } from "./instance-choice";

/** What costs beside machines; each cloud says it in its own words. */
export interface FixedCosts {
  /** Control plane, gateways of the network and the like. */
  lines: readonly CostLine[];
  /** What one snapshot store is called, for example `S3 Standard`. */
  store: string;
  /** What spot machines are called. Default: `spot`. */
  spot?: string;
}

/** The machine of a spec, as the cloud makes it. */
type MachineOf = (spec: NodePoolSpec) => InstanceChoice;

/** The line of nodes that are no part of the mesh, with their price where the table knows it. */
export function systemNodesLine(table: InstanceTable, type: string, count: number): CostLine {
  const priceClass = table.types.find(({ name }) => name === type)?.priceClass;
  return { what: "system nodes", type, count, ...(priceClass === undefined ? {} : { priceClass }) };
}

/** Every line of a mesh, the same ones joined. */
export function cloudCosts(machineOf: MachineOf, request: CostRequest, fixed: FixedCosts): CostLine[] {
  return joinCostLines([
    ...fixed.lines,
    ...request.nodes.map(({ spec }) => ({ what: "mesh nodes", count: 1, ...machine(machineOf, spec, fixed) })),
    ...request.pools.map((pool) => ({
      what: `pool ${pool.poolName}`,
      count: pool.minNodes,
      ...(pool.maxNodes > pool.minNodes ? { maxCount: pool.maxNodes } : {}),
      ...machine(machineOf, pool.spec, fixed),
    })),
    ...request.snapshotStores.map(({ storeName, region, objectLockDays }) => ({
      what: `snapshot store ${storeName}`,
      type: fixed.store,
      count: 1,
      note: [
        "paid by size and requests",
        ...(region === undefined ? [] : [`traffic to ${region}`]),
        ...(objectLockDays === undefined ? [] : ["locked"]),
      ].join(", "),
    })),
  ]);
}

function machine(machineOf: MachineOf, spec: NodePoolSpec, fixed: FixedCosts): Pick<CostLine, "type" | "priceClass" | "note"> {
  const { name, type } = machineOf(spec);
  return {
    type: name,
    // The price of spot machines moves all the time; it is a part of the list price.
    ...(type === undefined ? {} : { priceClass: type.priceClass }),
    ...(spec.spot === true ? { note: `${fixed.spot ?? "spot"}: at most the list price` } : {}),
  };
}
