/**
 * Machines of Amazon EC2 for mesh nodes, as data: general purpose (m), compute (c), memory (r) and storage (i), with and without NVMe disks.
 *
 * Processors, memory, disks in all and the network's baseline are what EC2's DescribeInstanceTypes says, prices are its list prices for Linux in us-east-1,
 * both as Karpenter publishes them (https://karpenter.sh/docs/reference/instance-types/ and pkg/providers/pricing of its repository, July 2026). How many
 * disks of which size: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html. Not every region offers every family; `nodes.families`
 * keeps the choice to those that yours has.
 */
import { ofFamilies } from "../cloud/families";
import type { InstanceTable, InstanceType } from "../cloud/instance-choice";
import { amd64Rows } from "./instance-types-amd64";
import { arm64Rows } from "./instance-types-arm64";

/** Name, vCPU, GiB, local disks, 10^9 bytes of each, baseline in Gbit/s, price relative to the unit. */
export type Ec2Row = readonly [
  name: string,
  cpu: number,
  memoryGiB: number,
  disks: number,
  diskGB: number,
  networkGbps: number,
  price: number,
];

/** Families with a successor that costs no more for the same; they are used where a spec or `nodes.families` names them. */
const formerFamilies = ["i4i", "m6id", "c6id", "r6id"];

function typesOf(architecture: InstanceType["architecture"], rows: readonly Ec2Row[]): InstanceType[] {
  return rows.map(([name, cpu, memoryGiB, disks, diskGB, networkGbps, priceClass]) => {
    const family = name.split(".")[0] ?? name;
    const localDisks = { count: disks, sizeGB: diskGB };
    return { name, family, architecture, cpu, memoryGiB, localDisks, networkGbps, priceClass, current: !formerFamilies.includes(family) };
  });
}

/** Every machine of the table. */
export const ec2Types: readonly InstanceType[] = [...typesOf("arm64", arm64Rows), ...typesOf("amd64", amd64Rows)];

/** List price of an hour of m7g.large in us-east-1 in USD: the unit of the price classes. */
export const ec2PriceUnitUsd = 0.0816;

/** The table to choose from; with `families` those alone, former ones too. */
export function ec2Table(families?: readonly string[]): InstanceTable {
  const namePattern = /^[a-z][a-z0-9-]{1,15}\.[a-z0-9-]{2,15}$/;
  return { cloud: "AWS", priceUnit: "m7g.large", types: ofFamilies(ec2Types, families), namePattern };
}
