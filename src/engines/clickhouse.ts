/** ClickHouse as a local database: https://hub.docker.com/r/clickhouse/clickhouse-server. */
import { checkKnownKeys } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import { clickhouseFiles, clickhousePath, clickhousePorts, clickhouseSettingRules } from "./clickhouse-config";
import type { DatabaseEngine, EnginePlan, EngineRequest } from "./engine";
import { checkImageAndDatabase, checkSettings, givenSize, mebibyte, refuseBacking, tmpfsItem, wholeMebibytes } from "./shared";

/** ClickHouse on every mesh node. */
export interface ClickhouseArgs {
  /** Image with a tag or digest; an official image (user id 101) of 24.8 or newer, or one like it. Default: `docker.io/clickhouse/clickhouse-server:25.8.29.51`. */
  image?: string;
  /** Name of the database. Default: `mesh`. */
  database?: string;
  /** `max_server_memory_usage` as a Kubernetes quantity. Default: nine tenths of what the tmpfs leaves, less 256Mi. */
  serverMemory?: string;
}

/** Default image, of a long-term release. */
export const clickhouseImage = "docker.io/clickhouse/clickhouse-server:25.8.29.51";

/** The program itself, and what its own accounting of memory does not see. */
const reserveBytes = 256 * mebibyte;

/** ClickHouse. */
export const clickhouse: DatabaseEngine<ClickhouseArgs> = {
  name: "clickhouse",
  plan: (problems, path, args, request) => {
    checkKnownKeys(problems, path, args, ["image", "database", "serverMemory"]);
    checkImageAndDatabase(problems, path, args);
    checkSettings(problems, request.settings, clickhouseSettingRules);
    refuseBacking(problems, request);
    return plan(problems, path, args, request);
  },
};

function plan(problems: Problems, path: string, args: ClickhouseArgs, request: EngineRequest): EnginePlan {
  const database = args.database ?? "mesh";
  const free = request.memoryBytes - (request.tmpfsBytes ?? 0) - reserveBytes;
  const server =
    givenSize(problems, joinPath(path, "serverMemory"), args.serverMemory, 256 * mebibyte) ??
    Math.max(256 * mebibyte, wholeMebibytes(free * 0.9));
  const ports = clickhousePorts(request);
  const answers = ports.https === undefined ? `http://127.0.0.1:${ports.http}/ping` : `https://127.0.0.1:${ports.https}/ping`;
  return {
    image: args.image ?? clickhouseImage,
    port: ports.https ?? ports.http ?? 0,
    ...(ports.https === undefined || ports.http === undefined ? {} : { plainPort: ports.http }),
    database,
    uid: 101,
    // Not the image's own start: it writes the password into a file under /etc, and lets clients in on the same port while the init files run.
    args: ["sh", `${clickhousePath}/start.sh`],
    // Without it a parent process would stay in front of the server and keep the signal to stop from it.
    env: { CLICKHOUSE_WATCHDOG_ENABLE: "0" },
    credentials: { username: "CLICKHOUSE_USER", password: "CLICKHOUSE_PASSWORD" },
    reservedUsernames: ["default"],
    dataPath: "/var/lib/clickhouse",
    configPath: clickhousePath,
    configFiles: clickhouseFiles(request, database, server),
    initFiles: request.schema === undefined ? {} : { "10-schema.sql": request.schema },
    initPath: "/docker-entrypoint-initdb.d",
    scratchPaths: { tmp: "/tmp" },
    // The certificate is for the Service's name, so it is not checked here.
    readyCommand: ["wget", "-q", "-O", "/dev/null", "-T", "3", ...(ports.https === undefined ? [] : ["--no-check-certificate"]), answers],
    leastTmpfsBytes: 256 * mebibyte,
    memory: [...tmpfsItem(request), { what: "max_server_memory_usage", bytes: server }, { what: "reserve", bytes: reserveBytes }],
  };
}
