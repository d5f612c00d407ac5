/** The network and the cluster, made and adopted. */
import * as pulumi from "@pulumi/pulumi";
import { awsProvider } from "../../../../providers/aws";
import { failureOf, startMocks } from "../../../support/mocks";
import { created, dependencies, existing, nodeRequest, Owner, run, shape } from "./support";

describe("a cluster that is made", () => {
  it("is exactly these resources", async () => {
    const recorder = await run(created);
    const zone = (name: string): string[] => [
      `aws:ec2/subnet:Subnet mesh-cluster-public-${name}`,
      `aws:ec2/routeTableAssociation:RouteTableAssociation mesh-cluster-public-${name}-routes`,
      `aws:ec2/eip:Eip mesh-cluster-nat-${name}-address`,
      `aws:ec2/natGateway:NatGateway mesh-cluster-nat-${name}`,
      `aws:ec2/subnet:Subnet mesh-cluster-private-${name}`,
      `aws:ec2/routeTable:RouteTable mesh-cluster-private-${name}-routes`,
      `aws:ec2/routeTableAssociation:RouteTableAssociation mesh-cluster-private-${name}-association`,
      `aws:ec2/route:Route mesh-cluster-private-${name}-route`,
    ];
    expect(shape(recorder)).toEqual(
      [
        "aws:ec2/vpc:Vpc mesh-cluster-vpc",
        "aws:ec2/internetGateway:InternetGateway mesh-cluster-internet",
        "aws:ec2/routeTable:RouteTable mesh-cluster-public-routes",
        "aws:ec2/route:Route mesh-cluster-public-route",
        ...zone("eu-west-1a"),
        ...zone("eu-west-1b"),
        "aws:ec2/vpcEndpoint:VpcEndpoint mesh-cluster-s3",
        "aws:iam/role:Role mesh-cluster-role",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-role-policy",
        "aws:eks/cluster:Cluster mesh-cluster-eks",
        "aws:eks/addon:Addon mesh-cluster-network-addon",
        "aws:eks/addon:Addon mesh-cluster-identity-addon",
        "aws:iam/role:Role mesh-cluster-node-role",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-worker",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-registry",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-network",
        "pulumi:providers:kubernetes mesh-cluster-kubernetes",
      ].sort(),
    );
  });

  it("says its region and its tags on everything that has any", async () => {
    const recorder = await run(created);
    const made = recorder.resources.filter(({ type }) => type.startsWith("aws:"));
    const untagged = /Route$|RouteTableAssociation$|RolePolicyAttachment$/;
    for (const { type, name, inputs } of made) {
      expect([name, inputs.region]).toEqual([name, type.startsWith("aws:iam/") ? undefined : "eu-west-1"]);
      if (!untagged.test(type)) {
        expect([name, inputs.tags]).toEqual([
          name,
          expect.objectContaining({ team: "prices", "managed-by": "compute-mesh", Name: expect.any(String) }),
        ]);
      }
    }
  });

  it("has a private endpoint, access entries alone, and enforces network policies", async () => {
    const recorder = await run(created);
    const { inputs, options } = recorder.named("mesh-cluster-eks");
    expect(inputs).toMatchObject({
      name: "quotes",
      version: "1.34",
      vpcConfig: {
        subnetIds: ["mesh-cluster-private-eu-west-1a-id", "mesh-cluster-private-eu-west-1b-id"],
        endpointPrivateAccess: true,
        endpointPublicAccess: false,
      },
      accessConfig: { authenticationMode: "API" },
    });
    expect(inputs.deletionProtection).toBeUndefined();
    expect(options.protect).toBe(false);
    expect(JSON.parse(recorder.named("mesh-cluster-network-addon").inputs.configurationValues)).toEqual({ enableNetworkPolicy: "true" });
  });

  it("opens a public endpoint to the ranges that are named", async () => {
    const options = { ...created, cluster: { create: { name: "quotes", privateEndpoint: false, authorizedNetworks: ["203.0.113.0/24"] } } };
    const { vpcConfig, version } = (await run(options)).named("mesh-cluster-eks").inputs;
    expect(vpcConfig).toMatchObject({ endpointPublicAccess: true, publicAccessCidrs: ["203.0.113.0/24"] });
    expect(version).toBeUndefined();
  });

  it("is protected where that is asked for", async () => {
    const recorder = await run({ ...created, dataProtection: { protect: true, retainOnDelete: true } });
    const { inputs, options } = recorder.named("mesh-cluster-eks");
    expect([inputs.deletionProtection, options.protect, options.retainOnDelete]).toEqual([true, true, true]);
  });

  it("has one way out with nat: one, and none with nat: none", async () => {
    const network = (nat: string): object => ({ network: { create: { ...created.network?.create, nat } } });
    const gateways = async (nat: string): Promise<string[]> =>
      (await run({ ...created, ...network(nat) })).byType("aws:ec2/natGateway:NatGateway").map(({ name }) => name);
    expect(await gateways("one")).toEqual(["mesh-cluster-nat-eu-west-1a"]);
    expect(await gateways("none")).toEqual([]);
    const recorder = await run({ ...created, ...network("one") });
    expect(recorder.named("mesh-cluster-private-eu-west-1b-route").inputs.natGatewayId).toBe("mesh-cluster-nat-eu-west-1a-id");
  });

  it("goes after all that is in it: the provider of its objects depends on add-ons, policies and ways out", async () => {
    const needed = [
      "mesh-cluster-eks",
      "mesh-cluster-identity-addon",
      "mesh-cluster-network-addon",
      "mesh-cluster-node-role-network",
      "mesh-cluster-node-role-registry",
      "mesh-cluster-node-role-worker",
      "mesh-cluster-private-eu-west-1a-route",
      "mesh-cluster-private-eu-west-1b-route",
      "mesh-cluster-public-route",
    ];
    expect(dependencies((await run(created)).named("mesh-cluster-kubernetes"))).toEqual(expect.arrayContaining(needed));
  });

  it("hands out a secret kubeconfig that asks the AWS CLI, and an identifier that is known in preview", async () => {
    const recorder = await run(created);
    const { inputs, secretPaths } = recorder.named("mesh-cluster-kubernetes");
    expect(secretPaths).toContain("kubeconfig");
    const kubeconfig = JSON.parse(inputs.kubeconfig);
    expect(kubeconfig.clusters[0].cluster).toEqual({ server: "https://quotes.eks", "certificate-authority-data": "Y2E=" });
    expect(kubeconfig.users[0].user.exec).toMatchObject({
      command: "aws",
      args: ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "quotes", "--output", "json"],
    });
    expect(inputs.clusterIdentifier).toBe("aws/eu-west-1/quotes");

    const unknown = (pulumi as unknown as { unknown: unknown }).unknown;
    const preview = await run(created, undefined, {
      preview: true,
      state: ({ type }) => (type === "aws:eks/cluster:Cluster" ? { endpoint: unknown, certificateAuthority: unknown } : undefined),
    });
    expect(preview.named("mesh-cluster-kubernetes").inputs.clusterIdentifier).toBe("aws/eu-west-1/quotes");
  });

  it("is made once by one provider object, and before its nodes", async () => {
    await startMocks();
    const parent = new Owner();
    const provider = awsProvider(created);
    expect(failureOf(() => provider.createNode("n", nodeRequest("n"), { parent }))).toMatch(
      /^awsProvider: createNode: "n" is not allowed: createCluster must be called first/,
    );
    provider.createCluster("mesh-cluster", { parent });
    expect(failureOf(() => provider.createCluster("other", { parent }))).toMatch(
      /^awsProvider: createCluster: "other" .* has a cluster already/,
    );
  });
});

describe("a cluster that is there", () => {
  it("is looked up by its name, and only the role of new machines is made", async () => {
    const recorder = await run(existing);
    expect(shape(recorder)).toEqual([
      "aws:iam/role:Role mesh-cluster-node-role",
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-network",
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-registry",
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment mesh-cluster-node-role-worker",
      "pulumi:providers:kubernetes mesh-cluster-kubernetes",
    ]);
    const { inputs } = recorder.named("mesh-cluster-kubernetes");
    expect(JSON.parse(inputs.kubeconfig).clusters[0].cluster.server).toBe("https://prod.eks");
    expect(inputs.clusterIdentifier).toBe("aws/eu-west-1/prod");
  });

  it("with nodes that are there, or with a role that is there, has nothing made", async () => {
    const adopting = await run(
      { region: "eu-west-1", cluster: { existing: { name: "prod" } }, nodes: { adopt: true } },
      (provider, parent) => {
        provider.createNode("n", nodeRequest("n"), { parent });
      },
    );
    expect(shape(adopting)).toEqual(["pulumi:providers:kubernetes mesh-cluster-kubernetes"]);
    const roleArn = "arn:aws:iam::123456789012:role/nodes";
    expect(shape(await run({ ...existing, nodes: { roleArn } }))).toEqual(["pulumi:providers:kubernetes mesh-cluster-kubernetes"]);
  });
});
