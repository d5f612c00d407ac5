import { WebApp } from "@pulumi/azure-native/web";
import { azureFunction, type AzureFunctionSource } from "../../../../providers/azure";
import { failureOf, startMocks } from "../../../support/mocks";

const scale: AzureFunctionSource = { app: "scale-app", function: "scale", keySecret: "scale-key" };

describe("Azure functions as destinations", () => {
  it("are plain", () => {
    expect(azureFunction(scale)).toEqual({ destination: { app: "scale-app", function: "scale", keySecret: "scale-key" }, dependsOn: [] });
  });

  it("come before the routes where this program makes them", async () => {
    const recorder = await startMocks({ state: () => ({ name: "scale-app" }) });
    const resource = new WebApp("scale", { name: "scale-app", resourceGroupName: "prices" });
    const handle = azureFunction({ ...scale, resource });
    expect(handle.dependsOn).toEqual([resource]);
    expect(handle.destination).not.toHaveProperty("resource");
    await recorder.settle();
  });

  it("are refused with names that cannot be", () => {
    const wrong = { app: "a", function: "1", keySecret: "Key", url: "x" };
    expect(failureOf(() => azureFunction(wrong as AzureFunctionSource)).split("\n")).toEqual([
      expect.stringContaining('azureFunction "1": url: "url" is not allowed: unknown key'),
      expect.stringContaining('azureFunction "1": app: "a"'),
      expect.stringContaining('azureFunction "1": function: "1"'),
      expect.stringContaining('azureFunction "1": keySecret: "Key"'),
    ]);
  });
});
