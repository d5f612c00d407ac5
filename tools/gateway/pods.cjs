/**
 * Small demo backends behind the endpoints of a simulated cluster: every pod there answers in JSON who it is. One process plays all of them.
 *
 * It looks at the EndpointSlices and pods of the cluster, and takes connections at every port of theirs in the network namespace where every address of a
 * pod is its own (listen.cjs opens the ports there and hands them over).
 *
 * Usage: node pods.cjs --config=<file>; the file holds { server, caCertificate, token, prefix }. Plain JavaScript on purpose: tests run from TypeScript sources,
 * before anything is compiled.
 */
"use strict";
const { fork } = require("node:child_process");
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { Agent, request } = require("node:https");
const { join } = require("node:path");

const config = process.argv[2]?.replace(/^--config=/, "");
if (!config) {
  process.stderr.write("usage: node pods.cjs --config=<file>\n");
  process.exit(2);
}
const { server, caCertificate, token, prefix } = JSON.parse(readFileSync(config, "utf8"));
const lookMilliseconds = 1000;
const ownLabels = "compute-mesh.dev/";

const agent = new Agent({ keepAlive: true, ca: caCertificate });
function list(path) {
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, server), { agent, timeout: 10000, headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.once("error", reject).once("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text).items);
        else reject(new Error(`${path}: ${response.statusCode} ${text.slice(0, 200)}`));
      });
    });
    call.once("timeout", () => call.destroy(new Error(`${path}: no answer within 10 s`)));
    call.once("error", reject).end();
  });
}

/** Pods by address. */
let pods = new Map();
const ports = new Set();

async function look() {
  const [slices, all] = await Promise.all([list("/apis/discovery.k8s.io/v1/endpointslices"), list("/api/v1/pods")]);
  const living = all.filter(({ status, metadata }) => status.podIP && !metadata.deletionTimestamp && status.phase === "Running");
  pods = new Map(living.map((pod) => [pod.status.podIP, pod]));
  for (const port of slices.flatMap((slice) => (slice.ports ?? []).map((one) => one.port))) {
    if (!port || ports.has(port)) continue;
    ports.add(port);
    inside.send({ port });
  }
}

/** What a pod says of itself: the mesh's own labels first. */
function words({ metadata, spec, status }) {
  const labels = Object.entries(metadata.labels ?? {}).filter(([name]) => name.startsWith(ownLabels));
  const said = Object.fromEntries(labels.map(([name, value]) => [name.slice(ownLabels.length), value]));
  const { service, version, snapshot } = said;
  return { service, version, snapshot, pod: metadata.name, node: spec.nodeName, address: status.podIP };
}

async function answer(incoming, outgoing) {
  const address = incoming.socket.localAddress;
  // One that came a moment ago is known to the gateway already.
  if (!pods.has(address)) await look().catch(() => undefined);
  const pod = pods.get(address);
  const { method, url: path } = incoming;
  const text = `${JSON.stringify(pod ? { ...words(pod), method, path } : { error: `no pod runs at ${address}` })}\n`;
  outgoing.writeHead(pod ? 200 : 503, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  outgoing.end(text);
}

const backend = createServer((incoming, outgoing) => {
  incoming.resume();
  void answer(incoming, outgoing);
});

const [program, ...before] = prefix;
const inside = fork(join(__dirname, "listen.cjs"), [], {
  execPath: program,
  execArgv: [...before, process.execPath],
  stdio: ["ignore", "inherit", "inherit", "ipc"],
});
inside.on("message", (_message, listening) => listening?.on("connection", (socket) => backend.emit("connection", socket)));
inside.once("exit", () => process.exit(1));

async function again() {
  await look().catch((error) => process.stderr.write(`${error.message}\n`));
  setTimeout(again, lookMilliseconds);
}
void again();
