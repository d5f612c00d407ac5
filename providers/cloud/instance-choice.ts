/** From a portable spec to a machine of a cloud: the cheapest current one that has everything, with the reason. Pure. */
import { parseQuantity } from "../../src/model/quantity";
import { Problems, type InputProblem } from "../../src/model/errors";
import { fullNodeSpec } from "../node-spec";
import type { NodePoolSpec } from "../provider";

/** One machine that a cloud offers. */
export interface InstanceType {
  /** The cloud's own name. */
  name: string;
  /** For example `m7gd`. */
  family: string;
  architecture: "amd64" | "arm64";
  /** Virtual CPUs. */
  cpu: number;
  memoryGiB: number;
  /** NVMe disks inside the machine, all of one size in 10^9 bytes; `count` 0 where there are none. */
  localDisks: { count: number; sizeGB: number };
  /** Bandwidth that the cloud promises at all times, in Gbit/s; bursts do not count. */
  networkGbps: number;
  /** Price of an hour of Linux relative to the table's unit. */
  priceClass: number;
  /** Whether the cloud recommends it for new work; only these are chosen, all can be named. */
  current: boolean;
}

/** All that is known of a cloud's machines: data. */
export interface InstanceTable {
  /** For messages, for example `AWS`. */
  cloud: string;
  /** What price class 1 is, for example `m7g.medium`. */
  priceUnit: string;
  types: readonly InstanceType[];
  /** What a name of a machine looks like; such a name that the table does not know is taken as given. */
  namePattern: RegExp;
}

/** The machine of a spec, or why there is none. */
export interface InstanceChoice {
  /** The cloud's name of the machine; "" where there are problems. */
  name: string;
  /** Missing where the spec names a machine that the table does not know. */
  type?: InstanceType;
  /** For example `m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe`. */
  explanation: string;
  /** Paths begin with `spec`. */
  problems: InputProblem[];
}

/** What a spec asks of a machine, as numbers. */
interface Wish {
  architecture: string;
  cpu: number;
  memoryGiB: number;
  disks: number;
  /** The largest disk in 10^9 bytes. */
  diskGB: number;
  networkGbps: number;
}

/** How many machines are named where none has everything. */
const closestMatches = 3;

/**
 * The cheapest current machine that has all that `spec` asks for; of equally dear ones the one with more memory, then the first by name. A spec that names
 * its machine gets it, where what the table knows of it fits the rest. `spec` has passed `checkNodeRequest`.
 */
export function chooseInstanceType(table: InstanceTable, spec: NodePoolSpec): InstanceChoice {
  const wish = wishOf(spec);
  if (spec.instanceType !== undefined) {
    return namedInstanceType(table, spec.instanceType, wish, spec);
  }
  const [best] = table.types.filter((type) => type.current && shortfalls(type, wish).length === 0).sort(byPrice);
  if (best !== undefined) {
    return { name: best.name, type: best, explanation: describeInstanceType(best), problems: [] };
  }
  const problems = new Problems("node");
  const closest = closestTypes(table, wish);
  problems.add(
    "spec",
    describeWish(wish),
    `no current machine of ${table.cloud} has all of it; closest are ${closest
      .map(
        (type) =>
          `${describeInstanceType(type)} (${shortfalls(type, wish)
            .map(({ lack }) => lack)
            .join(", ")})`,
      )
      .join("; ")}`,
  );
  return { name: "", explanation: "", problems: [...problems.all] };
}

/** For example `m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe`. */
export function describeInstanceType({ name, cpu, memoryGiB, localDisks }: InstanceType): string {
  const disks = localDisks.count === 0 ? "" : `, ${localDisks.count}×${localDisks.sizeGB} GB NVMe`;
  return `${name}: ${cpu} vCPU, ${memoryGiB} GiB${disks}`;
}

function namedInstanceType(table: InstanceTable, name: string, wish: Wish, spec: NodePoolSpec): InstanceChoice {
  const problems = new Problems("node");
  const type = table.types.find((one) => one.name === name);
  if (type === undefined && !table.namePattern.test(name)) {
    problems.add(
      "spec.instanceType",
      name,
      `the name of a machine of ${table.cloud} is allowed, for example ${table.types[0]?.name ?? ""}`,
    );
  }
  for (const { path, lack } of type === undefined ? [] : shortfalls(type, wish)) {
    const given: unknown = spec[path];
    // A default that the named machine does not reach was not asked for.
    if (given !== undefined || path === "architecture") {
      problems.add(
        `spec.${path}`,
        given ?? wish.architecture,
        `${describeInstanceType(type as InstanceType)} is named by instanceType: ${lack}`,
      );
    }
  }
  const found = problems.any ? "" : name;
  const explanation =
    type === undefined ? `${name}: named by the spec, and not in the table` : `${describeInstanceType(type)}, named by the spec`;
  return { name: found, ...(type === undefined ? {} : { type }), explanation, problems: [...problems.all] };
}

function wishOf(spec: NodePoolSpec): Wish {
  const full = fullNodeSpec({ ...spec, zone: "" }, "");
  const disks = full.localDisks.map((disk) => (parseQuantity(disk.size) ?? 0) / 1e9);
  return {
    architecture: full.architecture,
    cpu: parseQuantity(full.cpu) ?? 0,
    memoryGiB: (parseQuantity(full.memory) ?? 0) / 1024 ** 3,
    disks: disks.length,
    diskGB: Math.max(0, ...disks),
    networkGbps: spec.networkGbps ?? 0,
  };
}

interface Shortfall {
  path: "architecture" | "cpu" | "memory" | "localDisks" | "networkGbps";
  lack: string;
  /** How far it is off: 0 is enough, 1 is nothing of it. */
  share: number;
}

/** What a machine lacks; none where it has everything. */
function shortfalls(type: InstanceType, wish: Wish): Shortfall[] {
  const { count, sizeGB } = type.localDisks;
  const missing = (path: Shortfall["path"], has: number, wanted: number, lack: string): Shortfall[] =>
    has >= wanted ? [] : [{ path, lack, share: 1 - has / wanted }];
  return [
    ...missing("architecture", type.architecture === wish.architecture ? 1 : 0, 1, `it is ${type.architecture}, not ${wish.architecture}`),
    ...missing("cpu", type.cpu, wish.cpu, `${type.cpu} of ${wish.cpu} vCPU`),
    ...missing("memory", type.memoryGiB, wish.memoryGiB, `${type.memoryGiB} of ${number(wish.memoryGiB)} GiB`),
    ...missing("localDisks", count, wish.disks, `${count} of ${wish.disks} local disks`),
    ...(count === 0 ? [] : missing("localDisks", sizeGB, wish.diskGB, `local disks of ${sizeGB} GB, not ${number(wish.diskGB)}`)),
    ...missing("networkGbps", type.networkGbps, wish.networkGbps, `${type.networkGbps} of ${wish.networkGbps} Gbit/s at all times`),
  ];
}

function closestTypes(table: InstanceTable, wish: Wish): InstanceType[] {
  return table.types
    .filter((type) => type.current)
    .map((type) => ({ type, distance: shortfalls(type, wish).reduce((sum, { share }) => sum + share, 0) }))
    .sort((a, b) => a.distance - b.distance || byPrice(a.type, b.type))
    .slice(0, closestMatches)
    .map(({ type }) => type);
}

function byPrice(a: InstanceType, b: InstanceType): number {
  return a.priceClass - b.priceClass || b.memoryGiB - a.memoryGiB || (a.name < b.name ? -1 : 1);
}

function describeWish(wish: Wish): string {
  const disks = wish.disks === 0 ? "" : `, ${wish.disks} local disks of ${number(wish.diskGB)} GB`;
  const network = wish.networkGbps === 0 ? "" : `, ${wish.networkGbps} Gbit/s`;
  return `${wish.architecture}, ${number(wish.cpu)} vCPU, ${number(wish.memoryGiB)} GiB${disks}${network}`;
}

function number(value: number): number {
  return Math.round(value * 10) / 10;
}
