import { machineTypes, priceUnit } from "../../../../providers/azure/instance-types";
import { azureTable, checkMachine, machineOf, systemDiskOf, taintsOf } from "../../../../providers/azure/machine";
import type { AzureProviderOptions } from "../../../../providers/azure";
import type { NodePoolSpec } from "../../../../providers/provider";

const keys = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/k";
const options: AzureProviderOptions = {
  location: "westeurope",
  resourceGroup: "prices",
  network: { create: { cidr: "10.0.0.0/16" } },
  cluster: { create: { name: "prices", encryptionKey: keys } },
};
const table = azureTable();
const explain = (spec: NodePoolSpec): string => machineOf(table, spec).explanation;
const problems = (spec: NodePoolSpec): string[] =>
  checkMachine(options, table, spec).map(({ path, given, allowed }) => `${path}: ${given}: ${allowed}`);

describe("machines of Azure", () => {
  it("are each there once, and the unit of prices costs 1", () => {
    expect(new Set(machineTypes.map(({ name }) => name)).size).toBe(machineTypes.length);
    expect(machineTypes.find(({ name }) => name === priceUnit)?.priceClass).toBe(1);
  });

  it.each([
    ["Standard_D8pds_v6", { cpu: 8, memoryGiB: 32, localDisks: { count: 1, sizeGB: 472 }, networkGbps: 15, architecture: "arm64" }],
    ["Standard_D64ads_v6", { cpu: 64, memoryGiB: 256, localDisks: { count: 4, sizeGB: 944 }, networkGbps: 36 }],
    ["Standard_E96as_v6", { cpu: 96, memoryGiB: 672, localDisks: { count: 0, sizeGB: 0 } }],
    ["Standard_L16as_v4", { cpu: 16, memoryGiB: 128, localDisks: { count: 4, sizeGB: 959 } }],
    ["Standard_D4s_v5", { cpu: 4, memoryGiB: 16, current: false }],
  ])("knows %s", (name, facts) => {
    expect(machineTypes.find((type) => type.name === name)).toMatchObject(facts);
  });

  it("are chosen by price, with the reason", () => {
    expect(explain({})).toBe("Standard_D4as_v6: 4 vCPU, 16 GiB");
    expect(explain({ architecture: "arm64", cpu: "8", memory: "32Gi" })).toBe("Standard_D8ps_v6: 8 vCPU, 32 GiB");
    expect(explain({ cpu: "4", memory: "32Gi", networkGbps: 12.5 })).toBe("Standard_E4as_v6: 4 vCPU, 32 GiB");
  });

  it("keep to the families that are named, former ones too", () => {
    expect(machineOf(azureTable(["Dsv5"]), {}).name).toBe("Standard_D4s_v5");
  });

  it("have one local disk that holds all disks of the spec and the system", () => {
    expect(explain({ localDisks: [{ size: "100Gi" }, { size: "50Gi" }] })).toBe("Standard_D4ads_v6: 4 vCPU, 16 GiB, 1×236 GB NVMe");
    expect(explain({ localDisks: [{ size: "200Gi" }] })).toBe("Standard_L4as_v4: 4 vCPU, 32 GiB, 2×479 GB NVMe");
    expect(systemDiskOf(table, { localDisks: [{ size: "200Gi" }] })).toEqual({ osDiskType: "Ephemeral", osDiskSizeGB: 446 });
    expect(systemDiskOf(table, { localDisks: [{ size: "500Gi" }], instanceType: "Standard_M8s_v9" })).toEqual({
      osDiskType: "Ephemeral",
      osDiskSizeGB: 540,
    });
    expect(systemDiskOf(table, {})).toEqual({ osDiskType: "Managed", osDiskSizeGB: 128 });
    expect(problems({ localDisks: [{ size: "2Ti" }] })).toEqual([
      'spec.localDisks: "2Ti": AKS puts a node on one local disk of at most 2040 GiB: at most 2000Gi in all are allowed',
    ]);
  });

  it("can be named, and are still held against the rest of the spec", () => {
    expect(explain({ instanceType: "Standard_D4s_v5" })).toBe("Standard_D4s_v5: 4 vCPU, 16 GiB, named by the spec");
    expect(problems({ instanceType: "Standard_D8as_v6", localDisks: [{ size: "100Gi" }] })).toEqual([
      expect.stringMatching(/^spec.localDisks: .*Standard_D8as_v6: 8 vCPU, 32 GiB is named by instanceType: 0 of 1 local disks/),
    ]);
    expect(problems({ instanceType: "c4a-standard-8" })).toEqual([expect.stringMatching(/^spec.instanceType: /)]);
  });

  it("that cannot be, are answered with the closest ones", () => {
    expect(problems({ architecture: "arm64", cpu: "128" })).toEqual([
      expect.stringMatching(
        /^spec: "arm64, 128 vCPU, 16 GiB": no current machine of Azure has all of it; closest are Standard_D96ps_v6.*;.*;/,
      ),
    ]);
  });

  it("take the cluster's encryption, images of AKS, and labels that are not AKS's own", () => {
    const labels = { "kubernetes.azure.com/mode": "system", "app.kubernetes.io/name": "x", disk: "fast" };
    expect(problems({ diskEncryptionKey: "k", imageFamily: "windows", labels })).toEqual([
      expect.stringContaining('spec.diskEncryptionKey: "k": AKS encrypts the disks of all nodes'),
      expect.stringContaining('spec.imageFamily: "windows": an operating system of AKS is allowed'),
      expect.stringContaining('spec.labels["app.kubernetes.io/name"]'),
      expect.stringContaining('spec.labels["kubernetes.azure.com/mode"]'),
    ]);
    expect(problems({ diskEncryptionKey: keys, imageFamily: "Ubuntu", labels: { disk: "fast" } })).toEqual([]);
  });

  it("on spot carry AKS's taint, once", () => {
    const spot = { key: "kubernetes.azure.com/scalesetpriority", value: "spot", effect: "NoSchedule" };
    const mesh = { key: "mesh", effect: "NoSchedule" };
    expect(taintsOf({ taints: [mesh] })).toEqual([mesh]);
    expect(taintsOf({ taints: [mesh, spot], spot: true })).toEqual([mesh, spot]);
  });
});
