/**
 * Opens ports on every address of the network namespace that it runs in, and hands them to its parent, who is in another one: a socket stays in the
 * namespace in which it was made. Ends with its parent.
 */
"use strict";
const { createServer } = require("node:net");

process.on("message", ({ port }) => {
  const server = createServer();
  server.once("error", (error) => process.stderr.write(`port ${port}: ${error.message}\n`));
  server.listen({ port, host: "0.0.0.0", exclusive: true }, () => process.send({ port }, server, () => server.close()));
});
process.once("disconnect", () => process.exit(0));
