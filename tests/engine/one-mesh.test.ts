/**
 * One mesh on five providers: everything above the nodes is the same.
 *
 * Pods learn which mesh node they are on from a label of their Node, or, where the names of the Nodes are known beforehand, from the name: so on `local`, and
 * on `existing` with `nodeNames`, which is here twice. That is the one difference, and it is compared, too.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { nameOf, resourcesOf } from "../support/cloud-stacks";
import { type PlayedCloud, playedCloud } from "../support/played-cloud";
import type { TestStack } from "../support/pulumi";
import { succeeded } from "../support/pulumi-events";

/** How each provider calls three zones and their region. */
const places = {
  local: ["local-1", "zone-a", "zone-b", "zone-c"],
  existing: ["dc-1", "row-1", "row-2", "row-3"],
  named: ["dc-2", "rack-1", "rack-2", "rack-3"],
  aws: ["eu-west-1", "eu-west-1a", "eu-west-1b", "eu-west-1c"],
  gcp: ["europe-west4", "europe-west4-a", "europe-west4-b", "europe-west4-c"],
  azure: ["westeurope", "westeurope-1", "westeurope-2", "westeurope-3"],
} as const;
type Provider = keyof typeof places;
const providers = Object.keys(places) as Provider[];

const program = `import * as aws from "@pulumi/aws/provider";
import * as azure from "@pulumi/azure-native/provider";
import * as gcp from "@pulumi/gcp/provider";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMesh } from "compute-mesh";
import { awsProvider } from "compute-mesh/providers/aws";
import { azureProvider } from "compute-mesh/providers/azure";
import { existingProvider } from "compute-mesh/providers/existing";
import { gcpProvider } from "compute-mesh/providers/gcp";
import { localProvider } from "compute-mesh/providers/local";

const places: Record<string, string[]> = ${JSON.stringify(places)};
const kubeconfigs = new pulumi.Config();
const vpcZones = Object.fromEntries(places.aws.slice(1).map((zone, index) => [zone, { cidr: \`10.0.\${index * 32}.0/19\`, publicCidr: \`10.0.\${index + 224}.0/24\` }]));
const nodeProviders = {
  local: localProvider({ kubeconfig: kubeconfigs.require("local"), clusterName: "c", region: places.local[0] }),
  existing: existingProvider({ kubernetes: { kubeconfig: kubeconfigs.require("existing") }, clusterName: "c", region: places.existing[0], selector: { "compute-mesh.dev/mesh": "mesh-existing" } }),
  named: existingProvider({ kubernetes: { kubeconfig: kubeconfigs.require("named") }, clusterName: "c", region: places.named[0], selector: { "compute-mesh.dev/mesh": "mesh-named" },
    nodeNames: { "n-1": "n-1", "n-2": "n-2", "n-3": "n-3" } }),
  aws: awsProvider({ region: places.aws[0], network: { create: { cidr: "10.0.0.0/16", zones: vpcZones } }, cluster: { create: { name: "c" } } }),
  gcp: gcpProvider({ project: "my-project", region: places.gcp[0], network: { create: { cidr: "10.0.0.0/20" } }, cluster: { create: { name: "c" } } }),
  azure: azureProvider({ location: places.azure[0], resourceGroup: "mesh", network: { create: { cidr: "10.0.0.0/16" } }, cluster: { create: { name: "c" } } }),
};
const clouds = [
  new aws.Provider("aws", { region: "eu-west-1" }),
  new gcp.Provider("gcp", { project: "my-project", region: "europe-west4" }),
  new azure.Provider("azure", { location: "westeurope" }),
];
for (const [name, nodeProvider] of Object.entries(nodeProviders)) {
  const taints = [{ key: "mesh", value: "only", effect: "NoSchedule" }];
  const nodes = Object.fromEntries(places[name].slice(1).map((zone, index) => [\`n-\${index + 1}\`, { spec: { zone, cpu: "8", memory: "32Gi", taints } }]));
  new ComputeMesh("mesh-" + name, {
    nodeProvider,
    nodes,
    shards: { count: 12, replicas: 2, zoneSpread: "required" },
    topics: { orders: { partitions: 12 } },
    kafka: { brokers: ["kafka-bootstrap.kafka.svc:9092"] },
    database: { memory: "8Gi", storage: { memory: { size: "4Gi" } }, credentials: { password: pulumi.secret("the same everywhere, for comparison") } },
    snapshots: { hourly: { schedule: "0 * * * *", keep: { last: 24 }, store: { s3: { bucket: "snapshots" } }, snapshots: ["20261121t0600z"] } },
    services: { prices: { snapshotGroup: "hourly", port: 8080, versions: { v1: { image: "example.com/prices:1.4.0", snapshots: ["20261121t0600z"] } } } },
    routes: { hosts: ["mesh.example.com"], routes: [{ name: "prices", match: [{ prefix: "/prices", snapshot: "20261121t0600z" }], to: [{ service: { service: "prices" } }] }] },
  }, { providers: clouds });
}
`;

let cloud: PlayedCloud;
let stack: TestStack;

beforeAll(async () => {
  cloud = playedCloud();
  giveNodes("https://named.example.test");
  stack = await cloud.stack({
    program: { typescript: program },
    config: { ...kubeconfigs(["local", "existing", "named"]), "pulumi:disable-default-providers": '["*"]' },
  });
  succeeded(await stack.up());
}, 300_000);

afterAll(async () => {
  await cloud?.dispose();
}, 60_000);

function kubeconfigs(names: readonly Provider[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, kubeconfigOf(name)]));
}

/** Nodes that somebody else made, with the names that mesh nodes have. */
function giveNodes(server: string): void {
  places.named.slice(1).forEach((zone, index) => {
    const name = `n-${index + 1}`;
    const labels = { "compute-mesh.dev/mesh": "mesh-named", "topology.kubernetes.io/zone": zone };
    const status = { conditions: [{ type: "Ready", status: "True" }], allocatable: { cpu: "8", memory: "32Gi" } };
    const taints = [{ key: "mesh", value: "only", effect: "NoSchedule" }];
    cloud.give("kubernetes:core/v1:Node", `${server} ${name}`, { outputs: { metadata: { name, labels }, spec: { taints }, status } });
  });
}

/** A cluster that is there: its kubeconfig lies in a file, and the played cloud answers at its address. */
function kubeconfigOf(name: string): string {
  const server = `https://${name}.example.test`;
  cloud.give("test:index:Cluster", name, { outputs: { endpoint: server } });
  const text = JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": "c", users: [{ name: "u", user: {} }] },
    clusters: [{ name: "c", cluster: { server } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  });
  const folder = fs.mkdtempSync(path.join(cloud.folder, "kubeconfig-"));
  fs.writeFileSync(path.join(folder, "config"), text);
  return path.join(folder, "config");
}

/** A text of one mesh with what the provider's own words are taken out: its name, and those of region and zones. */
function masked(provider: Provider, text: string): string {
  const [region, ...zones] = places[provider];
  const named = zones.reduce((result, zone, index) => result.replaceAll(zone, `<zone ${index + 1}>`), text);
  const plain = named.replaceAll(region, "<region>").replaceAll(`mesh-${provider}`, "<mesh>");
  // Hashes of settings that name the mesh; the settings themselves are compared.
  return plain.replace(/"compute-mesh.dev\/config-hash":"[0-9a-f]+"/g, '"compute-mesh.dev/config-hash":"<hash>"');
}

/** What a cluster holds, by type and name; Nodes are the provider's business. */
function objectsOf(provider: Provider): Record<string, unknown> {
  const own = cloud.world.all().filter(({ token, urn }) => token.startsWith("kubernetes:") && nameOf(urn).startsWith(`mesh-${provider}-`));
  const above = own.filter(({ token }) => token !== "kubernetes:core/v1:Node");
  const entries = above.map(({ token, urn, inputs }): [string, unknown] => [
    masked(provider, `${token} ${nameOf(urn)}`),
    JSON.parse(masked(provider, JSON.stringify(inputs))),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An object without what differs by how a pod learns its node. */
function withoutIdentity(object: any): unknown {
  const pod = object.spec?.template?.spec;
  if (pod === undefined) {
    return object;
  }
  const { serviceAccountName: _account, initContainers = [], volumes: _volumes, containers, ...rest } = pod;
  const own = initContainers.filter(({ name }: { name: string }) => name !== "node-identity");
  const bare = [...own, ...containers].map(({ volumeMounts: _mounts, ...container }: any) => container);
  return { ...object, spec: { ...object.spec, template: { ...object.spec.template, spec: { ...rest, containers: bare } } } };
}

const byLabel = ["aws", "gcp", "azure"] as const;

describe("one mesh on five providers", () => {
  it.each(byLabel)("has the same objects on %s as on existing", (provider) => {
    const expected = objectsOf("existing");
    expect(Object.keys(expected)).toHaveLength(31);
    expect(objectsOf(provider)).toEqual(expected);
  });

  it("has the same objects on local as on existing, where the names of Nodes are known", () => {
    expect(objectsOf("local")).toEqual(objectsOf("named"));
  });

  it("differs between the two by what reads the labels of Nodes, and by nothing else", () => {
    const [labelled, named] = [objectsOf("existing"), objectsOf("named")];
    const readers = Object.keys(labelled).filter((key) => !(key in named));
    expect(readers.filter((key) => !/-(node-reader|node-reader-binding|service-account)$/.test(key))).toEqual([]);
    expect(Object.keys(named).filter((key) => !(key in labelled))).toEqual([]);
    for (const [key, object] of Object.entries(named)) {
      expect(withoutIdentity(object)).toEqual(withoutIdentity(labelled[key]));
    }
  });

  it("has them in the same places, with the same protection, after the same others", async () => {
    const resources = resourcesOf(await stack.export(), "kubernetes").filter(({ type }) => type !== "kubernetes:core/v1:Node");
    const graphOf = (provider: Provider): string[] =>
      resources
        .filter(({ urn }) => nameOf(urn).startsWith(`mesh-${provider}-`))
        .map((resource) => {
          const { dependencies = [], parent = "", protect = false, type, urn } = resource;
          // Which resources make the nodes is the provider's business, too.
          const after = dependencies.filter((each) => each.includes("kubernetes:") && !each.includes("::kubernetes:core/v1:Node::"));
          const own = after.filter((each) => !/mesh-nodes-|-node-n-/.test(nameOf(each))).map(nameOf);
          return masked(provider, JSON.stringify([type, nameOf(urn), nameOf(parent), protect, own.sort()]));
        })
        .sort();
    for (const provider of byLabel) {
      expect(graphOf(provider)).toEqual(graphOf("existing"));
    }
    expect(graphOf("local")).toEqual(graphOf("named"));
  }, 60_000);

  it("is reached on each by a provider of its own cluster", async () => {
    const resources = resourcesOf(await stack.export(), "kubernetes");
    for (const provider of providers) {
      const own = resources.filter(({ urn }) => nameOf(urn).startsWith(`mesh-${provider}-`));
      expect([...new Set(own.map((each) => nameOf((each.provider ?? "").replace(/::[^:]+$/, ""))))]).toEqual([
        `mesh-${provider}-cluster-kubernetes`,
      ]);
    }
  }, 60_000);
});
