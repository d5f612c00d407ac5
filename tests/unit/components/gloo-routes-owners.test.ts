import * as pulumi from "@pulumi/pulumi";
import { GlooRoutes, type GlooRoutesArgs } from "../../../src/components/gloo-routes";
import { failureOf, startMocks, type Recorder } from "../../support/mocks";

const existing = { name: "gw", namespace: "infra" };

describe("Two GlooRoutes of one program", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await startMocks();
  });
  afterEach(async () => {
    await recorder.settle();
    jest.restoreAllMocks();
  });

  const make = (name: string, hosts: string[], more: Partial<GlooRoutesArgs>, opts?: pulumi.ComponentResourceOptions): GlooRoutes =>
    new GlooRoutes(
      name,
      { namespace: "mesh", hosts, services: [], routes: [{ name: "r", match: [{}], response: { status: 204 } }], ...more },
      opts,
    );

  it("cannot have one host at one gateway", () => {
    make("one", ["a.test", "b.test"], { gateway: { existing } });
    expect(failureOf(() => make("two", ["b.test", "c.test"], { gateway: { existing }, namespace: "other" }))).toBe(
      'glooRoutes: two.hosts: "b.test" is not allowed: one owner for each host is allowed; at the gateway gatewayApi infra/gw one has it, and both would take GET http://b.test/',
    );
  });

  it.each<[string, Partial<GlooRoutesArgs>, Partial<GlooRoutesArgs>]>([
    ["the gateway of every Gloo installation", { target: "gloo" }, { target: "gloo", namespace: "other" }],
    ["new listeners of the same pods", { target: "istio" }, { target: "istio", namespace: "other" }],
    ["a gateway in the namespace of the routes", { gateway: { existing: { name: "gw" } } }, { gateway: { existing: { name: "gw" } } }],
    [
      "a gateway that is named in two ways",
      { gateway: { existing: { name: "gw", namespace: "mesh" } } },
      { gateway: { existing: { name: "gw" } } },
    ],
  ])("cannot share a host at %s", (_what, one, two) => {
    make("one", ["a.test"], one);
    expect(failureOf(() => make("two", ["a.test"], two))).toContain('glooRoutes: two.hosts: "a.test" is not allowed');
  });

  it.each<[string, Partial<GlooRoutesArgs>, Partial<GlooRoutesArgs>]>([
    ["gateways of their own", {}, {}],
    ["gateways of other namespaces", { gateway: { existing } }, { gateway: { existing: { ...existing, namespace: "else" } } }],
    ["gateways of other targets", { gateway: { existing } }, { gateway: { existing }, target: "istio" }],
    ["other pods", { target: "istio" }, { target: "istio", gateway: { create: { className: "inner" } } }],
  ])("can have one host at %s", (_what, one, two) => {
    make("one", ["a.test"], one);
    expect(() => make("two", ["a.test"], two)).not.toThrow();
  });

  it("can have a name and a wildcard above it", () => {
    make("one", ["*.a.test"], { gateway: { existing } });
    expect(() => make("two", ["x.a.test"], { gateway: { existing } })).not.toThrow();
  });

  it("can have one host in two clusters", () => {
    class Cluster extends pulumi.ProviderResource {
      public constructor(name: string) {
        super("kubernetes", name, {});
      }
    }
    make("one", ["a.test"], { gateway: { existing } }, { providers: [new Cluster("eu")] });
    expect(() => make("two", ["a.test"], { gateway: { existing } }, { providers: [new Cluster("us")] })).not.toThrow();
  });

  it("are found in namespaces that are known later, too", async () => {
    const errors: string[] = [];
    jest.spyOn(pulumi.log, "error").mockImplementation((text) => Promise.resolve(void errors.push(text)));
    const gateway = { existing: { name: "gw" } };
    const [same, other] = [pulumi.output("mesh"), pulumi.output("other")];
    make("one", ["a.test"], { gateway, namespace: "mesh" });
    make("two", ["a.test"], { gateway, namespace: other });
    await recorder.settle();
    expect(errors).toEqual([]);
    make("three", ["a.test"], { gateway, namespace: same });
    await recorder.settle();
    expect(errors).toEqual([expect.stringContaining('three.hosts: "a.test" is not allowed: one owner for each host')]);
    expect(failureOf(() => make("four", ["a.test"], { gateway, namespace: same }))).toContain("three has it");
    await recorder.settle();
  });

  it("of two programs are not compared", async () => {
    make("one", ["a.test"], { gateway: { existing } });
    await recorder.settle();
    recorder = await startMocks();
    expect(() => make("two", ["a.test"], { gateway: { existing } })).not.toThrow();
  });
});
