/** A provider of two zones, and one to change. */
import * as pulumi from "@pulumi/pulumi";
import { awsProvider, type AwsProviderOptions } from "../../../../providers/aws";
import type { MeshNodeRequest, NodePoolRequest, NodeProvider, SnapshotStoreRequest } from "../../../../providers/provider";
import { type MockAnswers, type RecordedResource, type Recorder, startMocks } from "../../../support/mocks";

export const created: AwsProviderOptions = {
  region: "eu-west-1",
  network: {
    create: {
      cidr: "10.0.0.0/16",
      zones: {
        "eu-west-1a": { cidr: "10.0.0.0/18", publicCidr: "10.0.192.0/28" },
        "eu-west-1b": { cidr: "10.0.64.0/18", publicCidr: "10.0.192.16/28" },
      },
    },
  },
  cluster: { create: { name: "quotes", version: "1.34" } },
  tags: { team: "prices" },
};

export const existing: AwsProviderOptions = {
  region: "eu-west-1",
  network: { existing: { subnetIds: { "eu-west-1a": "subnet-a", "eu-west-1b": "subnet-b" } } },
  cluster: { existing: { name: "prod" } },
};

export const nodeRequest = (nodeName: string, spec: Partial<MeshNodeRequest["spec"]> = {}): MeshNodeRequest => ({
  nodeName,
  mesh: "prices",
  weight: 1,
  spec: { zone: "eu-west-1a", architecture: "arm64", cpu: "8", memory: "32Gi", ...spec },
});

export const poolRequest = (more: Partial<NodePoolRequest> = {}): NodePoolRequest => ({
  ...{ poolName: "web", mesh: "prices", zones: ["eu-west-1b", "eu-west-1a"], spec: { architecture: "arm64" }, minNodes: 1, maxNodes: 5 },
  ...more,
});

export const storeRequest = (more: Partial<SnapshotStoreRequest> = {}): SnapshotStoreRequest => ({
  ...{ storeName: "hourly", mesh: "prices", namespace: "prices", serviceAccountName: "prices-snapshots-hourly" },
  ...more,
});

/** What EKS answers for a cluster that is there. */
const call: MockAnswers["call"] = ({ inputs }) => ({
  ...inputs,
  endpoint: `https://${String(inputs["name"])}.eks`,
  certificateAuthorities: [{ data: "Y2E=" }],
});

export class Owner extends pulumi.ComponentResource {
  public constructor() {
    super("test:index:Owner", "mesh");
  }
}

/** Runs `make` with a provider of these options after its cluster was made below the component `mesh`. */
export async function run(
  options: AwsProviderOptions,
  make: (provider: NodeProvider, parent: Owner) => void = () => undefined,
  answers: MockAnswers = {},
): Promise<Recorder> {
  const recorder = await startMocks({
    call,
    state: ({ type, name }) => (type.startsWith("aws:") ? { arn: `arn:${name}`, ...stateOf(type) } : undefined),
    ...answers,
  });
  const parent = new Owner();
  const provider = awsProvider(options);
  provider.createCluster("mesh-cluster", { parent });
  make(provider, parent);
  await recorder.settle(parent);
  return recorder;
}

function stateOf(type: string): Record<string, unknown> {
  return type === "aws:eks/cluster:Cluster"
    ? { endpoint: "https://quotes.eks", certificateAuthority: { data: "Y2E=" } }
    : type === "aws:ec2/launchTemplate:LaunchTemplate"
      ? { latestVersion: 1 }
      : {};
}

/** `type name` of everything that was made below `mesh`, sorted. */
export const shape = (recorder: Recorder): string[] =>
  recorder.resources
    .filter(({ parent }) => parent === "mesh")
    .map(({ type, name }) => `${type} ${name}`)
    .sort();

/** The logical names of what a resource depends on, sorted. */
export const dependencies = (resource: RecordedResource): string[] =>
  resource.options.dependencies.map((urn) => urn.split("::").pop() ?? "").sort();
