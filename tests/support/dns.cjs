// A DNS server that knows the names in a file and nothing else: `node dns.cjs <address> <port> <file>`. The file is { name: [address, …] }.
const { createSocket } = require("node:dgram");
const { readFileSync } = require("node:fs");

const [address, port, file] = process.argv.slice(2);
const names = JSON.parse(readFileSync(file, "utf8"));
const typeA = 1;

/** The text of the first question's name, and where its type begins. */
function readName(query) {
  const labels = [];
  let at = 12;
  for (let length = query[at]; length > 0; length = query[at]) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), at: at + 1 };
}

const server = createSocket("udp4");
server.on("message", (query, client) => {
  const { name, at } = readName(query);
  const known = names[name];
  const addresses = query.readUInt16BE(at) === typeA ? (known ?? []) : [];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  // An answer with authority; where the name is not known, 3 says so.
  header.writeUInt16BE(0x8580 | (known === undefined ? 3 : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((one) => Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4, ...one.split(".").map(Number)]));
  server.send(Buffer.concat([header, query.subarray(12, at + 4), ...records]), client.port, client.address);
});
server.bind(Number(port), address);
