/** Keys and certificates of one embedded cluster, made with the system's `openssl` (Node can make keys, but no certificates). */
import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "./path-lookup";

const run = promisify(execFile);

/** Files of one cluster's PKI. */
export interface Pki {
  caCertificate: string;
  /** Served by the API server. */
  serverCertificate: string;
  serverKey: string;
  etcdCaCertificate: string;
  /** Served by etcd, to clients and to peers. */
  etcdCertificate: string;
  etcdKey: string;
  /** With which the API server goes to etcd. */
  etcdClientCertificate: string;
  etcdClientKey: string;
  /** Signs service account tokens. */
  serviceAccountKey: string;
}

const files: Record<keyof Pki, string> = {
  caCertificate: "ca.crt",
  serverCertificate: "server.crt",
  serverKey: "server.key",
  etcdCaCertificate: "etcd-ca.crt",
  etcdCertificate: "etcd.crt",
  etcdKey: "etcd.key",
  etcdClientCertificate: "etcd-client.crt",
  etcdClientKey: "etcd-client.key",
  serviceAccountKey: "service-account.key",
};

// A cluster on one machine lives as long as its folder: there is nobody to renew its certificates.
const days = "3650";

function pkiPaths(folder: string): Pki {
  const paths = { ...files };
  for (const key of Object.keys(files) as (keyof Pki)[]) paths[key] = join(folder, files[key]);
  return paths;
}

/** What a cluster's PKI holds beyond the usual. It is fixed when the PKI is made. */
export interface PkiOptions {
  /** Addresses beside 127.0.0.1 at which the API server is reached. Default: none. */
  addresses?: readonly string[];
  /** Client certificates of the cluster's authority: file name without ending → subject, for example `/CN=somebody`. Default: none. */
  clients?: Readonly<Record<string, string>>;
}

/** Makes the PKI in `folder` (0700, files 0600), or returns the one that is there. A killed run leaves no half of one. */
export async function ensurePki(folder: string, options: PkiOptions = {}): Promise<Pki> {
  const pki = pkiPaths(folder);
  if (Object.values({ ...pki } as Record<string, string>).every((file) => existsSync(file))) return pki;
  const temporary = `${folder}.${randomBytes(4).toString("hex")}.tmp`;
  mkdirSync(temporary, { mode: 0o700 });
  try {
    await makePki(temporary, options);
    rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return pki;
}

async function makePki(folder: string, options: PkiOptions): Promise<void> {
  const openssl = findOnPath("openssl");
  if (openssl === undefined) {
    throw new Error(
      "openssl is not on PATH: it makes the certificates of the embedded cluster; install it (Debian and Ubuntu: apt-get install openssl)",
    );
  }
  const path = (file: string): string => join(folder, file);
  const save = (file: string, content: string): void => writeFileSync(path(file), content, { mode: 0o600 });
  const key = (file: string): void => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    save(file, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
  };
  // An own minimal configuration, so that the machine's openssl.cnf decides nothing. Files are made by openssl under our umask-independent folder mode.
  const authority = async (name: string): Promise<void> => {
    key(`${name}.key`);
    save(
      `${name}.cnf`,
      "[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\n[ca]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n",
    );
    const args = [
      "req",
      "-new",
      "-x509",
      "-config",
      path(`${name}.cnf`),
      "-key",
      path(`${name}.key`),
      "-subj",
      `/CN=compute-mesh ${name}`,
      "-days",
      days,
    ];
    save(`${name}.crt`, (await run(openssl, args)).stdout);
  };
  const certificate = async (name: string, ca: string, subject: string, usages: string, names?: string): Promise<void> => {
    key(`${name}.key`);
    save(`${name}.cnf`, "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n");
    const request = await run(openssl, ["req", "-new", "-config", path(`${name}.cnf`), "-key", path(`${name}.key`), "-subj", subject]);
    save(`${name}.csr`, request.stdout);
    const extensions = ["basicConstraints=critical,CA:false", "keyUsage=critical,digitalSignature", `extendedKeyUsage=${usages}`];
    save(`${name}.ext`, [...extensions, ...(names ? [`subjectAltName=${names}`] : []), ""].join("\n"));
    const serial = `0x${randomBytes(15).toString("hex")}`;
    const args = ["x509", "-req", "-in", path(`${name}.csr`), "-CA", path(`${ca}.crt`), "-CAkey", path(`${ca}.key`), "-set_serial", serial];
    save(`${name}.crt`, (await run(openssl, [...args, "-days", days, "-extfile", path(`${name}.ext`)])).stdout);
  };

  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  save("service-account.key", privateKey.export({ type: "pkcs1", format: "pem" }) as string);
  const local = "IP:127.0.0.1,DNS:localhost";
  const addresses = (options.addresses ?? []).map((address) => `IP:${address}`);
  const clients = options.clients ?? {};
  const inside = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"].map(
    (name) => `DNS:${name}`,
  );
  // etcd has an authority of its own: whoever it trusts holds every secret of the cluster, whatever RBAC says.
  await Promise.all([
    authority("ca").then(() =>
      Promise.all([
        certificate("server", "ca", "/CN=kube-apiserver", "serverAuth", [local, "IP:10.96.0.1", ...addresses, ...inside].join(",")),
        ...Object.entries(clients).map(([name, subject]) => certificate(name, "ca", subject, "clientAuth")),
      ]),
    ),
    authority("etcd-ca").then(() =>
      Promise.all([
        certificate("etcd", "etcd-ca", "/CN=etcd", "serverAuth,clientAuth", local),
        certificate("etcd-client", "etcd-ca", "/CN=kube-apiserver", "clientAuth"),
      ]),
    ),
  ]);
  // Nothing is signed later: without the authorities' keys nobody can make another certificate that is trusted.
  for (const file of ["ca.key", "etcd-ca.key"]) rmSync(path(file));
  for (const name of ["ca", "etcd-ca", "server", "etcd", "etcd-client", ...Object.keys(clients)])
    for (const end of ["cnf", "csr", "ext"]) rmSync(path(`${name}.${end}`), { force: true });
}
