// The protocol of AWS Lambda's Invoke, as far as a gateway uses it: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.
// Signatures are computed once more by the signer of AWS's own SDK, from what has come over the wire.
const { createHash, createHmac, timingSafeEqual } = require("node:crypto");
const { SignatureV4 } = require("@smithy/signature-v4");

/** SHA-256 as the SDK asks for it: plain, or with a key. */
class Sha256 {
  constructor(key) {
    this.hash = key === undefined ? createHash("sha256") : createHmac("sha256", key);
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return this.hash.digest();
  }
}

/** Why the service would not take a request; undefined where it would. `keys`: secret (and session token) by access key. */
async function refusal({ method, url, headers, body }, { keys, region, now = Date.now() }) {
  const { authorization = "" } = headers;
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (parts === null) return `Missing Authentication Token: ${authorization}`;
  const [, accessKeyId, day, scopeRegion, service, signedHeaders, signature] = parts;
  const known = keys[accessKeyId];
  if (known === undefined) return `The security token included in the request is invalid: ${accessKeyId}`;
  if (headers["x-amz-security-token"] !== known.sessionToken) return "The security token included in the request is invalid";
  if (scopeRegion !== region || service !== "lambda") return `Credential should be scoped to ${region}/lambda: ${scopeRegion}/${service}`;
  const [, ...digits] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(headers["x-amz-date"] ?? "") ?? [];
  const date = new Date(Date.UTC(digits[0], digits[1] - 1, digits[2], digits[3], digits[4], digits[5]));
  if (!(Math.abs(date.getTime() - now) < 300_000) || !headers["x-amz-date"].startsWith(day))
    return `Signature expired: ${headers["x-amz-date"]}`;
  const names = signedHeaders.split(";");
  const wanted = ["host", ...Object.keys(headers).filter((name) => name.startsWith("x-amz-"))];
  const unsigned = wanted.filter((name) => !names.includes(name));
  if (unsigned.length > 0) return `not signed: ${unsigned.join(", ")}`;
  const payload = createHash("sha256").update(body).digest("hex");
  if ((headers["x-amz-content-sha256"] ?? payload) !== payload) return "x-amz-content-sha256 is not the checksum of the body";
  const [path, query = ""] = url.split("?");
  const signer = new SignatureV4({
    service: "lambda",
    region,
    credentials: { accessKeyId, secretAccessKey: known.secretAccessKey, sessionToken: known.sessionToken },
    sha256: Sha256,
    applyChecksum: false,
  });
  const request = {
    method,
    path,
    query: Object.fromEntries(new URLSearchParams(query)),
    headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
    body,
  };
  const own = await signer.sign(request, { signingDate: date, signableHeaders: new Set(names) });
  const [computed] = /[0-9a-f]{64}$/.exec(own.headers.authorization) ?? [""];
  if (!timingSafeEqual(Buffer.from(computed), Buffer.from(signature)))
    return "The request signature we calculated does not match the signature you provided";
  return undefined;
}

const json = (status, body) => ({ status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/**
 * The answer to one request. The function `scale` gets an event and answers with status, headers and body, as Envoy wraps them; `upper` gets the body
 * and answers with its letters in upper case.
 */
async function invoke(request, settings) {
  const refused = await refusal(request, settings);
  if (refused !== undefined) return json(403, { message: refused });
  const [, encoded] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url) ?? [];
  if (request.method !== "POST" || encoded === undefined) return json(404, { message: `no function at ${request.method} ${request.url}` });
  const arn = decodeURIComponent(encoded);
  const [, name, qualifier] =
    new RegExp(`^arn:aws:lambda:${settings.region}:${settings.account}:function:([^:]+):([^:]+)$`).exec(arn) ?? [];
  const functions = { scale: scale(qualifier), upper: (body) => body.toString().toUpperCase() };
  if (functions[name] === undefined) return json(404, { Type: "User", Message: `Function not found: ${arn}` });
  const type = request.headers["x-amz-invocation-type"] ?? "RequestResponse";
  // AWS finds the function by the path, and takes any host that is signed; its own clients send that of the service.
  settings.note({ invoked: name, host: request.headers.host });
  if (type === "Event") {
    settings.note({ event: name, body: request.body.toString() });
    return { status: 202, headers: {}, body: "" };
  }
  if (type !== "RequestResponse") return json(400, { message: `InvalidParameterValueException: ${type}` });
  return {
    status: 200,
    headers: { "x-amz-executed-version": qualifier, "content-type": "application/json" },
    body: functions[name](request.body),
  };
}

const scale = (qualifier) => (body) => {
  const {
    raw_path: path,
    method,
    headers = {},
    query_string_parameters: query,
    body: given = "",
    is_base64_encoded: encoded,
  } = JSON.parse(body);
  const text = encoded ? Buffer.from(given, "base64").toString() : given;
  const seen = { path, method, query, text, hello: headers["x-hello"], qualifier };
  return JSON.stringify({ status_code: 201, headers: { "x-from": "scale" }, body: JSON.stringify(seen), is_base64_encoded: false });
};

module.exports = { invoke };
