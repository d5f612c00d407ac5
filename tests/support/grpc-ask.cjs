// Calls gRPC methods through a gateway, from inside its network namespace: `node grpc-ask.cjs <file of calls>`.
// A call is { port, host, tls, method, message }; an answer { code, details, messages }.
const { readFileSync } = require("node:fs");
const grpc = require("@grpc/grpc-js");

const calls = JSON.parse(readFileSync(process.argv[2], "utf8"));
const authorities = readFileSync("/etc/ssl/certs/ca-certificates.crt");
const write = (value) => Buffer.from(value);
const read = (value) => value.toString();

function ask({ port, host, tls, method, message }) {
  const credentials = tls ? grpc.credentials.createSsl(authorities) : grpc.credentials.createInsecure();
  const client = new grpc.Client(`127.0.0.1:${port}`, credentials, {
    "grpc.default_authority": host,
    ...(tls ? { "grpc.ssl_target_name_override": host } : {}),
  });
  return new Promise((resolve) => {
    const messages = [];
    const call = client.makeServerStreamRequest(method, write, read, message, { deadline: Date.now() + 10_000 });
    call.on("data", (one) => messages.push(one));
    call.on("error", () => undefined);
    call.on("status", ({ code, details }) => {
      client.close();
      resolve({ code, details, messages });
    });
  });
}

Promise.all(calls.map(ask)).then((answers) => process.stdout.write(JSON.stringify(answers)));
