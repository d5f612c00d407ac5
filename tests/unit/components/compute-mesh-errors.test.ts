/** Wrong input of a whole mesh: one message with every problem at its full property path, and nothing registered. */
import { existingProvider } from "../../../providers/existing";
import { localProvider } from "../../../providers/local";
import { ComputeMesh, type ComputeMeshArgs, LocalDbDaemonSet, ShardedIngest, SnapshotGroup, VersionedService } from "../../../src";
import { computeShardMap } from "../../../src/model/placement";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { localMesh, type MeshConfig } from "../../support/local-stack";
import { failureOf, startMocks } from "../../support/mocks";

const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local" });
const [six, seven] = ["20261121t0600z", "20261121t0700z"];

/** What is wrong, as `path: given is not allowed: allowed`; nothing but the component itself is registered. */
async function refusal(edit: (mesh: MeshConfig) => unknown, name = "mesh"): Promise<string[]> {
  const recorder = await startMocks();
  const args = localMesh();
  edit(args);
  const message = failureOf(() => new ComputeMesh(name, { nodeProvider, ...args } as ComputeMeshArgs));
  await recorder.settle();
  expect(recorder.resources.map((resource) => resource.type)).toEqual(["compute-mesh:index:ComputeMesh"]);
  const subject = `computeMesh "${name}": `;
  return message.split("\n").map((line) => {
    expect(line.slice(0, subject.length)).toBe(subject);
    return line.slice(subject.length);
  });
}

const pathOf = (line: string): string => line.split(": ")[0] ?? "";

describe("ComputeMesh refuses", () => {
  it.each<[title: string, edit: (mesh: MeshConfig) => unknown, problems: string[]]>([
    ["no nodes", (mesh) => (mesh.nodes = {}), ["nodes: [] is not allowed: at least one mesh node is needed"]],
    ["0 shards", (mesh) => (mesh.shards.count = 0), ["shards.count: 0 is not allowed: a whole number from 1 to 65536 is allowed"]],
    [
      "more replicas than nodes",
      (mesh) => (mesh.shards.replicas = 6),
      ["shards.replicas: 6 is not allowed: the replicas of a shard are on different nodes, and there are only 5 nodes"],
    ],
    [
      "replicas that must be in different zones and cannot",
      (mesh) => Object.assign(mesh.shards, { replicas: 4, zoneSpread: "required" }),
      ['shards.zoneSpread: "required" is not allowed: 16 of 16 shards have two or more replicas in one zone'],
    ],
    [
      "a shard map of another number of shards",
      (mesh) => (mesh.shards.previous = { version: "1", shardCount: 8, replicas: 1, owners: Array(8).fill(["n-1"]) }),
      ["shards.count: 16 is not allowed: the previous map has 8 shards, and another number would cut all data anew"],
    ],
    [
      "fewer partitions than shards",
      (mesh) => (mesh.topics.orders.partitions = 8),
      ["topics.orders.partitions: 8 is not allowed: at least one partition for each of the 16 shards is needed"],
    ],
    [
      "two topics in one table",
      (mesh) => (mesh.topics.quotes.table = "orders"),
      ['topics.quotes.table: "orders" is not allowed: it is the table of topic "orders" already'],
    ],
    [
      "a broker without a port, once, although several parts ask it",
      (mesh) => (mesh.kafka.brokers = ["kafka"]),
      ['kafka.brokers[0]: "kafka" is not allowed: "host:port" is allowed'],
    ],
    [
      "a tmpfs larger than the memory limit",
      (mesh) => (mesh.database.storage.memory.size = "9Gi"),
      [
        'database.storage.memory.size: "9Gi" is not allowed: the tmpfs counts against the memory limit of 8Gi',
        'database.memory: "8Gi" is not allowed: tmpfs 9.0 GiB + ',
      ],
    ],
    [
      "an unknown engine",
      (mesh) => (mesh.database.engine = { oracle: {} }),
      ['database.engine.oracle: "oracle" is not allowed: unknown engine; known engines are postgres'],
    ],
    [
      "a cron that never fires",
      (mesh) => (mesh.snapshots.hourly.schedule = "0 0 31 2 *"),
      ['snapshots.hourly.schedule: "0 0 31 2 *" is not allowed: it never fires, because no month that is asked for has such a day'],
    ],
    [
      "to restore from an unknown snapshot group",
      (mesh) => (mesh.ingest = { restoreFrom: "daily" }),
      ['ingest.restoreFrom: "daily" is not allowed: the key of a snapshot group is allowed; there are: hourly'],
    ],
    [
      "to restore from a group that keeps no databases",
      (mesh) => (Object.assign(mesh, { ingest: { restoreFrom: "hourly" } }).snapshots.hourly.tendsShards = false),
      ["snapshots.hourly.tendsShards: false is not allowed: ingest.restoreFrom names this group"],
    ],
    [
      "two groups that keep the databases",
      (mesh) => {
        mesh.snapshots.hourly.tendsShards = true;
        mesh.snapshots.daily = { ...mesh.snapshots.hourly, schedule: "0 0 * * *" };
      },
      ["snapshots.daily.tendsShards: true is not allowed: one group of a mesh keeps the databases, and hourly is the one"],
    ],
    [
      "to restore under the stock engine, which would write beside it",
      (mesh) => (Object.assign(mesh, { ingest: { engine: { stock: {} }, restoreFrom: "hourly" } }).snapshots.hourly.tendsShards = true),
      [
        "snapshots.hourly.tendsShards: true is not allowed: the engine stock would write to shards that are being restored",
        'ingest.restoreFrom: "hourly" is not allowed: the engine stock does not know it',
      ],
    ],
    [
      "typed columns with the stock engine",
      (mesh) => (Object.assign(mesh, { ingest: { engine: { stock: {} } } }).topics.orders.columns = { amount: { type: "int64" } }),
      ['topics.orders.columns: ["amount"] is not allowed: the engine stock fills no typed columns; use the engine mesh'],
    ],
    [
      "a column of an unknown type, once, although two parts know the tables",
      (mesh) => (mesh.topics.orders.columns = { amount: { type: "money" } }),
      ['topics.orders.columns.amount.type: "money" is not allowed'],
    ],
    [
      "rules of answers that are none",
      (mesh) => (mesh.services.prices.answers = { merge: { total: { sum: true } }, replica: 1 }),
      [
        'services.prices.answers.replica: "replica" is not allowed: unknown key, perhaps replicas is meant',
        'services.prices.answers.merge.total: "total" is not allowed: a path is allowed',
      ],
    ],
    [
      "a shard map that cannot be, and nothing about services that need one",
      (mesh) => Object.assign(mesh.shards, { replicas: 6 }) && (mesh.services.prices.answers = { merge: { "/*": { concat: true } } }),
      ["shards.replicas: 6 is not allowed: the replicas of a shard are on different nodes"],
    ],
    [
      "a service of an unknown snapshot group",
      (mesh) => (mesh.services.prices.snapshotGroup = "daily"),
      ['services.prices.snapshotGroup: "daily" is not allowed: the key of a snapshot group is allowed; there are: hourly'],
    ],
    [
      "a version bound to an unknown snapshot",
      (mesh) => (mesh.services.prices.versions.v2.snapshots = [six, seven]),
      [`services.prices.versions.v2.snapshots[1]: "${seven}" is not allowed: a snapshot of group "mesh-snapshots-hourly" is allowed`],
    ],
    [
      "a route to a missing service",
      (mesh) => (mesh.routes.routes[0].to[0].service.service = "price"),
      ['routes.routes[0].to[0].service.service: "price" is not allowed: perhaps prices is meant; known services are prices'],
    ],
    [
      "a route to a missing version",
      (mesh) => (mesh.routes.routes[2].to[0].service.version = "v3"),
      ['routes.routes[2].to[0].service.version: "v3" is not allowed: prices has the versions v1, v2'],
    ],
    [
      "two routes with the same match",
      (mesh) => (mesh.routes.routes[3].match = mesh.routes.routes[1].match),
      [`routes.routes[3].match[0]: "/prices [x-mesh-snapshot: ${six}]" is not allowed: another match is needed, because this one is taken`],
    ],
    [
      "names that cannot name objects, at the keys that they are made of",
      (mesh) => {
        mesh.nodes["N_7"] = mesh.nodes["n-1"];
        mesh.services["a".repeat(40)] = mesh.services.prices;
      },
      [
        'nodes.N_7: "mesh-nodes-N_7" is not allowed: a DNS label is allowed',
        'nodes.N_7: "N_7" is not allowed: a DNS label is allowed',
        `services.${"a".repeat(40)}: "mesh-service-${"a".repeat(40)}" is not allowed: at most 40 characters are allowed`,
      ],
    ],
    [
      "a node that weighs nothing",
      (mesh) => (mesh.nodes["n-2"].weight = 0),
      ['nodes.n-2.weight: "0" is not allowed: a number above 0 is allowed'],
    ],
    [
      "a node that weighs too much, at its own path",
      (mesh) => (mesh.nodes["n-2"].weight = 1e9),
      ['nodes.n-2.weight: "1000000000" is not allowed: a number above 0 and at most 1000000 is allowed'],
    ],
    [
      "what is of the wrong kind, without going on",
      (mesh) => Object.assign(mesh, { nodes: [1], kafka: "kafka:9092", database: null, services: { a: null }, transforms: 1, shard: {} }),
      [
        'shard: "shard" is not allowed: unknown key, perhaps shards is meant',
        "nodes: [1] is not allowed: an object is allowed",
        'kafka: "kafka:9092" is not allowed: an object is allowed',
        "database: null is not allowed: an object is allowed",
        "transforms: 1 is not allowed: an object is allowed",
        "services.a: null is not allowed: an object is allowed",
      ],
    ],
    [
      "a cloud that is none",
      (mesh) => (mesh.nodeProvider = "aws"),
      ['nodeProvider: "string" is not allowed: a node provider is allowed, for example localProvider'],
    ],
    ["a namespace that is none", (mesh) => (mesh.namespace = "Mesh"), ['namespace: "Mesh" is not allowed: a DNS label is allowed']],
  ])("%s", async (_title, edit, problems) => {
    expect(await refusal(edit)).toEqual(problems.map((problem) => expect.stringMatching(new RegExp(`^${escaped(problem)}`))));
  });

  it("a name that is none", async () => {
    expect(await refusal(() => undefined, "My_Mesh")).toEqual([expect.stringMatching(/^name: "My_Mesh" is not allowed: a DNS label/)]);
  });

  it("unknown keys on every level, all at once", async () => {
    const lines = await refusal((mesh) => {
      mesh.shard = {};
      mesh.nodes["n-1"].wieght = 2;
      mesh.nodes["n-2"].spec.memroy = "1Gi";
      mesh.shards.replica = 2;
      mesh.topics.orders.partition = 3;
      mesh.kafka.broker = [];
      mesh.database.storge = {};
      mesh.database.storage.memory.sise = "1Gi";
      mesh.ingest = { memry: "1Gi", engine: { mesh: { batch: 1 } } };
      mesh.snapshots.hourly.shedule = "x";
      mesh.snapshots.hourly.keep.lats = 1;
      mesh.snapshots.hourly.store.s3.buckt = "x";
      mesh.services.prices.prot = 1;
      mesh.services.prices.versions.v1.imag = "x";
      mesh.services.prices.placement = { daemonSet: { maxUnavailble: 1 } };
      mesh.routes.host = [];
      mesh.routes.routes[0].matches = [];
      mesh.routes.routes[1].match[0].prefx = "/";
      mesh.transforms = { nodes: () => undefined };
    });
    expect(lines.map(pathOf)).toEqual([
      ...["shard", "shards.replica", "transforms.nodes", "nodes.n-1.wieght", "nodes.n-2.spec.memroy", "topics.orders.partition"],
      ...["database.storge", "database.storage.memory.sise", "snapshots.hourly.shedule", "kafka.broker"],
      ...["snapshots.hourly.keep.lats", "snapshots.hourly.store.s3.buckt", "ingest.memry", "ingest.engine.mesh.batch"],
      ...["services.prices.prot", "services.prices.placement.daemonSet.maxUnavailble", "services.prices.versions.v1.imag"],
      ...["routes.host", "routes.routes[0].matches", "routes.routes[1].match[0].prefx"],
    ]);
    lines.forEach((line) => expect(line).toContain("unknown key"));
  });

  it("what the mesh decides for its parts, instead of overwriting it without a word", async () => {
    const lines = await refusal((mesh) => {
      mesh.database.nodes = [];
      mesh.ingest = { shardMap: {} };
      mesh.snapshots.hourly.kafka = {};
      mesh.snapshots.hourly.deadLetterTopic = "dead";
      mesh.services.prices.namespace = "other";
      mesh.services.prices.serviceName = "price";
      mesh.routes.services = [];
    });
    expect(lines).toEqual(
      [
        ...["database.nodes", "snapshots.hourly.kafka", "snapshots.hourly.deadLetterTopic", "ingest.shardMap"],
        ...["services.prices.namespace", "services.prices.serviceName", "routes.services"],
      ].map((path) => `${path}: "${path.split(".").pop()}" is not allowed: the mesh itself decides it for all its parts`),
    );
  });

  it("wrong nodes, shards, topics, databases, snapshots, services and routes in one message", async () => {
    const lines = await refusal((mesh) => {
      mesh.nodes["n-3"].spec.zone = "";
      mesh.shards = { count: 0, replicas: 9, zoneSpread: "required" };
      mesh.topics.orders.partitions = 1.5;
      mesh.kafka.brokers = [];
      mesh.database.engine = { oracle: {} };
      mesh.ingest = { cpu: "much", deadLetterTopic: "orders" };
      mesh.snapshots.hourly.schedule = "never";
      mesh.services.prices.port = 0;
      mesh.services.prices.snapshotGroup = "daily";
      mesh.services.risk = { snapshotGroup: "hourly", port: 80, versions: { v1: { image: "acme/risk", snapshots: [seven] } } };
      mesh.routes.routes[2].to[0].service.version = "v3";
    });
    expect(lines.map(pathOf)).toEqual([
      ...["nodes.n-3.spec.zone", "shards.count", "topics.orders.partitions", "shards.replicas", "database.engine.oracle"],
      ...[
        "kafka.brokers",
        "ingest.deadLetterTopic",
        "snapshots.hourly.schedule",
        "ingest.cpu",
        "services.prices.snapshotGroup",
        "services.prices.port",
      ],
      ...["services.risk.versions.v1.image", "services.risk.versions.v1.snapshots[0]", "routes.routes[2].to[0].service.version"],
    ]);
  });

  it("what its cloud does not take, together with the rest", async () => {
    const lines = await refusal((mesh) => {
      mesh.nodeProvider = existingProvider({ clusterName: "c", selector: { "compute-mesh.dev/mesh": "other" } });
      mesh.database.memory = "1Gi";
      mesh.routes.hosts = [];
    });
    expect(lines.slice(0, 5).map(pathOf)).toEqual(["n-1", "n-2", "n-3", "n-4", "n-5"].map((node) => `nodes.${node}.mesh`));
    expect(lines.slice(5).map(pathOf)).toEqual(["database.storage.memory.size", "database.memory", "routes.hosts"]);
  });
});

describe("Two mesh nodes of one name", () => {
  // In a mesh they cannot be: its nodes are a map. The parts take a list, in which the second one is the wrong one.
  const node = nodeProvider.facts({ nodeName: "n-1", mesh: "mesh", weight: 1, spec: { zone: "z" } });
  const nodes = [node, { ...node, zone: "y", kubernetesNodeName: undefined }] as MeshNodeFacts[];
  const { topics, kafka, shards } = localMesh();
  const { map: shardMap } = computeShardMap({ nodes: [node], shardCount: shards.count });
  const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db" };
  const data = { namespace: "mesh", nodes, shardMap, topics, kafka, database };
  const snapshotGroup = { name: "s", schedule: "@daily", storeKind: "s3", settingsName: "s", snapshots: [six] };
  const versions = { v1: { image: "acme/a:1", snapshots: [six] } };

  it.each<[string, () => unknown]>([
    ["the placement", () => computeShardMap({ nodes, shardCount: 2 })],
    ["LocalDbDaemonSet", () => new LocalDbDaemonSet("db", { namespace: "mesh", nodes })],
    ["ShardedIngest", () => new ShardedIngest("in", data)],
    ["SnapshotGroup", () => new SnapshotGroup("s", { ...data, schedule: "@daily", keep: { last: 1 }, store: { gcs: { bucket: "abc" } } })],
    ["VersionedService", () => new VersionedService("a", { namespace: "mesh", nodes, snapshotGroup, port: 80, versions })],
  ])("are refused by %s", async (_part, construct) => {
    const recorder = await startMocks();
    expect(failureOf(construct)).toMatch(/^\w+( "\w+")?: nodes\[1\]\.name: "n-1" is not allowed: it is taken already by nodes\[0\]\.name$/);
    await recorder.settle();
    expect(recorder.resources.filter((resource) => resource.custom)).toEqual([]);
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
