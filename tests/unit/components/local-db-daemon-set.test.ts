import * as pulumi from "@pulumi/pulumi";
import { LocalDbDaemonSet, type LocalDbDaemonSetArgs } from "../../../src/components/local-db-daemon-set";
import { normalizeLocalDb } from "../../../src/components/local-db-plan";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { failureOf, startMocks, valueOf, type Recorder } from "../../support/mocks";

const meshNode = (name: string, more: Partial<MeshNodeFacts> = {}): MeshNodeFacts => ({
  ...{ name, zone: "zone-a", region: "local", cluster: "local", provider: "local", weight: 1, taints: [] },
  selector: { "compute-mesh.dev/mesh": "prices" },
  labels: {},
  ...more,
});
const nodes = [meshNode("n1"), meshNode("n2"), meshNode("n3")];
const selector = { "compute-mesh.dev/component": "db", "compute-mesh.dev/part": "database" };

async function make(more: Partial<LocalDbDaemonSetArgs> = {}): Promise<{ recorder: Recorder; db: LocalDbDaemonSet }> {
  const recorder = await startMocks();
  const db = new LocalDbDaemonSet("db", { namespace: "mesh", nodes, ...more });
  await recorder.settle(db);
  return { recorder, db };
}

const daemonSetOf = (recorder: Recorder): any => recorder.named("db-daemon-set").inputs;
const podOf = (recorder: Recorder): any => daemonSetOf(recorder).spec.template.spec;
const containerOf = (recorder: Recorder, name: string): any =>
  [...(podOf(recorder).initContainers ?? []), ...podOf(recorder).containers].find((container: any) => container.name === name);
const volumeOf = (recorder: Recorder, name: string): any => podOf(recorder).volumes.find((volume: any) => volume.name === name);

describe("LocalDbDaemonSet", () => {
  it("makes seven objects with fixed names, however many nodes", async () => {
    const { recorder } = await make();
    expect(
      recorder.resources
        .slice(1)
        .map(({ type, name, parent, inputs }) => [type, name, parent, inputs.metadata.name])
        .sort(),
    ).toEqual([
      ["kubernetes:apps/v1:DaemonSet", "db-daemon-set", "db", "db"],
      ["kubernetes:core/v1:ConfigMap", "db-config", "db", "db-config"],
      ["kubernetes:core/v1:Secret", "db-credentials", "db", "db-credentials"],
      ["kubernetes:core/v1:Service", "db-service", "db", "db"],
      ["kubernetes:networking.k8s.io/v1:NetworkPolicy", "db-network-policy", "db", "db"],
      ["kubernetes:policy/v1:PodDisruptionBudget", "db-disruption-budget", "db", "db"],
      ["kubernetes:scheduling.k8s.io/v1:PriorityClass", "db-priority", "db", "db-priority"],
    ]);
  });

  it("says plain facts in preview, and its host under one constant DNS name", async () => {
    const { db } = await make();
    expect(db.facts).toEqual({
      name: "db",
      engine: "postgres",
      serviceName: "db",
      port: 5432,
      database: "mesh",
      secretName: "db-credentials",
    });
    expect(await valueOf(db.host)).toBe("db.mesh.svc");
    expect(await valueOf(db.secretName)).toBe("db-credentials");
    expect(await valueOf(db.ready)).toBe(true);
  });

  it("runs on the nodes of the mesh and tolerates exactly their taints", async () => {
    const taints = [{ key: "example.com/mesh", value: "prices", effect: "NoSchedule" }];
    const { recorder } = await make({ nodes: [meshNode("n1", { taints }), meshNode("n2", { taints })] });
    expect(podOf(recorder)).toMatchObject({
      nodeSelector: { "compute-mesh.dev/mesh": "prices" },
      tolerations: [{ key: "example.com/mesh", operator: "Equal", value: "prices", effect: "NoSchedule" }],
      priorityClassName: "db-priority",
    });
  });

  it("changes no pod template when a node joins", () => {
    const before = normalizeLocalDb("db", { namespace: "mesh", nodes });
    const after = normalizeLocalDb("db", { namespace: "mesh", nodes: [...nodes, meshNode("n4", { zone: "zone-b" })] });
    expect({ ...after, minAvailable: 2 }).toEqual({ ...before, minAvailable: 2 });
    expect([before.minAvailable, after.minAvailable]).toEqual([2, 3]);
  });

  it("leads every pod to its own node's database alone", async () => {
    const { recorder } = await make();
    expect(recorder.named("db-service").inputs.spec).toEqual({
      selector,
      internalTrafficPolicy: "Local",
      ports: [{ name: "postgres", port: 5432, targetPort: "postgres" }],
    });
  });

  it("lets in only pods of the mesh and those that are named, and lets the database call nobody", async () => {
    const podLabels = { app: "grafana" };
    const { recorder } = await make({ allowFrom: [{ podLabels, namespaceLabels: { team: "ops" } }] });
    expect(recorder.named("db-network-policy").inputs.spec).toEqual({
      podSelector: { matchLabels: selector },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: [
            { podSelector: { matchExpressions: [{ key: "compute-mesh.dev/component", operator: "Exists" }] } },
            { podSelector: { matchLabels: podLabels }, namespaceSelector: { matchLabels: { team: "ops" } } },
          ],
          ports: [{ protocol: "TCP", port: 5432 }],
        },
      ],
    });
  });

  it("keeps a generated password over runs and shows it nowhere", async () => {
    const { recorder } = await make();
    const secret = recorder.named("db-credentials");
    expect(secret.secretPaths).toEqual(["data"]);
    expect(secret.options.ignoreChanges).toEqual(["data"]);
    expect(Buffer.from(secret.inputs.data.username, "base64").toString()).toBe("mesh");
    const password = Buffer.from(secret.inputs.data.password, "base64").toString();
    expect(password).toMatch(/^[\w-]{32}$/);
    const others = JSON.stringify(recorder.resources.filter((resource) => resource !== secret));
    expect(others).not.toContain(password);
    const again = (await make()).recorder.named("db-credentials");
    expect(again.inputs.data.password).not.toBe(secret.inputs.data.password);
  });

  it("keeps a given password secret, and follows it", async () => {
    const { recorder } = await make({ credentials: { username: "owner", password: "from-a-vault" } });
    const secret = recorder.named("db-credentials");
    expect(secret.options.ignoreChanges).toEqual([]);
    expect(secret.inputs.data).toEqual({ username: "b3duZXI=", password: Buffer.from("from-a-vault").toString("base64") });
    expect(recorder.named("db", "compute-mesh:index:LocalDbDaemonSet").secretPaths).toEqual(["credentials.password"]);
  });

  it("protects the DaemonSet and the credentials, and nothing else, unless told otherwise", async () => {
    const protectedNames = (recorder: Recorder): string[] =>
      recorder.resources
        .filter((resource) => resource.options.protect)
        .map((resource) => resource.name)
        .sort();
    const { recorder } = await make();
    expect(protectedNames(recorder)).toEqual(["db-credentials", "db-daemon-set"]);
    expect(
      recorder.resources
        .filter((resource) => resource.inputs.metadata?.labels?.["compute-mesh.dev/holds-data"])
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["db-credentials", "db-daemon-set"]);
    const open = (await make({ dataProtection: { protect: false, retainOnDelete: true } })).recorder;
    expect(protectedNames(open)).toEqual([]);
    expect(open.named("db-daemon-set").options.retainOnDelete).toBe(true);
  });

  it("uses an existing priority class where one is named", async () => {
    const { recorder } = await make({ priorityClassName: "mesh-critical" });
    expect(recorder.byType("kubernetes:scheduling.k8s.io/v1:PriorityClass")).toEqual([]);
    expect(podOf(recorder).priorityClassName).toBe("mesh-critical");
  });

  it("hands every child to its transform", async () => {
    const seen: string[] = [];
    const note = (part: string) => (): void => void seen.push(part);
    const parts = ["credentials", "config", "priority", "daemonSet", "service", "disruptionBudget", "networkPolicy"];
    const { recorder } = await make({ transforms: Object.fromEntries(parts.map((part) => [part, note(part)])) });
    expect(seen.sort()).toEqual(parts.sort());
    expect(recorder.named("db", "compute-mesh:index:LocalDbDaemonSet").inputs).not.toHaveProperty("transforms");
  });
});

describe("the database's pod", () => {
  it("has equal requests and limits on every container", async () => {
    const { recorder } = await make({ backingStore: { hostPath: "/srv/store" }, cpu: "2", memory: "4Gi" });
    const containers = [...podOf(recorder).initContainers, ...podOf(recorder).containers];
    expect(containers.map((container) => container.name)).toEqual(["own-folders", "restore", "database", "base-copies"]);
    expect(new Set(containers.map((container) => container.terminationMessagePolicy))).toEqual(new Set(["FallbackToLogsOnError"]));
    for (const { resources } of containers) {
      expect(resources.requests).toEqual(resources.limits);
      expect(Object.keys(resources.limits).sort()).toEqual(["cpu", "memory"]);
    }
    expect(containerOf(recorder, "database").resources.limits).toEqual({ cpu: "2", memory: "4Gi" });
    expect(containerOf(recorder, "restore").resources.limits).toEqual({ cpu: "2", memory: "4Gi" });
  });

  it("keeps its data in a tmpfs of half the memory, and writes nowhere else but to small folders", async () => {
    const { recorder } = await make();
    expect(volumeOf(recorder, "data")).toEqual({ name: "data", emptyDir: { medium: "Memory", sizeLimit: "1Gi" } });
    expect(podOf(recorder).initContainers).toBeUndefined();
    const { securityContext, volumeMounts } = containerOf(recorder, "database");
    expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, runAsNonRoot: true, allowPrivilegeEscalation: false });
    expect(volumeMounts).toEqual([
      { name: "data", mountPath: "/var/lib/postgresql/data" },
      { name: "config", mountPath: "/etc/compute-mesh", readOnly: true },
      { name: "init", mountPath: "/docker-entrypoint-initdb.d", readOnly: true },
      { name: "run", mountPath: "/var/run/postgresql" },
      { name: "tmp", mountPath: "/tmp" },
    ]);
    expect(podOf(recorder).securityContext).toMatchObject({
      runAsUser: 999,
      runAsGroup: 999,
      fsGroup: 999,
      fsGroupChangePolicy: "OnRootMismatch",
    });
  });

  it("has no token, no variables of other Services, and time to stop", async () => {
    const { recorder } = await make();
    expect(podOf(recorder)).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 120,
    });
    expect(containerOf(recorder, "database").lifecycle.preStop.exec.command).toEqual(["pg_ctl", "stop", "-m", "fast", "-w", "-t", "110"]);
  });

  it("is probed over TCP, where nobody answers before the database is whole", async () => {
    const { recorder } = await make();
    const { startupProbe, readinessProbe, livenessProbe } = containerOf(recorder, "database");
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
      expect(probe.exec.command).toEqual(["pg_isready", "-q", "-h", "127.0.0.1", "-p", "5432", "-d", "mesh"]);
    }
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBe(1800);
  });

  it("gets its credentials from the Secret alone", async () => {
    const { recorder } = await make();
    expect(containerOf(recorder, "database").env).toEqual([
      { name: "PGDATA", value: "/var/lib/postgresql/data/pgdata" },
      { name: "POSTGRES_DB", value: "mesh" },
      { name: "POSTGRES_INITDB_ARGS", value: "--auth=scram-sha-256" },
      { name: "POSTGRES_USER", valueFrom: { secretKeyRef: { name: "db-credentials", key: "username" } } },
      { name: "POSTGRES_PASSWORD", valueFrom: { secretKeyRef: { name: "db-credentials", key: "password" } } },
    ]);
  });

  it("is rolled by a changed configuration, and by a changed schema only where a new pod would run it", async () => {
    const hashes = (args: Partial<LocalDbDaemonSetArgs>): string =>
      normalizeLocalDb("db", { namespace: "mesh", nodes, ...args }).configHash;
    const { recorder } = await make();
    expect(daemonSetOf(recorder).spec.template.metadata.annotations).toEqual({ "compute-mesh.dev/config-hash": hashes({}) });
    expect(hashes({ settings: { log_statement: "all" } })).not.toBe(hashes({}));
    expect(hashes({ schema: "SELECT 1;" })).not.toBe(hashes({}));
    const storage = { nodeDisk: { hostPath: "/srv/db" } };
    expect(hashes({ storage, schema: "SELECT 1;" })).toBe(hashes({ storage }));
  });

  it("mounts every file of the ConfigMap where the engine looks for it", async () => {
    const { recorder } = await make({ schema: "CREATE TABLE prices (id int);" });
    const { data } = recorder.named("db-config").inputs;
    expect(Object.keys(data).sort()).toEqual(["00-mesh.sql", "10-schema.sql", "pg_hba.conf", "postgresql.conf"]);
    const items = (name: string): string[] => volumeOf(recorder, name).configMap.items.map((item: any) => item.key);
    expect(items("config")).toEqual(["pg_hba.conf", "postgresql.conf"]);
    expect(items("init")).toEqual(["00-mesh.sql", "10-schema.sql"]);
    expect(containerOf(recorder, "database").args).toEqual(["postgres", "-c", "config_file=/etc/compute-mesh/postgresql.conf"]);
  });
});

describe("TLS", () => {
  it("mounts the Secret for the database's group alone and tells clients where the authority is", async () => {
    const { recorder, db } = await make({ tls: { secretName: "db-tls" } });
    expect(volumeOf(recorder, "tls")).toEqual({ name: "tls", secret: { secretName: "db-tls", defaultMode: 0o440 } });
    expect(containerOf(recorder, "database").volumeMounts).toContainEqual({
      name: "tls",
      mountPath: "/etc/compute-mesh-tls",
      readOnly: true,
    });
    expect(db.facts.tls).toEqual({ caSecret: { name: "db-tls", key: "ca.crt" } });
  });

  it("opens a second port only where the engine needs one for plain connections", async () => {
    const ports = async (required: boolean): Promise<unknown> => {
      const { recorder } = await make({ engine: { clickhouse: {} }, tls: { secretName: "db-tls", required } });
      const policy = recorder.named("db-network-policy").inputs.spec.ingress[0].ports;
      return [recorder.named("db-service").inputs.spec.ports, policy.map((rule: any) => rule.port)];
    };
    const clickhouse = { name: "clickhouse", port: 8443, targetPort: "clickhouse" };
    expect(await ports(true)).toEqual([[clickhouse], [8443]]);
    expect(await ports(false)).toEqual([
      [clickhouse, { name: "plain", port: 8123, targetPort: "plain" }],
      [8443, 8123],
    ]);
  });
});

describe("other engines", () => {
  it("run as their image's user and group, and stop by signal where they take it for an orderly stop", async () => {
    const { recorder } = await make({
      engine: { singlestore: { license: { secretName: "vault" } } },
      memory: "8Gi",
      storage: { nodeDisk: { hostPath: "/srv/db" } },
    });
    expect(podOf(recorder).securityContext).toMatchObject({ runAsUser: 999, runAsGroup: 998, fsGroup: 998 });
    expect(containerOf(recorder, "own-folders").command).toEqual(["chown", "999:998", "/data"]);
    const database = containerOf(recorder, "database");
    expect(database.lifecycle).toBeUndefined();
    expect(database.securityContext).toMatchObject({ readOnlyRootFilesystem: false, runAsNonRoot: true });
    expect(
      database.env.filter((variable: any) => variable.valueFrom).map((variable: any) => [variable.name, variable.valueFrom.secretKeyRef]),
    ).toEqual([
      ["SINGLESTORE_LICENSE", { name: "vault", key: "license" }],
      ["MESH_USER", { name: "db-credentials", key: "username" }],
      ["MESH_PASSWORD", { name: "db-credentials", key: "password" }],
      ["ROOT_PASSWORD", { name: "db-credentials", key: "password" }],
    ]);
  });

  it.each(["singlestore", "clickhouse", "valkey"])("%s says plain facts", async (engine) => {
    const { db } = await make({ engine: { [engine]: {} }, memory: "8Gi" });
    const port = { singlestore: 3306, clickhouse: 8123, valkey: 6379 }[engine];
    expect(db.facts).toMatchObject({ engine, port, database: engine === "valkey" ? "0" : "mesh", secretName: "db-credentials" });
    expect(db.facts.tls).toBeUndefined();
  });
});

describe("storage, durability and updates", () => {
  it("waits for a deletion by hand where the data would go with the pod", async () => {
    const strategy = async (args: Partial<LocalDbDaemonSetArgs>): Promise<unknown> =>
      daemonSetOf((await make(args)).recorder).spec.updateStrategy;
    const rolling = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } };
    expect(await strategy({})).toEqual({ type: "OnDelete" });
    expect(await strategy({ storage: { localVolume: { storageClass: "topolvm", size: "50Gi" } } })).toEqual({ type: "OnDelete" });
    expect(await strategy({ storage: { nodeDisk: { hostPath: "/srv/db" } } })).toEqual(rolling);
    expect(await strategy({ backingStore: { claim: "store" } })).toEqual(rolling);
    expect(await strategy({ update: { strategy: "oneNodeAtATime" } })).toEqual(rolling);
  });

  it("gives a folder of the node to the database's user, with no more power than that takes", async () => {
    const { recorder } = await make({ storage: { nodeDisk: { hostPath: "/srv/db" } } });
    expect(volumeOf(recorder, "data")).toEqual({ name: "data", hostPath: { path: "/srv/db", type: "DirectoryOrCreate" } });
    expect(containerOf(recorder, "own-folders")).toMatchObject({
      command: ["chown", "999:999", "/var/lib/postgresql/data"],
      securityContext: { runAsUser: 0, runAsNonRoot: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"], add: ["CHOWN"] } },
    });
  });

  it("takes a volume of a local storage class per pod", async () => {
    const { recorder } = await make({ storage: { localVolume: { storageClass: "topolvm", size: "50Gi" } } });
    expect(volumeOf(recorder, "data").ephemeral.volumeClaimTemplate.spec).toEqual({
      accessModes: ["ReadWriteOnce"],
      storageClassName: "topolvm",
      resources: { requests: { storage: "50Gi" } },
    });
  });

  it("restores before the database starts and copies beside it, each node in a folder of its own", async () => {
    const { recorder } = await make({ backingStore: { nfs: { server: "nfs.local", path: "/export" } } });
    expect(volumeOf(recorder, "backing-store")).toEqual({ name: "backing-store", nfs: { server: "nfs.local", path: "/export" } });
    expect(podOf(recorder).initContainers.map((container: any) => container.name)).toEqual(["restore"]);
    for (const name of ["restore", "database", "base-copies"]) {
      expect(containerOf(recorder, name).env.slice(-3)).toEqual([
        { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
        { name: "STORE_DIRECTORY", value: "/backing-store/$(POD_NAMESPACE)/db/$(NODE_NAME)" },
      ]);
      expect(containerOf(recorder, name).volumeMounts).toContainEqual({ name: "backing-store", mountPath: "/backing-store" });
    }
    expect(
      containerOf(recorder, "base-copies")
        .env.slice(0, 2)
        .map((variable: any) => variable.name),
    ).toEqual(["PGUSER", "PGPASSWORD"]);
  });

  it("budgets whole numbers: all but one, at least one", async () => {
    const budget = async (args: Partial<LocalDbDaemonSetArgs>): Promise<unknown> =>
      (await make(args)).recorder.named("db-disruption-budget").inputs.spec;
    expect(await budget({})).toEqual({ minAvailable: 2, selector: { matchLabels: selector } });
    expect(await budget({ nodes: [meshNode("n1")] })).toMatchObject({ minAvailable: 1 });
    expect(await budget({ minAvailable: 0 })).toMatchObject({ minAvailable: 0 });
  });
});

describe("wrong arguments", () => {
  const errors = (args: object): string[] =>
    failureOf(() => normalizeLocalDb("db", { namespace: "mesh", nodes, ...args }))
      .split("\n")
      .map((line) => line.replace('localDbDaemonSet "db": ', ""));

  it("refuses a tmpfs larger than the memory limit, with both numbers", () => {
    expect(errors({ memory: "2Gi", storage: { memory: { size: "3Gi" } } })).toEqual([
      'storage.memory.size: "3Gi" is not allowed: the tmpfs counts against the memory limit of 2Gi (memory) and must be smaller',
      expect.stringMatching(
        /^memory: "2Gi" is not allowed: tmpfs 3.0 GiB \+ shared_buffers 16.0 MiB \+ .* \+ reserve 256.0 MiB = 3.3 GiB must fit into the limit$/,
      ),
    ]);
  });

  it("refuses what does not fit together, with all items", () => {
    expect(errors({ engine: { postgres: { workMem: "64Mi" } } })).toEqual([
      'memory: "2Gi" is not allowed: tmpfs 1.0 GiB + shared_buffers 192.0 MiB + 50 connections x work_mem 3.1 GiB + reserve 256.0 MiB = 4.6 GiB must fit into the limit',
    ]);
  });

  it("refuses a tmpfs too small for an empty database, given or derived", () => {
    expect(errors({ storage: { memory: { size: "64Mi" } } })).toEqual([
      expect.stringContaining('storage.memory.size: "64Mi" is not allowed: the tmpfs needs at least 128Mi'),
    ]);
    expect(errors({ memory: "200Mi" })[0]).toBe(
      'memory: "half of the limit, 100Mi" is not allowed: the tmpfs needs at least 128Mi for an empty database',
    );
  });

  it.each<[string, object, string[]]>([
    ["no nodes", { nodes: [] }, ["nodes"]],
    ["one node twice", { nodes: [meshNode("n1"), meshNode("n1")] }, ["nodes[1].name"]],
    ["nodes without a common label", { nodes: [meshNode("n1"), meshNode("n2", { selector: { other: "x" } })] }, ["nodes"]],
    ["an unknown engine", { engine: { oracle: {} } }, ["engine.oracle"]],
    ["two storages", { storage: { memory: {}, nodeDisk: { hostPath: "/d" } } }, ["storage"]],
    ["a relative folder", { storage: { nodeDisk: { hostPath: "data" } } }, ["storage.nodeDisk.hostPath"]],
    ["the root as a folder", { storage: { nodeDisk: { hostPath: "/" } } }, ["storage.nodeDisk.hostPath"]],
    ["two backing stores", { backingStore: { hostPath: "/a", claim: "b" } }, ["backingStore"]],
    [
      "intervals out of range",
      { backingStore: { claim: "b", baseIntervalHours: 0, archiveTimeoutSeconds: 1 } },
      ["backingStore.baseIntervalHours", "backingStore.archiveTimeoutSeconds"],
    ],
    ["an unknown update strategy", { update: { strategy: "rolling" } }, ["update.strategy"]],
    ["a user that the engine keeps to itself", { engine: { valkey: {} }, credentials: { username: "default" } }, ["credentials.username"]],
    ["TLS without a Secret", { tls: { required: "yes" } }, ["tls.secretName", "tls.required"]],
    ["a tmpfs too small for the engine", { engine: { clickhouse: {} }, storage: { memory: { size: "200Mi" } } }, ["storage.memory.size"]],
    ["a user name of the engine's own", { credentials: { username: "pg_admin" } }, ["credentials.username"]],
    ["more pods to stay than there are", { minAvailable: 4 }, ["minAvailable"]],
    ["peers without labels", { allowFrom: [{ podLabels: {} }] }, ["allowFrom[0].podLabels"]],
    ["an empty namespace", { namespace: "" }, ["namespace"]],
    ["a schema too large for a ConfigMap", { schema: "x".repeat(600 * 1024) }, ["schema"]],
    ["settings that the component decides", { settings: { listen_addresses: "*" } }, ["settings.listen_addresses"]],
    [
      "unknown keys",
      { storge: {}, transforms: { secret: 1 }, dataProtection: { protects: true } },
      ["storge", "dataProtection.protects", "transforms.secret"],
    ],
    ["quantities that are none", { cpu: "one", memory: 2 }, ["memory", "cpu"]],
  ])("refuses %s", (_what, args, paths) => {
    expect(errors(args).map((line) => line.slice(0, line.indexOf(": ")))).toEqual(paths);
  });

  it("stops the program without a stack trace, before anything is made", async () => {
    const recorder = await startMocks();
    expect(() => new LocalDbDaemonSet("db", { namespace: "mesh", nodes: [] })).toThrow(pulumi.ResourceError);
    await recorder.settle();
    expect(recorder.resources.map((resource) => resource.name)).toEqual(["db"]);
  });
});
