/**
 * Sizes of Azure virtual machines as data: what a node of AKS can be.
 *
 * vCPUs, memory, local NVMe disks and network: the pages of the series below https://learn.microsoft.com/azure/virtual-machines/sizes/overview (Dpsv6, Dpdsv6,
 * Dalsv6, Dasv6, Dadsv6, Dsv6, Ddsv6, Epsv6, Epdsv6, Easv6, Eadsv6, Esv6, Edsv6, Lasv4). A `d` in the name is a size with local disks.
 *
 * Price classes are made of the pay-as-you-go prices per vCPU in eastus of June 2026 (https://prices.azure.com/api/retail/prices; within a series they are the
 * same for every size), divided by that of `priceUnit`. They order the sizes and say how many times more one machine costs than another; what it costs in a
 * region, the price list says.
 */
import type { InstanceType } from "../cloud/instance-choice";

/** The machine whose price class is 1. */
export const priceUnit = "Standard_D2as_v6";

/** vCPUs → number of disks and GiB of each. */
type Disks = Readonly<Record<number, readonly [count: number, sizeGiB: number]>>;
/** vCPUs → Gbit/s. */
type Network = Readonly<Record<number, number>>;

interface Series {
  /** Letters around the number of vCPUs, for example `D…ads_v6`. */
  letters: readonly [before: string, after: string];
  family: string;
  architecture: "amd64" | "arm64";
  current: boolean;
  /** Dollars per vCPU and hour. */
  price: number;
  memoryPerCpuGiB: number;
  network: Network;
  disks?: Disks;
}

const armNetwork: Network = { 2: 12.5, 4: 12.5, 8: 15, 16: 15, 32: 20, 48: 30, 64: 40, 96: 60 };
const amdNetwork: Network = { 2: 12.5, 4: 12.5, 8: 12.5, 16: 16, 32: 20, 48: 28, 64: 36, 96: 40 };
const intelNetwork: Network = { 2: 12.5, 4: 12.5, 8: 12.5, 16: 12.5, 32: 16, 48: 24, 64: 30, 96: 41, 128: 54 };
const storageNetwork: Network = { 2: 12.5, 4: 12.5, 8: 12.5, 16: 12.5, 32: 16, 48: 28, 64: 36, 80: 40, 96: 40 };

/** The same in every `d` series of the sixth generation; only Intel's have the last. */
const temporaryDisks: Disks = {
  2: [1, 110],
  4: [1, 220],
  8: [1, 440],
  16: [2, 440],
  32: [4, 440],
  48: [6, 440],
  64: [4, 880],
  96: [6, 880],
  128: [4, 1760],
};
/** 480, 960 and 1,920 GB. */
const storageDisks: Disks = {
  2: [1, 447],
  4: [2, 447],
  8: [4, 447],
  16: [4, 894],
  32: [8, 894],
  48: [6, 1788],
  64: [8, 1788],
  80: [10, 1788],
  96: [12, 1788],
};

/** The largest size of the memory series has less than its share: 672 GiB, https://learn.microsoft.com/azure/virtual-machines/sizes/memory-optimized/eadsv6-series. */
const unusualMemoryGiB: Readonly<Record<string, number>> = {
  Standard_E96ps_v6: 672,
  Standard_E96pds_v6: 672,
  Standard_E96as_v6: 672,
  Standard_E96ads_v6: 672,
};

const series: readonly Series[] = [
  {
    letters: ["D", "ps_v6"],
    family: "Dpsv6",
    architecture: "arm64",
    current: true,
    price: 0.0351,
    memoryPerCpuGiB: 4,
    network: armNetwork,
  },
  {
    letters: ["D", "pds_v6"],
    family: "Dpdsv6",
    architecture: "arm64",
    current: true,
    price: 0.0459,
    memoryPerCpuGiB: 4,
    network: armNetwork,
    disks: temporaryDisks,
  },
  {
    letters: ["E", "ps_v6"],
    family: "Epsv6",
    architecture: "arm64",
    current: true,
    price: 0.0461,
    memoryPerCpuGiB: 8,
    network: armNetwork,
  },
  {
    letters: ["E", "pds_v6"],
    family: "Epdsv6",
    architecture: "arm64",
    current: true,
    price: 0.0585,
    memoryPerCpuGiB: 8,
    network: armNetwork,
    disks: temporaryDisks,
  },
  {
    letters: ["D", "als_v6"],
    family: "Dalsv6",
    architecture: "amd64",
    current: true,
    price: 0.0402,
    memoryPerCpuGiB: 2,
    network: amdNetwork,
  },
  {
    letters: ["D", "as_v6"],
    family: "Dasv6",
    architecture: "amd64",
    current: true,
    price: 0.0454,
    memoryPerCpuGiB: 4,
    network: amdNetwork,
  },
  {
    letters: ["D", "ads_v6"],
    family: "Dadsv6",
    architecture: "amd64",
    current: true,
    price: 0.057,
    memoryPerCpuGiB: 4,
    network: amdNetwork,
    disks: temporaryDisks,
  },
  {
    letters: ["E", "as_v6"],
    family: "Easv6",
    architecture: "amd64",
    current: true,
    price: 0.0595,
    memoryPerCpuGiB: 8,
    network: amdNetwork,
  },
  {
    letters: ["E", "ads_v6"],
    family: "Eadsv6",
    architecture: "amd64",
    current: true,
    price: 0.0725,
    memoryPerCpuGiB: 8,
    network: amdNetwork,
    disks: temporaryDisks,
  },
  {
    letters: ["D", "s_v6"],
    family: "Dsv6",
    architecture: "amd64",
    current: true,
    price: 0.0505,
    memoryPerCpuGiB: 4,
    network: intelNetwork,
  },
  {
    letters: ["D", "ds_v6"],
    family: "Ddsv6",
    architecture: "amd64",
    current: true,
    price: 0.0625,
    memoryPerCpuGiB: 4,
    network: intelNetwork,
    disks: temporaryDisks,
  },
  { letters: ["E", "s_v6"], family: "Esv6", architecture: "amd64", current: true, price: 0.066, memoryPerCpuGiB: 8, network: intelNetwork },
  {
    letters: ["E", "ds_v6"],
    family: "Edsv6",
    architecture: "amd64",
    current: true,
    price: 0.082,
    memoryPerCpuGiB: 8,
    network: intelNetwork,
    disks: temporaryDisks,
  },
  {
    letters: ["L", "as_v4"],
    family: "Lasv4",
    architecture: "amd64",
    current: true,
    price: 0.086,
    memoryPerCpuGiB: 8,
    network: storageNetwork,
    disks: storageDisks,
  },
  {
    letters: ["D", "s_v5"],
    family: "Dsv5",
    architecture: "amd64",
    current: false,
    price: 0.048,
    memoryPerCpuGiB: 4,
    network: { 2: 12.5, 4: 12.5, 8: 12.5, 16: 12.5, 32: 16, 48: 24, 64: 30, 96: 35 },
  },
];

/** Dollars of an hour of `priceUnit`. */
const unitPrice = 0.0908;
const gibibyte = 1024 ** 3 / 1e9;

/** Every size that the provider knows. */
export const machineTypes: readonly InstanceType[] = series.flatMap((one) =>
  Object.keys(one.network).map((cpu) => instanceType(one, Number(cpu))),
);

function instanceType(one: Series, cpu: number): InstanceType {
  const [before, after] = one.letters;
  const name = `Standard_${before}${cpu}${after}`;
  const [count, sizeGiB] = one.disks?.[cpu] ?? [0, 0];
  return {
    name,
    family: one.family,
    architecture: one.architecture,
    cpu,
    memoryGiB: unusualMemoryGiB[name] ?? cpu * one.memoryPerCpuGiB,
    localDisks: { count, sizeGB: Math.floor(sizeGiB * gibibyte) },
    networkGbps: one.network[cpu] ?? 0,
    priceClass: Math.round(((cpu * one.price) / unitPrice) * 100) / 100,
    current: one.current,
  };
}
