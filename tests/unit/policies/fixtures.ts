/** For each policy, stacks that it accepts and stacks that it refuses, with what it says about them. */
import type { GivenResource } from "./run-policy";

export interface PolicyFixture {
  title: string;
  resources: GivenResource[];
  config?: object;
  /** A part of every expected message, in order; none where the stack is good. */
  messages: string[];
}

const digest = `sha256:${"0".repeat(64)}`;
const full = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } };

/** A DaemonSet with these containers, complete and pinned unless they say otherwise. */
function daemonSet(containers: object[], podSpec: object = {}): GivenResource {
  const filled = containers.map((container) => ({ name: "main", image: "acme/prices:1", resources: full, ...container }));
  return { type: "kubernetes:apps/v1:DaemonSet", props: { spec: { template: { spec: { containers: filled, ...podSpec } } } } };
}

const withImage = (image: string): GivenResource[] => [daemonSet([{ image }])];
const dataObject = (protect: boolean): GivenResource => ({
  type: "kubernetes:apps/v1:DaemonSet",
  name: "db-database",
  protect,
  props: { metadata: { labels: { "compute-mesh.dev/holds-data": "database" } } },
});

const database: GivenResource = { type: "compute-mesh:index:LocalDbDaemonSet", name: "db", props: { facts: { name: "db" } } };
const group = (facts: object): GivenResource => ({ type: "compute-mesh:index:SnapshotGroup", name: "hourly", props: { facts } });

const nodes = [
  { name: "node-a", zone: "za", region: "eu", provider: "local" },
  { name: "node-b", zone: "zb", region: "eu", provider: "local" },
  { name: "node-c", zone: "za", region: "eu", provider: "local" },
  { name: "node-d", zone: "za", region: "us", provider: "local" },
];
const ingest = (owners: string[][]): GivenResource[] => [
  { type: "compute-mesh:index:ShardedIngest", name: "ingest", props: { nodes, shardMap: { shardCount: owners.length, owners } } },
];

export const fixtures: Record<string, PolicyFixture[]> = {
  "protected-data": [
    { title: "protected data", resources: [dataObject(true)], messages: [] },
    { title: "an unprotected object without data", resources: [daemonSet([{}])], messages: [] },
    { title: "unprotected data", resources: [dataObject(false)], messages: ['db-database holds data ("database") and is not protected'] },
  ],
  "image-pinned": [
    { title: "a tag", resources: withImage("acme/prices:1.4.2"), messages: [] },
    { title: "a digest", resources: withImage(`acme/prices@${digest}`), messages: [] },
    { title: "the tag latest with a digest", resources: withImage(`acme/prices:latest@${digest}`), messages: [] },
    { title: "a registry with a port and a tag", resources: withImage("localhost:5000/prices:1"), messages: [] },
    { title: "an object without pods", resources: [{ type: "kubernetes:core/v1:Service", props: { spec: { ports: [] } } }], messages: [] },
    {
      title: "no Kubernetes object",
      resources: [{ type: "acme:index:Pod", props: { spec: { containers: [{ image: "x" }] } } }],
      messages: [],
    },
    {
      title: "no tag",
      resources: withImage("acme/prices"),
      messages: ['container "main": image "acme/prices" has neither a tag nor a digest'],
    },
    { title: "a port but no tag", resources: withImage("localhost:5000/prices"), messages: ["neither a tag nor a digest"] },
    { title: "the tag latest", resources: withImage("prices:latest"), messages: ["has the tag latest"] },
    {
      title: "a tag where a digest is required",
      resources: withImage("prices:1"),
      config: { requireDigest: true },
      messages: ["has no digest"],
    },
    {
      title: "every wrong container, init containers too",
      resources: [daemonSet([{ image: "a" }, { image: "b:latest" }, {}], { initContainers: [{ name: "identity", image: "c" }] })],
      messages: ['image "a"', 'image "b:latest"', 'init container "identity": image "c"'],
    },
    {
      title: "the pods of a CronJob and of a Pod",
      resources: [
        {
          type: "kubernetes:batch/v1:CronJob",
          props: { spec: { jobTemplate: { spec: { template: { spec: { containers: [{ name: "job", image: "a" }] } } } } } },
        },
        { type: "kubernetes:core/v1:Pod", props: { spec: { containers: [{ name: "pod", image: "b" }] } } },
      ],
      messages: ['container "job"', 'container "pod"'],
    },
  ],
  "resources-set": [
    { title: "requests and limits", resources: [daemonSet([{}])], messages: [] },
    { title: "resources of the whole pod", resources: [daemonSet([{ resources: {} }], { resources: full })], messages: [] },
    {
      title: "a patch of something else",
      resources: [{ ...daemonSet([{ resources: undefined }]), type: "kubernetes:apps/v1:DaemonSetPatch" }],
      messages: [],
    },
    {
      title: "no resources",
      resources: [daemonSet([{ resources: undefined }])],
      messages: ["resources.requests.cpu, resources.requests.memory, resources.limits.cpu, resources.limits.memory missing"],
    },
    {
      title: "no CPU limit of an init container",
      resources: [daemonSet([{}], { initContainers: [{ name: "identity", resources: { ...full, limits: { memory: "1Gi" } } }] })],
      messages: ['init container "identity": resources.limits.cpu missing'],
    },
  ],
  "snapshot-schedule-present": [
    { title: "a scheduled group beside a database", resources: [database, group({ schedule: "0 * * * *" })], messages: [] },
    { title: "a stack without a database", resources: [daemonSet([{}])], messages: [] },
    { title: "a database alone", resources: [database], messages: ["db keeps its data in memory or on node disks"] },
    { title: "a group without a schedule", resources: [database, group({ schedule: "" })], messages: ["no SnapshotGroup"] },
    { title: "each of two databases", resources: [database, { ...database, name: "cache" }], messages: ["db keeps", "cache keeps"] },
  ],
  "replicas-in-different-zones": [
    {
      title: "owners in two zones",
      resources: ingest([
        ["node-a", "node-b"],
        ["node-b", "node-c"],
      ]),
      messages: [],
    },
    { title: "zones of one name in two regions", resources: ingest([["node-a", "node-d"]]), messages: [] },
    { title: "one owner per shard", resources: ingest([["node-a"], ["node-c"]]), messages: [] },
    {
      title: "two owners in one zone where allowed",
      resources: ingest([["node-a", "node-c"]]),
      config: { maxReplicasPerZone: 2 },
      messages: [],
    },
    {
      title: "two owners in one zone",
      resources: ingest([
        ["node-a", "node-b"],
        ["node-a", "node-c"],
      ]),
      messages: ["Replicas share a zone: shard 1: node-a and node-c in local/eu/za."],
    },
    { title: "many crowded shards", resources: ingest(Array.from({ length: 8 }, () => ["node-a", "node-c"])), messages: ["; and 3 more."] },
  ],
};
