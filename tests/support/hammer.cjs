// Asks a gateway the same few questions again and again over kept connections, until its standard input ends: `node hammer.cjs <file>`.
// A question is { port, host, path, headers, allowed }: addresses of the pods that may answer it. Every answer of another pod is a leak.
const { readFileSync } = require("node:fs");
const { Agent, request } = require("node:http");

const { questions, connections } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const result = { asked: 0, answered: 0, statuses: {}, leaks: [] };
let stopping = false;
process.stdin.on("end", () => (stopping = true)).resume();

function ask({ port, host, path, headers, allowed }) {
  return new Promise((resolve) => {
    const count = (status) => {
      result.asked += 1;
      result.statuses[status] = (result.statuses[status] ?? 0) + 1;
      resolve();
    };
    const call = request(
      { host: "127.0.0.1", port, path, agent, setHost: false, timeout: 20000, headers: { host, ...headers } },
      (response) => {
        const pod = response.headers["x-echo-destination"];
        if (pod !== undefined) result.answered += 1;
        if (pod !== undefined && !allowed.includes(pod)) result.leaks.push({ path, headers, pod, at: new Date().toISOString() });
        response
          .once("end", () => count(response.statusCode))
          .once("error", () => count(0))
          .resume();
      },
    );
    call.once("timeout", () => call.destroy(new Error("no answer within 20 s")));
    call.once("error", () => count(0)).end();
  });
}

(async () => {
  let next = 0;
  const worker = async () => {
    while (!stopping) await ask(questions[next++ % questions.length]);
  };
  await Promise.all(Array.from({ length: connections }, worker));
  process.stdout.write(JSON.stringify(result));
  agent.destroy();
})();
