import * as pulumi from "@pulumi/pulumi";
import { VersionedService, type VersionedServiceArgs } from "../../../src/components/versioned-service";
import type { SnapshotGroupFacts } from "../../../src/model/facts";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { failureOf, startMocks, valueOf, type Recorder } from "../../support/mocks";

const noon = "20261121t1200z";
const evening = "20261121t1800z";

const snapshotGroup: SnapshotGroupFacts = {
  name: "hourly",
  schedule: "0 * * * *",
  storeKind: "nodeDirectory",
  settingsName: "hourly-settings",
  snapshots: [noon, evening],
};

const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };

const types = {
  daemonSet: "kubernetes:apps/v1:DaemonSet",
  statefulSet: "kubernetes:apps/v1:StatefulSet",
  service: "kubernetes:core/v1:Service",
  budget: "kubernetes:policy/v1:PodDisruptionBudget",
};

function node(name: string, zone: string): MeshNodeFacts {
  return {
    name,
    zone,
    region: "eu",
    cluster: "one",
    provider: "local",
    weight: 1,
    selector: { "compute-mesh.dev/mesh": "demo" },
    labels: { "compute-mesh.dev/mesh": "demo", "compute-mesh.dev/node": name },
    taints: [{ key: "dedicated", value: "mesh", effect: "NoSchedule" }],
  };
}

function argsWith(changes: Partial<VersionedServiceArgs> = {}): VersionedServiceArgs {
  return {
    namespace: "demo",
    nodes: [node("node-a", "za"), node("node-b", "zb"), node("node-c", "zc")],
    database,
    snapshotGroup,
    port: 8080,
    versions: {
      v1: { image: "acme/prices:1.4.2", snapshots: [noon], weight: 90 },
      v2: { image: "acme/prices:2.0.0", snapshots: [noon, evening], weight: 10 },
    },
    ...changes,
  };
}

/** Registers one service in a fresh program. */
async function run(args: VersionedServiceArgs, name = "prices"): Promise<{ recorder: Recorder; service: VersionedService }> {
  const recorder = await startMocks();
  const service = new VersionedService(name, args);
  await recorder.settle(service);
  return { recorder, service };
}

/** The message for wrong args, one line per problem. */
async function refusal(changes: Record<string, unknown>, name = "prices"): Promise<string[]> {
  const recorder = await startMocks();
  const message = failureOf(() => new VersionedService(name, argsWith(changes)));
  await recorder.settle();
  expect(recorder.resources.filter((resource) => resource.custom)).toEqual([]);
  return message.split("\n");
}

const keyOf = (resource: { type: string; name: string }): string => `${resource.type} ${resource.name}`;

describe("VersionedService", () => {
  it("makes a workload, a Service and a disruption budget for each version and snapshot, and nothing else", async () => {
    const { recorder } = await run(argsWith());
    const pairs = [`prices-v1-${noon}`, `prices-v2-${noon}`, `prices-v2-${evening}`];
    expect(recorder.resources.map(keyOf).sort()).toEqual(
      [
        "compute-mesh:index:VersionedService prices",
        ...pairs.flatMap((pair) => [types.daemonSet, types.service, types.budget].map((type) => `${type} ${pair}`)),
      ].sort(),
    );
    for (const child of recorder.resources.filter((resource) => resource.custom)) {
      expect(child.parent).toBe("prices");
      expect(child.inputs.metadata).toMatchObject({ name: child.name, namespace: "demo" });
    }
  });

  it("gives every pod its own snapshot, version and database, and restricted, guaranteed resources", async () => {
    const { recorder } = await run(argsWith());
    const { spec } = recorder.named(`prices-v2-${evening}`, types.daemonSet).inputs;
    expect(spec.updateStrategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } });
    expect(spec.template.spec).toEqual({
      nodeSelector: { "compute-mesh.dev/mesh": "demo" },
      tolerations: [{ key: "dedicated", operator: "Equal", value: "mesh", effect: "NoSchedule" }],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 30,
      containers: [
        {
          name: "service",
          image: "acme/prices:2.0.0",
          ports: [{ name: "http", containerPort: 8080 }],
          env: [
            { name: "MESH_SERVICE", value: "prices" },
            { name: "MESH_VERSION", value: "v2" },
            { name: "MESH_SNAPSHOT", value: evening },
            { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
            { name: "DATABASE_HOST", value: "db" },
            { name: "DATABASE_PORT", value: "5432" },
            { name: "DATABASE_NAME", value: "mesh" },
            { name: "DATABASE_USER", valueFrom: { secretKeyRef: { name: "db-credentials", key: "username" } } },
            { name: "DATABASE_PASSWORD", valueFrom: { secretKeyRef: { name: "db-credentials", key: "password" } } },
          ],
          resources: { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "500m", memory: "512Mi" } },
          startupProbe: { tcpSocket: { port: "http" }, periodSeconds: 5, failureThreshold: 60 },
          livenessProbe: { tcpSocket: { port: "http" }, periodSeconds: 10, failureThreshold: 6 },
          readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 5, failureThreshold: 2 },
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            readOnlyRootFilesystem: true,
            runAsNonRoot: true,
            seccompProfile: { type: "RuntimeDefault" },
          },
          volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
        },
      ],
      volumes: [{ name: "tmp", emptyDir: { sizeLimit: "256Mi" } }],
    });
  });

  it("selects the pods of one version and snapshot only, by frozen labels", async () => {
    const { recorder } = await run(argsWith());
    for (const [version, snapshot] of [
      ["v1", noon],
      ["v2", noon],
      ["v2", evening],
    ]) {
      const selector = { "compute-mesh.dev/component": "prices", "compute-mesh.dev/part": `${version}-${snapshot}` };
      const name = `prices-${version}-${snapshot}`;
      const workload = recorder.named(name, types.daemonSet).inputs.spec;
      expect(workload.selector).toEqual({ matchLabels: selector });
      expect(workload.template.metadata.labels).toMatchObject({
        ...selector,
        "compute-mesh.dev/service": "prices",
        "compute-mesh.dev/version": version,
        "compute-mesh.dev/snapshot": snapshot,
      });
      expect(recorder.named(name, types.service).inputs.spec).toEqual({
        type: "ClusterIP",
        selector,
        ports: [{ name: "http", port: 8080, targetPort: "http" }],
      });
      expect(recorder.named(name, types.budget).inputs.spec).toEqual({
        selector: { matchLabels: selector },
        minAvailable: 2,
        unhealthyPodEvictionPolicy: "AlwaysAllow",
      });
    }
  });

  it("tells routes its endpoints and weights in preview, and when it is ready", async () => {
    const { service } = await run(argsWith({ serviceName: "quotes" }));
    const endpoint = (version: string, snapshot: string): unknown => ({
      version,
      snapshot,
      serviceName: `quotes-${version}-${snapshot}`,
      port: 8080,
      podServiceNames: [],
    });
    expect(service.facts).toEqual({
      name: "quotes",
      weights: { v1: 90, v2: 10 },
      endpoints: [endpoint("v1", noon), endpoint("v2", noon), endpoint("v2", evening)],
    });
    expect(await valueOf(service.endpointNames)).toEqual(service.facts.endpoints.map((pair) => pair.serviceName));
    expect(await valueOf(service.ready)).toBe(true);
  });

  it("gives a version a weight of 1 by default, and 0 where it is to get no share", async () => {
    const image = "acme/prices:1";
    const { service } = await run(
      argsWith({ versions: { v1: { image, snapshots: [noon] }, v2: { image, snapshots: [noon], weight: 0 } } }),
    );
    expect(service.facts.weights).toEqual({ v1: 1, v2: 0 });
  });

  it("changes nothing of the other versions when a version comes or goes", async () => {
    const before = await run(argsWith());
    const versions = argsWith().versions;
    const v3 = { image: "acme/prices:3.0.0", snapshots: [evening], weight: 5 };
    const after = await run(argsWith({ versions: { v3, v2: versions["v2"], v1: versions["v1"] } }));
    const children = (recorder: Recorder): Map<string, unknown> =>
      new Map(recorder.resources.filter((resource) => resource.custom).map((resource) => [keyOf(resource), resource.inputs]));
    const [with2, with3] = [children(before.recorder), children(after.recorder)];
    expect(with3.size).toBe(with2.size + 3);
    for (const [key, inputs] of with2) {
      expect(with3.get(key)).toEqual(inputs);
    }
  });

  it("changes no pod when a weight changes or a node of the mesh joins", async () => {
    const workloads = async (changes: Partial<VersionedServiceArgs>): Promise<unknown[]> =>
      (await run(argsWith(changes))).recorder.byType(types.daemonSet).map((resource) => resource.inputs);
    const versions = argsWith().versions;
    const before = await workloads({});
    expect(await workloads({ versions: { v1: { ...versions["v1"], weight: 1 }, v2: { ...versions["v2"], weight: 99 } } })).toEqual(before);
    expect(await workloads({ nodes: [...argsWith().nodes, node("node-d", "za")] })).toEqual(before);
  });

  it("adds the version's own environment after the component's, secrets kept secret", async () => {
    const env = { DSN: "postgres://$(DATABASE_HOST)", TOKEN: pulumi.secret("s3cr3t") };
    const versions = { v1: { image: "acme/prices:1", snapshots: [noon], env, command: ["/serve"], args: ["--fast"] } };
    const { recorder } = await run(argsWith({ versions, shardMap: { version: "x", shardCount: 4, replicas: 1, owners: [["node-a"]] } }));
    const workload = recorder.byType(types.daemonSet)[0];
    const [container] = workload.inputs.spec.template.spec.containers;
    expect(container).toMatchObject({ command: ["/serve"], args: ["--fast"] });
    expect(container.env.map((variable: { name: string }) => variable.name).slice(-2)).toEqual(["DSN", "TOKEN"]);
    expect(container.env).toContainEqual({ name: "MESH_SHARD_COUNT", value: "4" });
    expect(workload.secretPaths.length).toBeGreaterThan(0);
  });

  it("needs no database", async () => {
    const { recorder } = await run(argsWith({ database: undefined }));
    expect(JSON.stringify(recorder.byType(types.daemonSet))).not.toContain("DATABASE_");
  });

  it("applies the transform of a child", async () => {
    const { recorder } = await run(
      argsWith({
        transforms: {
          service: (service) => ({ args: { ...service, spec: { type: "NodePort" } } }),
          podDisruptionBudget: (_budget, opts) => void (opts.retainOnDelete = true),
        },
      }),
    );
    expect(recorder.byType(types.service).map((service) => service.inputs.spec)).toEqual(Array(3).fill({ type: "NodePort" }));
    expect(recorder.byType(types.budget).every((budget) => budget.options.retainOnDelete)).toBe(true);
  });
});

describe("VersionedService as a StatefulSet", () => {
  const placement = { statefulSet: { replicas: 2, storage: { size: "10Gi", storageClassName: "local" } } };
  const versions = { v1: { image: "acme/prices:1", snapshots: [noon] } };
  const name = `prices-v1-${noon}`;

  it("has a headless Service and one Service per pod", async () => {
    const { recorder, service } = await run(argsWith({ placement, versions }));
    const services = recorder.byType(types.service);
    expect(services.map((found) => found.name).sort()).toEqual([name, `${name}-0`, `${name}-1`, `${name}-pods`]);
    const ports = [{ name: "http", port: 8080, targetPort: "http" }];
    expect(recorder.named(`${name}-pods`).inputs.spec).toEqual({
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: { "compute-mesh.dev/component": "prices", "compute-mesh.dev/part": `v1-${noon}` },
      ports,
    });
    expect(recorder.named(`${name}-1`).inputs.spec).toEqual({
      type: "ClusterIP",
      selector: { "statefulset.kubernetes.io/pod-name": `${name}-1` },
      ports,
    });
    expect(service.facts.endpoints[0]?.podServiceNames).toEqual([`${name}-0`, `${name}-1`]);
    expect(recorder.named(name, types.budget).inputs.spec).toMatchObject({ maxUnavailable: 1 });
  });

  it("starts pods in parallel, at most one per node, over the zones, and keeps their volumes", async () => {
    const { recorder } = await run(argsWith({ placement, versions }));
    const { spec } = recorder.named(name, types.statefulSet).inputs;
    const labelSelector = { matchLabels: spec.selector.matchLabels };
    expect(spec).toMatchObject({
      replicas: 2,
      serviceName: `${name}-pods`,
      podManagementPolicy: "Parallel",
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOnce"], storageClassName: "local", resources: { requests: { storage: "10Gi" } } },
        },
      ],
    });
    expect(spec.template.spec).toMatchObject({
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: "kubernetes.io/hostname" }] },
      },
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway", labelSelector },
      ],
      securityContext: { fsGroup: 65532, fsGroupChangePolicy: "OnRootMismatch" },
    });
    expect(spec.template.spec.containers[0].volumeMounts).toContainEqual({ name: "data", mountPath: "/data" });
  });

  it("stays within the 52 characters after which a StatefulSet gets no pods", async () => {
    const long = "a-service-with-a-name-of-forty-characters";
    const { service } = await run(argsWith({ placement, serviceName: `${long}-and-more`, versions }));
    const [endpoint] = service.facts.endpoints;
    expect(endpoint?.serviceName).toMatch(/^a-service-with-a-name-of-forty-.*-[0-9a-f]{8}$/);
    expect(endpoint?.serviceName.length).toBeLessThanOrEqual(52);
  });
});

describe("wrong args of a VersionedService", () => {
  const image = "acme/prices:1";
  const version = (changes: object): Record<string, unknown> => ({ versions: { v1: { image, snapshots: [noon], ...changes } } });
  const path = 'versionedService "prices": ';

  it.each<[string, Record<string, unknown>, string]>([
    ["no versions", { versions: {} }, "versions: {} is not allowed: at least one version is needed"],
    [
      "a version bound to an unknown snapshot",
      version({ snapshots: ["20260101t0000z"] }),
      `versions.v1.snapshots[0]: "20260101t0000z" is not allowed: a snapshot of group "hourly" is allowed, which keeps ${noon}, ${evening}`,
    ],
    [
      "a version without snapshots",
      version({ snapshots: [] }),
      "versions.v1.snapshots: [] is not allowed: at least one snapshot is needed",
    ],
    ["a snapshot twice", version({ snapshots: [noon, noon] }), `versions.v1.snapshots[1]: "${noon}" is not allowed`],
    ["a negative weight", version({ weight: -1 }), "versions.v1.weight: -1 is not allowed: a whole number of at least 0"],
    ["half a weight", version({ weight: 0.5 }), "versions.v1.weight: 0.5 is not allowed: a whole number of at least 0"],
    ["an image without a tag", version({ image: "acme/prices" }), 'versions.v1.image: "acme/prices" is not allowed: a tag or a digest'],
    ["the tag latest", version({ image: "prices:latest" }), 'versions.v1.image: "prices:latest" is not allowed: a tag other than "latest"'],
    ["a port out of range", { port: 65536 }, "port: 65536 is not allowed: a whole number from 1 to 65535 is allowed"],
    ["a version that is no DNS label", { versions: { V1: { image, snapshots: [noon] } } }, 'versions.V1: "V1" is not allowed'],
    [
      "an unknown key",
      { readynessPath: "/" },
      'readynessPath: "readynessPath" is not allowed: unknown key, perhaps readinessPath is meant',
    ],
    [
      "an unknown key of a version",
      version({ wieght: 1 }),
      'versions.v1.wieght: "wieght" is not allowed: unknown key, perhaps weight is meant',
    ],
    ["a variable of the component's own", version({ env: { MESH_SNAPSHOT: "x" } }), "versions.v1.env.MESH_SNAPSHOT:"],
    ["two placements", { placement: { daemonSet: {}, statefulSet: { replicas: 1 } } }, "placement: "],
    ["no placement", { placement: {} }, "placement: nothing is not allowed: exactly one of daemonSet, statefulSet is allowed"],
    [
      "more replicas than nodes",
      { placement: { statefulSet: { replicas: 4 } } },
      "placement.statefulSet.replicas: 4 is not allowed: at most 3",
    ],
    ["no nodes", { nodes: [] }, "nodes: [] is not allowed: at least one mesh node is needed"],
    ["a node twice", { nodes: [node("node-a", "za"), node("node-a", "zb")] }, 'nodes[1].name: "node-a" is not allowed'],
    ["no CPU", { cpu: "0" }, 'cpu: "0" is not allowed'],
    ["memory that is no quantity", { memory: "much" }, 'memory: "much" is not allowed'],
    ["a relative readiness path", { readinessPath: "healthz" }, 'readinessPath: "healthz" is not allowed'],
    ["no namespace", { namespace: undefined }, "namespace: nothing is not allowed"],
    ["a version that is no object", { versions: { v1: "acme/prices:1" } }, 'versions.v1: "acme/prices:1" is not allowed'],
  ])("refuses %s", async (_title, changes, message) => {
    const lines = await refusal(changes);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(path + message);
  });

  it("refuses an owner of a shard that gets no pod", async () => {
    const shardMap = { version: "x", shardCount: 1, replicas: 1, owners: [["node-z"]] };
    expect(await refusal({ shardMap })).toEqual([expect.stringContaining("missing: node-z")]);
  });

  it("refuses so few replicas that a shard may have no pod beside it", async () => {
    const owners = [
      ["node-a", "node-b"],
      ["node-b", "node-c"],
    ];
    const shardMap = { version: "x", shardCount: 2, replicas: 2, owners };
    const placed = (replicas: number): Partial<VersionedServiceArgs> => ({ shardMap, placement: { statefulSet: { replicas } } });
    expect(await refusal(placed(1))).toEqual([expect.stringContaining("at least 2 of 3 mesh nodes need a pod")]);
    await expect(run(argsWith(placed(2)))).resolves.toBeDefined();
  });

  it("refuses two pairs that make one name", async () => {
    const group = { ...snapshotGroup, snapshots: ["b-c", "c"] };
    const versions = { a: { image, snapshots: ["b-c"] }, "a-b": { image, snapshots: ["c"] } };
    expect(await refusal({ snapshotGroup: group, versions })).toEqual([
      `${path}versions.a-b.snapshots[0]: "c" is not allowed: another name of the version is needed: ` +
        'version "a" with snapshot "b-c" makes an object "prices-a-b-c", too',
    ]);
  });

  it("reports everything at once", async () => {
    const lines = await refusal({ port: 0, cpu: "x", versions: { v1: { image: "prices", snapshots: [], weight: -2 } } }, "Prices");
    expect(lines.map((line) => line.split(": ")[1]).sort()).toEqual(
      ["cpu", "name", "port", "versions.v1.image", "versions.v1.snapshots", "versions.v1.weight"].sort(),
    );
  });

  it("says what to do where the group keeps no snapshot yet", async () => {
    expect((await refusal({ snapshotGroup: { ...snapshotGroup, snapshots: [] } }))[0]).toContain(
      "which keeps none yet: name it there first",
    );
  });
});
