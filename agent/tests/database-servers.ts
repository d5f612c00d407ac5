/** Database servers that tests start where this machine has them: MariaDB, Redis or Valkey, and ClickHouse's engine behind HTTP. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { cacheFolder } from "../../tools/cache";
import { findOnPath } from "../../tools/path-lookup";
import { freePort, type Server } from "./programs";
import { removeFolder, temporaryFolder } from "./support";

/** A program, and the folder above `usr` where it is from packages that were unpacked and not installed. */
interface Program {
  path: string;
  root: string;
}

/** On the PATH, else among the unpacked Debian packages of the tool cache (tools/debian.ts). */
function findProgram(...names: string[]): Program | undefined {
  const installed = names.flatMap((name) => findOnPath(name) ?? [join("/usr/sbin", name)]).find((path) => existsSync(path));
  if (installed !== undefined) {
    return { path: installed, root: "/" };
  }
  const entries = join(cacheFolder(), "entries");
  const roots = (existsSync(entries) ? readdirSync(entries) : [])
    .filter((entry) => entry.startsWith("debian-"))
    .map((entry) => join(entries, entry, "root"));
  return roots
    .flatMap((root) => names.flatMap((name) => ["bin", "sbin"].map((folder) => ({ root, path: join(root, "usr", folder, name) }))))
    .find(({ path }) => existsSync(path));
}

/** Packages that are not installed have their libraries with them. */
function environmentOf({ root }: Program): NodeJS.ProcessEnv {
  const above = join(root, "usr", "lib");
  const folders = root === "/" ? [] : readdirSync(above).filter((name) => name.endsWith("-linux-gnu"));
  return folders.length === 0 ? process.env : { ...process.env, LD_LIBRARY_PATH: folders.map((name) => join(above, name)).join(":") };
}

/** The shell kills the server when the pipe closes, so also when the tests are killed. */
async function startServer(command: readonly string[], env: NodeJS.ProcessEnv, port: number, folder: string): Promise<Server> {
  const log = join(folder, "server.log");
  const keep = 'exec 3<&0; "$@" 3<&- & p=$!; { read -r _; kill -KILL "$p"; } <&3 & wait "$p"';
  const keeper = spawn("/bin/sh", ["-c", keep, "server", ...command], {
    ...{ env, cwd: folder, stdio: ["pipe", openSync(log, "w"), openSync(log, "a")] },
  });
  const stop = async (): Promise<void> => {
    const exit = new Promise((resolve) => keeper.once("exit", resolve));
    keeper.stdin?.end();
    await exit;
    removeFolder(folder);
  };
  for (let tries = 0; !(await accepts(port)); tries++) {
    if (tries > 300 || hasEnded(keeper)) {
      const text = readFileSync(log, "utf8").slice(-2000);
      await stop();
      throw new Error(`${command[0]} did not start: ${text}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { port, stop };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Certificate and key of a server, as PEM files. */
export interface ServerCertificate {
  certificate: string;
  key: string;
}

/** A certificate for 127.0.0.1 and localhost that is its own authority. */
export function writeCertificate(folder: string): ServerCertificate {
  const files = { certificate: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  const names = ["-subj", "/CN=mesh", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", ...names];
  execFileSync("openssl", [...args, "-keyout", files.key, "-out", files.certificate], { stdio: "pipe" });
  return files;
}

export const mariadbProgram = findProgram("mariadbd");
export const noMariadb = "no MariaDB: have mariadbd on the PATH, or Debian's package in the tool cache (the live tests put it there)";

/** MariaDB with the user `mesh`, password `secret`, who may do everything. */
export async function startMariadb(program: Program, tls?: ServerCertificate): Promise<Server> {
  const folder = temporaryFolder();
  const data = join(folder, "data");
  const share = join(program.root, "usr/share/mysql");
  const env = environmentOf(program);
  const common = [
    "--no-defaults",
    "--user=root",
    `--datadir=${data}`,
    `--basedir=${join(program.root, "usr")}`,
    `--lc-messages-dir=${share}`,
  ];
  mkdirSync(data);
  // What mariadb-install-db does.
  const files = [
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
  ];
  const script = ["CREATE DATABASE mysql;", "USE mysql;", ...files.map((file) => readFileSync(join(share, file), "utf8"))];
  const user = "'mesh'@'127.0.0.1'";
  script.push("FLUSH PRIVILEGES;", `CREATE USER ${user} IDENTIFIED BY 'secret';`, `GRANT ALL ON *.* TO ${user} WITH GRANT OPTION;`, "");
  execFileSync(program.path, [...common, "--innodb-log-file-size=64M", "--bootstrap"], { env, input: script.join("\n"), stdio: "pipe" });
  const port = await freePort();
  const own = ["--bind-address=127.0.0.1", `--port=${port}`, `--socket=${join(folder, "socket")}`, `--pid-file=${join(folder, "pid")}`];
  const quick = [
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=64M",
  ];
  const secure = tls === undefined ? [] : [`--ssl-cert=${tls.certificate}`, `--ssl-key=${tls.key}`, "--require-secure-transport=ON"];
  return startServer([program.path, ...common, ...own, ...quick, ...secure], env, port, folder);
}

export const valkeyProgram = findProgram("valkey-server", "redis-server");
export const noValkey = "no Valkey: have valkey-server or redis-server on the PATH, or Debian's package in the tool cache";

/** Valkey or Redis with the user `mesh`, password `secret`, and 64 databases. */
export async function startValkey(program: Program, tls?: ServerCertificate): Promise<Server> {
  const folder = temporaryFolder();
  const port = await freePort();
  const where =
    tls === undefined
      ? ["--port", String(port)]
      : [
          "--port",
          "0",
          "--tls-port",
          String(port),
          "--tls-cert-file",
          tls.certificate,
          "--tls-key-file",
          tls.key,
          "--tls-auth-clients",
          "no",
        ];
  const authority = tls === undefined ? [] : ["--tls-ca-cert-file", tls.certificate];
  // The rights of the user of the mesh.
  const users = join(folder, "users.acl");
  writeFileSync(users, "user default off\nuser mesh on >secret ~* &* +@all -@admin +config|get\n");
  const options = ["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", "--databases", "64", "--aclfile", users];
  return startServer([program.path, ...where, ...authority, ...options], environmentOf(program), port, folder);
}

/** Folder of Python packages with chdb; undefined where there is none. */
export const chdbSite = process.env["CHDB_SITE"];
export const noChdb = "no ClickHouse: `npm run test:all` gets the Python package chdb; CHDB_SITE names the folder that has it";

/** ClickHouse's engine behind as much of its HTTP interface as is used here. It asks for no password. */
export async function startChdb(site: string): Promise<Server> {
  const folder = temporaryFolder();
  const port = await freePort();
  const facade = join(__dirname, "..", "..", "ingest", "internal", "testserver", "clickhouse_http.py");
  return startServer(["python3", facade, String(port), folder], { ...process.env, PYTHONPATH: site }, port, folder);
}
