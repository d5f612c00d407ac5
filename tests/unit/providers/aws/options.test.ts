/** Every wrong option and request, at its path and before anything is made. */
import { awsProvider, lambda } from "../../../../providers/aws";
import type { NodeSpec } from "../../../../providers/provider";
import { failureOf } from "../../../support/mocks";
import { created, existing, nodeRequest, poolRequest, storeRequest } from "./support";

const zones = { "eu-west-1a": { cidr: "10.0.0.0/18" }, "eu-west-1b": { cidr: "10.0.64.0/18" } };
const network = (more: object): object => ({ network: { create: { cidr: "10.0.0.0/16", zones, nat: "none", ...more } } });
const cluster = (more: object): object => ({ cluster: { create: { name: "quotes", ...more } } });
const prefix = /^awsProvider: (.*?): .* is not allowed: /;
const problemsOf = (options: object): string[] => failureOf(() => awsProvider({ ...created, ...options })).split("\n");

describe("wrong options", () => {
  it.each<[string, object, string[]]>([
    ["a region that is none", { region: "Ireland", network: undefined, ...cluster({}) }, ["region", "network"]],
    ["an unknown key", { zone: "a" }, ["zone"]],
    ["no network", { network: undefined }, ["network"]],
    ["two networks", { network: { ...created.network, existing: { subnetIds: {} } } }, ["network"]],
    ["neither cluster", { cluster: {} }, ["cluster"]],
    ["two clusters", { cluster: { create: { name: "a" }, existing: { name: "b" } } }, ["cluster"]],
    ["a network that is made for a cluster that is there", { cluster: { existing: { name: "a" } } }, ["network"]],
    ["nodes to adopt in a cluster that is made", { nodes: { adopt: true } }, ["nodes.adopt"]],
    [
      "a zone outside the region",
      network({ zones: { ...zones, "eu-central-1a": { cidr: "10.0.128.0/18" } } }),
      ["network.create.zones.eu-central-1a"],
    ],
    ["one zone for a cluster", network({ zones: { "eu-west-1a": zones["eu-west-1a"] } }), ["network.create.zones"]],
    [
      "a subnet of no zone of the region",
      { ...existing, network: { existing: { subnetIds: { "us-east-1a": "s" } } } },
      ["network.existing.subnetIds.us-east-1a"],
    ],
    [
      "ranges that overlap",
      network({ zones: { "eu-west-1a": { cidr: "10.0.0.0/18" }, "eu-west-1b": { cidr: "10.0.32.0/19" } } }),
      ["network.create.zones.eu-west-1b.cidr"],
    ],
    [
      "a range outside of the network",
      network({ zones: { ...zones, "eu-west-1b": { cidr: "10.1.0.0/18" } } }),
      ["network.create.zones.eu-west-1b.cidr"],
    ],
    [
      "ranges that are none",
      network({ cidr: "10.0.0.0/8", zones: { ...zones, "eu-west-1b": { cidr: "10.0.64.1/18" } } }),
      ["network.create.cidr", "network.create.zones.eu-west-1b.cidr"],
    ],
    [
      "a way out without a place",
      network({ nat: "zone" }),
      ["network.create.zones.eu-west-1a.publicCidr", "network.create.zones.eu-west-1b.publicCidr"],
    ],
    ["one way out without a place", network({ nat: "one" }), ["network.create.zones.eu-west-1a.publicCidr"]],
    ["a way out that is none", network({ nat: "two" }), ["network.create.nat"]],
    ["names and versions that are none", cluster({ name: "-a", version: "latest" }), ["cluster.create.name", "cluster.create.version"]],
    ["a public endpoint for everybody", cluster({ privateEndpoint: false }), ["cluster.create.authorizedNetworks"]],
    ["ranges for a private endpoint", cluster({ authorizedNetworks: ["10.0.0.0/8"] }), ["cluster.create.authorizedNetworks"]],
    ["an autoscaler that is neither", cluster({ autoscaler: "yes" }), ["cluster.create.autoscaler"]],
    ["families that are none", { nodes: { families: ["m7gd", "z9"] } }, ["nodes.families[1]"]],
    ["tags of AWS itself", { tags: { "aws:x": "1", ok: "1" } }, ['tags["aws:x"]']],
    ["a protection that is none", { dataProtection: { protect: "yes" } }, ["dataProtection.protect"]],
  ])("%s", (_what, options, paths) => {
    expect(problemsOf(options).map((line) => prefix.exec(line)?.[1])).toEqual(paths);
  });

  it("are reported all at once", () => {
    expect(problemsOf({ region: "x", cluster: {}, tags: { "aws:a": "1" } }).length).toBeGreaterThan(2);
  });
});

describe("a wrong request", () => {
  const provider = awsProvider(created);
  const pathsOf = (spec: Partial<NodeSpec>): string[] => provider.check(nodeRequest("n", spec)).map(({ path }) => path);

  it("of a node is none where it is right", () => {
    expect(
      pathsOf({
        localDisks: [{ size: "400Gi", mountPath: "/data" }],
        spot: true,
        diskEncryptionKey: "alias/mesh",
        labels: { "example.com/a": "b" },
      }),
    ).toEqual([]);
  });

  it.each<[string, Partial<NodeSpec>, string[]]>([
    ["a zone outside the region", { zone: "eu-central-1a" }, ["spec.zone"]],
    ["a zone without a subnet", { zone: "eu-west-1c" }, ["spec.zone"]],
    ["another region", { region: "eu-central-1" }, ["spec.region"]],
    ["more than any machine has", { cpu: "1k" }, ["spec"]],
    ["a machine without the disks", { instanceType: "m7g.2xlarge", localDisks: [{ size: "10Gi" }] }, ["spec.localDisks"]],
    ["an image that is none", { imageFamily: "windows" }, ["spec.imageFamily"]],
    ["an image that mounts no disks", { imageFamily: "bottlerocket", localDisks: [{ size: "10Gi" }] }, ["spec.imageFamily"]],
    ["a key that is none", { diskEncryptionKey: "secret" }, ["spec.diskEncryptionKey"]],
    ["labels that a machine may not give itself", { labels: { "topology.k8s.io/x": "1" } }, ['spec.labels["topology.k8s.io/x"]']],
    ["no bandwidth", { networkGbps: 0 }, ["spec.networkGbps"]],
  ])("of a node: %s", (_what, spec, paths) => {
    expect(pathsOf(spec)).toEqual(paths);
  });

  it("of a node names the closest machines", () => {
    const [problem] = provider.check(nodeRequest("n", { cpu: "8", memory: "2Ti" }));
    expect(problem.allowed).toMatch(/^no current machine of AWS has all of it; closest are \S+: \d+ vCPU, .*; .*; /);
  });

  it.each<[string, Parameters<typeof poolRequest>[0], string[]]>([
    ["no zones", { zones: [] }, ["zones"]],
    ["a zone twice", { zones: ["eu-west-1a", "eu-west-1a"] }, ["zones[1]"]],
    ["a zone outside the region", { zones: ["eu-west-1a", "us-east-1a"] }, ["zones[1]"]],
    ["more at least than at most", { minNodes: 3, maxNodes: 2 }, ["maxNodes"]],
    ["a start outside of the two", { initialNodes: 6 }, ["initialNodes"]],
    ["a name that is none", { poolName: "Web" }, ["poolName"]],
    ["a zone in the spec", { spec: { zone: "eu-west-1a" } as object }, ["spec.zone"]],
    ["more than any machine has", { spec: { memory: "1Pi" } }, ["spec"]],
  ])("of a pool: %s", (_what, more, paths) => {
    expect(provider.checkPool?.(poolRequest(more)).map(({ path }) => path)).toEqual(paths);
  });

  it.each<[string, Parameters<typeof storeRequest>[0], string[]]>([
    ["days that are none", { recoveryDays: 0, objectLockDays: 1.5 }, ["recoveryDays", "objectLockDays"]],
    ["the region of the nodes as another one", { region: "eu-west-1" }, ["region"]],
    ["a region that is none", { region: "Paris" }, ["region"]],
    ["a key that is none", { encryptionKey: "alias/x" }, ["encryptionKey"]],
    ["a key of another region", { encryptionKey: "arn:aws:kms:us-east-1:123456789012:key/1" }, ["encryptionKey"]],
  ])("of a store: %s", (_what, more, paths) => {
    expect(provider.checkSnapshotStore?.(storeRequest(more)).map(({ path }) => path)).toEqual(paths);
  });

  it("of adopted nodes does not speak of machines, which nobody chooses", () => {
    const adopting = awsProvider({ region: "eu-west-1", cluster: { existing: { name: "prod" } }, nodes: { adopt: true } });
    expect(adopting.check(nodeRequest("n", { cpu: "1k" }))).toEqual([]);
    expect(adopting.check(nodeRequest("n", { zone: "us-east-1a" })).map(({ path }) => path)).toEqual(["spec.zone"]);
  });
});

describe("a Lambda function as a destination", () => {
  const names = { region: "eu-west-1", accountId: "123456789012", functionName: "scale" };

  it("is plain names", () => {
    expect(lambda({ ...names, qualifier: "live" })).toEqual({ destination: { ...names, qualifier: "live" }, dependsOn: [] });
  });

  it("has names that a function can have", () => {
    const wrong = { region: "x", accountId: "12", functionName: "a b", fn: 1 } as unknown as Parameters<typeof lambda>[0];
    expect(
      failureOf(() => lambda(wrong))
        .split("\n")
        .map((line) => line.split(": ")[1]),
    ).toEqual(["fn", "region", "accountId", "functionName"]);
  });
});
