import * as pulumi from "@pulumi/pulumi";
import { gcpProvider, type GcpProviderOptions } from "../../../../providers/gcp";
import { findCluster } from "../../../../providers/gcp/cluster";
import { gcpTable } from "../../../../providers/gcp/machine";
import { meshPoolName } from "../../../../providers/gcp/node";
import type { MeshNodeRequest, SnapshotStoreRequest } from "../../../../providers/provider";
import { dependenciesOf, makeWith, Mesh, nodeRequest, partsOf, poolRequest, storeRequest } from "../../../support/cloud-requests";
import { failureOf, type MockAnswers, type Recorder, startMocks, valueOf } from "../../../support/mocks";

const key = "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k";
const options: GcpProviderOptions = {
  project: "my-project",
  region: "europe-west4",
  network: { create: { cidr: "10.0.0.0/20" } },
  cluster: { create: { name: "prices", zones: ["europe-west4-a", "europe-west4-b"] } },
  tags: { team: "quotes" },
};
const adopting: GcpProviderOptions = { project: "my-project", region: "europe-west4", cluster: { existing: { name: "prices" } } };
const labels = { team: "quotes", "managed-by": "compute-mesh" };
const node = (nodeName: string, zone = "europe-west4-a", spec: Partial<MeshNodeRequest["spec"]> = {}): MeshNodeRequest =>
  nodeRequest(nodeName, zone, spec);

/** Google Cloud as mocks play it: a cluster has an endpoint and a certificate, an account an address. */
const answers: MockAnswers = {
  state: ({ type, name, inputs }) =>
    type === "gcp:container/cluster:Cluster"
      ? { endpoint: "10.0.0.2", masterAuth: { clusterCaCertificate: "Y2E=" } }
      : type === "gcp:serviceaccount/account:Account"
        ? { email: `${String(inputs.accountId)}@my-project.iam.gserviceaccount.com`, name: `accounts/${name}` }
        : undefined,
  call: ({ token, inputs }) =>
    token === "gcp:container/getCluster:getCluster" && inputs.name === "prices"
      ? { endpoint: "10.1.0.2", masterAuths: [{ clusterCaCertificate: "Y2E=" }] }
      : {},
};

describe("a cluster that is made", () => {
  const make = async (given: GcpProviderOptions = options, more: MockAnswers = {}): Promise<Recorder> =>
    (await makeWith(gcpProvider(given), { ...answers, ...more })).recorder;

  it("has exactly these parts", async () => {
    const recorder = await make();
    expect(partsOf(recorder)).toEqual([
      "gcp:compute/network:Network m-network",
      "gcp:compute/router:Router m-router",
      "gcp:compute/routerNat:RouterNat m-nat",
      "gcp:compute/subnetwork:Subnetwork m-subnetwork",
      "gcp:container/cluster:Cluster m-cluster",
      "gcp:container/nodePool:NodePool m-system",
      "gcp:projects/iAMMember:IAMMember m-image-role",
      "gcp:projects/iAMMember:IAMMember m-node-role",
      "gcp:serviceaccount/account:Account m-node-account",
      "pulumi:providers:kubernetes m-kubernetes",
    ]);
  });

  it("is private, with Workload Identity, and ranges of its own", async () => {
    const recorder = await make();
    expect(recorder.named("m-subnetwork").inputs).toMatchObject({
      ipCidrRange: "10.0.0.0/20",
      privateIpGoogleAccess: true,
      secondaryIpRanges: [
        { rangeName: "pods", ipCidrRange: "10.64.0.0/14" },
        { rangeName: "services", ipCidrRange: "10.127.0.0/20" },
      ],
    });
    expect(recorder.named("m-cluster").inputs).toEqual({
      name: "prices",
      project: "my-project",
      location: "europe-west4",
      releaseChannel: { channel: "REGULAR" },
      nodeLocations: ["europe-west4-a", "europe-west4-b"],
      network: "m-network-id",
      subnetwork: "m-subnetwork-id",
      networkingMode: "VPC_NATIVE",
      ipAllocationPolicy: { clusterSecondaryRangeName: "pods", servicesSecondaryRangeName: "services" },
      datapathProvider: "ADVANCED_DATAPATH",
      privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: true },
      masterAuthorizedNetworksConfig: { gcpPublicCidrsAccessEnabled: false, cidrBlocks: [] },
      workloadIdentityConfig: { workloadPool: "my-project.svc.id.goog" },
      removeDefaultNodePool: true,
      initialNodeCount: 1,
      deletionProtection: false,
      resourceLabels: labels,
    });
  });

  it("takes a version, a public endpoint, a key and protection where they are given", async () => {
    const create = {
      name: "prices",
      version: "1.34",
      privateEndpoint: false,
      authorizedNetworks: ["203.0.113.0/24"],
      encryptionKey: key,
      systemNodes: { instanceType: "n4-standard-2", perZone: 2 },
    };
    const existing = { network: "vpc", subnetwork: "nodes", podRange: "p", serviceRange: "s" };
    const recorder = await make({ ...options, network: { existing }, cluster: { create }, dataProtection: { protect: true } });
    expect(recorder.named("m-cluster").inputs).toMatchObject({
      minMasterVersion: "1.34",
      network: "vpc",
      subnetwork: "nodes",
      ipAllocationPolicy: { clusterSecondaryRangeName: "p", servicesSecondaryRangeName: "s" },
      privateClusterConfig: { enablePrivateEndpoint: false },
      masterAuthorizedNetworksConfig: { cidrBlocks: [{ cidrBlock: "203.0.113.0/24" }] },
      databaseEncryption: { state: "ENCRYPTED", keyName: key },
      deletionProtection: true,
    });
    expect(recorder.named("m-cluster").options.protect).toBe(true);
    expect(recorder.named("m-system").inputs).toMatchObject({
      nodeCount: 2,
      nodeConfig: { machineType: "n4-standard-2", diskType: "hyperdisk-balanced" },
    });
    expect(recorder.childrenOf("mesh")).not.toContain("m-network");
  });

  it("opens by a secret kubeconfig without keys, and an identifier that is known in preview", async () => {
    const recorder = await make();
    const { inputs, secretPaths } = recorder.named("m-kubernetes");
    expect(inputs.clusterIdentifier).toBe("gcp/my-project/europe-west4/prices");
    expect(secretPaths).toEqual(["kubeconfig"]);
    const kubeconfig = JSON.parse(inputs.kubeconfig as string);
    expect(kubeconfig.clusters).toEqual([
      { name: "prices", cluster: { server: "https://10.0.0.2", "certificate-authority-data": "Y2E=" } },
    ]);
    expect(kubeconfig.users[0].user).toMatchObject({ exec: { command: "gke-gcloud-auth-plugin" } });
    const unknown = await make(options, {
      preview: true,
      state: ({ type }) =>
        type === "gcp:container/cluster:Cluster" ? { endpoint: pulumi.unknown, masterAuth: pulumi.unknown } : undefined,
    });
    expect(unknown.named("m-kubernetes").inputs.clusterIdentifier).toBe("gcp/my-project/europe-west4/prices");
  });

  it("goes after its objects: they depend on system nodes, those on the way out and on their rights", async () => {
    const recorder = await make();
    expect(dependenciesOf(recorder, "m-kubernetes")).toEqual(expect.arrayContaining(["m-system", "m-cluster"]));
    expect(dependenciesOf(recorder, "m-system")).toEqual(["m-cluster", "m-image-role", "m-nat", "m-node-account", "m-node-role"]);
  });

  it("is made once by a provider object, and before its nodes", async () => {
    await startMocks(answers);
    const provider = gcpProvider(options);
    const parent = new Mesh();
    expect(failureOf(() => provider.createNode("n1", node("n1"), { parent }))).toContain("createCluster must be called first");
    provider.createCluster("m", { parent });
    expect(failureOf(() => provider.createCluster("m2", { parent }))).toContain("make one provider object per cluster");
  });
});

describe("a cluster that is there", () => {
  it("is looked up and not changed; only the identity of new nodes is made", async () => {
    const recorder = await startMocks(answers);
    const handle = gcpProvider(adopting).createCluster("m", { parent: new Mesh() });
    await recorder.settle();
    expect(recorder.childrenOf("mesh")).toEqual(["m-image-role", "m-kubernetes", "m-node-account", "m-node-role"]);
    expect(JSON.parse(recorder.named("m-kubernetes").inputs.kubeconfig as string).clusters[0].cluster.server).toBe("https://10.1.0.2");
    expect(handle.name).toBe("prices");
    expect(await valueOf(handle.ready)).toBe(true);
  });

  it("must be there: Google answers for one that is not with nothing", async () => {
    await startMocks(answers);
    const other = { ...adopting, cluster: { existing: { name: "other", location: "europe-west4-a" } } };
    await expect(findCluster(other, {})).rejects.toThrow("the answer is empty");
    expect((await findCluster(adopting, {})).endpoint).toBe("10.1.0.2");
  });

  it("keeps its nodes where they are adopted", async () => {
    const recorder = await startMocks(answers);
    const parent = new Mesh();
    const provider = gcpProvider({ ...adopting, nodes: { adopt: true } });
    provider.createCluster("m", { parent });
    const handle = provider.createNode("n1", node("n1"), { parent });
    const pool = provider.createPool?.(
      "web",
      { poolName: "web", mesh: "quotes", zones: ["europe-west4-a"], spec: {}, minNodes: 1, maxNodes: 1 },
      { parent },
    );
    await recorder.settle();
    expect(recorder.childrenOf("mesh")).toEqual(["m-kubernetes"]);
    expect(await valueOf(handle.ready)).toBe(true);
    expect(pool?.selector).toEqual({ "compute-mesh.dev/pool": "quotes-web" });
    expect(provider.costs?.({ nodes: [node("n1")], pools: [], snapshotStores: [] })).toEqual([]);
    expect(provider.describe?.(node("n1"))).toBe("a node that is there already");
  });
});

describe("a mesh node", () => {
  const makeNodes = async (...nodes: MeshNodeRequest[]): Promise<Recorder> =>
    (await makeWith(gcpProvider(options), answers, { nodes })).recorder;

  it("is a pool of one in its zone, with its name as label, drained gently", async () => {
    const spec = {
      architecture: "arm64",
      cpu: "8",
      memory: "32Gi",
      localDisks: [{ size: "700Gi" }],
      diskEncryptionKey: key,
      spot: true,
      imageFamily: "UBUNTU_CONTAINERD",
      taints: [
        { key: "mesh", effect: "NoSchedule" },
        { key: "a", value: "b", effect: "NoExecute" },
      ],
      labels: { disk: "fast" },
    };
    const recorder = await makeNodes(node("n1", "europe-west4-a", spec));
    expect(recorder.named("n1-pool").type).toBe("gcp:container/nodePool:NodePool");
    expect(recorder.named("n1-pool").inputs).toEqual({
      name: expect.stringMatching(/^quotes-n1-[0-9a-f]{6}$/),
      project: "my-project",
      location: "europe-west4",
      cluster: "prices",
      nodeLocations: ["europe-west4-a"],
      nodeCount: 1,
      management: { autoRepair: true, autoUpgrade: true },
      upgradeSettings: { strategy: "SURGE", maxSurge: 1, maxUnavailable: 0 },
      nodeDrainConfigs: [{ respectPdbDuringNodePoolDeletion: true }],
      nodeConfig: {
        imageType: "UBUNTU_CONTAINERD",
        machineType: "c4a-standard-8-lssd",
        diskType: "hyperdisk-balanced",
        serviceAccount: "prices-nodes@my-project.iam.gserviceaccount.com",
        oauthScopes: ["https://www.googleapis.com/auth/cloud-platform"],
        workloadMetadataConfig: { mode: "GKE_METADATA" },
        metadata: { "disable-legacy-endpoints": "true" },
        shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
        resourceLabels: labels,
        spot: true,
        bootDiskKmsKey: key,
        taintConfig: { architectureTaintBehavior: "NONE" },
        ephemeralStorageLocalSsdConfig: { localSsdCount: 2 },
        labels: { disk: "fast", "compute-mesh.dev/node": "n1", "compute-mesh.dev/mesh": "quotes" },
        taints: [
          { key: "mesh", value: "", effect: "NO_SCHEDULE" },
          { key: "a", value: "b", effect: "NO_EXECUTE" },
        ],
      },
    });
  });

  it("changes its physical name with what forces another machine, and with nothing else", () => {
    const poolName = (request: MeshNodeRequest): string => meshPoolName(gcpTable(), request);
    const plain = poolName(node("n1"));
    expect(poolName(node("n1", "europe-west4-a", { labels: { a: "b" }, taints: [{ key: "t", effect: "NoSchedule" }] }))).toBe(plain);
    expect(poolName(node("n1", "europe-west4-a", { cpu: "3500m" }))).toBe(plain);
    const others = [{ cpu: "8" }, { spot: true }, { diskEncryptionKey: key }, { imageFamily: "UBUNTU_CONTAINERD" }];
    const names = [plain, poolName(node("n1", "europe-west4-b")), ...others.map((spec) => poolName(node("n1", "europe-west4-a", spec)))];
    expect(new Set(names).size).toBe(names.length);
    const long = poolName(node("a-very-long-name-of-a-mesh-node-in-some-rack"));
    expect(long).toMatch(/^quotes-a-very-long-name-[-a-z0-9]+-[0-9a-f]{6}$/);
    expect(long.length).toBeLessThanOrEqual(40);
  });

  it("waits for the zone before its own", async () => {
    const recorder = await makeNodes(node("n1"), node("n2"), node("n3", "europe-west4-b"));
    expect(dependenciesOf(recorder, "n3-pool")).toEqual(expect.arrayContaining(["n1-pool", "n2-pool", "m-nat"]));
    expect(dependenciesOf(recorder, "n2-pool")).not.toContain("n1-pool");
  });

  it("says plain facts", () => {
    expect(gcpProvider(options).facts(node("n1"))).toMatchObject({
      name: "n1",
      zone: "europe-west4-a",
      region: "europe-west4",
      cluster: "prices",
      provider: "gcp",
      selector: { "compute-mesh.dev/mesh": "quotes" },
      labels: { "compute-mesh.dev/node": "n1", "topology.kubernetes.io/zone": "europe-west4-a", "kubernetes.io/arch": "amd64" },
      taints: [],
    });
  });
});

describe("a pool", () => {
  const request = poolRequest(["europe-west4-a", "europe-west4-b"], { spot: true });

  it("has limits of the whole, and leaves the number to the autoscaler", async () => {
    const { recorder, pool } = await makeWith(gcpProvider(options), answers, { pool: request });
    expect(recorder.named("web-pool").inputs).toMatchObject({
      name: expect.stringMatching(/^quotes-web-[0-9a-f]{6}$/),
      nodeLocations: ["europe-west4-a", "europe-west4-b"],
      initialNodeCount: 2,
      autoscaling: { totalMinNodeCount: 1, totalMaxNodeCount: 9, locationPolicy: "ANY" },
      nodeConfig: { machineType: "e2-standard-4", labels: { "compute-mesh.dev/pool": "quotes-web" } },
    });
    expect(recorder.named("web-pool").inputs).not.toHaveProperty("nodeCount");
    // Of E2, the cloud's own choice.
    expect(recorder.named("web-pool").inputs.nodeConfig).not.toHaveProperty("diskType");
    expect(recorder.named("web-pool").options.ignoreChanges).toEqual(["initialNodeCount", "nodeCount"]);
    expect(pool?.selector).toEqual({ "compute-mesh.dev/pool": "quotes-web" });
    expect(pool?.dependsOn).toHaveLength(1);
  });

  it("is the machine that is made in the notes of costs, with local disks too", () => {
    const provider = gcpProvider(options);
    const large = { ...node("n1"), spec: { ...node("n1").spec, localDisks: [{ size: "430Gi" }] } };
    const lines = provider.costs?.({ nodes: [large], pools: [], snapshotStores: [] }) ?? [];
    const type = lines.find(({ what }) => what === "mesh nodes")?.type;
    expect(type).not.toBe("");
    expect(provider.describe?.(large)).toMatch(new RegExp(`^${type}[:,]`));
  });

  it("is in the notes of costs with the rest", () => {
    const lines = gcpProvider(options).costs?.({ nodes: [node("n1"), node("n2")], pools: [request], snapshotStores: [storeRequest] });
    expect(lines).toEqual([
      { what: "control plane", type: "regional GKE cluster", count: 1, priceClass: 1.5 },
      { what: "system nodes", type: "e2-standard-2", count: 2, priceClass: 1 },
      { what: "network", type: "Cloud NAT", count: 1, note: "paid by machines and traffic" },
      { what: "mesh nodes", type: "e2-standard-4", count: 2, priceClass: 2 },
      { what: "pool web", type: "e2-standard-4", count: 1, maxCount: 9, priceClass: 2, note: "spot: at most the list price" },
      { what: "snapshot store nightly", type: "Cloud Storage Standard", count: 1, note: "paid by size and requests" },
    ]);
  });
});

describe("a snapshot store", () => {
  const make = async (more: Partial<SnapshotStoreRequest> = {}): Promise<Recorder> => {
    const { recorder, store } = await makeWith(gcpProvider(options), answers, { store: { ...storeRequest, ...more } });
    expect(await valueOf(pulumi.output(store?.serviceAccountAnnotations))).toEqual({
      "iam.gke.io/gcp-service-account": "quotes-nightly-store@my-project.iam.gserviceaccount.com",
    });
    expect(await valueOf(store?.ready as pulumi.Output<boolean>)).toBe(true);
    expect(store?.dependsOn).toHaveLength(2);
    return recorder;
  };

  it("is private, versioned and protected, and one ServiceAccount may use it without a key", async () => {
    const recorder = await make();
    expect(recorder.childrenOf("mesh").filter((name) => name.startsWith("s-"))).toEqual([
      "s-access",
      "s-account",
      "s-bucket",
      "s-identity",
    ]);
    expect(recorder.named("s-bucket").inputs).toEqual({
      project: "my-project",
      location: "europe-west4",
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      versioning: { enabled: true },
      softDeletePolicy: { retentionDurationSeconds: 0 },
      lifecycleRules: [
        { action: { type: "Delete" }, condition: { withState: "ARCHIVED", daysSinceNoncurrentTime: 7 } },
        { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 1 } },
      ],
      labels: { ...labels, "compute-mesh-holds-data": "snapshots" },
    });
    expect(recorder.named("s-bucket").options).toMatchObject({ protect: true, retainOnDelete: false });
    expect(recorder.named("s-access").inputs).toMatchObject({
      role: "roles/storage.objectUser",
      member: "serviceAccount:quotes-nightly-store@my-project.iam.gserviceaccount.com",
    });
    expect(recorder.named("s-identity").inputs).toEqual({
      serviceAccountId: "accounts/s-account",
      role: "roles/iam.workloadIdentityUser",
      member: "serviceAccount:my-project.svc.id.goog[prices/nightly]",
    });
    expect(recorder.byType("gcp:serviceaccount/key:Key")).toEqual([]);
  });

  it("takes another region, a key, a lock and other protection", async () => {
    const recorder = await make({
      region: "europe-north1",
      encryptionKey: key,
      objectLockDays: 30,
      recoveryDays: 3,
      dataProtection: { protect: false, retainOnDelete: true },
    });
    expect(recorder.named("s-bucket").inputs).toMatchObject({
      location: "europe-north1",
      encryption: { defaultKmsKeyName: key },
      retentionPolicy: { retentionPeriod: "2592000", isLocked: true },
      lifecycleRules: [{ condition: { daysSinceNoncurrentTime: 3 } }, {}],
    });
    expect(recorder.named("s-bucket").options).toMatchObject({ protect: false, retainOnDelete: true });
  });
});
