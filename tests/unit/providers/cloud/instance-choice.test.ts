/** From a spec to a machine, on a table small enough to check by eye. */
import fc from "fast-check";
import {
  chooseInstanceType,
  describeInstanceType,
  type InstanceTable,
  type InstanceType,
} from "../../../../providers/cloud/instance-choice";
import { ec2Table, ec2Types } from "../../../../providers/aws/instance-types";
import type { NodePoolSpec } from "../../../../providers/provider";

const type = (name: string, cpu: number, memoryGiB: number, priceClass: number, more: Partial<InstanceType> = {}): InstanceType => ({
  ...{ name, family: name.split(".")[0], architecture: "amd64", cpu, memoryGiB, priceClass, current: true },
  ...{ localDisks: { count: 0, sizeGB: 0 }, networkGbps: 1 },
  ...more,
});
const disks = (count: number, sizeGB: number): Partial<InstanceType> => ({ localDisks: { count, sizeGB } });
const table: InstanceTable = {
  cloud: "Test",
  priceUnit: "a.small",
  namePattern: /^[a-z]+\.[a-z]+$/,
  types: [
    type("a.small", 4, 16, 1),
    type("a.large", 8, 32, 2, { networkGbps: 5 }),
    type("old.large", 8, 32, 1.5, { current: false }),
    type("arm.large", 8, 32, 1.6, { architecture: "arm64" }),
    type("disk.large", 8, 32, 3, disks(1, 474)),
    type("disk.huge", 64, 256, 24, disks(2, 1900)),
  ],
};
const choose = (spec: NodePoolSpec): ReturnType<typeof chooseInstanceType> => chooseInstanceType(table, spec);
const problemsOf = (spec: NodePoolSpec): string[] =>
  choose(spec).problems.map(({ path, given, allowed }) => `${path}: ${given}: ${allowed}`);

describe("the choice of a machine", () => {
  it.each<[string, NodePoolSpec, string]>([
    ["the cheapest with the defaults of a spec", {}, "a.small"],
    ["no former one, however cheap", { cpu: "8" }, "a.large"],
    ["the architecture asked for", { cpu: "8", architecture: "arm64" }, "arm.large"],
    ["a disk that is large enough", { localDisks: [{ size: "400Gi" }] }, "disk.large"],
    ["two disks", { localDisks: [{ size: "400Gi" }, { size: "1Ti" }] }, "disk.huge"],
    ["bandwidth at all times", { networkGbps: 3 }, "a.large"],
    ["what is named, former ones too", { instanceType: "old.large" }, "old.large"],
    ["what is named and not in the table", { instanceType: "new.huge" }, "new.huge"],
  ])("takes %s", (_what, spec, name) => {
    const choice = choose(spec);
    expect(choice.problems).toEqual([]);
    expect(choice.name).toBe(name);
  });

  it("says why", () => {
    expect(choose({ localDisks: [{ size: "400Gi" }] }).explanation).toBe("disk.large: 8 vCPU, 32 GiB, 1×474 GB NVMe");
    expect(choose({}).explanation).toBe("a.small: 4 vCPU, 16 GiB");
    expect(choose({ instanceType: "old.large" }).explanation).toBe("old.large: 8 vCPU, 32 GiB, named by the spec");
    expect(choose({ instanceType: "new.huge" }).explanation).toBe("new.huge: named by the spec, and not in the table");
  });

  it("lists the three closest machines where none has everything, and what each lacks", () => {
    expect(problemsOf({ cpu: "96", memory: "256Gi" })).toEqual([
      'spec: "amd64, 96 vCPU, 256 GiB": no current machine of Test has all of it; closest are ' +
        "disk.huge: 64 vCPU, 256 GiB, 2×1900 GB NVMe (64 of 96 vCPU); a.large: 8 vCPU, 32 GiB (8 of 96 vCPU, 32 of 256 GiB); " +
        "disk.large: 8 vCPU, 32 GiB, 1×474 GB NVMe (8 of 96 vCPU, 32 of 256 GiB)",
    ]);
  });

  it("compares a named machine with what the spec says, and not with what it leaves out", () => {
    expect(problemsOf({ instanceType: "a.small", localDisks: [{ size: "100Gi" }], cpu: "6" })).toEqual([
      'spec.cpu: "6": a.small: 4 vCPU, 16 GiB is named by instanceType: 4 of 6 vCPU',
      'spec.localDisks: [{"size":"100Gi"}]: a.small: 4 vCPU, 16 GiB is named by instanceType: 0 of 1 local disks',
    ]);
    expect(problemsOf({ instanceType: "disk.large", localDisks: [{ size: "500Gi" }] })).toEqual([
      expect.stringContaining("spec.localDisks: ") && expect.stringContaining("local disks of 474 GB, not 536.9"),
    ]);
    expect(problemsOf({ instanceType: "arm.large" })).toEqual([
      'spec.architecture: "amd64": arm.large: 8 vCPU, 32 GiB is named by instanceType: it is arm64, not amd64',
    ]);
  });

  it("knows what is no name of a machine", () => {
    expect(problemsOf({ instanceType: "large" })).toEqual([
      'spec.instanceType: "large": the name of a machine of Test is allowed, for example a.small',
    ]);
  });
});

describe("the table of EC2", () => {
  it("has each machine once, with numbers above 0", () => {
    expect(new Set(ec2Types.map(({ name }) => name)).size).toBe(ec2Types.length);
    for (const { name, cpu, memoryGiB, networkGbps, priceClass, localDisks } of ec2Types) {
      expect([name, Math.min(cpu, memoryGiB, networkGbps, priceClass) > 0]).toEqual([name, true]);
      expect([name, localDisks.count > 0]).toEqual([name, localDisks.sizeGB > 0]);
      expect(ec2Table().namePattern.test(name)).toBe(true);
    }
  });

  it("chooses a machine with a local disk as its documentation says", () => {
    const spec = { cpu: "8", memory: "32Gi", architecture: "arm64", localDisks: [{ size: "400Gi" }] };
    expect(chooseInstanceType(ec2Table(), spec).explanation).toBe("m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe");
    expect(chooseInstanceType(ec2Table(["r7gd"]), spec).name).toBe("r7gd.2xlarge");
  });

  it("never chooses less than was asked for, nor anything that costs more than another that has it", () => {
    const spec = fc.record({
      cpu: fc.integer({ min: 1, max: 96 }).map(String),
      memory: fc.integer({ min: 1, max: 768 }).map((gibibytes) => `${gibibytes}Gi`),
      architecture: fc.constantFrom("amd64", "arm64"),
      localDisks: fc.array(
        fc.integer({ min: 10, max: 1700 }).map((gibibytes) => ({ size: `${gibibytes}Gi` })),
        { maxLength: 2 },
      ),
    });
    fc.assert(
      fc.property(spec, (asked) => {
        const has = (one: InstanceType): boolean =>
          one.architecture === asked.architecture &&
          one.cpu >= Number(asked.cpu) &&
          one.memoryGiB >= Number.parseInt(asked.memory, 10) &&
          one.localDisks.count >= asked.localDisks.length &&
          asked.localDisks.every(({ size }) => one.localDisks.sizeGB * 1e9 >= Number.parseInt(size, 10) * 1024 ** 3);
        const fitting = ec2Types.filter((one) => one.current && has(one));
        const choice = chooseInstanceType(ec2Table(), asked);
        expect(choice.problems.length > 0).toBe(fitting.length === 0);
        if (choice.type !== undefined) {
          expect([describeInstanceType(choice.type), has(choice.type)]).toEqual([choice.explanation, true]);
          expect(choice.type.priceClass).toBe(Math.min(...fitting.map((one) => one.priceClass)));
        }
      }),
      { numRuns: 300 },
    );
  });
});
