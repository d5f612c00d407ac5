/** MariaDB, https://hub.docker.com/_/mariadb, as the server of the engine `singlestore`. */
import { joinPath, type Problems } from "../model/errors";
import { type EnginePlan, type EngineRequest, tlsPath } from "./engine";
import type { SinglestoreArgs } from "./singlestore";
import { checkSettings, clamp, givenSize, mebibyte, settingLines, type SettingRules, tmpfsItem, wholeMebibytes } from "./shared";

/** Default image: the long-term release that Debian 12 ships, too. */
export const mariadbImage = "docker.io/library/mariadb:10.11.18";

const dataPath = "/var/lib/mysql";
/** The server itself without pools: dictionaries, Aria, purge threads. */
const reserveBytes = 192 * mebibyte;
/** Net, sort and join buffers and the stack of one connection. */
const connectionBytes = 2 * mebibyte;

const rules: SettingRules = {
  pattern: /^[a-z][a-z0-9_-]*$/,
  kind: "the name of a setting of MariaDB's option files",
  owned: new Set(
    [
      ...[
        "bind_address",
        "character_set_server",
        "collation_server",
        "datadir",
        "default_time_zone",
        "innodb_buffer_pool_size",
        "local_infile",
      ],
      ...["lower_case_table_names", "max_connections", "port", "require_secure_transport", "skip_networking", "socket", "sql_mode"],
      ...["ssl_ca", "ssl_cert", "ssl_key"],
    ].flatMap((name) => [name, name.replaceAll("_", "-")]),
  ),
};

/** MariaDB's part of the pod; all args are checked before. */
export function planMariadb(problems: Problems, path: string, args: SinglestoreArgs, request: EngineRequest): EnginePlan {
  checkSettings(problems, request.settings, rules);
  const connections = args.maxConnections ?? 50;
  const free = request.memoryBytes - (request.tmpfsBytes ?? 0) - reserveBytes - connections * connectionBytes;
  // In memory the tmpfs is the cache already, so the pool only spares the copying.
  const most = request.tmpfsBytes === undefined ? Number.MAX_SAFE_INTEGER : 512 * mebibyte;
  const pool =
    givenSize(problems, joinPath(path, "bufferPool"), args.bufferPool, 32 * mebibyte) ?? wholeMebibytes(clamp(free, 32 * mebibyte, most));
  return {
    image: args.image ?? mariadbImage,
    port: 3306,
    database: args.database ?? "mesh",
    uid: 999,
    args: ["mariadbd"],
    // root stays inside the pod.
    env: { MARIADB_DATABASE: args.database ?? "mesh", MARIADB_ROOT_HOST: "localhost" },
    credentials: { username: "MARIADB_USER", password: "MARIADB_PASSWORD", morePasswords: ["MARIADB_ROOT_PASSWORD"] },
    reservedUsernames: ["root", "mysql", "mariadb.sys", "healthcheck"],
    dataPath,
    // The folder that the image's own option file includes: its entry point reads the same options as the server.
    configPath: "/etc/mysql/conf.d",
    configFiles: {
      "mesh.cnf": `[mariadbd]\n${settingLines({ ...derived(request, connections, pool), ...request.settings }, (name, value) => `${name} = ${value}`)}`,
    },
    initFiles: request.schema === undefined ? {} : { "10-schema.sql": request.schema },
    initPath: "/docker-entrypoint-initdb.d",
    scratchPaths: { run: "/run/mysqld", tmp: "/tmp" },
    // Large sorts and temporary tables of queries go to /tmp.
    scratchSize: "4Gi",
    // Over TCP, which the server that runs the init files does not listen to. Without credentials: that the server refuses them shows that it answers.
    readyCommand: ["mariadb-admin", "--no-defaults", "-h", "127.0.0.1", "-P", "3306", "--connect-timeout=3", "--silent", "ping"],
    leastTmpfsBytes: 256 * mebibyte,
    memory: [
      ...tmpfsItem(request),
      { what: "innodb_buffer_pool_size", bytes: pool },
      { what: `${connections} connections x 2 MiB`, bytes: connections * connectionBytes },
      { what: "reserve", bytes: reserveBytes },
    ],
  };
}

function derived(request: EngineRequest, connections: number, pool: number): Record<string, string> {
  const { tmpfsBytes, tls } = request;
  const log = tmpfsBytes === undefined ? 512 * mebibyte : wholeMebibytes(clamp(tmpfsBytes / 16, 32 * mebibyte, 512 * mebibyte));
  return {
    bind_address: "*",
    port: "3306",
    skip_name_resolve: "on",
    max_connections: String(connections),
    character_set_server: "utf8mb4",
    // Text is compared byte by byte, as in every other engine: "a" and "A" are two keys.
    collation_server: "utf8mb4_bin",
    default_time_zone: "+00:00",
    sql_mode: "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    // Ingest sends rows as a stream.
    local_infile: "on",
    max_allowed_packet: String(256 * mebibyte),
    innodb_buffer_pool_size: String(pool),
    innodb_log_file_size: String(log),
    performance_schema: "off",
    // A client that vanished must not hold the row of its offset.
    idle_transaction_timeout: "60",
    ...(tmpfsBytes === undefined
      ? { innodb_flush_log_at_trx_commit: "1" }
      : // A tmpfs loses everything with the power, and nothing with a killed server as long as each commit reaches the kernel (2, not 0).
        { innodb_flush_log_at_trx_commit: "2", innodb_doublewrite: "off", innodb_flush_method: "fsync" }),
    ...(tls === undefined
      ? {}
      : {
          ssl_cert: `${tlsPath}/tls.crt`,
          ssl_key: `${tlsPath}/tls.key`,
          ssl_ca: `${tlsPath}/ca.crt`,
          require_secure_transport: tls.required ? "on" : "off",
        }),
  };
}
