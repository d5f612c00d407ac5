import { azureProvider, type AzureProviderOptions } from "../../../../providers/azure";
import { MeshInputError } from "../../../../src/model/errors";
import { crashesOfChecks } from "../../../support/cloud-requests";
import { thrownBy, withJunk } from "../../../support/junk";
import { failureOf } from "../../../support/mocks";

const good: AzureProviderOptions = {
  location: "westeurope",
  resourceGroup: "prices",
  network: { create: { cidr: "10.0.0.0/16" } },
  cluster: { create: { name: "prices" } },
};
const problems = (options: unknown): string[] => failureOf(() => azureProvider(options as AzureProviderOptions)).split("\n");
const paths = (options: unknown): string[] => problems(options).map((line) => line.split(": ")[1] ?? line);

describe("options of azureProvider", () => {
  it("may be as few as these", () => {
    expect(azureProvider(good).name).toBe("azure");
    expect(azureProvider({ location: "westeurope", resourceGroup: "prices", cluster: { existing: { name: "prices" } } }).name).toBe(
      "azure",
    );
  });

  it("are refused all at once, each with its path", () => {
    const wrong = {
      location: "West Europe",
      resourceGroup: "prices.",
      network: { create: { cidr: "10.0.0.1/16" } },
      cluster: {
        create: {
          name: "-prices",
          version: "1",
          adminGroupIds: ["admins"],
          outbound: "nat",
          encryptionKey: "k",
          systemNodes: { instanceType: "m5.large", count: 0, size: 1 },
        },
      },
      nodes: { families: ["D9"], encryptionAtHost: "yes", count: 3 },
      keyIdentityId: "me",
      tags: { "azure-team": "x" },
      dataProtection: { protect: "yes" },
      gcp: {},
    };
    expect(paths(wrong)).toEqual([
      "gcp",
      "location",
      "resourceGroup",
      "cluster.create.name",
      "cluster.create.version",
      "cluster.create.adminGroupIds[0]",
      "cluster.create.outbound",
      "cluster.create.encryptionKey",
      "cluster.create.systemNodes.size",
      "cluster.create.systemNodes.instanceType",
      "cluster.create.systemNodes.count",
      "network.create.cidr",
      "nodes.count",
      "nodes.families[0]",
      "nodes.encryptionAtHost",
      "keyIdentityId",
      "tags.azure-team",
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
          privateEndpoint: false,
          authorizedNetworks: ["203.0.113.0/24"],
          adminGroupIds: ["00000000-0000-0000-0000-000000000001"],
          zones: ["westeurope-1"],
          systemNodes: { instanceType: "Standard_D2as_v6", count: 1 },
          podCidr: "10.64.0.0/14",
          serviceCidr: "10.127.0.0/20",
          outbound: "loadBalancer",
          encryptionKey: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/k",
        },
      },
      nodes: { adopt: false, families: ["Dasv6"], encryptionAtHost: false },
      keyIdentityId: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i",
      tags: { team: "quotes" },
      dataProtection: { protect: true, retainOnDelete: false },
    };
    expect(thrownBy(() => azureProvider(full))).toBeUndefined();
    const results = [...withJunk(full)].map((options) => thrownBy(() => azureProvider(options as never)));
    expect(results.filter((error) => error !== undefined && !(error instanceof MeshInputError))).toEqual([]);
    expect(results.filter((error) => error instanceof MeshInputError).length).toBeGreaterThan(200);
  });

  it("must be an object, and name create or existing, not both", () => {
    expect(problems("azure")).toEqual(['azureProvider: "azure" is not allowed: an object is allowed']);
    expect(paths({ ...good, cluster: { create: { name: "a" }, existing: { name: "b" } } })).toEqual(["cluster"]);
    expect(paths({ ...good, network: {} })).toEqual(["network"]);
  });

  it("keep the ranges of nodes, pods and Services apart", () => {
    const overlapping = { ...good, network: { create: { cidr: "10.64.0.0/16" } } };
    expect(problems(overlapping)).toEqual([
      expect.stringContaining('cluster.create.podCidr: "10.64.0.0/14" is not allowed: it overlaps with network.create.cidr (10.64.0.0/16)'),
    ]);
    const create = { cidr: "10.0.0.0/16", nodeCidr: "10.1.0.0/24" };
    expect(problems({ ...good, network: { create } })).toEqual([
      expect.stringContaining('network.create.nodeCidr: "10.1.0.0/24" is not allowed: it must lie inside of network.create.cidr'),
    ]);
  });

  it("lie in the location", () => {
    const zones = ["westeurope-1", "westeurope-4", "northeurope-1", "1", "westeurope-1"];
    expect(problems({ ...good, cluster: { create: { name: "prices", zones } } })).toEqual([
      expect.stringContaining(
        'cluster.create.zones[1]: "westeurope-4" is not allowed: a zone of the region westeurope is allowed, for example westeurope-1',
      ),
      expect.stringContaining('cluster.create.zones[2]: "northeurope-1"'),
      expect.stringContaining('cluster.create.zones[3]: "1"'),
      expect.stringContaining('cluster.create.zones[4]: "westeurope-1" is not allowed: it is taken already'),
    ]);
  });

  it("open the API server to named ranges alone", () => {
    expect(paths({ ...good, cluster: { create: { name: "prices", privateEndpoint: false } } })).toEqual([
      "cluster.create.authorizedNetworks",
    ]);
    expect(paths({ ...good, cluster: { create: { name: "prices", authorizedNetworks: ["0.0.0.0/0"] } } })).toEqual([
      "cluster.create.authorizedNetworks",
    ]);
  });

  it("adopt a cluster without making its network, and nodes only in a cluster that is there", () => {
    expect(paths({ ...good, cluster: { existing: { name: "prices" } } })).toEqual(["network"]);
    expect(paths({ ...good, nodes: { adopt: true } })).toEqual(["nodes.adopt"]);
    expect(paths({ ...good, network: undefined })).toEqual(["network"]);
    expect(paths({ ...good, network: { existing: { subnetId: "nodes" } } })).toEqual(["network.existing.subnetId"]);
    expect(paths({ ...good, network: undefined, cluster: { existing: { name: "prices", resourceGroup: "x." } } })).toEqual([
      "cluster.existing.resourceGroup",
    ]);
  });
});

describe("requests to azureProvider", () => {
  const provider = azureProvider(good);
  const node = { nodeName: "n1", mesh: "prices", weight: 1 };
  const store = { storeName: "nightly", mesh: "prices", namespace: "prices", serviceAccountName: "nightly" };

  it("stay in the location", () => {
    expect(provider.check({ ...node, spec: { zone: "2", region: "northeurope" } }).map(({ path }) => path)).toEqual([
      "spec.zone",
      "spec.region",
    ]);
    const pool = { poolName: "web", mesh: "prices", zones: ["westeurope-1", "northeurope-1"], spec: {}, minNodes: 1, maxNodes: 2 };
    expect(provider.checkPool?.(pool).map(({ path }) => path)).toEqual(["zones[1]"]);
  });

  it("for stores name another location, keys of a vault with an identity, and days that can be", () => {
    const wrong = { ...store, serviceAccountName: "", recoveryDays: 366, objectLockDays: 0, region: "westeurope", encryptionKey: "k" };
    expect(provider.checkSnapshotStore?.(wrong).map(({ path }) => path)).toEqual([
      "serviceAccountName",
      "recoveryDays",
      "objectLockDays",
      "region",
      "encryptionKey",
      "encryptionKey",
    ]);
    const encryptionKey = "https://vault.vault.azure.net/keys/snapshots";
    expect(provider.checkSnapshotStore?.({ ...store, encryptionKey }).map(({ allowed }) => allowed)).toEqual([
      "the provider's option keyIdentityId must name the identity that may use the key",
    ]);
    const keyIdentityId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    const keyed = azureProvider({ ...good, keyIdentityId });
    expect(keyed.checkSnapshotStore?.({ ...store, encryptionKey, region: "northeurope", objectLockDays: 30 })).toEqual([]);
  });

  it("of any wrong kind, at any depth, have problems and never crash", () => {
    expect(crashesOfChecks(provider, "westeurope-1")).toEqual([]);
  });
});
