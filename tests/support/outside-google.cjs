// Google's metadata server, which gives out identity tokens, and the check of these tokens in front of Cloud Run and Cloud Functions:
// https://cloud.google.com/run/docs/authenticating/service-to-service.
const { generateKeyPairSync, sign, verify } = require("node:crypto");

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keyId = "fake-1";
const issuer = "https://accounts.google.com";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token for an audience, signed as Google does: RS256, valid for an hour. */
function identityToken(audience, now = Date.now()) {
  const seconds = Math.floor(now / 1000);
  const claims = { iss: issuer, aud: audience, azp: "1", sub: "1", email: "gateway@example.iam.gserviceaccount.com", email_verified: true };
  const text = `${encode({ alg: "RS256", kid: keyId, typ: "JWT" })}.${encode({ ...claims, iat: seconds, exp: seconds + 3600 })}`;
  return `${text}.${sign("RSA-SHA256", Buffer.from(text), privateKey).toString("base64url")}`;
}

/** The metadata server: a token for the audience of the query, to those only who send its header. */
function metadata({ method, url, headers }, note) {
  const { pathname, searchParams } = new URL(url, "http://metadata");
  const audience = searchParams.get("audience");
  if (headers["metadata-flavor"] !== "Google") return { status: 403, headers: {}, body: "Missing required header: Metadata-Flavor" };
  if (method !== "GET" || pathname !== "/computeMetadata/v1/instance/service-accounts/default/identity" || audience === null)
    return { status: 404, headers: {}, body: `no such metadata: ${url}` };
  note({ token: audience });
  return { status: 200, headers: { "metadata-flavor": "Google", "content-type": "text/html" }, body: identityToken(audience) };
}

/** Why a request may not call what has this audience: status and text. Undefined where it may. */
function refusal({ headers }, audience, now = Date.now()) {
  const [, token] = /^Bearer (\S+)$/.exec(headers.authorization ?? "") ?? [];
  if (token === undefined) return { status: 403, body: `no identity token: ${headers.authorization}` };
  const [head, claims, signature] = token.split(".");
  const read = (part) => JSON.parse(Buffer.from(part ?? "", "base64url").toString() || "{}");
  const valid =
    read(head).alg === "RS256" &&
    read(head).kid === keyId &&
    verify("RSA-SHA256", Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature ?? "", "base64url"));
  if (!valid) return { status: 401, body: "the token's signature is wrong" };
  const { aud, iss, exp, iat } = read(claims);
  if (iss !== issuer || iat * 1000 > now + 60_000 || exp * 1000 < now) return { status: 401, body: "the token is not valid now" };
  return aud === audience ? undefined : { status: 401, body: `the token is for ${aud}, not for ${audience}` };
}

module.exports = { metadata, refusal };
