// Asks a gateway many things over a few kept connections, from inside its network namespace: `node ask.cjs <file of questions>`.
// A question is { port, method, host, path, headers, upgrade, body, tls }; an answer { status, headers, body, milliseconds }, with status 0 where the
// connection broke.
// With `upgrade` the text is sent through the WebSocket, and the body is what came back.
const { readFileSync } = require("node:fs");
const { Agent, request } = require("node:http");
const https = require("node:https");

const { questions, connections } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const agent = new Agent({ keepAlive: true, maxSockets: connections });
// The authorities of the place, and not those that Node brings along.
const ca = readFileSync("/etc/ssl/certs/ca-certificates.crt");
const secureAgent = new https.Agent({ keepAlive: true, maxSockets: connections, ca });

function ask({ port, method, host, path, headers, upgrade, body: given, tls }) {
  const began = performance.now();
  return new Promise((resolvePromise) => {
    const resolve = (answer) => resolvePromise({ ...answer, milliseconds: Math.round(performance.now() - began) });
    const broken = (error) => resolve({ status: 0, headers: {}, body: String(error) });
    const extra = upgrade === undefined ? {} : { connection: "upgrade", upgrade: "websocket" };
    const options = {
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: tls ? secureAgent : agent,
      ...(tls ? { servername: host.replace(/:\d+$/, "") } : {}),
      setHost: false,
      timeout: 20000,
      headers: { host, ...extra, ...headers },
    };
    const call = (tls ? https.request : request)(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text) => (body += text));
      response.once("error", broken).once("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    call.once("upgrade", (response, socket) => {
      socket.setEncoding("utf8").once("data", (body) => {
        resolve({ status: response.statusCode, headers: response.headers, body });
        socket.destroy();
      });
      socket.write(upgrade);
    });
    call.once("timeout", () => call.destroy(new Error("no answer within 20 s")));
    call.once("error", broken).end(given);
  });
}

(async () => {
  const answers = new Array(questions.length);
  let next = 0;
  const worker = async () => {
    while (next < questions.length) {
      const index = next++;
      answers[index] = await ask(questions[index]);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  process.stdout.write(JSON.stringify(answers));
  agent.destroy();
  secureAgent.destroy();
})();
