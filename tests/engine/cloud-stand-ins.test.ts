/** The stand-ins of the clouds keep the promises of the real providers that the other tests of clouds rest on. */
import { type PlayedCloud, playedCloud } from "../support/played-cloud";
import type { TestStack } from "../support/pulumi";
import { type Outcome, succeeded, summary } from "../support/pulumi-events";

let cloud: PlayedCloud;

beforeAll(() => {
  cloud = playedCloud();
});

afterAll(async () => {
  await cloud?.dispose();
}, 60_000);

const errors = (outcome: Outcome): string =>
  outcome.messages
    .filter(({ severity }) => severity === "error")
    .map(({ text }) => text)
    .join("\n");

/** A network, a cluster with one group of nodes, and an object in it. */
const program = (
  change: { cidr?: string; version?: string; group?: string; launch?: string; data?: string; more?: string } = {},
): string => `
import * as aws from "@pulumi/aws";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
const cloud = new aws.Provider("cloud", { region: "eu-west-1" });
const opts = { provider: cloud };
const vpc = new aws.ec2.Vpc("vpc", { cidrBlock: "${change.cidr ?? "10.0.0.0/16"}" }, opts);
const subnet = new aws.ec2.Subnet("subnet", { vpcId: vpc.id, cidrBlock: "10.0.0.0/24", availabilityZone: "eu-west-1a" }, opts);
const role = new aws.iam.Role("role", { assumeRolePolicy: "{}" }, opts);
const cluster = new aws.eks.Cluster("cluster", { name: "mesh", roleArn: role.arn, version: "${change.version ?? "1.33"}", vpcConfig: { subnetIds: [subnet.id] } }, opts);
const launch = new aws.ec2.LaunchTemplate("launch", { name: "launch", tags: { a: "${change.launch ?? "1"}" } }, opts);
const group = new aws.eks.NodeGroup("group", { clusterName: cluster.name, nodeGroupName: "${change.group ?? "n-1"}", nodeRoleArn: role.arn, subnetIds: [subnet.id],
  scalingConfig: { desiredSize: 1, minSize: 1, maxSize: 1 }, launchTemplate: { id: launch.id, version: launch.latestVersion.apply(String) } }, opts);
const kubeconfig = cluster.endpoint.apply((server) => JSON.stringify({ apiVersion: "v1", kind: "Config", "current-context": "c",
  clusters: [{ name: "c", cluster: { server } }], contexts: [{ name: "c", context: { cluster: "c", user: "u" } }], users: [{ name: "u", user: {} }] }));
const kubernetes = new k8s.Provider("kubernetes", { kubeconfig: pulumi.secret(kubeconfig), clusterIdentifier: "mesh", enableConfigMapMutable: true }, { dependsOn: group });
const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: "mesh" } }, { provider: kubernetes });
new k8s.core.v1.ConfigMap("settings", { metadata: { name: "settings", namespace: namespace.metadata.name }, data: { a: "${change.data ?? "1"}" } }, { provider: kubernetes });
${change.more ?? ""}
export const endpoint = cluster.endpoint;
`;

describe("the stand-ins of the clouds", () => {
  let stack: TestStack;
  const previewOf = async (change: Parameters<typeof program>[0]): Promise<string[]> => {
    stack.setProgram(program(change));
    return summary(succeeded(await stack.preview()));
  };

  beforeAll(async () => {
    stack = await cloud.stack({ program: { typescript: program() } });
  }, 120_000);

  it("plan everything as it is then made, with what the cloud decides unknown", async () => {
    const preview = succeeded(await stack.preview());
    expect(preview.stdout).toContain("[unknown]");
    expect(cloud.world.all()).toEqual([]);
    const up = succeeded(await stack.up());
    expect(summary(up)).toEqual(summary(preview));
    expect((await stack.outputs())["endpoint"]).toMatch(/^https:\/\/[0-9A-F]+\.gr7\.eu-west-1\.eks\.amazonaws\.com$/);
    expect(cloud.world.calls().filter(({ verb }) => verb === "create")).toHaveLength(8);
    expect(summary(succeeded(await stack.preview()))).toEqual([]);
    expect(summary(succeeded(await stack.refresh())).filter((line) => !line.startsWith("refresh "))).toEqual([]);
  }, 120_000);

  it("update what can be updated, and replace what cannot, with all that hangs on it", async () => {
    expect(await previewOf({ version: "1.34" })).toEqual(["update cluster"]);
    expect(await previewOf({ data: "2" })).toEqual(["update settings"]);
    // The version of the launch template is not known before its update.
    expect(await previewOf({ launch: "2" })).toEqual(["update group", "update launch"]);
    const replaced = (await previewOf({ cidr: "10.1.0.0/16" })).filter((line) => line.startsWith("replace "));
    expect(replaced).toEqual(["replace group", "replace subnet", "replace vpc"]);
  }, 120_000);

  it("make a replacement first where it has another name", async () => {
    stack.setProgram(program({ group: "n-1-b" }));
    const steps = succeeded(await stack.up()).steps.filter(({ name }) => name === "group");
    expect(steps.map(({ op }) => op)).toEqual(["create-replacement", "replace", "delete-replaced"]);
    stack.setProgram(program({ group: "n-1-b", launch: "2" }));
    expect(summary(succeeded(await stack.up()))).toEqual(["update group", "update launch"]);
  }, 120_000);

  it("refuse a type that they know nothing of, and a name that is taken", async () => {
    const refusal = async (more: string): Promise<string> => {
      stack.setProgram(program({ group: "n-1-b", launch: "2", more }));
      const outcome = await stack.up();
      expect(outcome.code).not.toBe(0);
      return errors(outcome);
    };
    expect(await refusal(`new aws.sqs.Queue("queue", {}, opts);`)).toContain("does not know the type aws:sqs/queue:Queue");
    const twin = `new aws.iam.Role("twin", { name: role.name, assumeRolePolicy: "{}" }, opts);`;
    expect(await refusal(twin)).toMatch(/aws:iam\/role:Role role-[0-9a-f]{7} already exists/);
  }, 180_000);

  it("remove objects before nodes, nodes before the cluster, the cluster before the network", async () => {
    stack.setProgram(program({ group: "n-1-b", launch: "2" }));
    succeeded(await stack.up());
    const order = succeeded(await stack.destroy()).steps.map(({ name }) => name);
    const expected = ["settings", "namespace", "kubernetes", "group", "cluster", "subnet", "vpc"];
    expect(order.filter((name) => expected.includes(name))).toEqual(expected);
    expect(cloud.world.all()).toEqual([]);
  }, 120_000);

  it("refuse to remove what somebody else still uses", async () => {
    succeeded(await stack.up());
    const subnet = cloud.world.all().find(({ token }) => token === "aws:ec2/subnet:Subnet");
    cloud.give("aws:ec2/instance:Instance", "i-0123456789abcdef0", { inputs: { subnetId: subnet?.id } });
    const refused = await stack.destroy();
    expect(refused.code).not.toBe(0);
    expect(errors(refused)).toContain(`${subnet?.id} is still used by aws:ec2/instance:Instance i-0123456789abcdef0`);
    cloud.world.remove("aws:ec2/instance:Instance", "i-0123456789abcdef0");
    succeeded(await stack.destroy());
  }, 120_000);
});
