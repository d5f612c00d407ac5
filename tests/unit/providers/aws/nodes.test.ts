/** Mesh nodes and pools: groups of machines, their order and their generations. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeUserData } from "../../../../providers/aws/user-data";
import type { NodeSpec } from "../../../../providers/provider";
import type { RecordedResource, Recorder } from "../../../support/mocks";
import { created, dependencies, existing, nodeRequest, poolRequest, run, shape } from "./support";

const group = "aws:eks/nodeGroup:NodeGroup";
const template = "aws:ec2/launchTemplate:LaunchTemplate";

const makeNodes = (nodes: Record<string, Partial<NodeSpec>>, options = existing): Promise<Recorder> =>
  run(options, (provider, parent) => {
    for (const [name, spec] of Object.entries(nodes)) {
      provider.createNode(name, nodeRequest(name, spec), { parent });
    }
  });
const groupOf = async (spec: Partial<NodeSpec>, options = existing): Promise<RecordedResource> =>
  (await makeNodes({ n1: spec }, options)).named("n1-group");

describe("a mesh node", () => {
  it("is a launch template and a group of exactly one machine in its zone", async () => {
    const recorder = await makeNodes({
      n1: { taints: [{ key: "mesh", value: "prices", effect: "NoSchedule" }], labels: { disk: "fast" } },
    });
    expect(shape(recorder).filter((line) => line.includes(" n1"))).toEqual([`${template} n1-template`, `${group} n1-group`]);
    expect(recorder.named("n1-group").inputs).toEqual({
      region: "eu-west-1",
      clusterName: "prod",
      nodeGroupName: expect.stringMatching(/^prices-n1-[0-9a-f]{6}$/),
      nodeRoleArn: "arn:mesh-cluster-node-role",
      subnetIds: ["subnet-a"],
      scalingConfig: { minSize: 1, maxSize: 1, desiredSize: 1 },
      instanceTypes: ["m7g.2xlarge"],
      amiType: "AL2023_ARM_64_STANDARD",
      capacityType: "ON_DEMAND",
      launchTemplate: { id: "n1-template-id", version: "1" },
      labels: { disk: "fast", "compute-mesh.dev/node": "n1", "compute-mesh.dev/mesh": "prices" },
      taints: [{ key: "mesh", value: "prices", effect: "NO_SCHEDULE" }],
      updateConfig: { maxUnavailable: 1, updateStrategy: "DEFAULT" },
      nodeRepairConfig: { enabled: true },
      tags: { Name: "prices-n1", "managed-by": "compute-mesh" },
    });
  });

  it("has an encrypted disk and keeps its credentials from pods", async () => {
    const key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    const { inputs } = (await makeNodes({ n1: { diskEncryptionKey: key } })).named("n1-template");
    expect(inputs.blockDeviceMappings).toEqual([
      {
        deviceName: "/dev/xvda",
        ebs: { volumeType: "gp3", volumeSize: 50, encrypted: "true", deleteOnTermination: "true", kmsKeyId: key },
      },
    ]);
    expect(inputs.metadataOptions).toEqual({ httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 });
    expect(inputs.userData).toBeUndefined();
  });

  it("follows the version of the cluster that is made, in place", async () => {
    expect((await groupOf({}, created)).inputs).toMatchObject({
      version: "1.34",
      clusterName: "quotes",
      subnetIds: ["mesh-cluster-private-eu-west-1a-id"],
    });
  });

  it("takes spot machines, other images and other processors where they are asked for", async () => {
    const { inputs } = await groupOf({ spot: true, architecture: "amd64", imageFamily: "bottlerocket" });
    expect(inputs).toMatchObject({ capacityType: "SPOT", amiType: "BOTTLEROCKET_x86_64" });
  });

  it.each<[string, Partial<NodeSpec>]>([
    ["a zone", { zone: "eu-west-1b" }],
    ["a machine", { instanceType: "m7g.4xlarge" }],
    ["a larger one", { cpu: "16" }],
    ["a processor", { architecture: "amd64" }],
    ["spot", { spot: true }],
    ["an image", { imageFamily: "bottlerocket" }],
    ["a key", { diskEncryptionKey: "alias/mesh" }],
    ["where a disk is mounted", { localDisks: [{ size: "400Gi", mountPath: "/data" }] }],
  ])("takes a new name with %s, so that the new machine is there before the old one goes", async (_what, spec) => {
    const before = await makeNodes({ n1: {}, n2: {} });
    const after = await makeNodes({ n1: spec, n2: {} });
    const names = (recorder: Recorder, node: string): unknown[] => [
      recorder.named(`${node}-group`).inputs.nodeGroupName,
      recorder.named(`${node}-template`).inputs.name,
    ];
    names(before, "n1").forEach((name, index) => expect(names(after, "n1")[index]).not.toBe(name));
    expect(names(after, "n2")).toEqual(names(before, "n2"));
    expect(after.named("n1-group").options.deleteBeforeReplace).toBe(false);
  });

  it("keeps its name with what is changed in place: labels, taints, tags, the version", async () => {
    const before = await groupOf({}, created);
    const labels = { a: "b" };
    const taints = [{ key: "k", effect: "NoExecute" }];
    const after = await groupOf(
      { labels, taints },
      { ...created, tags: { team: "other" }, cluster: { create: { name: "quotes", version: "1.35" } } },
    );
    expect(after.inputs.nodeGroupName).toBe(before.inputs.nodeGroupName);
    expect(after.inputs.version).toBe("1.35");
  });

  it("is not replaced for a tag: machines carry those of their day", async () => {
    expect((await makeNodes({ n1: {} })).named("n1-template").options.ignoreChanges).toEqual(["tagSpecifications"]);
  });

  it("waits for every machine of the zone before, and for what it needs of the cluster", async () => {
    const b = { zone: "eu-west-1b" };
    const recorder = await makeNodes({ n1: {}, n2: {}, n3: b, n4: b });
    const groupsOf = (name: string): string[] => dependencies(recorder.named(`${name}-group`)).filter((one) => one.endsWith("-group"));
    expect(["n1", "n2", "n3", "n4"].map(groupsOf)).toEqual([[], [], ["n1-group", "n2-group"], ["n1-group", "n2-group"]]);
    expect(dependencies(recorder.named("n1-group"))).toEqual(
      expect.arrayContaining([
        "mesh-cluster-node-role-network",
        "mesh-cluster-node-role-registry",
        "mesh-cluster-node-role-worker",
        "n1-template",
      ]),
    );
  });

  it("takes the protection that its component hands down", async () => {
    const recorder = await run(existing, (provider, parent) => {
      provider.createNode("n1", nodeRequest("n1"), { parent, protect: true, retainOnDelete: true });
    });
    for (const name of ["n1-group", "n1-template"]) {
      expect(recorder.named(name).options).toMatchObject({ protect: true, retainOnDelete: true });
    }
  });
});

describe("local disks", () => {
  const disks = [
    { size: "400Gi", mountPath: "/mnt/compute-mesh/0" },
    { size: "400Gi", mountPath: "/var/lib/it's-data" },
  ];

  it("are mounted one by one by nodeadm", async () => {
    const { inputs } = (await makeNodes({ n1: { localDisks: [{ size: "400Gi" }] } })).named("n1-template");
    const text = Buffer.from(inputs.userData, "base64").toString();
    expect(text).toContain("Content-Type: application/node.eks.aws\n\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n");
    expect(text).toContain("strategy: Mount\n      mountPath: /mnt/k8s-disks\n");
    expect(text).toContain("bind_disk /mnt/k8s-disks/1 '/mnt/compute-mesh/0'");
  });

  it("are bound to the paths of the spec by units that systemd starts with each mount", () => {
    const folder = mkdtempSync(join(tmpdir(), "compute-mesh-"));
    try {
      const script = /#!\/bin\/bash[^]*?(?=\n--compute-mesh--)/.exec(nodeUserData(disks) ?? "")?.[0] ?? "";
      // Stand-ins of what a machine has: the names of units as systemd makes them, and folders that need no root.
      writeFileSync(join(folder, "systemd-escape"), '#!/bin/sh\necho "$3.mount" | sed "s|^/||; s|/|-|g"\n', { mode: 0o755 });
      writeFileSync(join(folder, "systemctl"), `#!/bin/sh\necho "$@" >> ${folder}/calls\n`, { mode: 0o755 });
      writeFileSync(join(folder, "mkdir"), `#!/bin/sh\necho "mkdir $2" >> ${folder}/calls\n`, { mode: 0o755 });
      const units = mkdtempSync(join(folder, "units-"));
      execFileSync("/bin/bash", ["--norc", "-c", script], {
        stdio: ["ignore", "inherit", "inherit"],
        env: { PATH: `${folder}:/usr/bin:/bin`, UNITS: units },
      });
      expect(readdirSync(units).sort()).toEqual(["mnt-compute-mesh-0.mount", "var-lib-it's-data.mount"]);
      expect(readFileSync(join(units, "mnt-compute-mesh-0.mount"), "utf8").split("\n")).toEqual([
        "[Unit]",
        "BindsTo=mnt-k8s-disks-1.mount",
        "After=mnt-k8s-disks-1.mount",
        "[Mount]",
        "What=/mnt/k8s-disks/1",
        "Where=/mnt/compute-mesh/0",
        "Type=none",
        "Options=bind",
        "[Install]",
        "WantedBy=mnt-k8s-disks-1.mount",
        "",
      ]);
      expect(readFileSync(join(folder, "calls"), "utf8").split("\n")).toEqual([
        "mkdir /mnt/compute-mesh/0",
        "enable mnt-compute-mesh-0.mount",
        "mkdir /var/lib/it's-data",
        "enable var-lib-it's-data.mount",
        "",
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a pool", () => {
  const makePool = (more: Parameters<typeof poolRequest>[0] = {}): Promise<Recorder> =>
    run(existing, (provider, parent) => {
      const pool = provider.createPool?.("pool-web", poolRequest(more), { parent });
      expect(pool).toMatchObject({ selector: { "compute-mesh.dev/pool": "prices-web" }, taints: [] });
    });

  it("is one group over all its zones, without the label of the mesh, whose DaemonSets stay away", async () => {
    const recorder = await makePool();
    expect(shape(recorder).filter((line) => line.includes(" pool-web"))).toEqual([
      `${template} pool-web-template`,
      `${group} pool-web-group`,
    ]);
    expect(recorder.named("pool-web-group").inputs).toMatchObject({
      nodeGroupName: expect.stringMatching(/^prices-pool-web-[0-9a-f]{6}$/),
      subnetIds: ["subnet-a", "subnet-b"],
      scalingConfig: { minSize: 1, maxSize: 5, desiredSize: 1 },
      labels: { "compute-mesh.dev/pool": "prices-web" },
    });
  });

  it("leaves the number of nodes to the autoscaler, and to Pulumi where there is none", async () => {
    expect((await makePool()).named("pool-web-group").options.ignoreChanges).toEqual(["scalingConfig.desiredSize"]);
    const fixed = (await makePool({ minNodes: 3, maxNodes: 3 })).named("pool-web-group");
    expect(fixed.options.ignoreChanges).toEqual([]);
    expect(fixed.inputs.scalingConfig).toEqual({ minSize: 3, maxSize: 3, desiredSize: 3 });
    expect((await makePool({ initialNodes: 2 })).named("pool-web-group").inputs.scalingConfig.desiredSize).toBe(2);
  });

  it("has one name whatever the order of its zones, and another with other zones", async () => {
    const name = async (zones: string[]): Promise<string> => (await makePool({ zones })).named("pool-web-group").inputs.nodeGroupName;
    expect(await name(["eu-west-1a", "eu-west-1b"])).toBe(await name(["eu-west-1b", "eu-west-1a"]));
    expect(await name(["eu-west-1a"])).not.toBe(await name(["eu-west-1a", "eu-west-1b"]));
  });
});
