/** The world outside of the cluster, in a network of a test's own: functions of the clouds, servers, and certificates that are checked. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where all servers are. */
export const outsideAddress = "198.18.250.1";
/** Where they listen; those who ask for port 80 are handed on to `plain`. */
export const outsidePorts = { tls: 443, plain: 9080 };

/** What AWS knows. The second key is that of the gateway's pod itself. */
export const aws = {
  region: "eu-west-1",
  account: "123456789012",
  secret: { accessKeyId: "AKIASECRETEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  pod: { accessKeyId: "ASIAPODEXAMPLE", secretAccessKey: "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", sessionToken: "token/of+the=pod" },
};
/** The key of the Azure function. */
export const azureKey = "the+key/of==the-function";

/** Names outside with a certificate of the authority that everybody trusts. */
const trusted = [
  `lambda.${aws.region}.amazonaws.com`,
  "scale-abc123-ew.a.run.app",
  "open.a.run.app",
  `europe-west1-mesh-project.cloudfunctions.net`,
  "scaleapp.azurewebsites.net",
  "api.example.com",
];
/** Names that nobody should talk to: the certificate of the first is by an authority that nobody knows, the second has one for another name. */
export const impostors = ["stranger.a.run.app", "renamed.a.run.app", "stranger.example.com", "renamed.example.com"] as const;

/** Files of a certificate, with those between it and the authority, and of its key. */
export interface CertificateFiles {
  certificate: string;
  key: string;
}

/** The servers, before they are started. */
export interface Outside {
  /** File of the authority. */
  authorities: string;
  /** What the DNS server has to know: addresses by name. */
  names: Record<string, string[]>;
  /** What starts the servers: arguments of Node. */
  args: string[];
  /** By which Envoy finds the credentials of its own pod. */
  environment: Record<string, string>;
  /** A certificate of the authority for hosts of the gateway. */
  certificateFor(hosts: readonly string[]): CertificateFiles;
  /** What functions did without an answer, and for whom tokens were given out. */
  notes(): Record<string, string>[];
}

/** Makes certificates and settings in a folder. */
export function outside(folder: string): Outside {
  const [known, unknown] = [authority(folder, "known"), authority(folder, "unknown")];
  const own = trusted.map((name): [string, CertificateFiles] => [name, known([name])]);
  const strangers = impostors
    .filter((name) => name.startsWith("stranger"))
    .map((name): [string, CertificateFiles] => [name, unknown([name])]);
  const notes = join(folder, "notes.jsonl");
  const [settings, token] = [join(folder, "outside.json"), "pod-identity-token"];
  const keys = Object.fromEntries([aws.secret, aws.pod].map(({ accessKeyId, ...rest }) => [accessKeyId, rest]));
  writeFileSync(
    settings,
    JSON.stringify({
      address: outsideAddress,
      ports: outsidePorts,
      certificates: Object.fromEntries([...own, ...strangers]),
      notes,
      aws: { region: aws.region, account: aws.account, keys },
      azureKey,
      podIdentity: { token, ...aws.pod },
    }),
  );
  return {
    authorities: join(folder, "known.crt"),
    names: Object.fromEntries([...trusted, ...impostors, "metadata.google.internal"].map((name) => [name, [outsideAddress]])),
    args: [join(__dirname, "outside.cjs"), settings],
    environment: {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${outsideAddress}:${outsidePorts.plain}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
    },
    certificateFor: known,
    notes: () => (existsSync(notes) ? lines(notes) : []),
  };
}

function lines(file: string): Record<string, string>[] {
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);
}

/** A certificate authority and one below it, which signs for hosts. */
function authority(folder: string, name: string): (hosts: readonly string[]) => CertificateFiles {
  const file = (part: string): string => join(folder, `${part}.crt`);
  const make = (part: string, subject: string, extensions: readonly string[], by?: string): void => {
    const extra = extensions.flatMap((extension) => ["-addext", extension]);
    const signer = by === undefined ? [] : ["-CA", file(by), "-CAkey", join(folder, `${by}.key`)];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(folder, `${part}.key`)];
    const args = ["req", "-x509", ...key, "-subj", `/CN=${subject}`, ...extra, ...signer, "-days", "2", "-out", file(part)];
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const authorityUse = ["keyUsage=critical,keyCertSign,cRLSign"];
  make(name, `${name} authority`, authorityUse);
  make(`${name}-between`, `${name} authority between`, ["basicConstraints=critical,CA:true", ...authorityUse], name);
  return (hosts) => {
    const part = `${name}-${hosts[0].replace("*", "any")}`;
    const names = hosts.map((host) => `DNS:${host}`).join(",");
    make(
      part,
      hosts[0],
      ["basicConstraints=critical,CA:false", "extendedKeyUsage=serverAuth", `subjectAltName=${names}`],
      `${name}-between`,
    );
    const chain = join(folder, `${part}-chain.crt`);
    writeFileSync(chain, [file(part), file(`${name}-between`)].map((one) => readFileSync(one, "utf8")).join(""));
    return { certificate: chain, key: join(folder, `${part}.key`) };
  };
}
