import { Service } from "@pulumi/gcp/cloudrunv2";
import { cloudFunction, cloudRun, type CloudRunSource } from "../../../../providers/gcp";
import { failureOf, startMocks } from "../../../support/mocks";

const scale: CloudRunSource = { service: "scale", region: "europe-west4", projectNumber: "123456789012" };

describe("functions of Google Cloud as destinations", () => {
  it("are plain: a Cloud Run service by its known address, a function by its names", () => {
    expect(cloudRun(scale)).toEqual({ destination: { host: "scale-123456789012.europe-west4.run.app" }, dependsOn: [] });
    expect(cloudRun({ ...scale, public: true }).destination.public).toBe(true);
    expect(cloudFunction({ function: "scale", region: "europe-west4", project: "my-project" }).destination).toEqual({
      function: "scale",
      region: "europe-west4",
      project: "my-project",
    });
  });

  it("come before the routes where this program makes them", async () => {
    const recorder = await startMocks();
    const resource = new Service("scale", { name: "scale", location: "europe-west4", template: {} });
    expect(cloudRun({ ...scale, resource }).dependsOn).toEqual([resource]);
    await recorder.settle();
  });

  it("are refused with names that cannot be", () => {
    const wrong = { service: "Scale", region: "eu", projectNumber: "my-project", host: "x" };
    expect(failureOf(() => cloudRun(wrong as unknown as CloudRunSource)).split("\n")).toEqual([
      expect.stringContaining('cloudRun "Scale": host: "host" is not allowed: unknown key'),
      expect.stringContaining('cloudRun "Scale": service: "Scale"'),
      expect.stringContaining('cloudRun "Scale": region: "eu"'),
      expect.stringContaining('cloudRun "Scale": projectNumber: "my-project"'),
    ]);
    expect(failureOf(() => cloudFunction({ function: "-", region: "europe-west4", project: "P" })).split("\n")).toEqual([
      expect.stringContaining('cloudFunction "-": function: "-"'),
      expect.stringContaining('cloudFunction "-": project: "P"'),
    ]);
  });
});
