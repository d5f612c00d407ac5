/**
 * Every object that a component emits, in every variant, is accepted by a real API server with strict field validation and the real CRDs, and its pods by
 * Pod Security admission in a namespace of the level that the mesh chooses: no laxer than needed, no stricter than possible.
 */
import * as pulumi from "@pulumi/pulumi";
import { existingProvider } from "../../providers/existing";
import { localProvider } from "../../providers/local";
import {
  ComputeMesh,
  ComputeMeshNode,
  GlooRoutes,
  LocalDbDaemonSet,
  model,
  ShardedIngest,
  SnapshotGroup,
  VersionedService,
  type ComputeMeshArgs,
} from "../../src";
import { eventually, testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing } from "../support/crds";
import { localMesh, type MeshConfig } from "../support/local-stack";
import { type KubernetesObject, objectsOf, podsOf } from "../support/objects";
import { type Recorder, startMocks } from "../support/mocks";

jest.setTimeout(180_000);

const sets = ["gateway-api", "gloo", "kgateway"] as const;
const missing = new Map(sets.map((set) => [set, crdsMissing(set)]));
const levels = ["restricted", "baseline", "privileged"] as const;

const existingPool = existingProvider({ clusterName: "c", selector: { pool: "mesh" } });
const local = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "c" });
const secure = {
  brokers: ["kafka-0.kafka:9093"],
  tls: { caSecret: { name: "kafka-ca", key: "ca.crt" }, clientCertificateSecretName: "kafka-client" },
  sasl: { mechanism: "SCRAM-SHA-512", secretName: "kafka-user" },
};
const answers = { merge: { "/total": { fields: { rows: { count: true }, amount: { sum: true } } }, "/*": { concat: true } } };
const bucketIdentity = { "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/snapshots" };

/** Title, what it changes in the mesh of the stack `local`, and the Pod Security level that it needs. */
type Variant = [title: string, edit: (mesh: MeshConfig) => void, level: (typeof levels)[number]];

const storages = {
  memory: { memory: { size: "1Gi" } },
  nodeDisk: { nodeDisk: { hostPath: "/mnt/mesh" } },
  localVolume: { localVolume: { storageClass: "local", size: "20Gi" } },
};
const backingStores = {
  none: undefined,
  hostPath: { hostPath: "/mnt/backing", baseIntervalHours: 1 },
  nfs: { nfs: { server: "nfs.example.test", path: "/exports/mesh" }, archiveTimeoutSeconds: 10 },
  claim: { claim: "shared" },
};
const databases = Object.entries(storages).flatMap(([storage, storageArgs]) =>
  Object.entries(backingStores).map(([store, backingStore]): Variant => [
    `a database in ${storage} with backing store ${store}`,
    (mesh) => {
      Object.assign(mesh.database, { storage: storageArgs, ...(backingStore && { backingStore }) });
      // The rest is the same every time.
      Object.assign(mesh, { snapshots: {}, services: {}, routes: undefined });
    },
    storage === "nodeDisk" || store === "hostPath" ? "privileged" : store === "nfs" ? "baseline" : "restricted",
  ]),
);

const stores: [string, object, (typeof levels)[number]][] = [
  ["s3", { bucket: "mesh-snapshots", region: "eu-central-1", prefix: "a/b", credentialsSecret: { name: "s3-keys" } }, "restricted"],
  ["gcs", { bucket: "mesh-snapshots" }, "restricted"],
  ["azureBlob", { account: "meshsnapshots", container: "snapshots" }, "restricted"],
  ["nfs", { server: "nfs.example.test", path: "/exports/snapshots" }, "baseline"],
  ["nodeDirectory", { hostPath: "/mnt/snapshots" }, "privileged"],
];
const snapshots = stores.map(([kind, store, level]): Variant => [
  `snapshots in ${kind}, encrypted, with an identity in the cloud`,
  (mesh) =>
    Object.assign(mesh.snapshots.hourly, {
      store: { [kind]: store },
      encryption: { keySecret: { name: "snapshot-key", key: "aes" } },
      serviceAccountAnnotations: bucketIdentity,
      dataProtection: { protect: true },
    }),
  level,
]);

const everything: Variant[] = [
  ["the stack local as it is", () => undefined, "restricted"],
  ...databases,
  [
    "a database with all its options",
    (mesh) =>
      Object.assign(mesh.database, {
        schema: "CREATE TABLE prices (id int);",
        settings: { log_min_duration_statement: "500" },
        credentials: { username: "owner", password: "not-random" },
        update: { strategy: "oneNodeAtATime" },
        minAvailable: 3,
        allowFrom: [{ podLabels: { app: "report" }, namespaceLabels: { team: "quants" } }],
      }),
    "restricted",
  ],
  ["Kafka with TLS and SASL, nodes known by name", (mesh) => void (mesh.kafka = secure), "restricted"],
  [
    "Kafka with TLS and SASL, nodes known by their label",
    (mesh) => Object.assign(mesh, { kafka: secure, nodeProvider: existingPool }),
    "restricted",
  ],
  [
    "typed tables, dead letters and every setting of the ingest",
    (mesh) => {
      mesh.topics.orders.columns = { customer: { type: "text", from: "customer.id", required: true }, amount: { type: "decimal" } };
      const engine = { mesh: { batchSize: 100, batchBytes: 65536, batchPeriodMilliseconds: 50 } };
      mesh.ingest = { engine, deadLetterTopic: "dead", maxLagRecords: 0, bufferMemory: "16Mi", restoreFrom: "hourly", awaitReady: false };
    },
    "restricted",
  ],
  [
    "the stock ingest, nodes known by their label",
    (mesh) => Object.assign(mesh, { kafka: secure, ingest: { engine: { stock: {} } }, nodeProvider: existingPool }),
    "restricted",
  ],
  ...snapshots,
  ["global answers, nodes known by name", (mesh) => void (mesh.services.prices.answers = answers), "restricted"],
  [
    "global answers of a StatefulSet with all their limits, nodes known by their label",
    (mesh) => {
      const limits = { timeoutMilliseconds: 1, totalTimeoutMilliseconds: 2, maxQuestionBytes: 3, maxConcurrentPartials: 4 };
      Object.assign(mesh.services.prices, {
        placement: { statefulSet: { replicas: 5 } },
        answers: { ...answers, ...limits, replicas: 3, cpu: "100m", memory: "1Gi" },
      });
      mesh.nodeProvider = existingPool;
    },
    "restricted",
  ],
  [
    "services that wait for nothing",
    (mesh) => Object.assign(mesh.services.prices, { waitForSnapshot: false, awaitReady: undefined }),
    "restricted",
  ],
  [
    "services in a StatefulSet with volumes",
    (mesh) =>
      Object.assign(mesh.services.prices, {
        placement: { statefulSet: { replicas: 4, storage: { size: "10Gi", storageClassName: "fast" } } },
        readinessPath: "/ready",
      }),
    "restricted",
  ],
  [
    "services in a StatefulSet, and as a DaemonSet with a program of their own",
    (mesh) => {
      mesh.services.risk = { ...localMesh().services.prices, placement: { statefulSet: { replicas: 5 } } };
      mesh.services.prices.placement = { daemonSet: { maxUnavailable: 2 } };
      Object.assign(mesh.services.prices.versions.v1, { env: { "A.b": "$(MESH_SHARD_COUNT)" }, command: ["/app"], args: ["--fast"] });
    },
    "restricted",
  ],
  [
    "nodes with disks, labels, taints and weights",
    (mesh) => {
      const taints = [
        { key: "dedicated", value: "mesh", effect: "NoSchedule" },
        { key: "example.com/spot", effect: "NoExecute" },
      ];
      const localDisks = [{ size: "200Gi" }, { size: "1Ti", mountPath: "/data" }];
      mesh.nodes["n-1"] = { spec: { ...mesh.nodes["n-1"].spec, taints, localDisks, labels: { "example.com/rack": "r7" } }, weight: 2 };
    },
    "restricted",
  ],
];
const gloo: Variant[] = [
  ["routes for Gloo's own Gateway", (mesh) => void (mesh.routes.target = "gloo"), "restricted"],
  [
    "routes for a Gloo Gateway of our own",
    (mesh) => Object.assign(mesh.routes, { target: "gloo", gateway: { create: { className: "gateway-proxy", port: 8081 } } }),
    "restricted",
  ],
];

let cluster: TestCluster;
let recorder: Recorder;
/** Resources by `apiVersion/kind`, as the API server itself names them. */
const known = new Map<string, { path: string; namespaced: boolean } | undefined>();

beforeAll(async () => {
  cluster = await testCluster({ name: "components", crds: sets.filter((set) => missing.get(set) === undefined) });
});
afterAll(async () => cluster?.stop());
beforeEach(async () => {
  // Pulumi's log goes to the console where no engine listens.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
  recorder = await startMocks();
});
afterEach(() => jest.restoreAllMocks());

/** Server-side apply with strict field validation; the refusal, or undefined. */
async function refusal(object: KubernetesObject, dryRun = true): Promise<string | undefined> {
  const { apiVersion, kind, metadata } = object;
  const resource = await resourceOf(apiVersion, kind);
  if (resource === undefined) {
    return `${kind} ${metadata.name}: the API server does not know ${apiVersion} ${kind}`;
  }
  const folder = resource.namespaced ? `namespaces/${metadata.namespace}/` : "";
  const query = `fieldManager=test&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  const where = `${resource.path.replace("{}", folder)}/${encodeURIComponent(metadata.name)}?${query}`;
  return complaint(object, await cluster.request("PATCH", where, object, "application/apply-patch+yaml"));
}

/** Whether Pod Security admission takes the pod in its namespace; the refusal, or undefined. */
async function podRefusal(pod: KubernetesObject, namespace: string): Promise<string | undefined> {
  const inside = { ...pod, metadata: { ...pod.metadata, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods?fieldValidation=Strict&dryRun=All`;
  return complaint(inside, await cluster.request("POST", path, inside));
}

function complaint({ kind, metadata }: KubernetesObject, answer: { status: number; body: any }): string | undefined {
  return [200, 201].includes(answer.status) ? undefined : `${kind} ${metadata.name}: ${answer.status} ${answer.body.message}`;
}

async function resourceOf(apiVersion: string, kind: string): Promise<{ path: string; namespaced: boolean } | undefined> {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  if (!known.has(`${apiVersion}/${kind}`)) {
    const { resources = [] } = (await cluster.request("GET", root)).body as { resources?: any[] };
    const found = resources.find((one) => one.kind === kind && !one.name.includes("/"));
    known.set(`${apiVersion}/${kind}`, found && { path: `${root}/{}${found.name}`, namespaced: found.namespaced });
  }
  return known.get(`${apiVersion}/${kind}`);
}

async function refusals(objects: readonly KubernetesObject[], dryRun = true): Promise<string[]> {
  const answers = await Promise.all(objects.map((object) => refusal(object, dryRun)));
  return answers.filter((answer) => answer !== undefined);
}

/** Applies for real what pods refer to: namespaces, accounts, priorities. The rest is only judged. */
async function prepare(objects: readonly KubernetesObject[], namespaces: readonly string[]): Promise<void> {
  expect(await refusals(ofKind(objects, "Namespace"), false)).toEqual([]);
  for (const namespace of namespaces) {
    await eventually(`the ServiceAccount of ${namespace}`, async () => {
      return (await cluster.request("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/default`)).status === 200;
    });
  }
  expect(await refusals(ofKind(objects, "ServiceAccount", "PriorityClass"), false)).toEqual([]);
}

const ofKind = (objects: readonly KubernetesObject[], ...kinds: string[]): KubernetesObject[] =>
  objects.filter((object) => kinds.includes(object.kind));

const securedNamespace = (name: string, level: string): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "pod-security.kubernetes.io/enforce": level } },
});

/** The mesh of the stack `local` with a change, in a namespace of its own. */
async function meshObjects(edit: Variant[1], namespace: string): Promise<KubernetesObject[]> {
  const mesh = localMesh();
  edit(mesh);
  const built = new ComputeMesh("mesh", { nodeProvider: local, namespace, ...mesh } as ComputeMeshArgs);
  await recorder.settle(built);
  return objectsOf(recorder);
}

async function expectAccepted(variant: Variant, namespace: string): Promise<void> {
  const [, edit, level] = variant;
  const objects = await meshObjects(edit, namespace);
  const stricter = levels[levels.indexOf(level) - 1];
  const strict = `${namespace}-strict`;
  await prepare([...objects, ...(stricter === undefined ? [] : [securedNamespace(strict, stricter)])], [namespace]);
  expect(await refusals(objects)).toEqual([]);

  expect(ofKind(objects, "Namespace")[0].metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": level });
  const pods = podsOf(objects);
  expect(pods).toHaveLength(ofKind(objects, "DaemonSet", "Deployment", "StatefulSet", "CronJob").length);
  expect((await Promise.all(pods.map((pod) => podRefusal(pod, namespace)))).filter(Boolean)).toEqual([]);
  if (stricter !== undefined) {
    // Accounts do not exist there; what is judged before them is enough.
    const bare = pods.map((pod) => ({ ...pod, spec: { ...pod.spec, serviceAccountName: undefined } }));
    await eventually("the ServiceAccount of the stricter namespace", async () => {
      return (await cluster.request("GET", `/api/v1/namespaces/${strict}/serviceaccounts/default`)).status === 200;
    });
    const answers = await Promise.all(bare.map((pod) => podRefusal(pod, strict)));
    expect(answers.filter(Boolean).join("\n")).toContain(`violates PodSecurity "${stricter}:latest"`);
  }
}

/** `describe` for a target; where its CRDs cannot be had all is skipped, and the title says why. */
function describeTarget(title: string, set: (typeof sets)[number], body: (test: typeof it) => void): void {
  const reason = missing.get(set);
  describe(reason === undefined ? title : `${title} (no CRDs: ${reason})`, () => body(reason === undefined ? it : it.skip));
}

describeTarget("A mesh with routes of the Gateway API", "gateway-api", (test) => {
  everything.forEach((variant, index) => {
    test(`is accepted: ${variant[0]}`, () => expectAccepted(variant, `mesh-${index}`));
  });
});

describeTarget("A mesh with routes for Gloo", "gloo", (test) => {
  gloo.forEach((variant, index) => {
    test(`is accepted: ${variant[0]}`, () => expectAccepted(variant, `gloo-${index}`));
  });
});

describeTarget("The components one by one", "gateway-api", (test) => {
  test("are accepted in a restricted namespace of somebody else", async () => {
    const node = new ComputeMeshNode("n1", { mesh: "parts", nodeProvider: local, spec: { zone: "z" } });
    const parts = { namespace: pulumi.output("parts"), nodes: [node.facts], topics: { "trade.log": { partitions: 4, table: "trades" } } };
    const { map: shardMap } = model.computeShardMap({ nodes: parts.nodes, shardCount: 4 });
    const { facts } = new LocalDbDaemonSet("db", { namespace: parts.namespace, nodes: parts.nodes });
    const database = { ...facts, tls: { caSecret: { name: "db-tls", key: "ca.crt" } } };
    const group = new SnapshotGroup("daily", {
      ...parts,
      ...{ shardMap, database, kafka: secure, schedule: "0 2 * * *", keep: { last: 7, weekly: 4 } },
      ...{ store: { gcs: { bucket: pulumi.output("mesh-snapshots") } }, snapshots: ["20261121t0200z"], tendsShards: true },
    });
    const ingest = new ShardedIngest("ingest", { ...parts, shardMap, database, kafka: secure, restoreFrom: group.facts });
    const service = new VersionedService("prices", {
      ...{ namespace: parts.namespace, nodes: parts.nodes, shardMap, database, snapshotGroup: group.facts, port: 8080, answers },
      versions: { v1: { image: "acme/prices:1", snapshots: ["20261121t0200z"] } },
    });
    new GlooRoutes("edge", {
      ...{ namespace: parts.namespace, hosts: ["*"], services: [service.facts] },
      routes: [{ name: "all", match: [{ snapshot: "20261121t0200z" }], to: [{ service: { service: "prices" } }] }],
    });
    await recorder.settle(ingest);

    const objects = objectsOf(recorder);
    await prepare([securedNamespace("parts", "restricted"), ...objects], ["parts"]);
    expect(await refusals(objects)).toEqual([]);
    expect((await Promise.all(podsOf(objects).map((pod) => podRefusal(pod, "parts")))).filter(Boolean)).toEqual([]);
    expect([...new Set(objects.map((object) => object.kind))].sort()).toEqual([
      ...[
        "BackendConfigPolicy",
        "ConfigMap",
        "DaemonSet",
        "Deployment",
        "Gateway",
        "HTTPRoute",
        "NetworkPolicy",
        "Node",
        "PodDisruptionBudget",
      ],
      ...["PriorityClass", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount", "TrafficPolicy"],
    ]);
  });

  test("would be caught with an unknown field, an unknown kind, or a pod that asks for too much", async () => {
    const objects = await meshObjects(() => undefined, "control");
    await prepare(objects, ["control"]);
    const [daemonSet] = ofKind(objects, "DaemonSet");
    const [route] = ofKind(objects, "HTTPRoute");
    const wrong = [structuredClone(daemonSet), structuredClone(route), { ...route, kind: "HttpRoute" }];
    wrong[0].spec.template.spec.containers[0].imagePulPolicy = "Always";
    wrong[1].spec.rules[0].timeout = "5s";
    expect(await refusals([...wrong, daemonSet, route])).toEqual([
      expect.stringMatching(/^DaemonSet .*imagePulPolicy/s),
      expect.stringMatching(/^HTTPRoute .*timeout/s),
      expect.stringMatching(/^HttpRoute .* does not know/),
    ]);
    const [pod] = podsOf([daemonSet]);
    pod.spec.hostNetwork = true;
    expect(await podRefusal(pod, "control")).toContain('violates PodSecurity "restricted:latest"');
  });
});
