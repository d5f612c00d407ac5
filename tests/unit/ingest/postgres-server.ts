/** A PostgreSQL server for one test file, where this machine has one. */
import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

export interface PostgresServer {
  /** Environment for psql and pg_isready. */
  env: Record<string, string>;
  /** Output of one psql call, unaligned and without headers. Throws with the server's message. */
  psql(sql: string, variables?: Record<string, string>): string;
  stop(): void;
}

/** Folder of the server's programs; undefined where there is none. */
export function findPostgres(): string | undefined {
  const root = "/usr/lib/postgresql";
  const newest = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return newest.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}

export async function startPostgres(bin: string): Promise<PostgresServer> {
  // Short, because the path of a Unix socket may have 107 characters only.
  const folder = mkdtempSync("/tmp/mesh-pg-");
  const user = unprivilegedUser();
  if (user !== undefined) {
    chownSync(folder, user.uid, user.gid);
  }
  const port = await freePort();
  execFileSync(join(bin, "initdb"), ["-D", join(folder, "data"), "-U", "mesh", "-A", "trust", "-E", "UTF8", "--no-sync"], {
    ...user,
    stdio: "pipe",
  });
  const server = spawn(
    join(bin, "postgres"),
    ["-D", join(folder, "data"), "-p", String(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
    {
      ...user,
      stdio: "ignore",
    },
  );
  const env = {
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    ...{ PGHOST: "127.0.0.1", PGPORT: String(port), PGUSER: "mesh", PGDATABASE: "postgres", PGOPTIONS: "-c client_min_messages=warning" },
  };
  const psql = (sql: string, variables: Record<string, string> = {}): string =>
    execFileSync(
      "psql",
      [
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        ...Object.entries(variables).flatMap(([key, value]) => ["-v", `${key}=${value}`]),
        "-f",
        "-",
      ],
      {
        env,
        input: sql,
        encoding: "utf8",
        stdio: "pipe",
      },
    ).trimEnd();
  await untilReady(env);
  return {
    env,
    psql,
    stop: () => {
      // Immediate shutdown: nothing here is worth a checkpoint.
      server.kill("SIGQUIT");
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const id = (flag: string): number => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function untilReady(env: Record<string, string>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      execFileSync("pg_isready", ["-q"], { env });
      return;
    } catch (error) {
      if (tries > 100) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
