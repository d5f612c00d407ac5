/**
 * A proxy that fails as it is told to: in front of Kafka, of an object store, of anything that speaks TCP.
 *
 * Usage: node fault-proxy.cjs --control=<socket> --listen=<host>:<port> --target=<host>:<port> --protocol=tcp|http
 * Control by HTTP at the socket: PUT / with the faults as JSON replaces those of before, GET / returns the faults and what was counted. See faults.ts.
 * Plain JavaScript on purpose: tests run from TypeScript sources, before anything is compiled.
 */
"use strict";
const http = require("node:http");
const net = require("node:net");
const { Transform } = require("node:stream");

const options = Object.fromEntries(process.argv.slice(2).map((argument) => /^--([a-z]+)=(.*)$/s.exec(argument).slice(1)));
const address = (text) => ({ host: text.slice(0, text.lastIndexOf(":")), port: Number(text.slice(text.lastIndexOf(":") + 1)) });
const target = address(options.target);

/** The faults of now; none at the start. */
let faults = {};
const counts = { connections: 0, refused: 0, reset: 0, failed: 0, requests: 0, bytes: 0 };
const open = new Set();
/** Bytes until the next reset, of all connections together. */
let untilReset = Infinity;
/** Requests that are still to fail. */
let untilWell = Infinity;

/** Counts, slows down and breaks off what flows through, by the faults of the moment. `breakOff` ends the connection the hard way. */
function throttle(breakOff) {
  return new Transform({
    transform(chunk, _encoding, done) {
      const passed = Math.min(chunk.length, untilReset);
      untilReset -= passed;
      counts.bytes += passed;
      const end = () => {
        if (passed < chunk.length) {
          untilReset = Infinity;
          counts.reset += 1;
          this.push(chunk.subarray(0, passed));
          // What has passed is on its way first.
          setImmediate(breakOff);
          return;
        }
        done(undefined, chunk);
      };
      const slow = faults.bytesPerSecond ? (passed / faults.bytesPerSecond) * 1000 : 0;
      const wait = slow + (faults.delayMilliseconds ?? 0);
      if (wait > 0) setTimeout(end, wait);
      else end();
    },
  });
}

function reset(socket) {
  if (!socket.destroyed) socket.resetAndDestroy();
}

function takeConnection(socket) {
  counts.connections += 1;
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  socket.on("error", () => socket.destroy());
  if (!faults.down) return true;
  counts.refused += 1;
  reset(socket);
  return false;
}

function tcpServer() {
  return net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    if (!takeConnection(client)) return;
    const server = net.connect({ ...target, allowHalfOpen: true });
    const breakOff = () => {
      reset(client);
      reset(server);
    };
    server.on("error", breakOff);
    // An orderly end goes through the pipes, behind the data that is still on its slow way.
    client.on("close", (failed) => failed && server.destroy());
    client.pipe(throttle(breakOff)).pipe(server);
    server.pipe(throttle(breakOff)).pipe(client);
    client.resume();
  });
}

function httpServer() {
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    counts.requests += 1;
    const { fail } = faults;
    if (fail && untilWell > 0 && new RegExp(fail.match ?? "").test(`${request.method} ${request.url}`)) {
      untilWell -= 1;
      counts.failed += 1;
      // Read to the end, as a server does that fails afterwards.
      request.resume().on("end", () => response.writeHead(fail.status, { "content-type": "text/plain" }).end("told to fail\n"));
      return;
    }
    const breakOff = () => {
      upstream.destroy();
      reset(request.socket);
    };
    // Headers as they came: a signature covers the host.
    const upstream = http.request({
      ...target,
      agent,
      method: request.method,
      path: request.url,
      headers: request.rawHeaders,
      setHost: false,
    });
    upstream.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.on("error", breakOff);
      answer.pipe(throttle(breakOff)).pipe(response);
    });
    upstream.on("continue", () => response.writeContinue());
    upstream.on("error", breakOff);
    request.pipe(throttle(breakOff)).pipe(upstream);
  });
  // Whoever sends "Expect: 100-continue" waits for the server's word, not for ours.
  server.on("checkContinue", (request, response) => server.emit("request", request, response));
  server.on("connection", takeConnection);
  server.keepAliveTimeout = 60_000;
  return server;
}

function setFaults(next) {
  faults = next;
  untilReset = next.resetAfterBytes ?? Infinity;
  untilWell = next.fail?.times ?? Infinity;
  if (next.down) for (const socket of open) reset(socket);
}

const control = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    try {
      if (request.method === "PUT") setFaults(JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ faults, counts, open: open.size }));
    } catch (error) {
      response.writeHead(400, { "content-type": "text/plain" }).end(String(error));
    }
  });
});

(options.protocol === "http" ? httpServer() : tcpServer()).listen(address(options.listen), () => control.listen(options.control));
