// Servers outside of the cluster, all at one address: `node outside.cjs <file of settings>`. By the name that TLS or the Host header asks for:
//   lambda.<region>.amazonaws.com       AWS Lambda (HTTP/1.1 and HTTP/2), by its path; also without TLS at the port `plain`
//   metadata.google.internal            identity tokens, without TLS at the port `plain`
//   *.a.run.app, *.cloudfunctions.net   take requests with a token for them only; `open.a.run.app` takes all
//   *.azurewebsites.net                 take requests with the function's key only
//   everything else                     says what it was asked
// Names without a certificate of their own get that of another name. What functions did without an answer, and which tokens were given out, is in the file `notes`.
const { appendFileSync, readFileSync } = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");
const net = require("node:net");
const tls = require("node:tls");
const { invoke } = require("./outside-lambda.cjs");
const google = require("./outside-google.cjs");

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { address, ports, certificates, notes, aws, azureKey, podIdentity } = settings;
const note = (what) => appendFileSync(notes, `${JSON.stringify(what)}\n`);
const contexts = Object.fromEntries(
  Object.entries(certificates).map(([name, { certificate, key }]) => [
    name,
    tls.createSecureContext({ cert: readFileSync(certificate), key: readFileSync(key) }),
  ]),
);
const [first] = Object.values(certificates);

const echo = ({ method, url, headers, body }) => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ host: headers.host, method, url, body: body.toString(), authorized: headers.authorization !== undefined }),
});

function answer(request) {
  const { headers, url } = request;
  const { host } = headers;
  const [path] = url.split("?");
  const name = host.replace(/:\d+$/, "");
  if (name === address && path === "/v1/credentials") return credentials(request);
  if (path.startsWith("/2015-03-31/")) return invoke(request, { ...aws, note });
  if (name === "metadata.google.internal") return google.metadata(request, note);
  if (name.endsWith(".azurewebsites.net"))
    return headers["x-functions-key"] === azureKey ? echo(request) : { status: 401, headers: {}, body: "" };
  if (name.endsWith(".a.run.app") || name.endsWith(".cloudfunctions.net")) {
    // A function has the first part of the path; what is below reaches its code.
    const audience = name.endsWith(".a.run.app") ? `https://${name}` : `https://${name}/${path.split("/")[1]}`;
    const refused = name === "open.a.run.app" ? undefined : google.refusal(request, audience);
    return refused === undefined ? echo(request) : { headers: {}, ...refused };
  }
  return echo(request);
}

// The agent of EKS Pod Identity: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html.
function credentials({ headers }) {
  if (headers.authorization !== podIdentity.token) return { status: 401, headers: {}, body: "" };
  const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token } = podIdentity;
  const Expiration = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ AccessKeyId, SecretAccessKey, Token, Expiration }),
  };
}

function serve(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.once("end", async () => {
    const given = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(":")));
    const headers = { host: request.headers[":authority"], ...given };
    const {
      status,
      headers: answered,
      body,
    } = await answer({ method: request.method, url: request.url, headers, body: Buffer.concat(chunks) });
    response.writeHead(status, { ...answered, "content-length": Buffer.byteLength(body) });
    response.end(body);
  });
}

const secure = http2.createSecureServer(
  {
    allowHTTP1: true,
    cert: readFileSync(first.certificate),
    key: readFileSync(first.key),
    SNICallback: (name, done) => done(null, contexts[name] ?? null),
  },
  serve,
);
secure.on("sessionError", () => undefined);
secure.listen(ports.tls, address);

// One port for HTTP/1.1 and HTTP/2: the first bytes tell.
const [one, two] = [http.createServer(serve), http2.createServer(serve)];
two.on("sessionError", () => undefined);
net
  .createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      const isTwo = chunk.toString("latin1", 0, 14) === "PRI * HTTP/2.0";
      (isTwo ? two : one).emit("connection", socket);
      // An HTTP/2 session fetches what has come already.
      if (!isTwo) socket.resume();
    });
  })
  .listen(ports.plain, address);
