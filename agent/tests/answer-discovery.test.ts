/** The gatherer as a pod runs it: settings, shard files and ServiceAccount in folders, a Kubernetes API over TLS, signals, memory. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { endpointsOf } from "../src/answer/discovery";
import {
  answerHonestly,
  ask,
  type Handler,
  jsonLines,
  lines,
  mergeRules,
  ordersOf,
  type Pod,
  settingsFor,
  snapshot,
  startPod,
} from "./answer-pods";
import { type AnswerProcess, startAnswerProcess } from "./answer-process";
import { removeFolder, temporaryFolder } from "./support";

jest.setTimeout(180_000);

let folder: string;
let pods: Pod[];
let program: AnswerProcess | undefined;

beforeEach(async () => {
  folder = temporaryFolder();
  pods = [await startPod()];
});
afterEach(async () => {
  program?.child.kill("SIGKILL");
  await program?.exited;
  program = undefined;
  await Promise.all(pods.map((pod) => pod.stop()));
  removeFolder(folder);
});

/** A Kubernetes API that knows what the test tells it. */
interface FakeApi {
  server: Server;
  asked: string[];
  token: string;
  endpoints: object[];
  nodes: object[];
}

async function startApi(): Promise<FakeApi> {
  mkdirSync(join(folder, "access"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "access", "ca.crt")];
  const subject = ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", cert, ...subject], {
    stdio: "pipe",
  });
  writeFileSync(join(folder, "access", "token"), "first\n");
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, response) => {
    api.asked.push(incoming.url ?? "");
    if (incoming.headers.authorization !== `Bearer ${api.token}`) {
      response.writeHead(401).end('{"kind":"Status","message":"Unauthorized"}');
      return;
    }
    const items = incoming.url?.startsWith("/api/v1/nodes?") === true ? api.nodes : [{ endpoints: api.endpoints }];
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ items }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const api: FakeApi = { server, asked: [], token: "first", endpoints: [], nodes: [] };
  return api;
}

/** Shard files as the kubelet puts them there: a folder, a link to it, links to the files. */
function writeShardFiles(version: string, files: Record<string, string>): void {
  const shards = join(folder, "shards");
  mkdirSync(join(shards, `..${version}`), { recursive: true });
  for (const [name, own] of Object.entries(files)) {
    writeFileSync(join(shards, `..${version}`, name), `MESH_NODE=mesh-${name}\nMESH_SHARDS=${own}\nMESH_PRIMARY_SHARDS=${own}\n`);
    try {
      symlinkSync(join("..data", name), join(shards, name));
    } catch {
      // It is there since the first version.
    }
  }
  symlinkSync(`..${version}`, join(shards, "..data.new"));
  renameSync(join(shards, "..data.new"), join(shards, "..data"));
}

const upstreamFor = (nodes: "nodeName" | "nodeLabel"): Parameters<typeof settingsFor>[1] => ({
  owners: undefined,
  upstream: { endpointService: "prices-v1-s", namespace: "mesh", port: Number(new URL(pods[0].url).port), nodes },
});
const environment = (api: FakeApi): Record<string, string> => ({
  SHARD_FILES: join(folder, "shards"),
  API_ACCESS: join(folder, "access"),
  KUBERNETES_SERVICE_HOST: "127.0.0.1",
  KUBERNETES_SERVICE_PORT: String((api.server.address() as AddressInfo).port),
});
const ready = async (): Promise<[number, string]> => {
  const { status, text } = await ask(program!.healthPort, "/readyz");
  return [status, text.trim()];
};

describe("discovery", () => {
  it("finds pods by EndpointSlices and shard files, keeps them while the API is away, and follows a new shard map and a new token", async () => {
    const api = await startApi();
    writeShardFiles("1", { "vm-a": "0,1,2", "vm-b": "3" });
    api.token = "another";
    program = await startAnswerProcess(folder, settingsFor([], upstreamFor("nodeName")), environment(api));
    await until(async () => (await ready())[1].includes("status 401: Unauthorized"));
    expect((await ask(program.port, "/total")).status).toBe(503);
    // The kubelet renews the token; vm-a's pod is ready.
    writeFileSync(join(folder, "access", "token"), "another");
    api.endpoints = [
      { addresses: ["127.0.0.1"], nodeName: "vm-a", conditions: { ready: true } },
      { addresses: ["127.0.0.2"], nodeName: "vm-b", conditions: { ready: false } },
    ];
    await until(async () => (await ready())[0] === 200);
    expect(api.asked[0]).toBe(
      "/apis/discovery.k8s.io/v1/namespaces/mesh/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dprices-v1-s&resourceVersion=0",
    );
    expect(JSON.parse((await ask(program.port, "/total")).text)).toMatchObject({
      complete: false,
      missing: [{ shard: 3, reason: "no ready owner" }],
    });

    writeShardFiles("2", { "vm-a": "0,1,2,3", "vm-b": "" });
    await until(async () => JSON.parse((await ask(program!.port, "/total")).text).complete === true);
    api.server.closeAllConnections();
    await new Promise((resolve) => api.server.close(resolve));
    await until(() => Promise.resolve(program!.log().includes("cannot be looked up")));
    expect(JSON.parse((await ask(program.port, "/total")).text)).toMatchObject({
      complete: true,
      answer: { count: [0, 1, 2, 3].flatMap(ordersOf).length },
    });
    expect(await ready()).toEqual([200, "ready"]);
  });

  it("reads the labels of Nodes where the shard files are called by mesh nodes", async () => {
    const api = await startApi();
    writeShardFiles("1", { "n-1": "0,1,2,3" });
    api.endpoints = [
      { addresses: ["127.0.0.1"], nodeName: "vm-a" },
      { addresses: ["127.0.0.3"], nodeName: "vm-without" },
    ];
    api.nodes = [
      { metadata: { name: "vm-a", labels: { "compute-mesh.dev/node": "n-1" } } },
      { metadata: { name: "vm-without", labels: {} } },
    ];
    program = await startAnswerProcess(folder, settingsFor([], upstreamFor("nodeLabel")), environment(api));
    await until(async () => (await ready())[0] === 200);
    expect(JSON.parse((await ask(program.port, "/total")).text)).toMatchObject({ complete: true, version: "v1" });
    expect(program.log()).toContain("vm-without");
    api.server.closeAllConnections();
    api.server.close();
  });

  it("counts an address once, and an endpoint without a condition as ready", () => {
    const slice = {
      endpoints: [
        { addresses: ["10.0.0.1"], nodeName: "a" },
        { addresses: ["10.0.0.2"], nodeName: "b", conditions: { ready: null } },
        { addresses: ["10.0.0.3"], nodeName: "c", conditions: { ready: false } },
        { addresses: ["10.0.0.4"] },
      ],
    };
    expect(endpointsOf({ items: [slice, slice, {}] }).map(({ host }) => host)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(() => endpointsOf({ kind: "Status" })).toThrow("without a list of items");
  });
});

describe("the program", () => {
  it("lets running questions end after SIGTERM, and takes no new ones", async () => {
    pods[0].handler = (incoming, response, shards) => void setTimeout(answerHonestly, 1500, incoming, response, shards);
    program = await startAnswerProcess(folder, settingsFor(pods));
    expect(await ready()).toEqual([200, "ready"]);
    const running = ask(program.port, "/total");
    await until(() => Promise.resolve(pods[0].asked.length > 0));
    program.child.kill("SIGTERM");
    await until(() =>
      ask(program!.port, "/nothing").then(
        () => false,
        () => true,
      ),
    );
    expect((await ready())[1]).toContain("the pod is about to end");
    expect(JSON.parse((await running).text)).toMatchObject({ complete: true });
    expect(await program.exited).toBe(0);
  });

  it("names wrong settings and ends", async () => {
    await expect(startAnswerProcess(folder, settingsFor(pods, { shardCount: 0, merge: { total: { sum: true } } }))).rejects.toThrow(
      /settings\.json: expected a readable settings\.json, found shardCount: 0 .*merge\.total/,
    );
  });

  it("streams a hundred megabytes with a heap of 64, merged and one after the other, also to a client that is slow", async () => {
    const rowsEach = 100_000;
    const pad = "x".repeat(500);
    // Customers 0, 2, 4 … of one pod and 0, 3, 6 … of the other.
    const stream =
      (step: number): Handler =>
      (_incoming, response) => {
        response.writeHead(200, { "content-type": "application/x-ndjson" });
        let row = 0;
        const more = (): void => {
          for (let room = true; room && row < rowsEach;) {
            let text = "";
            for (const end = Math.min(row + 500, rowsEach); row < end; row++) {
              text += `{"customer":${row * step},"sum":1,"pad":"${pad}"}\n`;
            }
            room = response.write(text);
          }
          if (row < rowsEach) {
            response.once("drain", more);
          } else {
            response.end();
          }
        };
        more();
      };
    pods.push(await startPod(stream(3)));
    pods[0].handler = stream(2);
    const merge = { ...mergeRules, "/customers": { groupBy: ["customer"], fields: { sum: { sum: true }, pad: { max: true } } } };
    program = await startAnswerProcess(folder, settingsFor(pods, { merge }), {}, ["--max-old-space-size=64"]);
    const before = program.peakMebibytes();
    const concatenated = await drink(program.port, "/orders");
    expect(concatenated).toMatchObject({ trailer: { snapshot, complete: true, rows: 2 * rowsEach } });
    const merged = await drink(program.port, "/customers", 5);
    // Multiples of 6 below 2 × rowsEach are in both.
    expect(merged).toMatchObject({ trailer: { complete: true, rows: 2 * rowsEach - Math.ceil((2 * rowsEach) / 6) } });
    const grown = program.peakMebibytes() - before;
    process.stderr.write(
      `streamed ${Math.round((concatenated.bytes + merged.bytes) / 2 ** 20)} MiB; memory ${Math.round(before)} MiB, grown by ${Math.round(grown)} MiB\n`,
    );
    expect(concatenated.bytes).toBeGreaterThan(100e6);
    expect(grown).toBeLessThan(80);
  });
});

/** Reads a stream to its end and keeps the last line only; pauses after so many megabytes, in milliseconds. */
function drink(port: number, path: string, pauseMilliseconds = 0): Promise<{ bytes: number; trailer: unknown }> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, headers: lines, agent: false }, (response) => {
      let bytes = 0;
      let tail = "";
      response.on("error", reject);
      response.on("data", (chunk: Buffer) => {
        const megabyte = Math.floor(bytes / 1e6);
        bytes += chunk.length;
        tail = (tail + chunk.toString("latin1")).slice(-1000);
        if (pauseMilliseconds > 0 && Math.floor(bytes / 1e6) > megabyte) {
          response.pause();
          setTimeout(() => response.resume(), pauseMilliseconds);
        }
      });
      response.on("end", () => resolve({ bytes, trailer: jsonLines(tail.slice(tail.lastIndexOf("\n", tail.length - 2) + 1))[0] }));
    });
    asking.on("error", reject).end();
  });
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await done());) {
    if (Date.now() > end) {
      throw new Error(`it did not come about within 20 seconds; the log of the program: ${program?.log() ?? ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
