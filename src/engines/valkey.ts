/** Valkey as a local database: https://hub.docker.com/r/valkey/valkey. Redis 7 speaks the same protocol and reads the same files. */
import { checkInteger, checkKnownKeys } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import { type DatabaseEngine, type EnginePlan, type EngineRequest, tlsPath } from "./engine";
import {
  checkImageAndDatabase,
  checkSettings,
  givenSize,
  mebibyte,
  refuseBacking,
  settingLines,
  type SettingRules,
  wholeMebibytes,
} from "./shared";

/** Valkey on every mesh node. */
export interface ValkeyArgs {
  /** Image with a tag or digest; an official image (user id 999) or one like it. Default: `docker.io/valkey/valkey:8.0.2`. */
  image?: string;
  /**
   * `maxmemory` as a Kubernetes quantity. Default: `storage.memory.size` where the data is in memory; on disk what the limit leaves for rewriting
   * the log, which may need as much again.
   */
  maxMemory?: string;
  /** Most connections at once, 10 to 10000. Default: 500. */
  maxClients?: number;
}

/** Default image. */
export const valkeyImage = "docker.io/valkey/valkey:8.0.2";

const configPath = "/etc/compute-mesh";
/** Buffers of connections (ingest sends batches of 8 MiB) and the program. */
const reserveBytes = 128 * mebibyte;

const rules: SettingRules = {
  pattern: /^[a-z][a-z0-9-]*$/,
  kind: "the name of a valkey.conf directive",
  owned: new Set([
    ...["aclfile", "appenddirname", "appendfilename", "appendonly", "bind", "cluster-enabled", "daemonize", "dir", "include", "maxmemory"],
    ...[
      "maxmemory-policy",
      "maxclients",
      "port",
      "protected-mode",
      "rename-command",
      "replicaof",
      "requirepass",
      "save",
      "tls-auth-clients",
    ],
    ...["tls-ca-cert-file", "tls-cert-file", "tls-key-file", "tls-port", "unixsocket", "user"],
  ]),
};

/** Valkey. */
export const valkey: DatabaseEngine<ValkeyArgs> = {
  name: "valkey",
  plan: (problems, path, args, request) => {
    checkKnownKeys(problems, path, args, ["image", "maxMemory", "maxClients"]);
    checkImageAndDatabase(problems, path, args);
    const clients = args.maxClients ?? 500;
    checkInteger(problems, joinPath(path, "maxClients"), clients, { min: 10, max: 10_000 });
    checkSettings(problems, request.settings, rules);
    refuseBacking(problems, request);
    if (request.schema !== undefined) {
      problems.add("schema", "text", "valkey has no schema: leave it out");
    }
    return plan(problems, path, args, request, clients);
  },
};

function plan(problems: Problems, path: string, args: ValkeyArgs, request: EngineRequest, clients: number): EnginePlan {
  const { tls, tmpfsBytes } = request;
  const free = Math.max(0, request.memoryBytes - reserveBytes);
  // On disk a child process rewrites the log from a copy of the memory, page by page where the parent goes on writing.
  const maxMemory =
    givenSize(problems, joinPath(path, "maxMemory"), args.maxMemory, 32 * mebibyte) ??
    tmpfsBytes ??
    Math.max(32 * mebibyte, wholeMebibytes(free / 2.2));
  const port = 6379;
  const plainPort = tls?.required === false ? 6380 : undefined;
  return {
    image: args.image ?? valkeyImage,
    port,
    ...(plainPort === undefined ? {} : { plainPort }),
    // Valkey's databases are numbers; the mesh uses the first.
    database: "0",
    uid: 999,
    args: ["sh", `${configPath}/start.sh`],
    env: {},
    credentials: { username: "MESH_USER", password: "REDISCLI_AUTH" },
    reservedUsernames: ["default"],
    dataPath: "/data",
    configPath,
    configFiles: {
      "valkey.conf": settingLines(
        { ...derived(request, maxMemory, clients, port, plainPort), ...request.settings },
        (name, value) => `${name} ${value}`,
      ),
      "start.sh": startScript,
      "ready.sh": readyScript(request, port),
    },
    initFiles: {},
    initPath: "/docker-entrypoint-initdb.d",
    scratchPaths: { run: "/run/valkey", tmp: "/tmp" },
    readyCommand: ["sh", `${configPath}/ready.sh`],
    memory: [
      // No tmpfs: the data is in the server's own memory, and the volume stays empty.
      { what: "maxmemory", bytes: maxMemory },
      tmpfsBytes === undefined
        ? { what: "copy for rewriting the log", bytes: maxMemory }
        : { what: "fragmentation", bytes: maxMemory * 0.2 },
      { what: "reserve", bytes: reserveBytes },
    ],
  };
}

function derived(
  { tls, tmpfsBytes }: EngineRequest,
  maxMemory: number,
  clients: number,
  port: number,
  plainPort: number | undefined,
): Record<string, string> {
  return {
    bind: "* -::*",
    "protected-mode": "no",
    port: String(tls === undefined ? port : (plainPort ?? 0)),
    ...(tls === undefined
      ? {}
      : {
          "tls-port": String(port),
          "tls-cert-file": `${tlsPath}/tls.crt`,
          "tls-key-file": `${tlsPath}/tls.key`,
          "tls-ca-cert-file": `${tlsPath}/ca.crt`,
          "tls-auth-clients": "no",
        }),
    aclfile: "/run/valkey/users.acl",
    dir: "/data",
    maxmemory: String(maxMemory),
    // Full is an error that ingest waits out; anything else would throw rows away in silence.
    "maxmemory-policy": "noeviction",
    maxclients: String(clients),
    // Snapshots are the agent's; a file of our own would double the memory for nothing.
    save: '""',
    ...(tmpfsBytes === undefined
      ? { appendonly: "yes", appendfsync: "everysec", "auto-aof-rewrite-min-size": "64mb" }
      : { appendonly: "no" }),
    // A script writes a whole stretch.
    "busy-reply-threshold": "10000",
    "tcp-keepalive": "60",
    // Entries of a stream are kept in nodes; larger ones cost less memory, and are read one after the other anyway.
    "stream-node-max-entries": "256",
    "stream-node-max-bytes": "16kb",
    "lazyfree-lazy-user-del": "yes",
  };
}

/** Only the hash of the password is in a file. The user may do everything but change or stop the server. */
const startScript = `set -eu
umask 077
hash=$(printf '%s' "$REDISCLI_AUTH" | sha256sum | cut -d ' ' -f 1)
{
  echo "user default off"
  echo "user $MESH_USER on #$hash ~* &* +@all -@admin +config|get"
} > /run/valkey/users.acl
exec valkey-server ${configPath}/valkey.conf
`;

/** valkey-cli takes the password from REDISCLI_AUTH; while data is loaded the answer is an error, and the pod is not ready. */
function readyScript({ tls }: EngineRequest, port: number): string {
  const secure = tls === undefined ? "" : " --tls --insecure";
  return `set -eu
answer=$(valkey-cli -h 127.0.0.1 -p ${port} --user "$MESH_USER"${secure} ping 2>/dev/null)
[ "$answer" = PONG ]
`;
}
