/** PostgreSQL as a local database: https://hub.docker.com/_/postgres. */
import { checkInteger, checkKnownKeys, checkQuantity } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import { pinnedImageProblem } from "../model/images";
import type { DatabaseEngine, EnginePlan, EngineRequest } from "./engine";
import { archiveScript, copyScript, fetchScript, restoreScript } from "./postgres-backing";
import {
  checkPostgresSettings,
  postgresConfigPath,
  postgresHba,
  postgresMemory,
  postgresMemoryItems,
  renderPostgresConf,
} from "./postgres-config";

/** PostgreSQL on every mesh node. */
export interface PostgresArgs {
  /** Image with a tag or digest; an official image (Debian, user id 999) or one like it. Default: `docker.io/library/postgres:17.6`. */
  image?: string;
  /** Name of the database. Default: `mesh`. */
  database?: string;
  /** Most connections at once, 10 to 1000; each may use one `workMem`. Default: 50. */
  maxConnections?: number;
  /** `shared_buffers` as a Kubernetes quantity. Default: a quarter of the memory that tmpfs and reserve leave, at most 512Mi in memory, 8Gi on disk. */
  sharedBuffers?: string;
  /** `work_mem` as a Kubernetes quantity. Default: what is left, divided by `maxConnections`, at most 64Mi. */
  workMem?: string;
}

/** Default image; PostgreSQL 18 moved its data directory, so a new major version is not just a new tag. */
export const postgresImage = "docker.io/library/postgres:17.6";

/**
 * The table in which ingest keeps its place: rows and their next offset are written in one transaction, so every copy of the database knows its own cut.
 * `next_offset` is the first offset that is not in the database yet.
 */
export const meshOffsetsSql = `CREATE TABLE IF NOT EXISTS mesh_offsets (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);
`;

const dataPath = "/var/lib/postgresql/data";
/** A folder inside the volume, because PostgreSQL wants a directory of its own with mode 0700. */
const dataDirectory = `${dataPath}/pgdata`;

/** PostgreSQL. */
export const postgres: DatabaseEngine<PostgresArgs> = {
  name: "postgres",
  plan: (problems, path, args, request) => {
    const maxConnections = checkPostgresArgs(problems, path, args);
    checkPostgresSettings(problems, request.settings);
    const memory = postgresMemory(request, maxConnections, {
      sharedBuffers: quantity(problems, joinPath(path, "sharedBuffers"), args.sharedBuffers, 128 * 1024),
      workMem: quantity(problems, joinPath(path, "workMem"), args.workMem, 64 * 1024),
    });
    return {
      ...podPlan(args, request),
      configFiles: configFiles(request, renderPostgresConf(request, maxConnections, memory)),
      memory: postgresMemoryItems(request, maxConnections, memory),
    };
  },
};

function podPlan(args: PostgresArgs, request: EngineRequest): Omit<EnginePlan, "configFiles" | "memory"> {
  const database = args.database ?? "mesh";
  return {
    image: args.image ?? postgresImage,
    port: 5432,
    database,
    uid: 999,
    args: ["postgres", "-c", `config_file=${postgresConfigPath}/postgresql.conf`],
    env: {
      PGDATA: dataDirectory,
      POSTGRES_DB: database,
      // Checksums find what a disk did to the data; a tmpfs does nothing to it.
      POSTGRES_INITDB_ARGS: `--auth=scram-sha-256${request.tmpfsBytes === undefined ? " --data-checksums" : ""}`,
    },
    credentials: { username: "POSTGRES_USER", password: "POSTGRES_PASSWORD", client: { username: "PGUSER", password: "PGPASSWORD" } },
    dataPath,
    configPath: postgresConfigPath,
    initFiles: { "00-mesh.sql": meshOffsetsSql, ...(request.schema === undefined ? {} : { "10-schema.sql": request.schema }) },
    initPath: "/docker-entrypoint-initdb.d",
    scratchPaths: { run: "/var/run/postgresql", tmp: "/tmp" },
    // Over TCP: while the init files run, the server answers on its socket only, and no client may come in yet.
    readyCommand: ["pg_isready", "-q", "-h", "127.0.0.1", "-p", "5432", "-d", database],
    stopCommand: ["pg_ctl", "stop", "-m", "fast", "-w", "-t", "110"],
    ...(request.backing === undefined
      ? {}
      : { backing: { restoreCommand: ["sh", `${postgresConfigPath}/restore.sh`], copyCommand: ["sh", `${postgresConfigPath}/copy.sh`] } }),
  };
}

function configFiles(request: EngineRequest, conf: string): Record<string, string> {
  const { backing } = request;
  return {
    "postgresql.conf": conf,
    "pg_hba.conf": postgresHba(request),
    ...(backing === undefined
      ? {}
      : {
          "archive.sh": archiveScript,
          "fetch.sh": fetchScript,
          "restore.sh": restoreScript,
          "copy.sh": copyScript(backing.baseIntervalHours),
        }),
  };
}

/** Notes what is wrong and returns the number of connections to go on with. */
function checkPostgresArgs(problems: Problems, path: string, args: PostgresArgs): number {
  checkKnownKeys(problems, path, args, ["image", "database", "maxConnections", "sharedBuffers", "workMem"]);
  const image = args.image === undefined ? undefined : pinnedImageProblem(args.image);
  if (image !== undefined) {
    problems.add(joinPath(path, "image"), args.image, image);
  }
  if (args.database !== undefined && !(typeof args.database === "string" && /^[a-z_][a-z0-9_]{0,62}$/.test(args.database))) {
    problems.add(joinPath(path, "database"), args.database, "lower-case letters, digits and underscores are allowed, at most 63");
  }
  const connections = args.maxConnections ?? 50;
  return checkInteger(problems, joinPath(path, "maxConnections"), connections, { min: 10, max: 1000 }) ? connections : 50;
}

function quantity(problems: Problems, path: string, value: string | undefined, min: number): number | undefined {
  return value === undefined ? undefined : checkQuantity(problems, path, value, { min });
}
