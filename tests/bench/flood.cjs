// Asks the same requests again and again over kept connections, one at a time on each, for some seconds: `node flood.cjs <file>`. The file holds
// { port, requests: texts of whole requests, connections, seconds }; answers must have no body. Raw sockets, because an HTTP client costs more than a gateway.
const { readFileSync } = require("node:fs");
const { connect } = require("node:net");

const { port, requests, connections, seconds } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const payloads = requests.map((text) => Buffer.from(text));
let [answered, failed, next] = [0, 0, 0];
const end = process.hrtime.bigint() + BigInt(seconds * 1e9);
let open = connections;

function worker() {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const ask = () => {
    if (process.hrtime.bigint() > end) socket.destroy();
    else socket.write(payloads[next++ % payloads.length]);
  };
  socket.once("connect", ask);
  let rest = "";
  socket.on("data", (chunk) => {
    rest += chunk.toString("latin1");
    if (!rest.endsWith("\r\n\r\n")) return;
    if (rest.startsWith("HTTP/1.1 200 ")) answered += 1;
    else failed += 1;
    rest = "";
    ask();
  });
  socket.once("error", () => (failed += 1));
  socket.once("close", () => {
    open -= 1;
    if (open === 0) process.stdout.write(JSON.stringify({ answered, failed }));
  });
}
for (let index = 0; index < connections; index += 1) worker();
