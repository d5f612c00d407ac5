/**
 * The database engines beside PostgreSQL as pods: a mesh of each, side by side on the same nodes, from Kafka to a snapshot and back.
 *
 * Records bear times of two hours ago, and the snapshot is taken by command, so nothing waits for the clock.
 */
import { formatSnapshotId } from "../../src/model/snapshot-id";
import { clickhouseImage } from "../../src/engines/clickhouse";
import { mariadbImage } from "../../src/engines/singlestore-mariadb";
import { valkeyImage } from "../../src/engines/valkey";
import { clickhouseEngineImage } from "../../tools/live/images/definitions";
import { dnsImage, pauseImage } from "../../tools/live/state";
import type { Truth } from "../../tools/live/produce";
import { eventually } from "../support/cluster";
import {
  describeLongLive,
  isReady,
  liveMesh,
  type LiveMesh,
  liveMeshConfig,
  liveNodes,
  type MeshConfig,
  type Pod,
  podsReady,
} from "../support/live";
import {
  askIn,
  certificateData,
  type LiveEngine,
  liveEngines,
  partitions,
  type RowSums,
  type Sources,
  sumsOfLog,
  sumsOfRows,
  tlsSecretName,
} from "../support/live-engines";
import { forgetRecords } from "../support/live-questions";
import { testStack, type TestStack } from "../support/pulumi";
import { succeeded } from "../support/pulumi-events";

jest.setTimeout(240_000);

const base = Math.floor(Date.now() / 60_000) * 60_000 - 2 * 3_600_000;
const minute = (number: number): Date => new Date(base + number * 60_000);
const snapshot = formatSnapshotId(minute(1));
const agentImage = "ghcr.io/compute-mesh/agent:0.1.0";
const images = [
  pauseImage,
  dnsImage,
  mariadbImage,
  clickhouseEngineImage,
  clickhouseImage,
  valkeyImage,
  agentImage,
  "ghcr.io/compute-mesh/ingest:0.1.0",
];
const nodes = liveNodes.slice(0, 2);
/** Debian's ClickHouse is too old for the mesh's SQL, and reads the configuration files of the component all the same. */
const oldClickhouse = "old-clickhouse";
const aloneIn = liveEngines[0].name;

/** One mesh for each engine, and the ClickHouse server alone. */
const program = `import { Provider } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMesh, LocalDbDaemonSet } from "compute-mesh";
import { existingProvider } from "compute-mesh/providers/existing";

const config = new pulumi.Config();
const cloud = config.requireObject<any>("cloud");
const nodeProvider = existingProvider(cloud);
const meshes = Object.entries<any>(config.requireObject("meshes")).map(([name, args]) => new ComputeMesh(name, { ...args, nodeProvider }));
const mesh = meshes.find(({ summary }) => summary.mesh === "${aloneIn}")!;
const provider = new Provider("alone", { kubeconfig: cloud.kubernetes.kubeconfig });
const args = { ...config.requireObject<any>("alone"), namespace: mesh.namespaceName, nodes: mesh.nodes };
new LocalDbDaemonSet("${oldClickhouse}", args, { provider });
`;

let mesh: LiveMesh;
let stack: TestStack;
/** Up to the snapshot, and whole. */
let below: Truth;
let whole: Truth;

function meshOf({ database }: LiveEngine): MeshConfig {
  const { kafka, snapshots } = liveMeshConfig([snapshot]);
  const serve = "require('node:http').createServer((request, response) => response.end('ok')).listen(8080)";
  return {
    nodes: Object.fromEntries(nodes.map(({ name, zone }) => [name, { spec: { zone, cpu: "2", memory: "4Gi" } }])),
    shards: { count: partitions, replicas: 1 },
    topics: { orders: { partitions, columns: { customer: { type: "text", required: true }, amount: { type: "int64", required: true } } } },
    kafka,
    ingest: { cpu: "100m", memory: "128Mi" },
    database,
    // By command alone.
    snapshots: { byhand: { ...snapshots.minutely, schedule: "@yearly", snapshots: [snapshot] } },
    services: {
      shown: {
        snapshotGroup: "byhand",
        port: 8080,
        cpu: "50m",
        memory: "96Mi",
        versions: { v1: { image: agentImage, command: ["node", "-e", serve], snapshots: [snapshot] } },
      },
    },
  };
}

/** Secrets that the pods wait for, as soon as the namespace is there. */
async function giveSecrets(namespace: string): Promise<void> {
  await mesh.ground.giveStoreKeys(namespace, 120);
  const names = [`${namespace}-db`, oldClickhouse].flatMap((name) => [name, `${name}.${namespace}.svc`]);
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: tlsSecretName, namespace },
    data: certificateData([...names, "localhost"]),
  };
  const { status } = await mesh.request("POST", `/api/v1/namespaces/${namespace}/secrets`, secret);
  expect(status).toBe(201);
}

/** The databases of a mesh that are ready, by the names of their nodes. */
async function databases({ name }: LiveEngine): Promise<Pod[]> {
  const pods = (await mesh.pods(`compute-mesh.dev/part=database,compute-mesh.dev/component=${name}-db`, name)).filter(isReady);
  return pods.sort((a, b) => a.spec.nodeName.localeCompare(b.spec.nodeName));
}

/** Waits until the databases of both nodes together have these rows, each once, and asserts it. */
async function expectRows(engine: LiveEngine, truth: Truth, seconds: number, of?: string): Promise<void> {
  const expected = sumsOfLog(truth);
  let last: RowSums | string = "nothing";
  await eventually(
    "",
    async () => {
      try {
        const pods = await databases(engine);
        last = sumsOfRows((await Promise.all(pods.map((pod) => engine.rows(askIn(mesh, pod), of)))).flat());
        return last.rows >= expected.rows;
      } catch (error) {
        last = String(error);
        return false;
      }
    },
    seconds,
  ).catch(() => undefined);
  expect(last).toEqual(expected);
}

const sourcesOf = async (engine: LiveEngine, pod: Pod): Promise<Sources> => engine.sources(askIn(mesh, pod));

/** The agents of every node. */
const agents = (engine: LiveEngine): Promise<Pod[]> => podsReady(mesh, "compute-mesh.dev/part=snapshot", nodes.length, 120, engine.name);

async function agent(engine: LiveEngine, pod: Pod, ...args: string[]): Promise<string> {
  const { code, output } = await mesh.exec(pod, "snapshot", ["compute-mesh-agent", ...args]);
  if (code !== 0) {
    throw new Error(`${engine.name}: ${args.join(" ")}: exit code ${code}: ${output}`);
  }
  return output;
}

describeLongLive("a mesh of another engine", () => {
  beforeAll(async () => {
    mesh = await liveMesh({ topics: [{ name: "orders", partitions }], nodes, images });
    const kubernetes = { kubeconfig: mesh.ground.cluster.kubeconfig, clusterIdentifier: "live-test" };
    const nodeNames = Object.fromEntries(nodes.map(({ name }) => [name, name]));
    const cloud = { clusterName: "live", region: "local-1", kubernetes, selector: { "compute-mesh.dev/pool": "live" }, nodeNames };
    const meshes = Object.fromEntries(liveEngines.map((engine) => [engine.name, meshOf(engine)]));
    const alone = {
      engine: { clickhouse: {} },
      settings: { max_threads: "3" },
      ...{ cpu: "100m", memory: "1Gi", storage: { memory: { size: "256Mi" } }, tls: { secretName: tlsSecretName } },
    };
    stack = await testStack({
      program: { typescript: program },
      config: { cloud: JSON.stringify(cloud), meshes: JSON.stringify(meshes), alone: JSON.stringify(alone) },
    });
    await mesh.produce({ messages: 6000, keys: 50, seed: 1, startMilliseconds: minute(0).getTime(), spanMilliseconds: 50_000 });
    below = await mesh.truth();
    const secrets = Promise.all(liveEngines.map(({ name }) => giveSecrets(name)));
    succeeded(await stack.up());
    await secrets;
  }, 480_000);

  afterAll(async () => {
    await stack?.dispose();
    await mesh?.stop();
  }, 120_000);

  it.each(liveEngines)("$name: takes every record of Kafka in once", async (engine) => {
    await expectRows(engine, below, 120);
    for (const pod of await databases(engine)) {
      expect(new Set(Object.values(await sourcesOf(engine, pod)))).toEqual(new Set(["kafka"]));
    }
  });

  it.each(liveEngines)("$name: runs with the user's setting, and lets nobody in without the password", async (engine) => {
    const [wanted] = Object.values(engine.database.settings as Record<string, string>);
    const ask = askIn(mesh, (await databases(engine))[0]);
    expect(await engine.setting(ask)).toBe(wanted);
    expect(await ask(engine.stranger.command)).toMatch(engine.stranger.refused);
  });

  it("ClickHouse's own server takes the component's files: TLS alone, the user, the setting", async () => {
    const [pod] = await podsReady(mesh, `compute-mesh.dev/component=${oldClickhouse}`, nodes.length, 120, aloneIn);
    const ask = askIn(mesh, pod);
    const line =
      'wget -q -O - --no-check-certificate --header "X-ClickHouse-User: $MESH_USER" --header "X-ClickHouse-Key: $MESH_PASSWORD"' +
      ' --post-data "$1" https://127.0.0.1:8443/';
    const rows = await ask(line, "SELECT name, value FROM system.settings WHERE name = 'max_threads'");
    expect(rows).toBe("max_threads\t3\n");
    expect(await ask("wget -q -O - --no-check-certificate --post-data 'SELECT 1' https://127.0.0.1:8443/ || echo $?")).toMatch(/^[68]\n$/);
    expect(await ask("wget -q -O - -T 3 -t 1 http://127.0.0.1:8123/ping || echo $?")).toBe("4\n");
  });

  it.each(liveEngines)("$name: gives a snapshot that Kafka proves, and shows it to services that wait for it", async (engine) => {
    const pods = await agents(engine);
    await Promise.all(pods.map((pod) => agent(engine, pod, "snapshot", "--once", "--at", snapshot)));
    const proof = await agent(engine, pods[0], "verify", snapshot, "--kafka");
    expect(proof).toContain(`snapshot ${snapshot}: ${partitions} shards, ${below.total.count} rows`);
    await podsReady(mesh, "compute-mesh.dev/version=v1", nodes.length, 120, engine.name);
    await expectRows(engine, below, 60, snapshot);
  });

  describe("whose database on one node lost everything, and whose server on the other one was killed", () => {
    beforeAll(async () => {
      await mesh.produce({
        messages: 2000,
        keys: 50,
        seed: 2,
        startMilliseconds: minute(2).getTime(),
        spanMilliseconds: 50_000,
        firstId: 6000,
      });
      whole = await mesh.truth();
      await Promise.all(liveEngines.map((engine) => expectRows(engine, whole, 60)));
      // What lies below the cut can only come from the snapshot from here on.
      await forgetRecords(mesh, "orders", below.cut);
      for (const engine of liveEngines) {
        const [emptied, killed] = await databases(engine);
        if (engine.forgets) {
          expect(mesh.killContainer(emptied, "database")).toBe(true);
        } else {
          const { name, namespace } = emptied.metadata;
          const { status } = await mesh.request("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=1`);
          expect(status).toBe(200);
          expect(mesh.killContainer(killed, "database")).toBe(true);
        }
      }
    });

    it.each(liveEngines)("$name: has every record once again, restored from the snapshot and read on from Kafka", async (engine) => {
      await eventually("the databases are back", async () => (await databases(engine)).length === nodes.length, 120);
      await expectRows(engine, whole, 120);
      const [emptied, killed] = await databases(engine);
      expect(new Set(Object.values(await sourcesOf(engine, emptied)))).toEqual(new Set([snapshot]));
      expect(new Set(Object.values(await sourcesOf(engine, killed)))).toEqual(new Set(["kafka"]));
    });

    it.each(liveEngines)("$name: shows the snapshot as before", async (engine) => {
      await expectRows(engine, below, 60, snapshot);
    });
  });
});
