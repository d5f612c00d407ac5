import * as pulumi from "@pulumi/pulumi";
import { azureProvider, type AzureProviderOptions } from "../../../../providers/azure";
import { azureTable } from "../../../../providers/azure/machine";
import { immutableOf, poolNameOf } from "../../../../providers/azure/node";
import type { MeshNodeRequest, SnapshotStoreRequest } from "../../../../providers/provider";
import { dependenciesOf, makeWith, nodeRequest, partsOf, poolRequest, storeRequest } from "../../../support/cloud-requests";
import { type MockAnswers, type Recorder, valueOf } from "../../../support/mocks";

const subnetId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n";
const options: AzureProviderOptions = {
  location: "westeurope",
  resourceGroup: "prices",
  network: { create: { cidr: "10.0.0.0/16", nodeCidr: "10.0.0.0/20" } },
  cluster: { create: { name: "prices", version: "1.34" } },
  tags: { team: "quotes" },
};
const adopting: AzureProviderOptions = {
  location: "westeurope",
  resourceGroup: "prices",
  cluster: { existing: { name: "shared", resourceGroup: "platform" } },
};
const tags = { team: "quotes", "managed-by": "compute-mesh" };
const node = (nodeName: string, zone = "westeurope-1", spec: Partial<MeshNodeRequest["spec"]> = {}): MeshNodeRequest =>
  nodeRequest(nodeName, zone, spec);

/** As `az aks get-credentials` writes it, in short. */
const azureKubeconfig = [
  "apiVersion: v1",
  "clusters:",
  "- cluster:",
  "    certificate-authority-data: Y2E=",
  "    server: https://prices-abc.privatelink.westeurope.azmk8s.io:443",
  "  name: prices",
].join("\n");

/** Azure as mocks play it. */
const answers: MockAnswers = {
  state: ({ type, inputs, name }) => ({
    name: (inputs.containerName ?? inputs.resourceName ?? inputs.accountName ?? name) as string,
    ...(type === "azure-native:containerservice:ManagedCluster"
      ? { oidcIssuerProfile: { enabled: true, issuerURL: "https://oidc/prices/" } }
      : {}),
    ...(type === "azure-native:managedidentity:UserAssignedIdentity"
      ? { principalId: `${name}-principal`, clientId: `${name}-client` }
      : {}),
  }),
  call: ({ token, inputs }) =>
    token === "azure-native:containerservice:listManagedClusterUserCredentials"
      ? { kubeconfigs: [{ name: "clusterUser", value: Buffer.from(azureKubeconfig).toString("base64") }] }
      : { ...inputs, oidcIssuerProfile: { issuerURL: "https://oidc/shared/" } },
};

describe("a cluster that is made", () => {
  const make = async (given: AzureProviderOptions = options): Promise<Recorder> => (await makeWith(azureProvider(given), answers)).recorder;

  it("has exactly these parts", async () => {
    const recorder = await make();
    expect(partsOf(recorder)).toEqual([
      "azure-native:authorization:RoleAssignment m-network-role",
      "azure-native:containerservice:ManagedCluster m-aks",
      "azure-native:managedidentity:UserAssignedIdentity m-identity",
      "azure-native:network:Subnet m-subnet",
      "azure-native:network:VirtualNetwork m-network",
      "pulumi:providers:kubernetes m-kubernetes",
    ]);
  });

  it("is private, with Workload Identity, without accounts of its own", async () => {
    const recorder = await make();
    expect(recorder.named("m-network").inputs).toMatchObject({ addressSpace: { addressPrefixes: ["10.0.0.0/16"] }, tags });
    expect(recorder.named("m-subnet").inputs).toMatchObject({ addressPrefix: "10.0.0.0/20", defaultOutboundAccess: false });
    expect(recorder.named("m-network-role").inputs).toMatchObject({
      principalId: "m-identity-principal",
      principalType: "ServicePrincipal",
      scope: "m-subnet-id",
    });
    expect(recorder.named("m-aks").inputs).toEqual({
      resourceGroupName: "prices",
      resourceName: "prices",
      location: "westeurope",
      dnsPrefix: "prices",
      sku: { name: "Base", tier: "Standard" },
      kubernetesVersion: "1.34",
      autoUpgradeProfile: { upgradeChannel: "patch", nodeOSUpgradeChannel: "NodeImage" },
      identity: { type: "UserAssigned", userAssignedIdentities: ["m-identity-id"] },
      agentPoolProfiles: [
        {
          name: "system",
          mode: "System",
          type: "VirtualMachineScaleSets",
          count: 3,
          vmSize: "Standard_D2as_v6",
          availabilityZones: ["1", "2", "3"],
          osType: "Linux",
          osSKU: "AzureLinux",
          vnetSubnetID: "m-subnet-id",
          upgradeSettings: { maxSurge: "1" },
          tags,
        },
      ],
      networkProfile: {
        networkPlugin: "azure",
        networkPluginMode: "overlay",
        networkDataplane: "cilium",
        networkPolicy: "cilium",
        podCidr: "10.64.0.0/14",
        serviceCidr: "10.127.0.0/20",
        dnsServiceIP: "10.127.0.10",
        loadBalancerSku: "standard",
        outboundType: "loadBalancer",
      },
      apiServerAccessProfile: { enablePrivateCluster: true },
      enableRBAC: true,
      aadProfile: { managed: true, enableAzureRBAC: true },
      disableLocalAccounts: true,
      oidcIssuerProfile: { enabled: true },
      securityProfile: { workloadIdentity: { enabled: true } },
      tags,
    });
  });

  it("takes a public endpoint, administrators, zones, a subnet, encryption and protection where they are given", async () => {
    const admin = "00000000-0000-0000-0000-000000000001";
    const encryptionKey = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/k";
    const create = {
      name: "prices",
      privateEndpoint: false,
      authorizedNetworks: ["203.0.113.0/24"],
      adminGroupIds: [admin],
      zones: ["westeurope-2"],
      systemNodes: { instanceType: "Standard_D4as_v6", count: 2 },
      outbound: "userAssignedNATGateway",
      serviceCidr: "10.200.0.0/16",
      encryptionKey,
    };
    const given = { ...options, network: { existing: { subnetId } }, cluster: { create }, dataProtection: { protect: true } };
    const recorder = await make(given);
    expect(recorder.named("m-aks").inputs).toMatchObject({
      autoUpgradeProfile: { upgradeChannel: "stable" },
      agentPoolProfiles: [{ count: 2, vmSize: "Standard_D4as_v6", availabilityZones: ["2"], vnetSubnetID: subnetId }],
      networkProfile: { outboundType: "userAssignedNATGateway", dnsServiceIP: "10.200.0.10" },
      apiServerAccessProfile: { authorizedIPRanges: ["203.0.113.0/24"] },
      aadProfile: { adminGroupObjectIDs: [admin] },
      diskEncryptionSetID: encryptionKey,
    });
    expect(recorder.named("m-aks").inputs).not.toHaveProperty("kubernetesVersion");
    expect(recorder.named("m-aks").options.protect).toBe(true);
    expect(recorder.childrenOf("mesh")).not.toContain("m-network");
  });

  it("opens by a secret kubeconfig without keys, and an identifier that is known in preview", async () => {
    const recorder = await make();
    const { inputs, secretPaths } = recorder.named("m-kubernetes");
    expect(inputs.clusterIdentifier).toBe("azure/prices/prices");
    expect(secretPaths).toEqual(["kubeconfig"]);
    const kubeconfig = JSON.parse(inputs.kubeconfig as string);
    expect(kubeconfig.clusters[0].cluster).toEqual({
      server: "https://prices-abc.privatelink.westeurope.azmk8s.io:443",
      "certificate-authority-data": "Y2E=",
    });
    expect(kubeconfig.users[0].user.exec).toMatchObject({ command: "kubelogin", args: expect.arrayContaining(["azurecli"]) });
  });

  it("goes after its objects, and its identity's rights after it", async () => {
    const recorder = await make();
    expect(dependenciesOf(recorder, "m-kubernetes")).toContain("m-aks");
    expect(dependenciesOf(recorder, "m-aks")).toEqual(["m-identity", "m-network-role", "m-subnet"]);
  });
});

describe("a cluster that is there", () => {
  it("is looked up in its own resource group and not changed", async () => {
    const provider = azureProvider({ ...adopting, network: { existing: { subnetId } } });
    const { recorder } = await makeWith(provider, answers, { nodes: [node("n1")] });
    expect(recorder.childrenOf("mesh")).toEqual(["m-kubernetes", "n1-pool"]);
    expect(recorder.named("m-kubernetes").inputs.clusterIdentifier).toBe("azure/platform/shared");
    expect(recorder.named("n1-pool").inputs).toMatchObject({
      resourceGroupName: "platform",
      resourceName: "shared",
      vnetSubnetID: subnetId,
    });
    expect(recorder.named("n1-pool").inputs).not.toHaveProperty("orchestratorVersion");
  });

  it("keeps its nodes where they are adopted", async () => {
    const provider = azureProvider({ ...adopting, nodes: { adopt: true } });
    const { recorder } = await makeWith(provider, answers, { nodes: [node("n1")] });
    expect(recorder.childrenOf("mesh")).toEqual(["m-kubernetes"]);
    expect(provider.costs?.({ nodes: [node("n1")], pools: [], snapshotStores: [] })).toEqual([]);
  });
});

describe("a mesh node", () => {
  const makeNodes = async (given: AzureProviderOptions, ...nodes: MeshNodeRequest[]): Promise<Recorder> =>
    (await makeWith(azureProvider(given), answers, { nodes })).recorder;

  it("is a pool of one in its zone, on its local disk, with its name as label, drained gently", async () => {
    const spec = {
      architecture: "arm64",
      cpu: "8",
      memory: "32Gi",
      localDisks: [{ size: "300Gi" }],
      taints: [
        { key: "mesh", effect: "NoSchedule" },
        { key: "a", value: "b", effect: "NoExecute" },
      ],
      labels: { disk: "fast" },
    };
    const recorder = await makeNodes({ ...options, nodes: { encryptionAtHost: true } }, node("n-1", "westeurope-2", spec));
    expect(recorder.named("n-1-pool").type).toBe("azure-native:containerservice:AgentPool");
    expect(recorder.named("n-1-pool").inputs).toEqual({
      resourceGroupName: "prices",
      resourceName: "prices",
      agentPoolName: expect.stringMatching(/^n1[0-9a-f]{6}$/),
      mode: "User",
      type: "VirtualMachineScaleSets",
      count: 1,
      vmSize: "Standard_D8pds_v6",
      osType: "Linux",
      osSKU: "AzureLinux",
      osDiskType: "Ephemeral",
      osDiskSizeGB: 439,
      enableEncryptionAtHost: true,
      orchestratorVersion: "1.34",
      vnetSubnetID: "m-subnet-id",
      availabilityZones: ["2"],
      nodeLabels: { disk: "fast", "compute-mesh.dev/node": "n-1", "compute-mesh.dev/mesh": "quotes" },
      nodeTaints: ["mesh=:NoSchedule", "a=b:NoExecute"],
      upgradeSettings: { maxSurge: "1", maxUnavailable: "0", drainTimeoutInMinutes: 30 },
      tags,
    });
  });

  it("on spot goes without surge, and its pods tolerate AKS's taint", async () => {
    const spot = node("n1", "westeurope-1", { spot: true });
    const recorder = await makeNodes(options, spot);
    expect(recorder.named("n1-pool").inputs).toMatchObject({ scaleSetPriority: "Spot", scaleSetEvictionPolicy: "Delete", nodeTaints: [] });
    expect(recorder.named("n1-pool").inputs).not.toHaveProperty("upgradeSettings");
    expect(azureProvider(options).facts(spot).taints).toEqual([
      { key: "kubernetes.azure.com/scalesetpriority", value: "spot", effect: "NoSchedule" },
    ]);
  });

  it("changes its physical name with what forces another machine, and with nothing else", () => {
    const name = ({ mesh, nodeName, spec }: MeshNodeRequest): string =>
      poolNameOf([mesh, nodeName], { ...immutableOf(options, azureTable(), spec), zone: spec.zone });
    const plain = name(node("n1"));
    expect(name(node("n1", "westeurope-1", { labels: { a: "b" }, taints: [{ key: "t", effect: "NoSchedule" }], cpu: "3500m" }))).toBe(
      plain,
    );
    const others = [{ cpu: "8" }, { spot: true }, { localDisks: [{ size: "100Gi" }] }, { imageFamily: "Ubuntu" }];
    const names = [plain, name(node("n1", "westeurope-2")), ...others.map((spec) => name(node("n1", "westeurope-1", spec)))];
    expect(new Set(names).size).toBe(names.length);
    // Names that begin alike, or that are of another mesh, are told apart by the hash.
    expect(name(node("rack-1-host-1"))).not.toBe(name(node("rack-1-host-2")));
    expect(name({ ...node("n1"), mesh: "orders" })).not.toBe(plain);
    expect(name(node("a-very-long-name-of-a-mesh-node"))).toMatch(/^averyl[0-9a-f]{6}$/);
  });

  it("waits for the zone before its own", async () => {
    const recorder = await makeNodes(options, node("n1"), node("n2"), node("n3", "westeurope-2"));
    expect(dependenciesOf(recorder, "n3-pool")).toEqual(expect.arrayContaining(["m-aks", "n1-pool", "n2-pool"]));
    expect(dependenciesOf(recorder, "n2-pool")).not.toContain("n1-pool");
  });

  it("says plain facts", () => {
    expect(azureProvider(options).facts(node("n1"))).toMatchObject({
      zone: "westeurope-1",
      region: "westeurope",
      cluster: "prices",
      provider: "azure",
      labels: { "compute-mesh.dev/node": "n1", "topology.kubernetes.io/zone": "westeurope-1" },
      taints: [],
    });
  });
});

describe("a pool", () => {
  const request = poolRequest(["westeurope-1", "westeurope-3"]);

  it("leaves the number to the autoscaler", async () => {
    const { recorder, pool } = await makeWith(azureProvider(options), answers, { pool: request });
    expect(recorder.named("web-pool").inputs).toMatchObject({
      agentPoolName: expect.stringMatching(/^web[0-9a-f]{6}$/),
      enableAutoScaling: true,
      minCount: 1,
      maxCount: 9,
      count: 5,
      availabilityZones: ["1", "3"],
      nodeLabels: { "compute-mesh.dev/pool": "quotes-web" },
    });
    expect(recorder.named("web-pool").options.ignoreChanges).toEqual(["count"]);
    expect(pool?.selector).toEqual({ "compute-mesh.dev/pool": "quotes-web" });
    expect(pool?.dependsOn).toHaveLength(1);
  });

  it("is the machine that is made in the notes of costs, with local disks too", () => {
    const provider = azureProvider(options);
    const large = { ...node("n1"), spec: { ...node("n1").spec, localDisks: [{ size: "430Gi" }] } };
    const lines = provider.costs?.({ nodes: [large], pools: [], snapshotStores: [] }) ?? [];
    const type = lines.find(({ what }) => what === "mesh nodes")?.type;
    expect(type).not.toBe("");
    expect(provider.describe?.(large)).toMatch(new RegExp(`^${type}[:,]`));
  });

  it("is in the notes of costs with the rest", () => {
    expect(azureProvider(options).costs?.({ nodes: [node("n1"), node("n2")], pools: [request], snapshotStores: [storeRequest] })).toEqual([
      { what: "control plane", type: "AKS Standard", count: 1, priceClass: 1.1 },
      { what: "system nodes", type: "Standard_D2as_v6", count: 3, priceClass: 1 },
      { what: "network", type: "Load Balancer Standard", count: 1, note: "paid by rules and traffic" },
      { what: "mesh nodes", type: "Standard_D4as_v6", count: 2, priceClass: 2 },
      { what: "pool web", type: "Standard_D4as_v6", count: 1, maxCount: 9, priceClass: 2 },
      { what: "snapshot store nightly", type: "Blob Storage Hot, ZRS", count: 1, note: "paid by size and requests" },
    ]);
  });
});

describe("a snapshot store", () => {
  const keyIdentityId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
  const make = async (more: Partial<SnapshotStoreRequest> = {}, given: AzureProviderOptions = options): Promise<Recorder> => {
    const { recorder, store } = await makeWith(azureProvider(given), answers, { store: { ...storeRequest, ...more } });
    expect(await valueOf(pulumi.output(store?.serviceAccountAnnotations))).toEqual({
      "azure.workload.identity/client-id": "s-identity-client",
    });
    expect(await valueOf(store?.ready as pulumi.Output<boolean>)).toBe(true);
    expect(await valueOf(pulumi.output(store?.store))).toEqual({
      azureBlob: { account: recorder.named("s-account").inputs.accountName, container: "snapshots" },
    });
    return recorder;
  };

  it("is private, versioned and protected, and one ServiceAccount may use it without a key", async () => {
    const recorder = await make();
    expect(recorder.childrenOf("mesh").filter((name) => name.startsWith("s-"))).toEqual([
      "s-access",
      "s-account",
      "s-container",
      "s-federation",
      "s-identity",
      "s-lifecycle",
      "s-service",
    ]);
    expect(recorder.named("s-account").inputs).toEqual({
      resourceGroupName: "prices",
      accountName: expect.stringMatching(/^quotesnightl[0-9a-f]{12}$/),
      location: "westeurope",
      kind: "StorageV2",
      sku: { name: "Standard_ZRS" },
      allowBlobPublicAccess: false,
      allowSharedKeyAccess: false,
      allowCrossTenantReplication: false,
      enableHttpsTrafficOnly: true,
      minimumTlsVersion: "TLS1_2",
      encryption: {
        keySource: "Microsoft.Storage",
        requireInfrastructureEncryption: true,
        services: { blob: { enabled: true, keyType: "Account" } },
      },
      tags: { ...tags, "compute-mesh:holds-data": "snapshots" },
    });
    expect(recorder.named("s-service").inputs).toMatchObject({
      isVersioningEnabled: true,
      deleteRetentionPolicy: { enabled: true, days: 7 },
      containerDeleteRetentionPolicy: { enabled: true, days: 7 },
    });
    expect(recorder.named("s-lifecycle").inputs.policy.rules[0].definition.actions).toEqual({
      version: { delete: { daysAfterCreationGreaterThan: 7 } },
    });
    expect(recorder.named("s-container").inputs).toMatchObject({ containerName: "snapshots", publicAccess: "None" });
    expect(recorder.named("s-federation").inputs).toEqual({
      resourceGroupName: "prices",
      resourceName: "s-identity",
      issuer: "https://oidc/prices/",
      subject: "system:serviceaccount:prices:nightly",
      audiences: ["api://AzureADTokenExchange"],
    });
    expect(recorder.named("s-access").inputs).toMatchObject({ principalId: "s-identity-principal", scope: "s-container-id" });
    for (const part of ["s-account", "s-container"]) {
      expect(recorder.named(part).options).toMatchObject({ protect: true, retainOnDelete: false });
    }
  });

  it("takes another location, a key, a lock and other protection", async () => {
    const recorder = await make(
      {
        region: "northeurope",
        encryptionKey: "https://vault.vault.azure.net/keys/snapshots/0123456789abcdef0123456789abcdef",
        objectLockDays: 30,
        recoveryDays: 3,
        dataProtection: { protect: false, retainOnDelete: true },
      },
      { ...options, keyIdentityId },
    );
    expect(recorder.named("s-account").inputs).toMatchObject({
      location: "northeurope",
      identity: { type: "UserAssigned", userAssignedIdentities: [keyIdentityId] },
      encryption: {
        keySource: "Microsoft.Keyvault",
        keyVaultProperties: {
          keyVaultUri: "https://vault.vault.azure.net",
          keyName: "snapshots",
          keyVersion: "0123456789abcdef0123456789abcdef",
        },
        encryptionIdentity: { encryptionUserAssignedIdentity: keyIdentityId },
      },
      immutableStorageWithVersioning: {
        enabled: true,
        immutabilityPolicy: { immutabilityPeriodSinceCreationInDays: 30, state: "Unlocked" },
      },
    });
    expect(recorder.named("s-account").options).toMatchObject({
      protect: false,
      retainOnDelete: true,
      ignoreChanges: ["immutableStorageWithVersioning.immutabilityPolicy.state"],
    });
    // What is retained keeps its rules.
    for (const part of ["s-service", "s-lifecycle", "s-container"]) {
      expect(recorder.named(part).options.retainOnDelete).toBe(true);
    }
  });
});
