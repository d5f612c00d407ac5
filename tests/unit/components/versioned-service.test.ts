import * as pulumi from "@pulumi/pulumi";
import { packageVersion } from "../../../src/components/agent-image";
import { VersionedService, type VersionedServiceArgs } from "../../../src/components/versioned-service";
import { parseAnswerSettings } from "../../../src/model/answers-settings";
import type { SnapshotGroupFacts } from "../../../src/model/facts";
import { createShardMap } from "../../../src/model/shard-map";
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
            { name: "DATABASE_ENGINE", value: "postgres" },
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
          terminationMessagePolicy: "FallbackToLogsOnError",
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

const shardMap = createShardMap(
  [
    ["node-a", "node-b"],
    ["node-b", "node-c"],
  ],
  2,
);
const tending = { ...snapshotGroup, tends: true };
/** Pods that wait for their snapshot beside the data. */
const beside = { shardMap, snapshotGroup: tending };
const named = argsWith().nodes.map((one) => ({ ...one, kubernetesNodeName: `k-${one.name}` }));

describe("the pods of a VersionedService beside the data", () => {
  const name = `prices-v1-${noon}`;
  const podOf = async (changes: Partial<VersionedServiceArgs>): Promise<any> =>
    (await run(argsWith(changes))).recorder.named(name, types.daemonSet).inputs.spec.template.spec;
  const identityMount = { name: "node-identity", mountPath: "/etc/compute-mesh/node.env", subPathExpr: "$(NODE_NAME)", readOnly: true };

  it("start once their node's database shows all of its shards of their snapshot", async () => {
    const pod = await podOf({ ...beside, nodes: named });
    expect(pod).not.toHaveProperty("serviceAccountName");
    const resources = { cpu: "100m", memory: "192Mi" };
    expect(pod.initContainers).toEqual([
      {
        name: "wait-for-snapshot",
        image: `ghcr.io/compute-mesh/agent:${packageVersion}`,
        command: ["compute-mesh-agent", "wait", "--timeout", "600", noon],
        env: [
          { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
          { name: "MESH_SHARD_COUNT", value: "2" },
          { name: "DATABASE_ENGINE", value: "postgres" },
          { name: "DATABASE_HOST", value: "db" },
          { name: "DATABASE_PORT", value: "5432" },
          { name: "DATABASE_NAME", value: "mesh" },
          { name: "DATABASE_USER", valueFrom: { secretKeyRef: { name: "db-credentials", key: "username" } } },
          { name: "DATABASE_PASSWORD", valueFrom: { secretKeyRef: { name: "db-credentials", key: "password" } } },
        ],
        resources: { requests: resources, limits: resources },
        terminationMessagePolicy: "FallbackToLogsOnError",
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          seccompProfile: { type: "RuntimeDefault" },
          runAsUser: 65532,
          runAsGroup: 65532,
        },
        volumeMounts: [identityMount],
      },
    ]);
    expect(pod.containers[0].volumeMounts).toEqual([{ name: "tmp", mountPath: "/tmp" }, identityMount]);
    expect(pod.containers[0].env).toContainEqual({ name: "MESH_SHARD_COUNT", value: "2" });
    expect(pod.volumes).toContainEqual({ name: "node-identity", configMap: { name: "prices-shards" } });
  });

  it("read the label of their Node first where names are unknown", async () => {
    const pod = await podOf({ ...beside, agentImage: "acme/agent:7" });
    expect(pod.serviceAccountName).toBe("prices");
    expect(pod.initContainers.map((one: { name: string; image: string }) => [one.name, one.image])).toEqual([
      ["node-identity", "docker.io/curlimages/curl:8.11.1"],
      ["wait-for-snapshot", "acme/agent:7"],
    ]);
  });

  it("are not waited for by an update, which would not end before a snapshot of the future; ready then says so", async () => {
    const { recorder, service } = await run(argsWith({ ...beside, nodes: named }));
    const workloads = recorder.byType(types.daemonSet);
    expect(workloads).toHaveLength(3);
    workloads.forEach(({ inputs }) => expect(inputs.metadata.annotations).toEqual({ "pulumi.com/skipAwait": "true" }));
    expect(await valueOf(service.ready)).toBe(false);
  });

  it("are waited for where asked so", async () => {
    const { recorder, service } = await run(argsWith({ ...beside, nodes: named, awaitReady: true }));
    recorder.byType(types.daemonSet).forEach(({ inputs }) => expect(inputs.metadata).not.toHaveProperty("annotations"));
    expect(await valueOf(service.ready)).toBe(true);
  });

  it.each<[string, Partial<VersionedServiceArgs>]>([
    ["where told not to", { ...beside, waitForSnapshot: false }],
    ["without a database", { ...beside, database: undefined }],
    ["where the group keeps no databases", { ...beside, snapshotGroup }],
  ])("do not wait %s, and the update waits for them", async (_title, changes) => {
    const pod = await podOf({ ...changes, nodes: named });
    expect(pod).not.toHaveProperty("initContainers");
    expect(pod.containers[0].volumeMounts).toContainEqual(identityMount);
    const { recorder, service } = await run(argsWith({ ...changes, nodes: named }));
    expect(recorder.named(name, types.daemonSet).inputs.metadata).not.toHaveProperty("annotations");
    expect(await valueOf(service.ready)).toBe(true);
  });

  it("roll when shards move, for they read their shards once", async () => {
    const hashOf = async (changes: Partial<VersionedServiceArgs>): Promise<unknown> =>
      (await run(argsWith({ ...beside, nodes: named, ...changes }))).recorder.named(name, types.daemonSet).inputs.spec.template.metadata
        .annotations["compute-mesh.dev/config-hash"];
    const before = await hashOf({});
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    expect(await hashOf({})).toBe(before);
    expect(await hashOf({ shardMap: createShardMap([["node-a"], ["node-b"]], 1) })).not.toBe(before);
  });

  it("bring the authority of a database with TLS to both containers", async () => {
    const tls = { caSecret: { name: "db-tls", key: "ca.crt" } };
    const pod = await podOf({ ...beside, nodes: named, database: { ...database, tls } });
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.env).toContainEqual({ name: "DATABASE_TLS", value: "true" });
      expect(container.env).toContainEqual({ name: "DATABASE_CA_FILE", value: "/etc/database-tls/ca.crt" });
      expect(container.volumeMounts).toContainEqual({ name: "database-ca", mountPath: "/etc/database-tls", readOnly: true });
    }
  });
});

describe("the gatherers of a VersionedService", () => {
  const merge = { "/total": { fields: { rows: { count: true }, amount: { sum: true } } } };
  const answering = { ...beside, nodes: named, answers: { merge } };
  const name = `prices-v2-${evening}-answer`;
  const deployment = "kubernetes:apps/v1:Deployment";

  it("are one Deployment, Service, ConfigMap and budget for each version and snapshot, and one account for all", async () => {
    const [without, withAnswers] = [await run(argsWith({ ...beside, nodes: named })), await run(argsWith(answering))];
    const before = new Set(without.recorder.resources.map(keyOf));
    const pairs = [`prices-v1-${noon}`, `prices-v2-${noon}`, `prices-v2-${evening}`].map((pair) => `${pair}-answer`);
    const added = withAnswers.recorder.resources.filter((one) => !before.has(keyOf(one)));
    expect(added.map(keyOf).sort()).toEqual(
      [
        "kubernetes:core/v1:ServiceAccount prices-answer",
        "kubernetes:rbac.authorization.k8s.io/v1:Role prices-answer",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding prices-answer",
        ...pairs.flatMap((pair) => [
          `${deployment} ${pair}`,
          `${types.service} ${pair}`,
          `${types.budget} ${pair}`,
          `kubernetes:core/v1:ConfigMap ${pair}-settings`,
        ]),
      ].sort(),
    );
    added.forEach((child) => {
      expect(child.parent).toBe("prices");
      expect(child.inputs.metadata).toMatchObject({ name: child.name, namespace: "demo" });
    });
    // The pods themselves do not notice.
    const pods = (recorder: Recorder): unknown[] => recorder.byType(types.daemonSet).map(({ inputs }) => inputs);
    expect(pods(withAnswers.recorder)).toEqual(pods(without.recorder));
  });

  it("run the agent over the zones, restricted, with the shards as a folder that follows the map", async () => {
    const { recorder } = await run(argsWith(answering));
    const { metadata, spec } = recorder.named(name, deployment).inputs;
    const labelSelector = {
      matchLabels: { "compute-mesh.dev/component": "prices", "compute-mesh.dev/part": `v2-${evening}-answer` },
    };
    const spread = (topologyKey: string): object => ({ maxSkew: 1, topologyKey, whenUnsatisfiable: "ScheduleAnyway", labelSelector });
    const resources = { cpu: "250m", memory: "384Mi" };
    expect(metadata.annotations).toEqual({ "pulumi.com/skipAwait": "true" });
    expect(spec).toMatchObject({
      replicas: 2,
      selector: labelSelector,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    });
    expect(spec.template.metadata.labels).toMatchObject(labelSelector.matchLabels);
    expect(spec.template.metadata.annotations["compute-mesh.dev/config-hash"]).toMatch(/^[0-9a-f]{16}$/);
    expect(spec.template.spec).toEqual({
      nodeSelector: { "compute-mesh.dev/mesh": "demo" },
      tolerations: [{ key: "dedicated", operator: "Equal", value: "mesh", effect: "NoSchedule" }],
      topologySpreadConstraints: [spread("topology.kubernetes.io/zone"), spread("kubernetes.io/hostname")],
      serviceAccountName: "prices-answer",
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 40,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532 },
      containers: [
        {
          name: "answer",
          image: `ghcr.io/compute-mesh/agent:${packageVersion}`,
          command: ["compute-mesh-agent", "answer"],
          ports: [
            { name: "http", containerPort: 8080 },
            { name: "health", containerPort: 8081 },
          ],
          env: [{ name: "NODE_OPTIONS", value: "--max-old-space-size=268" }],
          resources: { requests: resources, limits: resources },
          startupProbe: { httpGet: { path: "/healthz", port: "health" }, periodSeconds: 2, failureThreshold: 60 },
          livenessProbe: { httpGet: { path: "/healthz", port: "health" }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
          readinessProbe: { httpGet: { path: "/readyz", port: "health" }, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
          terminationMessagePolicy: "FallbackToLogsOnError",
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            readOnlyRootFilesystem: true,
            runAsNonRoot: true,
            seccompProfile: { type: "RuntimeDefault" },
          },
          volumeMounts: [
            { name: "settings", mountPath: "/etc/compute-mesh-answer", readOnly: true },
            { name: "shards", mountPath: "/etc/compute-mesh-shards", readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: "settings", configMap: { name: `${name}-settings` } },
        { name: "shards", configMap: { name: "prices-shards" } },
      ],
    });
    expect(recorder.named(name, types.service).inputs.spec).toEqual({
      type: "ClusterIP",
      selector: labelSelector.matchLabels,
      ports: [{ name: "http", port: 8080, targetPort: "http" }],
    });
    expect(recorder.named(name, types.budget).inputs.spec).toMatchObject({ selector: labelSelector, maxUnavailable: 1 });
  });

  it("are told the pods' Service and how answers merge, in words that the gatherer takes", async () => {
    const answers = { merge, replicas: 3, timeoutMilliseconds: 500, maxBufferedBytes: 16 * 1024 * 1024, cpu: "1" };
    const { recorder } = await run(argsWith({ ...answering, answers, port: 9000, namespace: pulumi.output("elsewhere") }));
    const settings = parseAnswerSettings(recorder.named(`${name}-settings`).inputs.data["settings.json"]);
    expect(settings).toMatchObject({
      ...{ service: "prices", version: "v2", snapshot: evening, shardCount: 2, port: 8080, healthPort: 8081 },
      upstream: { endpointService: `prices-v2-${evening}`, namespace: "elsewhere", port: 9000, nodes: "nodeName" },
      ...{ timeoutMilliseconds: 500, totalTimeoutMilliseconds: 300_000, maxBufferedBytes: 16 * 1024 * 1024 },
    });
    expect(Object.keys(settings.merge)).toEqual(["/total"]);
    const { replicas, template } = recorder.named(name, deployment).inputs.spec;
    expect(replicas).toBe(3);
    expect(template.spec.containers[0].resources.limits).toEqual({ cpu: "1", memory: "192Mi" });
  });

  it("are what routes go to; the pods' own Service stays for asking one", async () => {
    const { service } = await run(argsWith(answering));
    expect(service.facts.endpoints[2]).toEqual({
      version: "v2",
      snapshot: evening,
      serviceName: name,
      directServiceName: `prices-v2-${evening}`,
      port: 8080,
      podServiceNames: [],
    });
    expect(await valueOf(service.endpointNames)).toEqual(service.facts.endpoints.map((pair) => pair.serviceName));
  });

  it("may list EndpointSlices of their namespace, and Nodes only where these are known by their label", async () => {
    const rolesOf = async (nodes: MeshNodeFacts[]): Promise<Record<string, unknown>> => {
      const { recorder } = await run(argsWith({ ...answering, nodes }));
      const roles = recorder.resources.filter(({ type, name: role }) => /Role$/.test(type) && role.startsWith("prices-answer"));
      const bindings = recorder.resources.filter(({ type, name: role }) => /RoleBinding$/.test(type) && role.startsWith("prices-answer"));
      bindings.forEach(({ inputs }) =>
        expect(inputs.subjects).toEqual([{ kind: "ServiceAccount", name: "prices-answer", namespace: "demo" }]),
      );
      expect(bindings.map(({ inputs }) => [inputs.roleRef.kind, inputs.roleRef.name]).sort()).toEqual(
        roles.map(({ type, inputs }) => [type.split(":").pop(), inputs.metadata.name]).sort(),
      );
      return Object.fromEntries(roles.map(({ inputs }) => [inputs.metadata.name, inputs.rules]));
    };
    const slices = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list"] }];
    expect(await rolesOf(named)).toEqual({ "prices-answer": slices });
    expect(await rolesOf(argsWith().nodes)).toEqual({
      "prices-answer": slices,
      "compute-mesh:demo:prices-answer:nodes": [{ apiGroups: [""], resources: ["nodes"], verbs: ["list"] }],
    });
  });

  it("do not roll when shards move, but when their settings change", async () => {
    const templateOf = async (changes: Partial<VersionedServiceArgs>): Promise<any> =>
      (await run(argsWith({ ...answering, ...changes }))).recorder.named(name, deployment).inputs.spec.template;
    const before = await templateOf({});
    expect(await templateOf({ shardMap: createShardMap([["node-a"], ["node-b"]], 1) })).toEqual(before);
    expect(await templateOf({ answers: { merge: { "/*": { concat: true } } } })).not.toEqual(before);
  });

  it("stand before the pods of a StatefulSet, too", async () => {
    const { recorder, service } = await run(argsWith({ ...answering, placement: { statefulSet: { replicas: 2 } } }));
    expect(recorder.byType(deployment)).toHaveLength(3);
    expect(service.facts.endpoints[0]?.podServiceNames).toEqual([`prices-v1-${noon}-0`, `prices-v1-${noon}-1`]);
  });

  it("have transforms of their own", async () => {
    const { recorder } = await run(
      argsWith({
        ...answering,
        transforms: {
          gatherer: (args) => ({ args: { ...args, metadata: { name: "other" } } }),
          gathererAccount: (_args, opts) => void (opts.retainOnDelete = true),
        },
      }),
    );
    expect(recorder.byType(deployment).map(({ inputs }) => inputs.metadata.name)).toEqual(["other", "other", "other"]);
    expect(recorder.named("prices-answer", "kubernetes:core/v1:ServiceAccount").options.retainOnDelete).toBe(true);
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
    ["to wait without a database", { ...beside, database: undefined, waitForSnapshot: true }, "database: nothing is not allowed"],
    [
      "to wait without knowing the shards",
      { snapshotGroup: tending },
      "shardMap: nothing is not allowed: the shard map is needed, because",
    ],
    [
      "to wait for what nobody shows",
      { shardMap, waitForSnapshot: true },
      "snapshotGroup.tends: nothing is not allowed: nobody would show its snapshots in the databases",
    ],
    ["a word for true", { awaitReady: "yes" }, 'awaitReady: "yes" is not allowed: true or false is allowed'],
    ["an agent that does not say which one", { agentImage: "agent:latest" }, 'agentImage: "agent:latest" is not allowed'],
    [
      "answers without knowing the shards",
      { answers: { merge: { "/*": { concat: true } } } },
      "shardMap: nothing is not allowed: with answers the shard map is needed",
    ],
    ["answers without rules", { shardMap, answers: { merge: {} } }, "answers.merge: {} is not allowed: at least one path is needed"],
    [
      "an operator that is none",
      { shardMap, answers: { merge: { "/total": { sum: true, add: true } } } },
      'answers.merge["/total"].add: "add" is not allowed: unknown key',
    ],
    [
      "no gatherers",
      { shardMap, answers: { merge: { "/*": { concat: true } }, replicas: 0 } },
      "answers.replicas: 0 is not allowed: a whole number of at least 1",
    ],
    [
      "a gatherer with less memory than it takes",
      { shardMap, answers: { merge: { "/*": { concat: true } }, memory: "64Mi" } },
      'answers.memory: "64Mi" is not allowed: it must be at least',
    ],
    [
      "a limit of nothing",
      { shardMap, answers: { merge: { "/*": { concat: true } }, maxBufferedBytes: 0 } },
      "answers.maxBufferedBytes: 0 is not allowed: a whole number of at least 1",
    ],
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
