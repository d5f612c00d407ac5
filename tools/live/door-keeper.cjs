/**
 * A door into a network namespace: takes connections at a listening socket of the machine and dials the target from the namespace in which it runs.
 * A socket stays in the namespace in which it was made, so the socket comes from the parent, by its channel.
 *
 * Usage: nsenter --net=... node door-keeper.cjs <host> <port>
 * Plain JavaScript on purpose: tests run from TypeScript sources, before anything is compiled.
 */
"use strict";
const net = require("node:net");

const [host, port] = process.argv.slice(2);

process.once("message", (_message, server) => {
  server.on("connection", (outer) => {
    const inner = net.connect({ host, port: Number(port), allowHalfOpen: true });
    outer.allowHalfOpen = true;
    for (const [one, other] of [
      [outer, inner],
      [inner, outer],
    ]) {
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.pipe(other);
      one.on("close", () => other.destroySoon());
    }
  });
  process.send("open", () => process.disconnect());
});
