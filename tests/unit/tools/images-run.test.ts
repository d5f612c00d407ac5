/**
 * Packed images in containers, as our pods run them: their own user, a read-only root file system, no capabilities, no network. Only on machines
 * where these images have been packed before (a live cluster has run there), and as root, which runc needs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianRoot } from "../../../tools/debian";
import { sleep } from "../../../tools/files";
import { packImages, wasPacked } from "../../../tools/live/images";
import { type Container, type ContainerRequest, runContainer, startContainer, type UnpackedImage, unpackImage } from "./image-runner";

// The agent and mesh-ingest are built anew where their sources have changed.
jest.setTimeout(600_000);

let folder: string;
let container: Container | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-run-"));
});
afterEach(() => {
  container?.remove();
  container = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const itWith = (image: string): jest.It => (process.getuid?.() === 0 && wasPacked(image) ? it : it.skip);
const runcOf = async (): Promise<string> => join(await debianRoot("runc", ["runc"]), "usr/sbin/runc");
const names = { prefix: `compute-mesh-${process.pid}`, count: 0 };
const nextName = (): string => `${names.prefix}-${(names.count += 1)}`;

async function unpacked(name: string): Promise<UnpackedImage> {
  return unpackImage((await packImages([name]))[name], join(folder, "root"));
}

async function start(request: ContainerRequest): Promise<Container> {
  container = startContainer(await runcOf(), nextName(), request);
  return container;
}

async function once(request: ContainerRequest): Promise<{ status: number | null; output: string }> {
  const { status, stdout, stderr } = runContainer(await runcOf(), nextName(), request);
  return { status, output: stdout + stderr };
}

/** Waits until a program in the container succeeds; throws with the container's log. */
async function until(running: Container, ...args: string[]): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (running.exec(...args).status === 0) return;
    await sleep(200);
  }
  throw new Error(`${args.join(" ")} did not succeed: ${running.log()}`);
}

async function untilStopped(running: Container): Promise<void> {
  for (let attempt = 0; attempt < 100 && running.isRunning(); attempt += 1) await sleep(100);
  expect(running.isRunning()).toBe(false);
}

const postgres = "docker.io/library/postgres:17.6";
itWith(postgres)("PostgreSQL makes its database as user 999, runs the init files and answers those who know the password", async () => {
  const image = await unpacked(postgres);
  const running = await start({
    image,
    uid: 999,
    args: [...image.config.Entrypoint!, "postgres", "-c", "config_file=/etc/compute-mesh/postgresql.conf"],
    env: {
      PGDATA: "/var/lib/postgresql/data/pgdata",
      POSTGRES_DB: "mesh",
      POSTGRES_USER: "me",
      POSTGRES_PASSWORD: "it's \\ secret",
      POSTGRES_INITDB_ARGS: "--auth=scram-sha-256 --data-checksums",
    },
    memory: ["/var/lib/postgresql/data", "/var/run/postgresql", "/tmp"],
    files: {
      "/etc/compute-mesh/postgresql.conf":
        "listen_addresses = '*'\nhba_file = '/etc/compute-mesh/pg_hba.conf'\nunix_socket_directories = '/var/run/postgresql'\njit_above_cost = 0\n",
      "/etc/compute-mesh/pg_hba.conf": "local all all scram-sha-256\nhost all all all scram-sha-256\n",
      "/docker-entrypoint-initdb.d/00-mesh.sql": "CREATE TABLE seen (text text);\n",
      "/docker-entrypoint-initdb.d/10-schema.sql": "INSERT INTO seen SELECT 'Grüße' FROM generate_series(1, 100000);\n",
    },
  });
  await until(running, "pg_isready", "-q", "-h", "127.0.0.1", "-d", "mesh");
  const ask = (password: string): ReturnType<Container["exec"]> =>
    running.exec(
      "env",
      `PGPASSWORD=${password}`,
      "psql",
      "-XAt",
      "-h",
      "127.0.0.1",
      "-U",
      "me",
      "mesh",
      "-c",
      "SELECT count(*), max(text) FROM seen",
    );
  expect(ask("it's \\ secret").stdout).toBe("100000|Grüße\n");
  expect(ask("wrong").stderr).toContain("password authentication failed");
  expect(running.exec("sh", "-c", "touch /usr/x; pg_basebackup --version; cmp --version | head -n 1").stdout).toMatch(
    /pg_basebackup.*\ncmp/,
  );
  running.exec("pg_ctl", "stop", "-m", "fast", "-w", "-t", "30");
  await untilStopped(running);
  expect(running.log()).toContain("database system is shut down");
});

itWith(postgres)("PostgreSQL without a password for a new database says what is missing", async () => {
  const image = await unpacked(postgres);
  const { status, output } = await once({ image, uid: 999, memory: ["/var/lib/postgresql/data"] });
  expect(output).toContain("the database is new and POSTGRES_PASSWORD is not set");
  expect(status).toBe(1);
});

const agent = "ghcr.io/compute-mesh/agent:0.1.0";
itWith(agent)("the agent runs by its name", async () => {
  const { status, output } = await once({ image: await unpacked(agent), uid: 65532, args: ["compute-mesh-agent", "--help"] });
  expect(output).toContain("compute-mesh-agent");
  expect(output).toContain("snapshot");
  expect(status).toBe(0);
});

const ingest = "ghcr.io/compute-mesh/ingest:0.1.0";
itWith(ingest)("mesh-ingest runs with no other file than its own, and misses its settings", async () => {
  const image = await unpacked(ingest);
  expect(image.config).toMatchObject({ Entrypoint: ["/mesh-ingest"], Cmd: ["run"], User: "10001:10001" });
  const { status, output } = await once({ image, uid: 10001, memory: ["/tmp"] });
  expect(output).toContain("/etc/ingest/settings.json");
  expect(status).not.toBe(0);
});

const pause = "registry.k8s.io/pause:3.10";
itWith(pause)("pause stays until it is told to stop", async () => {
  const running = await start({ image: await unpacked(pause), uid: 65535 });
  await sleep(300);
  expect(running.isRunning()).toBe(true);
  running.signal("TERM");
  await untilStopped(running);
});

const mariadb = "docker.io/library/mariadb:10.11.18";
itWith(mariadb)("MariaDB makes its database as user 999; files of conf.d have the last word, and root stays inside", async () => {
  const image = await unpacked(mariadb);
  const running = await start({
    image,
    uid: 999,
    env: {
      MARIADB_DATABASE: "mesh",
      MARIADB_USER: "me",
      MARIADB_PASSWORD: "it's \\ secret",
      MARIADB_ROOT_PASSWORD: "ro'ot",
      MARIADB_ROOT_HOST: "localhost",
    },
    memory: ["/var/lib/mysql", "/run/mysqld", "/tmp"],
    files: {
      "/etc/mysql/conf.d/mesh.cnf": "[mariadbd]\ncharacter_set_server = utf8mb4\ncollation_server = utf8mb4_bin\n",
      "/docker-entrypoint-initdb.d/10-schema.sql": "CREATE TABLE seen (a int);\nINSERT INTO seen VALUES (7);\n",
    },
  });
  await until(running, "mariadb-admin", "--no-defaults", "-h", "127.0.0.1", "-P", "3306", "--connect-timeout=3", "--silent", "ping");
  const ask = (user: string, password: string, sql: string): ReturnType<Container["exec"]> =>
    running.exec("mariadb", "-h", "127.0.0.1", `-u${user}`, `-p${password}`, "-N", "-e", sql, "mesh");
  expect(ask("me", "it's \\ secret", "SELECT a, @@collation_server FROM seen").stdout).toBe("7\tutf8mb4_bin\n");
  expect(ask("me", "wrong", "SELECT 1").stderr).toContain("Access denied");
  expect(running.exec("mariadb", "-h", "127.0.0.1", "-uroot", "-e", "SELECT 1").stderr).toContain("Access denied");
  expect(running.exec("mariadb", "-uroot", "-pro'ot", "-N", "-e", "SELECT host FROM mysql.user WHERE user = 'root'").stdout).toBe(
    "localhost\n",
  );
});

const valkey = "docker.io/valkey/valkey:8.0.2";
itWith(valkey)("Valkey answers as user 999", async () => {
  const image = await unpacked(valkey);
  const running = await start({ image, uid: 999, args: [...image.config.Entrypoint!, "--maxmemory", "64mb"], memory: ["/data", "/tmp"] });
  await until(running, "valkey-cli", "ping");
  expect(running.exec("valkey-cli", "config", "get", "maxmemory").stdout).toBe("maxmemory\n67108864\n");
});

const bento = "ghcr.io/warpstreamlabs/bento:1.10.0";
itWith(bento)("Bento has the components that ingest configures", async () => {
  const { status, output } = await once({ image: await unpacked(bento), uid: 10001, args: ["/bento", "list"] });
  for (const component of ["kafka_franz", "generate", "sql_raw", "drop", "branch", "mapping", "archive", "memory", "prometheus"]) {
    expect(output).toMatch(new RegExp(`- ${component}$`, "m"));
  }
  expect(status).toBe(0);
});
