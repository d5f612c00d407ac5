/** Clusters that are there: adopted by name, never changed, and missed before anything is made. */
import { cloudConfig, type CloudConfig, cloudStack, configure, resourcesOf } from "../support/cloud-stacks";
import { type PlayedCloud, playedCloud } from "../support/played-cloud";
import { succeeded } from "../support/pulumi-events";

interface Adoption {
  name: string;
  packageName: string;
  /** What the options say in place of what they create. */
  adopt: (options: any) => void;
  /** Type, id and state of the cluster. */
  cluster: [token: string, id: string, outputs: Record<string, any>];
  /** Types of what is made beside it. */
  made: string[];
}

const adoptions: Adoption[] = [
  {
    name: "aws",
    packageName: "aws",
    adopt: (options) => {
      options.network = { existing: { subnetIds: { "eu-west-1a": "subnet-1", "eu-west-1b": "subnet-2", "eu-west-1c": "subnet-3" } } };
      options.cluster = { existing: { name: "prices" } };
    },
    cluster: [
      "aws:eks/cluster:Cluster",
      "prices",
      { name: "prices", endpoint: "https://theirs.example.test", certificateAuthority: { data: "Yw==" } },
    ],
    made: [
      ...["aws:ec2/launchTemplate:LaunchTemplate", "aws:eks/nodeGroup:NodeGroup", "aws:iam/role:Role"],
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    ],
  },
  {
    name: "gcp",
    packageName: "gcp",
    adopt: (options) => {
      delete options.network;
      options.cluster = { existing: { name: "prices" } };
    },
    cluster: [
      "gcp:container/cluster:Cluster",
      "projects/my-project/locations/europe-west4/clusters/prices",
      { name: "prices", endpoint: "10.1.2.3", masterAuth: { clusterCaCertificate: "Yw==" } },
    ],
    made: ["gcp:container/nodePool:NodePool", "gcp:projects/iAMMember:IAMMember", "gcp:serviceaccount/account:Account"],
  },
  {
    name: "azure",
    packageName: "azure-native",
    adopt: (options) => {
      delete options.network;
      options.cluster = { existing: { name: "prices" } };
    },
    cluster: [
      "azure-native:containerservice:ManagedCluster",
      "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/prices/providers/Microsoft.ContainerService/managedClusters/prices",
      {
        name: "prices",
        privateFQDN: "theirs.example.test",
        oidcIssuerProfile: { enabled: true, issuerURL: "https://issuer.example.test/" },
      },
    ],
    made: ["azure-native:containerservice:AgentPool"],
  },
];

const clouds: PlayedCloud[] = [];
afterAll(async () => {
  await Promise.all(clouds.map((cloud) => cloud.dispose()));
}, 60_000);

describe.each(adoptions)("a cluster of $name that is there", ({ name, packageName, adopt, cluster, made }) => {
  const config = (): CloudConfig => {
    const whole = cloudConfig(name);
    adopt(whole.cloud[name]);
    whole.mesh.snapshots.hourly.store = { s3: { bucket: "theirs", region: "eu-west-1" } };
    return whole;
  };

  it("stops the preview where it is not, and is used where it is", async () => {
    const cloud = playedCloud();
    clouds.push(cloud);
    const stack = await cloudStack(cloud, name, config());
    const missing = await stack.preview();
    expect(missing.code).not.toBe(0);
    const errors = missing.messages.filter(({ severity }) => severity === "error").map(({ text }) => text);
    expect(errors.join("\n")).toMatch(/cluster\.existing\.name.*"prices"/);
    expect(errors.join("\n")).not.toContain("    at ");
    expect(cloud.world.all()).toEqual([]);

    const [token, id, outputs] = cluster;
    cloud.give(token, id, { outputs });
    succeeded(await stack.up());
    const types = new Set(resourcesOf(await stack.export(), packageName).map(({ type }) => type));
    expect([...types].sort()).toEqual(made);
    expect(cloud.world.calls().filter((call) => call.id === id && call.verb !== "read")).toEqual([]);
  }, 240_000);

  it("has nodes of its own where they are adopted, and then nothing of the cloud is made", async () => {
    const cloud = playedCloud();
    clouds.push(cloud);
    const [token, id, outputs] = cluster;
    cloud.give(token, id, { outputs });
    const whole = config();
    whole.cloud[name].nodes = { adopt: true };
    delete whole.cloud[name].network;
    const stack = await cloudStack(cloud, name, whole);
    succeeded(await stack.up());
    expect(resourcesOf(await stack.export(), packageName)).toEqual([]);
    await configure(stack, whole);
    expect(succeeded(await stack.preview()).steps).toEqual([]);
  }, 240_000);
});
