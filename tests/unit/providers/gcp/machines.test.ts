import { checkMachine, gcpTable, localDiskFolder, machineOf } from "../../../../providers/gcp/machine";
import { machineTypes, priceUnit } from "../../../../providers/gcp/instance-types";
import type { NodePoolSpec } from "../../../../providers/provider";

const table = gcpTable();
const explain = (spec: NodePoolSpec): string => machineOf(table, spec).explanation;
const problems = (spec: NodePoolSpec): string[] =>
  checkMachine(table, spec).map(({ path, given, allowed }) => `${path}: ${given}: ${allowed}`);

describe("machines of Google Cloud", () => {
  it("are each there once, and the unit of prices costs 1", () => {
    expect(new Set(machineTypes.map(({ name }) => name)).size).toBe(machineTypes.length);
    expect(machineTypes.find(({ name }) => name === priceUnit)?.priceClass).toBe(1);
  });

  it.each([
    ["c4a-standard-8-lssd", { cpu: 8, memoryGiB: 32, localDisks: { count: 2, sizeGB: 402 }, networkGbps: 23, architecture: "arm64" }],
    ["c4-standard-2", { cpu: 2, memoryGiB: 7, localDisks: { count: 0, sizeGB: 0 } }],
    ["c4d-highmem-8-lssd", { cpu: 8, memoryGiB: 63, localDisks: { count: 1, sizeGB: 402 } }],
    ["c3d-standard-360-lssd", { cpu: 360, memoryGiB: 1440, localDisks: { count: 32, sizeGB: 402 } }],
    ["n2-standard-8", { cpu: 8, memoryGiB: 32, current: false }],
  ])("knows %s", (name, facts) => {
    expect(machineTypes.find((type) => type.name === name)).toMatchObject(facts);
  });

  it("are chosen by price, with the reason", () => {
    expect(explain({})).toBe("e2-standard-4: 4 vCPU, 16 GiB");
    expect(explain({ networkGbps: 20 })).toBe("c3d-standard-4: 4 vCPU, 16 GiB");
    expect(explain({ architecture: "arm64", cpu: "8", memory: "32Gi", localDisks: [{ size: "375Gi" }] })).toBe(
      "c4a-standard-8-lssd: 8 vCPU, 32 GiB, 2×402 GB NVMe",
    );
  });

  it("keep to the families that are named, former ones too", () => {
    expect(machineOf(gcpTable(["n2"]), {}).name).toBe("n2-standard-4");
  });

  it("have local disks by their sum, because GKE joins them", () => {
    expect(explain({ localDisks: [{ size: "700Gi" }] })).toContain("2×402 GB NVMe");
    expect(explain({ localDisks: [{ size: "100Gi" }, { size: "200Gi" }] })).toContain("1×402 GB NVMe");
  });

  it("can be named, and are still held against the rest of the spec", () => {
    expect(explain({ instanceType: "n2-standard-8" })).toBe("n2-standard-8: 8 vCPU, 32 GiB, named by the spec");
    expect(explain({ instanceType: "z3-highmem-8-highlssd" })).toBe("z3-highmem-8-highlssd: named by the spec, and not in the table");
    expect(problems({ instanceType: "n4-standard-8", localDisks: [{ size: "100Gi" }] })).toEqual([
      expect.stringMatching(/^spec.localDisks: .*n4-standard-8: 8 vCPU, 32 GiB is named by instanceType: 0 of 1 local disks/),
    ]);
    expect(problems({ instanceType: "m7gd.large" })).toEqual([
      expect.stringMatching(/^spec.instanceType: "m7gd.large": the name of a machine of Google Cloud/),
    ]);
  });

  it("that cannot be, are answered with the closest ones", () => {
    expect(problems({ cpu: "1000" })).toEqual([
      expect.stringMatching(
        /^spec: "amd64, 1000 vCPU, 16 GiB": no current machine of Google Cloud has all of it; closest are c4d-\S+-384.*;.*;/,
      ),
    ]);
  });

  it("take disks where GKE mounts them, keys of Cloud KMS, images of GKE and labels that GKE lets pass", () => {
    expect(
      problems({
        localDisks: [{ size: "100Gi", mountPath: "/mnt/data" }],
        diskEncryptionKey: "my-key",
        imageFamily: "windows",
        labels: { "app.kubernetes.io/name": "x", disk: "fast" },
      }),
    ).toEqual([
      expect.stringContaining('spec.diskEncryptionKey: "my-key": the path of a key of Cloud KMS'),
      expect.stringContaining('spec.imageFamily: "windows": a node image of GKE for Linux'),
      expect.stringContaining(
        `spec.localDisks[0].mountPath: "/mnt/data": GKE mounts local disks itself, joined into one: a folder below ${localDiskFolder}`,
      ),
      expect.stringContaining('spec.labels["app.kubernetes.io/name"]'),
    ]);
    const key = "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k";
    const disks = [{ size: "100Gi", mountPath: `${localDiskFolder}/data` }];
    expect(problems({ localDisks: disks, diskEncryptionKey: key, imageFamily: "UBUNTU_CONTAINERD", labels: { disk: "fast" } })).toEqual([]);
  });
});
