/** The whole mesh from one object: what it registers, and what that does not depend on. */
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { localProvider } from "../../../providers/local";
import {
  ComputeMesh,
  type ComputeMeshArgs,
  GlooRoutes,
  LocalDbDaemonSet,
  ShardedIngest,
  SnapshotGroup,
  VersionedService,
} from "../../../src";
import { localMesh, type MeshConfig, meshNode } from "../../support/local-stack";
import { type MockAnswers, type RecordedResource, type Recorder, startMocks, valueOf } from "../../support/mocks";

const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local", region: "local-1" });
const [five, six] = ["20261121t0500z", "20261121t0600z"];

type Edit = (mesh: MeshConfig) => void;

async function run(edit: Edit = () => undefined, answers?: MockAnswers): Promise<{ recorder: Recorder; mesh: ComputeMesh }> {
  const recorder = await startMocks(answers);
  const args = localMesh();
  edit(args);
  const mesh = new ComputeMesh("mesh", { nodeProvider, ...args } as ComputeMeshArgs);
  await recorder.settle(mesh);
  return { recorder, mesh };
}

const line = ({ parent, type, name }: RecordedResource): string => `${parent} > ${type} ${name}`;
const shape = (recorder: Recorder): string[] => recorder.resources.map(line).sort();
const names = (recorder: Recorder): string[] => recorder.resources.map((resource) => resource.name).sort();

const answers = { merge: { "/total": { fields: { rows: { count: true } } } } };

/** An Output of which a preview knows nothing yet. */
const unknown = (): pulumi.Output<any> => pulumi.output((pulumi as unknown as { unknown: unknown }).unknown);

let logged: jest.SpyInstance;
beforeEach(() => {
  // Pulumi's log goes to the console where no engine listens.
  logged = jest.spyOn(console, "warn").mockImplementation(() => undefined);
});
afterEach(() => logged.mockRestore());

describe("ComputeMesh", () => {
  it("registers exactly these resources for the stack local", async () => {
    const { recorder } = await run();
    const inside = (parent: string, ...children: [type: string, name: string][]): string[] =>
      children.map(([type, name]) => `${parent} > ${type} ${name}`);
    const pairs = [`v1-${five}`, `v1-${six}`, `v2-${five}`, `v2-${six}`].map((pair) => `mesh-service-prices-${pair}`);
    const nodes = ["n-1", "n-2", "n-3", "n-4", "n-5"].map((node) => `mesh-nodes-${node}-node`);
    expect(shape(recorder)).toEqual(
      [
        ...inside("", ["compute-mesh:index:ComputeMesh", "mesh"]),
        ...inside(
          "mesh",
          ["pulumi:providers:kubernetes", "mesh-cluster-kubernetes"],
          ["kubernetes:core/v1:Namespace", "mesh-namespace"],
          ["kubernetes:core/v1:ConfigMap", "mesh-topic-orders"],
          ["kubernetes:core/v1:ConfigMap", "mesh-topic-quotes"],
          ["compute-mesh:index:LocalDbDaemonSet", "mesh-db"],
          ["compute-mesh:index:ShardedIngest", "mesh-ingest"],
          ["compute-mesh:index:SnapshotGroup", "mesh-snapshots-hourly"],
          ["compute-mesh:index:VersionedService", "mesh-service-prices"],
          ["compute-mesh:index:GlooRoutes", "mesh-routes"],
        ),
        ...inside("mesh", ["compute-mesh:index:ComputeMeshNodes", "mesh-nodes"]),
        ...nodes.flatMap((node) => inside("mesh-nodes", ["kubernetes:core/v1:Node", node])),
        ...inside(
          "mesh-db",
          ["kubernetes:core/v1:Secret", "mesh-db-credentials"],
          ["kubernetes:core/v1:ConfigMap", "mesh-db-config"],
          ["kubernetes:scheduling.k8s.io/v1:PriorityClass", "mesh-db-priority"],
          ["kubernetes:apps/v1:DaemonSet", "mesh-db-daemon-set"],
          ["kubernetes:core/v1:Service", "mesh-db-service"],
          ["kubernetes:policy/v1:PodDisruptionBudget", "mesh-db-disruption-budget"],
          ["kubernetes:networking.k8s.io/v1:NetworkPolicy", "mesh-db-network-policy"],
        ),
        ...inside(
          "mesh-ingest",
          ["kubernetes:core/v1:ConfigMap", "mesh-ingest-shards"],
          ["kubernetes:core/v1:ConfigMap", "mesh-ingest-settings"],
          ["kubernetes:apps/v1:DaemonSet", "mesh-ingest-daemon-set"],
        ),
        ...inside(
          "mesh-snapshots-hourly",
          ["kubernetes:core/v1:ConfigMap", "mesh-snapshots-hourly-shards"],
          ["kubernetes:core/v1:ConfigMap", "mesh-snapshots-hourly-settings"],
          ["kubernetes:core/v1:ServiceAccount", "mesh-snapshots-hourly-service-account"],
          ["kubernetes:networking.k8s.io/v1:NetworkPolicy", "mesh-snapshots-hourly-network-policy"],
          ["kubernetes:apps/v1:DaemonSet", "mesh-snapshots-hourly-daemon-set"],
        ),
        ...inside("mesh-service-prices", ["kubernetes:core/v1:ConfigMap", "mesh-service-prices-shards"]),
        ...pairs.flatMap((pair) =>
          inside(
            "mesh-service-prices",
            ["kubernetes:apps/v1:DaemonSet", pair],
            ["kubernetes:core/v1:Service", pair],
            ["kubernetes:policy/v1:PodDisruptionBudget", pair],
          ),
        ),
        ...inside(
          "mesh-routes",
          ["kubernetes:gateway.networking.k8s.io/v1:Gateway", "mesh-routes-gateway"],
          ["kubernetes:gateway.kgateway.dev/v1alpha1:DirectResponse", "mesh-routes-answer-404-b54ecc8a"],
          ["kubernetes:gateway.networking.k8s.io/v1:HTTPRoute", "mesh-routes-routes"],
        ),
      ].sort(),
    );
  });

  it("names every child after its parent and gives it the cluster's provider, never a default one", async () => {
    const { recorder } = await run((mesh) => (mesh.routes.target = "gloo"));
    for (const { name, parent, type, custom, provider } of recorder.resources) {
      expect(name.startsWith(parent)).toBe(true);
      if (custom && !type.startsWith("pulumi:providers:")) {
        expect(`${type} ${name} ${provider}`).toMatch(/::mesh-cluster-kubernetes::mesh-cluster-kubernetes-id$/);
      }
    }
  });

  it("protects its namespace and one record per topic of how it is cut", async () => {
    const { recorder } = await run();
    const namespace = recorder.named("mesh-namespace");
    expect(namespace.inputs.metadata).toMatchObject({ name: "mesh", labels: { "pod-security.kubernetes.io/enforce": "restricted" } });
    expect(namespace.options.protect).toBe(true);
    const record = recorder.named("mesh-topic-quotes");
    expect(record.inputs.metadata).toMatchObject({ name: "mesh-topic-quotes", namespace: "mesh" });
    expect(record.inputs.data).toEqual({ "plan.json": '{"partitions":32,"shardCount":16,"topic":"quotes"}' });
    expect(record.inputs.immutable).toBe(true);
    expect(record.options.protect).toBe(true);
  });

  it("gives topics that are no names of objects records of their own", async () => {
    const { recorder } = await run((mesh) =>
      Object.assign(mesh.topics, { "a.b": { partitions: 16 }, A_b: { partitions: 16, table: "ab" } }),
    );
    const records = ["mesh-topic-a.b", "mesh-topic-A_b"].map((name) => recorder.named(name).inputs.metadata.name as string);
    expect(new Set(records).size).toBe(2);
    records.forEach((name) => expect(name).toMatch(/^mesh-topic-[0-9a-f]{16}$/));
    const { topics } = JSON.parse(recorder.named("mesh-ingest-settings").inputs.data["settings.json"]);
    expect(topics["A_b"].table.name).toBe("ab");
  });

  it("makes the nodes before what runs on them", async () => {
    const { recorder } = await run();
    const { dependencies } = recorder.named("mesh-namespace").options;
    expect(dependencies.filter((urn) => urn.includes("core/v1:Node::")).map((urn) => urn.split("::").pop())).toEqual(
      ["n-1", "n-2", "n-3", "n-4", "n-5"].map((node) => `mesh-nodes-${node}-node`),
    );
  });

  it("tells in preview already who owns what, and is ready at the end", async () => {
    const { mesh } = await run(undefined, { preview: true });
    expect(mesh.shardMap.owners).toHaveLength(16);
    expect(mesh.nodes.map((node) => node.name)).toEqual(["n-1", "n-2", "n-3", "n-4", "n-5"]);
    expect(mesh.summary).toMatchObject({ mesh: "mesh", namespace: "mesh", shards: { count: 16, replicas: 2, warnings: [] } });
    const done = await run();
    expect(await valueOf(done.mesh.ready)).toBe(true);
    expect(await valueOf(done.mesh.namespaceName)).toBe("mesh");
  });

  it("makes databases first, then ingest and snapshots side by side, then services, then routes", async () => {
    const { recorder } = await run((mesh) => (mesh.services.prices.answers = answers));
    // A component's dependency is one on all of its children; what waits for a part names its children.
    const partsOf = (name: string): string[] => {
      const { dependencies } = (recorder.resources.find((one) => one.name === name && !one.custom) as RecordedResource).options;
      const parents = dependencies.map((urn) => recorder.resources.find((one) => one.name === urn.split("::").pop())?.parent ?? "");
      // Of the mesh itself there is the namespace.
      return [...new Set(parents)].filter((parent) => parent !== "mesh").sort();
    };
    const [database, ingest, group] = [["mesh-db"], "mesh-ingest", "mesh-snapshots-hourly"];
    expect(partsOf("mesh-db")).toEqual([]);
    expect(partsOf(ingest)).toEqual(database);
    expect(partsOf(group)).toEqual(database);
    expect(partsOf("mesh-service-prices")).toEqual([ingest, group]);
    expect(partsOf("mesh-routes")).toEqual(["mesh-service-prices"]);
  });

  it("tells the snapshots where ingest sets records aside", async () => {
    const { recorder } = await run((mesh) => (mesh.ingest = { deadLetterTopic: "dead" }));
    for (const name of ["mesh-ingest-settings", "mesh-snapshots-hourly-settings"]) {
      expect(JSON.parse(recorder.named(name).inputs.data["settings.json"]).deadLetterTopic).toBe("dead");
    }
  });

  describe("the group that keeps the databases", () => {
    const daily = (): MeshConfig => ({ ...localMesh().snapshots.hourly, schedule: "0 5 * * *", snapshots: [five] });
    /** Keys of the groups that tend, and whether ingest waits for shards. */
    const tendingIn = async (edit: Edit): Promise<[string[], boolean]> => {
      const { mesh, recorder } = await run(edit);
      const data = recorder.named("mesh-ingest-settings").inputs.data;
      const tending = mesh.summary.snapshots.filter((group) => group.tends).map((group) => group.group);
      for (const { group, tends } of mesh.summary.snapshots) {
        const settings = JSON.parse(recorder.named(`mesh-snapshots-${group}-settings`).inputs.data["settings.json"]);
        expect(settings.tends).toBe(tends);
      }
      expect(mesh.summary.ingest.restoreFrom).toBe(tending.length === 0 ? undefined : `mesh-snapshots-${tending[0]}`);
      return [tending, data["settings.json"] !== undefined && JSON.parse(data["settings.json"]).awaitShards];
    };

    it.each<[title: string, tending: string[], edit: Edit]>([
      ["is the only one, where all nodes read its store", ["hourly"], () => undefined],
      ["is none, where the only one does not want to", [], (mesh) => (mesh.snapshots.hourly.tendsShards = false)],
      [
        "is none, where every node has a store of its own",
        [],
        (mesh) => (mesh.snapshots.hourly.store = { nodeDirectory: { hostPath: "/s" } }),
      ],
      ["is none of two", [], (mesh) => (mesh.snapshots.daily = daily())],
      ["is the one of two that says so", ["daily"], (mesh) => (mesh.snapshots.daily = { ...daily(), tendsShards: true })],
      [
        "is the one of two that ingest restores from",
        ["hourly"],
        (mesh) => Object.assign(mesh.snapshots, { daily: daily() }) && (mesh.ingest = { restoreFrom: "hourly" }),
      ],
      ["is none with the stock engine", [], (mesh) => (mesh.ingest = { engine: { stock: {} } })],
      ["is none without groups", [], (mesh) => Object.assign(mesh, { snapshots: {}, services: {}, routes: undefined })],
    ])("%s", async (_title, tending, edit) => {
      expect(await tendingIn(edit)).toEqual([tending, tending.length > 0]);
    });

    it("makes services wait for their snapshots", async () => {
      const initOf = ({ recorder }: { recorder: Recorder }): unknown =>
        recorder
          .named(`mesh-service-prices-v1-${five}`, "kubernetes:apps/v1:DaemonSet")
          .inputs.spec.template.spec.initContainers?.map((one: { name: string }) => one.name);
      expect(initOf(await run())).toEqual(["wait-for-snapshot"]);
      expect(initOf(await run((mesh) => (mesh.snapshots.hourly.tendsShards = false)))).toBeUndefined();
    });
  });

  it("sends routes to the gatherers of a service with answers, and shows both in the summary", async () => {
    const { mesh, recorder } = await run((config) => (config.services.prices.answers = answers));
    const backends = recorder
      .named("mesh-routes-routes")
      .inputs.spec.rules.flatMap((rule: any) => rule.backendRefs.map((backend: any) => backend.name));
    expect([...new Set(backends)].sort()).toEqual([five, six].flatMap((id) => [`prices-v1-${id}-answer`, `prices-v2-${id}-answer`]).sort());
    expect(mesh.summary.services[0]).toEqual({
      ...{ service: "prices", version: "v1", snapshot: five, weight: 90, answers: "all shards" },
      ...{ endpoint: `prices-v1-${five}-answer.mesh.svc:8080`, direct: `prices-v1-${five}.mesh.svc:8080` },
    });
    expect(recorder.resources.filter(({ type }) => type === "kubernetes:apps/v1:Deployment")).toHaveLength(4);
  });

  it("is not ready where nobody has waited for its services", async () => {
    expect(await valueOf((await run((mesh) => delete mesh.services.prices.awaitReady)).mesh.ready)).toBe(false);
  });

  it("has as many resources for 64 shards as for 16", async () => {
    const withShards = async (count: number): Promise<string[]> =>
      shape(
        (await run((mesh) => Object.assign(mesh, { shards: { count, replicas: 2 }, topics: { orders: { partitions: 64 } } }))).recorder,
      );
    expect(await withShards(64)).toEqual(await withShards(16));
  });

  it("grows by one resource for a node: its machine", async () => {
    const [before, after] = [await run(), await run((mesh) => (mesh.nodes["n-6"] = meshNode("zone-c")))];
    const known = new Set(names(before.recorder));
    expect(names(after.recorder).filter((name) => !known.has(name))).toEqual(["mesh-nodes-n-6-node"]);
    expect(after.recorder.resources).toHaveLength(before.recorder.resources.length + 1);
  });

  it("does not depend on the order of the keys of its args", async () => {
    const rich: Edit = (mesh) => {
      mesh.database.credentials = { password: "fixed" };
      mesh.topics["trade.log"] = { partitions: 16, table: "trades" };
      mesh.snapshots.daily = { ...localMesh().snapshots.hourly, schedule: "0 5 * * *", snapshots: [five] };
      const versions = { v9: { image: "acme/risk:9", snapshots: [five] }, v1: { image: "acme/risk:1", snapshots: [five] } };
      mesh.services.risk = { snapshotGroup: "daily", port: 9090, versions, placement: { statefulSet: { replicas: 5 } } };
      mesh.services.alpha = { snapshotGroup: "daily", port: 9091, versions };
      mesh.routes.routes.push({ name: "risk", match: [{ prefix: "/risk", snapshot: five }], to: [{ service: { service: "risk" } }] });
    };
    const recorded = async (edit: Edit): Promise<Map<string, unknown>> =>
      new Map((await run(edit)).recorder.resources.map((resource) => [line(resource), resource.inputs]));
    const expected = await recorded(rich);
    const keys = (mesh: MeshConfig): MeshConfig[] => [mesh.nodes, mesh.services, mesh.topics, mesh.snapshots, mesh.services.risk.versions];
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const shuffled = await recorded((mesh) => {
          rich(mesh);
          keys(mesh).forEach((map, index) => shuffleKeys(map, seed + index));
        });
        expect([...shuffled.keys()].sort()).toEqual([...expected.keys()].sort());
        expected.forEach((inputs, key) => expect([key, shuffled.get(key)]).toEqual([key, inputs]));
      }),
      // A run takes a second or two: no shrinking.
      { numRuns: 3, endOnFailure: true },
    );
  }, 60_000);

  it("shows given credentials nowhere but as secrets, and functions nowhere", async () => {
    const password = "correct horse battery staple";
    const { recorder } = await run((mesh) => {
      mesh.database.credentials = { username: "owner", password };
      const seen = { labels: { seen: "yes" } };
      const daemonSet = (args: any): void => void Object.assign(args.metadata, seen);
      [mesh.database, (mesh.ingest = {}), mesh.snapshots.hourly, mesh.services.prices].forEach((part) => (part.transforms = { daemonSet }));
      mesh.routes.transforms = { routes: daemonSet };
      mesh.transforms = { topic: daemonSet, namespace: daemonSet };
    });
    const leaks = recorder.resources.flatMap(({ name, inputs, secretPaths }) =>
      textsOf(inputs)
        .filter(([, text]) => text.includes(password) || text.includes(Buffer.from(password).toString("base64")))
        .map(([path]) => ({ where: `${name}: ${path}`, marked: secretPaths.some((secret) => `${path}.`.startsWith(`${secret}.`)) })),
    );
    expect(leaks).toEqual([
      { where: "mesh-db: credentials.password", marked: true },
      { where: "mesh-db-credentials: data.password", marked: true },
    ]);
    expect(recorder.named("mesh-cluster-kubernetes").secretPaths).toEqual(["kubeconfig"]);
    const components = recorder.resources.filter((resource) => !resource.custom);
    expect(components.filter(({ inputs }) => JSON.stringify(inputs).includes("transforms"))).toEqual([]);
    expect(recorder.resources.filter(({ inputs }) => inputs.metadata?.labels?.seen === "yes")).toHaveLength(11);
  });

  it.each<[title: string, level: string, edit: Edit]>([
    ["data in memory and a store beyond the cluster", "restricted", () => undefined],
    ["local volumes", "restricted", (mesh) => (mesh.database.storage = { localVolume: { storageClass: "local", size: "1Gi" } })],
    ["a claim as backing store", "restricted", (mesh) => (mesh.database.backingStore = { claim: "shared" })],
    ["a backing store on NFS", "baseline", (mesh) => (mesh.database.backingStore = { nfs: { server: "nfs", path: "/mesh" } })],
    ["snapshots on NFS", "baseline", (mesh) => (mesh.snapshots.hourly.store = { nfs: { server: "nfs", path: "/mesh" } })],
    ["data on the node's disk", "privileged", (mesh) => (mesh.database.storage = { nodeDisk: { hostPath: "/mnt/db" } })],
    ["a backing store on the node", "privileged", (mesh) => (mesh.database.backingStore = { hostPath: "/mnt/backing" })],
    ["snapshots on the node", "privileged", (mesh) => (mesh.snapshots.hourly.store = { nodeDirectory: { hostPath: "/mnt/s" } })],
  ])("chooses for %s the Pod Security level %s", async (_title, level, edit) => {
    const { recorder } = await run(edit);
    expect(recorder.named("mesh-namespace").inputs.metadata.labels["pod-security.kubernetes.io/enforce"]).toBe(level);
  });

  it("has the same shape in preview while values are unknown", async () => {
    const open = await run(
      (mesh) => {
        mesh.kafka.brokers = unknown();
        mesh.database.credentials = { password: unknown() };
        mesh.snapshots.hourly.store.s3.bucket = unknown();
        mesh.snapshots.hourly.serviceAccountAnnotations = { role: unknown() };
        mesh.services.prices.versions.v1.env = { TOKEN: unknown() };
      },
      { preview: true },
    );
    expect(shape(open.recorder)).toEqual(shape((await run()).recorder));
    expect(open.recorder.named("mesh-ingest-settings").inputs.data).toBe(pulumi.runtime.unknownValue);
  });

  it("has parts of the same shape while their namespace is unknown", async () => {
    const partsIn = async (namespace: pulumi.Input<string>): Promise<string[]> => {
      const { nodes, shardMap } = (await run()).mesh;
      const { topics, kafka } = localMesh();
      const recorder = await startMocks({ preview: true });
      const database = new LocalDbDaemonSet("db", { namespace, nodes }).facts;
      const bare = nodes.map(({ kubernetesNodeName: _name, ...node }) => node);
      const data = { namespace, nodes: bare, shardMap, topics, kafka, database };
      new ShardedIngest("ingest", data);
      const store = { gcs: { bucket: "mesh-snapshots" } };
      const group = new SnapshotGroup("group", { ...data, schedule: "@daily", keep: { last: 1 }, store, snapshots: [five] });
      const versions = { v1: { image: "acme/a:1", snapshots: [five] } };
      const placement = { statefulSet: { replicas: 2 } };
      const service = new VersionedService("a", { namespace, nodes, snapshotGroup: group.facts, port: 80, versions, placement });
      const to = [{ service: { service: "a" } }];
      new GlooRoutes("edge", {
        namespace,
        hosts: ["*"],
        services: [service.facts],
        routes: [{ name: "a", match: [{ snapshot: five }], to }],
      });
      await recorder.settle();
      return shape(recorder);
    };
    const known = await partsIn("mesh");
    expect(known.filter((one) => one.startsWith(" > "))).toHaveLength(5);
    expect(await partsIn(unknown())).toEqual(known);
  });

  it("goes without snapshots, services and routes", async () => {
    const { recorder } = await run((mesh) => ["snapshots", "services", "routes", "database", "ingest"].forEach((key) => delete mesh[key]));
    const parts = recorder.resources.filter(({ custom, parent, name }) => !custom && parent === "mesh" && name !== "mesh-nodes");
    expect(parts.map(({ name }) => name).sort()).toEqual(["mesh-db", "mesh-ingest"]);
  });
});

/** Puts the keys of a map into another order, in place. */
function shuffleKeys(map: Record<string, unknown>, seed: number): void {
  const [keys] = fc.sample(fc.shuffledSubarray(Object.keys(map), { minLength: Object.keys(map).length }), { seed, numRuns: 1 });
  for (const [key, value] of (keys ?? []).map((one) => [one, map[one]] as const)) {
    delete map[key];
    map[key] = value;
  }
}

/** All texts of a value with their paths, keys too. */
function textsOf(value: unknown, path = ""): [path: string, text: string][] {
  if (typeof value !== "object" || value === null) {
    return [[path, String(value)]];
  }
  return Object.entries(value).flatMap(([key, inner]) => [
    [path, key] as [string, string],
    ...textsOf(inner, path === "" ? key : `${path}.${key}`),
  ]);
}
