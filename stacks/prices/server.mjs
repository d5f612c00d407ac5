/**
 * The example service: questions over the orders of this node's shards, in one snapshot.
 *
 * Asked with the header `mesh-shards: 0,3`, it answers for exactly those; without it, for the shards that its node owns first. Either way the
 * response says in `mesh-snapshot`, `mesh-version` and `mesh-shards` what it is about.
 */
import { createServer } from "node:http";
import { openDatabase } from "./database.mjs";
import { createQuestions, WrongQuestion } from "./questions.mjs";
import { parseShards, readSettings } from "./settings.mjs";

const settings = readSettings();
const { snapshot, version, node, shards: ownShards, primary } = settings;
const database = openDatabase(settings);
const questions = createQuestions(database.view, settings.second);

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  handle(request, response).catch((error) => {
    if (response.headersSent) {
      // Half an answer must not look like a whole one.
      response.destroy();
      return;
    }
    const status = error instanceof Misdirected ? 421 : error instanceof WrongQuestion ? 400 : 503;
    send(response, status, { error: error.message });
  });
});

class Misdirected extends Error {}

async function handle(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://pod");
  if (request.method !== "GET") {
    send(response, 405, { error: "ask by GET" });
    return;
  }
  if (pathname === "/healthz") {
    await database.check(ownShards);
    send(response, 200, { ready: true, node, snapshot, version, shards: ownShards });
    return;
  }
  const question = Object.hasOwn(questions, pathname) ? questions[pathname] : undefined;
  if (question === undefined) {
    send(response, 404, { error: `known are ${Object.keys(questions).join(", ")}` });
    return;
  }
  checkBinding(request.headers);
  const shards = askedShards(request.headers["mesh-shards"]);
  const rows = database.read(question.sql, shards, question.parameters?.(searchParams) ?? []);
  const head = { "mesh-snapshot": snapshot, "mesh-version": version, "mesh-shards": shards.join(","), "mesh-node": node };
  if (question.rows === true && (request.headers.accept ?? "").includes("application/x-ndjson")) {
    await sendLines(response, head, rows, question.row);
    return;
  }
  const answer = [];
  for await (const batch of rows) {
    answer.push(...batch.map(question.row));
  }
  send(response, 200, question.rows === true ? answer : answer[0], head);
}

async function sendLines(response, head, rows, makeRow) {
  for await (const batch of rows) {
    if (!response.headersSent) {
      response.writeHead(200, { ...head, "content-type": "application/x-ndjson" });
    }
    if (!response.write(batch.map((row) => `${JSON.stringify(makeRow(row))}\n`).join(""))) {
      await roomIn(response);
    }
    if (response.destroyed) {
      return;
    }
  }
  if (!response.headersSent) {
    response.writeHead(200, { ...head, "content-type": "application/x-ndjson" });
  }
  response.end();
}

/** Resolves when the client has taken what was written, or has gone. */
function roomIn(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function checkBinding(headers) {
  for (const [name, own] of [
    ["mesh-snapshot", snapshot],
    ["mesh-version", version],
  ]) {
    if (headers[name] !== undefined && headers[name] !== own) {
      throw new Misdirected(`${name}: ${headers[name]} is asked for, and ${own} is answered here`);
    }
  }
}

function askedShards(text) {
  if (text === undefined) {
    return primary;
  }
  const shards = parseShards(text);
  if (shards === undefined) {
    throw new WrongQuestion(`mesh-shards: ${text} is not allowed: a comma list of shards`);
  }
  const strangers = shards.filter((shard) => !ownShards.includes(shard));
  if (strangers.length > 0) {
    throw new Misdirected(`node ${node} has no shards ${strangers.join(", ")}`);
  }
  return shards;
}

function send(response, status, body, head = {}) {
  response.writeHead(status, { ...head, "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

server.listen(settings.port, () => console.log(`prices ${version} at ${snapshot} on node ${node}, port ${server.address().port}`));
process.once("SIGTERM", () => {
  server.close(() => database.close().then(() => process.exit(0)));
  server.closeIdleConnections();
});
