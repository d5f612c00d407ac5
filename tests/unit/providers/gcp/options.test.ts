import { gcpProvider, type GcpProviderOptions } from "../../../../providers/gcp";
import { MeshInputError } from "../../../../src/model/errors";
import { crashesOfChecks } from "../../../support/cloud-requests";
import { thrownBy, withJunk } from "../../../support/junk";
import { failureOf } from "../../../support/mocks";

const good: GcpProviderOptions = {
  project: "my-project",
  region: "europe-west4",
  network: { create: { cidr: "10.0.0.0/20" } },
  cluster: { create: { name: "prices" } },
};
const problems = (options: unknown): string[] => failureOf(() => gcpProvider(options as GcpProviderOptions)).split("\n");
const paths = (options: unknown): string[] => problems(options).map((line) => line.split(": ")[1] ?? line);

describe("options of gcpProvider", () => {
  it("may be as few as these", () => {
    expect(gcpProvider(good).name).toBe("gcp");
    expect(gcpProvider({ project: "my-project", region: "europe-west4", cluster: { existing: { name: "prices" } } }).name).toBe("gcp");
  });

  it("are refused all at once, each with its path", () => {
    const wrong = {
      project: "My Project",
      region: "eu-west-1",
      network: { create: { cidr: "10.0.0.1/20" } },
      cluster: {
        create: { name: "Prices", version: "v1", releaseChannel: "FAST", encryptionKey: "k", systemNodes: { perZone: 0, cpu: 2 } },
      },
      nodes: { families: ["c9"], serviceAccount: "nodes", count: 3 },
      tags: { Team: "x" },
      dataProtection: { protect: "yes" },
      aws: {},
    };
    expect(paths(wrong)).toEqual([
      "aws",
      "project",
      "region",
      "network.create.cidr",
      "cluster.create.name",
      "cluster.create.version",
      "cluster.create.releaseChannel",
      "cluster.create.encryptionKey",
      "cluster.create.systemNodes.cpu",
      "cluster.create.systemNodes.perZone",
      "nodes.count",
      "nodes.families[0]",
      "nodes.serviceAccount",
      "tags.Team",
      "dataProtection.protect",
    ]);
  });

  it("of any wrong kind, at any depth, are an input error and no crash", () => {
    const full = {
      ...good,
      cluster: {
        create: {
          name: "prices",
          version: "1.34",
          releaseChannel: "STABLE",
          privateEndpoint: false,
          authorizedNetworks: ["203.0.113.0/24"],
          zones: ["europe-west4-a"],
          systemNodes: { instanceType: "e2-standard-2", perZone: 1 },
          encryptionKey: "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k",
        },
      },
      nodes: { adopt: false, families: ["c4a"], serviceAccount: "a@b" },
      tags: { team: "quotes" },
      dataProtection: { protect: true, retainOnDelete: false },
    };
    expect(thrownBy(() => gcpProvider(full))).toBeUndefined();
    const results = [...withJunk(full)].map((options) => thrownBy(() => gcpProvider(options as never)));
    expect(results.filter((error) => error !== undefined && !(error instanceof MeshInputError))).toEqual([]);
    expect(results.filter((error) => error instanceof MeshInputError).length).toBeGreaterThan(200);
  });

  it("must be an object, and name create or existing, not both", () => {
    expect(problems(undefined)).toEqual(["gcpProvider: nothing is not allowed: an object is allowed"]);
    expect(paths({ ...good, cluster: { create: { name: "a" }, existing: { name: "b" } } })).toEqual(["cluster"]);
    expect(paths({ ...good, cluster: {} })).toEqual(["cluster"]);
  });

  it("keep the ranges apart, the default ones too", () => {
    const create = { cidr: "10.64.0.0/20", serviceCidr: "10.64.8.0/21" };
    expect(problems({ ...good, network: { create } })).toEqual([
      expect.stringContaining('network.create.podCidr: "10.64.0.0/14" is not allowed: it overlaps with network.create.cidr (10.64.0.0/20)'),
      expect.stringContaining('network.create.serviceCidr: "10.64.8.0/21" is not allowed: it overlaps with network.create.cidr'),
    ]);
  });

  it("lie in the region", () => {
    expect(
      problems({ ...good, cluster: { create: { name: "prices", zones: ["europe-west4-a", "europe-west1-b", "europe-west4-a"] } } }),
    ).toEqual([
      expect.stringContaining(
        'cluster.create.zones[1]: "europe-west1-b" is not allowed: a zone of the region europe-west4 is allowed, for example europe-west4-b',
      ),
      expect.stringContaining('cluster.create.zones[2]: "europe-west4-a" is not allowed: it is taken already'),
    ]);
    expect(paths({ ...good, network: undefined, cluster: { existing: { name: "prices", location: "us-east1-b" } } })).toEqual([
      "cluster.existing.location",
    ]);
  });

  it("open the API server to named ranges alone", () => {
    const create = { name: "prices" };
    expect(paths({ ...good, cluster: { create: { ...create, privateEndpoint: false } } })).toEqual(["cluster.create.authorizedNetworks"]);
    expect(paths({ ...good, cluster: { create: { ...create, authorizedNetworks: ["203.0.113.0/24"] } } })).toEqual([
      "cluster.create.authorizedNetworks",
    ]);
  });

  it("adopt a cluster without making its network, and nodes only in a cluster that is there", () => {
    expect(paths({ ...good, cluster: { existing: { name: "prices" } } })).toEqual(["network"]);
    expect(paths({ ...good, nodes: { adopt: true } })).toEqual(["nodes.adopt"]);
    expect(paths({ ...good, network: undefined })).toEqual(["network"]);
    expect(paths({ ...good, network: { existing: { network: "vpc" } } })).toEqual(["network.existing.subnetwork"]);
  });
});

describe("requests to gcpProvider", () => {
  const provider = gcpProvider(good);
  const node = { nodeName: "n1", mesh: "prices", weight: 1 };
  const store = { storeName: "nightly", mesh: "prices", namespace: "prices", serviceAccountName: "nightly" };

  it("stay in the region", () => {
    expect(provider.check({ ...node, spec: { zone: "europe-west1-b", region: "europe-west1" } }).map(({ path }) => path)).toEqual([
      "spec.zone",
      "spec.region",
    ]);
    const pool = { poolName: "web", mesh: "prices", zones: ["europe-west4-a", "europe-west4"], spec: {}, minNodes: 1, maxNodes: 2 };
    expect(provider.checkPool?.(pool).map(({ path }) => path)).toEqual(["zones[1]"]);
  });

  it("are held against the machines, unless nodes are adopted", () => {
    const request = { ...node, spec: { zone: "europe-west4-a", cpu: "1000" } };
    expect(provider.check(request).map(({ path }) => path)).toEqual(["spec"]);
    const adopting = gcpProvider({ ...good, network: undefined, cluster: { existing: { name: "x" } }, nodes: { adopt: true } });
    expect(adopting.check(request)).toEqual([]);
  });

  it("for stores name another region of Google Cloud, keys of Cloud KMS and days that can be", () => {
    const wrong = {
      ...store,
      storeName: "Nightly",
      recoveryDays: 0,
      objectLockDays: 0.5,
      region: "europe-west4",
      encryptionKey: "k",
      days: 1,
    };
    expect(provider.checkSnapshotStore?.(wrong).map(({ path }) => path)).toEqual([
      "days",
      "storeName",
      "recoveryDays",
      "objectLockDays",
      "region",
      "encryptionKey",
    ]);
    expect(provider.checkSnapshotStore?.({ ...store, region: "eu-north-1" }).map(({ path }) => path)).toEqual(["region"]);
    expect(provider.checkSnapshotStore?.({ ...store, region: "europe-north1", objectLockDays: 30 })).toEqual([]);
  });

  it("of any wrong kind, at any depth, have problems and never crash", () => {
    expect(crashesOfChecks(provider, "europe-west4-a")).toEqual([]);
  });
});
