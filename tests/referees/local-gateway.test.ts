/** The real gateway in front of the simulated pods of an embedded cluster, as `npm run gateway` starts it. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import { normalizeRoutes, type RouteTable } from "../../src/model/routes";
import { emitGateway, emitHttpRoutes } from "../../src/routing/gateway-api";
import { emitKgatewayObjects } from "../../src/routing/kgateway";
import { gatewayFolder } from "../../tools/gateway/end";
import { localGatewayStatus, startLocalGateway, stopLocalGateway } from "../../tools/gateway/gateway";
import { networkMissing } from "../../tools/gateway/network";
import { answerWords, curlLine, routeExamples, send } from "../../tools/gateway/requests";
import { findGatewayPrograms } from "../../tools/live/gateway";
import { projectRoot } from "../../tools/paths";
import { isAlive, type ProcessIdentity, recordedProcesses } from "../../tools/processes";
import { silentProgress } from "../../tools/progress";
import { applyAll } from "../support/apply";
import { eventually, simulatedNode, testCluster, type TestCluster } from "../support/cluster";
import { crdsMissing, sharedCrds } from "../support/crds";

jest.setTimeout(300_000);

const programs = findGatewayPrograms();
const missing =
  programs === undefined ? "kgateway and Envoy are not cached: npm run test:all gets them" : (networkMissing() ?? crdsMissing("kgateway"));

const namespace = "default";
const [version, snapshots] = ["v1", ["20261121t0500z", "20261121t0600z"]];
const nameOf = (snapshot: string): string => `prices-${version}-${snapshot}`;

/** The pods and the Service of a version and snapshot. They listen on the port of the Gateway as well, as those of the stack `local` do. */
function workload(snapshot: string): CustomObject<string, unknown>[] {
  const labels = { "compute-mesh.dev/service": "prices", "compute-mesh.dev/version": version, "compute-mesh.dev/snapshot": snapshot };
  const metadata = { name: nameOf(snapshot), namespace, labels };
  const template = { metadata: { labels }, spec: { containers: [{ name: "prices", image: "example.test/prices:1" }] } };
  return [
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { replicas: 2, selector: { matchLabels: labels }, template } },
    { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports: [{ name: "http", port: 8080 }] } },
  ];
}

function routes(): RouteTable {
  const endpoints = snapshots.map((snapshot) => ({ version, snapshot, serviceName: nameOf(snapshot), port: 8080, podServiceNames: [] }));
  return normalizeRoutes("edge", {
    hosts: ["mesh.example.test"],
    services: [{ name: "prices", weights: { [version]: 1 }, endpoints }],
    routes: [
      { name: "each", match: [{ prefix: "/prices", snapshot: "each" }], to: [{ service: { service: "prices" } }] },
      { name: "old", match: [{ exact: "/old" }], redirect: { path: "/prices" } },
    ],
  });
}

(missing === undefined ? describe : describe.skip)(
  `the gateway of an embedded cluster${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let cluster: TestCluster;
    const table = routes();
    const start = () => startLocalGateway(cluster.info, { progress: silentProgress, programs, crdFolder: sharedCrds });
    const folder = (): string => gatewayFolder(cluster.info.dir);
    const processes = (): ProcessIdentity[] => recordedProcesses(join(folder(), "pids"));

    beforeAll(async () => {
      cluster = await testCluster({ name: "gateway", crds: ["gateway-api", "kgateway"] });
      await cluster.request("POST", "/api/v1/nodes", simulatedNode("n-1"));
      const context = { name: "edge", namespace, inNamespace: (text: (namespace: string) => string): string => text(namespace) };
      const pages = emitHttpRoutes(context, table, { name: "edge-gateway" });
      const companions = emitKgatewayObjects(context, table, pages, "edge-gateway");
      await applyAll(cluster, [emitGateway(context, "kgateway", 8080), ...[...companions, ...pages].map(({ object }) => object)]);
      await applyAll(cluster, snapshots.flatMap(workload));
      await eventually("the pods", async () => {
        const found = await Promise.all(
          snapshots.map((name) => cluster.read(`/apis/apps/v1/namespaces/${namespace}/deployments/${nameOf(name)}`)),
        );
        return found.every((one) => one?.status?.readyReplicas === 2);
      });
    });
    afterAll(async () => {
      await cluster?.stop();
    });

    it("leads the example of every route to a pod that says who it is", async () => {
      const { port, alreadyRunning } = await start();
      expect(alreadyRunning).toBe(false);
      const answers = await Promise.all(
        routeExamples(table).map(async ({ route, request }) => [route, answerWords(await send(port, request)), curlLine(port, request)]),
      );
      const curl = (snapshot: string): string =>
        `curl -s -H 'Host: mesh.example.test' -H 'x-mesh-snapshot: ${snapshot}' http://127.0.0.1:${port}/prices`;
      expect(answers).toEqual([
        ...snapshots.map((snapshot) => [`each-${snapshot}`, `prices v1, snapshot ${snapshot}, on n-1`, curl(snapshot)]),
        ["old", "status 302", `curl -s -H 'Host: mesh.example.test' http://127.0.0.1:${port}/old`],
      ]);
    });

    it("answers from both pods of a Service, and from one that comes later", async () => {
      const { port } = await start();
      const [{ request }] = routeExamples(table);
      const seen = new Set<string>();
      const ask = async (): Promise<number> => seen.add((JSON.parse((await send(port, request)).text) as { pod: string }).pod).size;
      await eventually("both pods", async () => (await ask()) === 2);
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${nameOf(snapshots[0])}`;
      await cluster.request("PATCH", path, { spec: { replicas: 3 } });
      await eventually("the third pod", async () => (await ask()) === 3);
    });

    it("runs already the second time, at the same port", async () => {
      const [first, second] = [await start(), await start()];
      expect(second).toEqual({ ...first, alreadyRunning: true, seconds: 0 });
      expect(localGatewayStatus(cluster.info)).toMatchObject({ state: "running", port: first.port });
    });

    it("is repaired where a part of it was killed", async () => {
      const envoy = recordedProcesses(join(folder(), "pids")).find(({ name }) => name.startsWith("envoy-"));
      process.kill(envoy!.pid, "SIGKILL");
      await eventually("its end", () => !isAlive(envoy!));
      expect(localGatewayStatus(cluster.info).state).toBe("partial");
      const { port, alreadyRunning } = await start();
      expect(alreadyRunning).toBe(false);
      expect((await send(port, routeExamples(table)[0].request)).status).toBe(200);
    });

    it("leaves nothing behind", async () => {
      const started = processes();
      expect(started.length).toBe(6);
      expect(await stopLocalGateway(cluster.info)).toBeGreaterThanOrEqual(6);
      expect(started.filter(isAlive)).toEqual([]);
      expect(existsSync(folder())).toBe(false);
      expect(localGatewayStatus(cluster.info)).toEqual({ state: "absent", parts: [] });
      expect(await stopLocalGateway(cluster.info)).toBe(0);
    });

    it("leaves nothing behind where its starter is killed", async () => {
      const { name, dir, access } = cluster.info;
      const program = `
      const { startLocalGateway } = require("./tools/gateway/gateway.ts");
      startLocalGateway(JSON.parse(process.argv[1]), { progress: { detail() {} }, crdFolder: process.argv[2] });`;
      const args = ["-r", "ts-node/register/transpile-only", "-e", program, JSON.stringify({ name, dir, access }), sharedCrds];
      const starter = spawn(process.execPath, args, { cwd: projectRoot, stdio: ["ignore", "ignore", "inherit"], env: process.env });
      await eventually("the controller", () => existsSync(join(folder(), "pids", "kgateway.json")), 60);
      const started = processes();
      starter.kill("SIGKILL");
      await eventually("the end of the folder", () => !existsSync(folder()));
      expect(started.length).toBeGreaterThanOrEqual(4);
      expect(started.filter(isAlive)).toEqual([]);
    });

    it("ends with the API server of its cluster", async () => {
      await start();
      const started = processes();
      const server = recordedProcesses(join(cluster.info.dir, "pids")).find(({ name }) => name === "kube-apiserver");
      process.kill(server!.pid, "SIGKILL");
      await eventually("the end of the folder", () => !existsSync(folder()));
      expect(started.filter(isAlive)).toEqual([]);
    });
  },
);
