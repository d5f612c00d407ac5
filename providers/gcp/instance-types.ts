/**
 * Machine types of Compute Engine as data: what a node of GKE can be.
 *
 * Sizes, local disks and default egress bandwidth: https://cloud.google.com/compute/docs/general-purpose-machines. Local disks of the third generation and
 * later belong to the types that end in `-lssd`, a fixed number of 375 GiB each (https://cloud.google.com/compute/docs/disks/local-ssd#lssd_disks_fixed).
 * Older series take a chosen number of disks; they are here without, so a spec with disks is met by a current type.
 *
 * Price classes are made of the on-demand list prices per vCPU, GiB and local disk in us-central1
 * (https://cloud.google.com/compute/vm-instance-pricing, in 2025), divided by that of `priceUnit`. They order the types and say how many times more one
 * machine costs than another; what it costs in a region, the price list says.
 */
import type { InstanceType } from "../cloud/instance-choice";

/** The machine whose price class is 1. */
export const priceUnit = "e2-standard-2";

/** Size of one local disk of a `-lssd` type, 375 GiB in GB as the table counts. */
const localDiskGB = 402;

/** Dollars per hour: a vCPU, a GiB of memory; the prices of one series do not depend on the size. */
type Prices = readonly [cpu: number, memoryGiB: number];

interface Series {
  name: string;
  architecture: "amd64" | "arm64";
  current: boolean;
  prices: Prices;
  /** Shape → GiB of memory per vCPU; rounded down to whole GiB where it gives a fraction. */
  shapes: Readonly<Record<string, number>>;
  /** vCPUs → Gbit/s of the default network. */
  networkGbps: Readonly<Record<number, number>>;
  /** Shapes that exist with local disks, and vCPUs → number of disks. */
  localDisks?: { shapes: readonly string[]; counts: Readonly<Record<number, number>> };
}

/** 375 GiB at 0.08 dollars per GiB and month of 730 hours. */
const localDiskPrice = (375 * 0.08) / 730;
const unitPrice = 0.067;

const withDisks = ["standard", "highmem"];

const series: readonly Series[] = [
  {
    name: "e2",
    architecture: "amd64",
    current: true,
    prices: [0.0218, 0.00292],
    shapes: { standard: 4, highmem: 8 },
    networkGbps: { 2: 4, 4: 8, 8: 16, 16: 16 },
  },
  {
    name: "n4",
    architecture: "amd64",
    current: true,
    prices: [0.0308, 0.00414],
    shapes: { highcpu: 2, standard: 4, highmem: 8 },
    networkGbps: { 2: 10, 4: 10, 8: 16, 16: 32, 32: 32, 48: 32, 64: 45, 80: 50 },
  },
  {
    name: "c4a",
    architecture: "arm64",
    current: true,
    prices: [0.0309, 0.00351],
    shapes: { highcpu: 2, standard: 4, highmem: 8 },
    networkGbps: { 1: 10, 2: 10, 4: 23, 8: 23, 16: 23, 32: 23, 48: 34, 64: 45, 72: 50 },
    localDisks: { shapes: withDisks, counts: { 4: 1, 8: 2, 16: 4, 32: 6, 48: 10, 64: 14, 72: 16 } },
  },
  {
    name: "c4d",
    architecture: "amd64",
    current: true,
    prices: [0.033, 0.0039],
    shapes: { highcpu: 1.875, standard: 3.875, highmem: 7.875 },
    networkGbps: { 2: 10, 4: 20, 8: 20, 16: 20, 32: 23, 48: 34, 64: 45, 96: 67, 192: 100, 384: 100 },
    localDisks: { shapes: withDisks, counts: { 8: 1, 16: 1, 32: 2, 48: 4, 64: 6, 96: 8, 192: 16, 384: 32 } },
  },
  {
    name: "c4",
    architecture: "amd64",
    current: true,
    prices: [0.0347, 0.00394],
    shapes: { highcpu: 2, standard: 3.75, highmem: 7.75 },
    networkGbps: { 2: 10, 4: 10, 8: 23, 16: 23, 24: 23, 32: 23, 48: 34, 96: 67, 144: 100, 192: 100, 288: 100 },
    localDisks: { shapes: withDisks, counts: { 4: 1, 8: 1, 16: 2, 24: 4, 32: 5, 48: 8, 96: 16, 144: 24, 192: 32, 288: 48 } },
  },
  {
    name: "c3d",
    architecture: "amd64",
    current: true,
    prices: [0.0296, 0.00397],
    shapes: { standard: 4, highmem: 8 },
    networkGbps: { 4: 20, 8: 20, 16: 20, 30: 20, 60: 40, 90: 60, 180: 100, 360: 100 },
    localDisks: { shapes: withDisks, counts: { 8: 1, 16: 1, 30: 2, 60: 4, 90: 8, 180: 16, 360: 32 } },
  },
  {
    name: "c3",
    architecture: "amd64",
    current: true,
    prices: [0.034, 0.00456],
    shapes: { highcpu: 2, standard: 4, highmem: 8 },
    networkGbps: { 4: 23, 8: 23, 22: 23, 44: 32, 88: 62, 176: 100 },
    localDisks: { shapes: ["standard"], counts: { 4: 1, 8: 2, 22: 4, 44: 8, 88: 16, 176: 32 } },
  },
  {
    name: "n2d",
    architecture: "amd64",
    current: false,
    prices: [0.0275, 0.00369],
    shapes: { highcpu: 1, standard: 4, highmem: 8 },
    networkGbps: { 2: 10, 4: 10, 8: 16, 16: 32, 32: 32, 48: 32, 64: 32, 80: 32, 96: 32 },
  },
  {
    name: "n2",
    architecture: "amd64",
    current: false,
    prices: [0.0316, 0.00424],
    shapes: { highcpu: 1, standard: 4, highmem: 8 },
    networkGbps: { 2: 10, 4: 10, 8: 16, 16: 32, 32: 32, 48: 32, 64: 32, 80: 32 },
  },
  {
    name: "t2a",
    architecture: "arm64",
    current: false,
    prices: [0.0256, 0.00322],
    shapes: { standard: 4 },
    networkGbps: { 1: 10, 2: 10, 4: 10, 8: 16, 16: 32, 32: 32, 48: 32 },
  },
];

/** Every type that the provider knows. */
export const machineTypes: readonly InstanceType[] = series.flatMap(typesOf);

function typesOf(one: Series): InstanceType[] {
  const plain = Object.keys(one.shapes).flatMap((shape) => sizesOf(one.networkGbps).map((cpu) => instanceType(one, shape, cpu, 0)));
  const { shapes = [], counts = {} } = one.localDisks ?? {};
  const disks = shapes.flatMap((shape) => sizesOf(counts).map((cpu) => instanceType(one, shape, cpu, counts[cpu] ?? 0)));
  return [...plain, ...disks];
}

function sizesOf(table: Readonly<Record<number, number>>): number[] {
  return Object.keys(table).map(Number);
}

function instanceType(one: Series, shape: string, cpu: number, disks: number): InstanceType {
  const memoryGiB = Math.floor(cpu * (one.shapes[shape] ?? 0));
  const price = cpu * one.prices[0] + memoryGiB * one.prices[1] + disks * localDiskPrice;
  return {
    name: `${one.name}-${shape}-${cpu}${disks === 0 ? "" : "-lssd"}`,
    family: one.name,
    architecture: one.architecture,
    cpu,
    memoryGiB,
    localDisks: { count: disks, sizeGB: disks === 0 ? 0 : localDiskGB },
    networkGbps: one.networkGbps[cpu] ?? 0,
    priceClass: Math.round((price / unitPrice) * 100) / 100,
    current: one.current,
  };
}
