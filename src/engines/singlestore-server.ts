/**
 * SingleStore as one node per mesh node, https://github.com/singlestore-labs/singlestoredb-dev-image: an aggregator and a leaf in one container.
 *
 * Each mesh node's SingleStore is a cluster by itself: what SingleStore calls partitions lies inside, the mesh's shards are rows of one table.
 */
import { joinPath, type Problems } from "../model/errors";
import { type EnginePlan, type EngineRequest, tlsPath } from "./engine";
import type { SinglestoreArgs } from "./singlestore";
import { checkSettings, givenSize, mebibyte, type SettingRules, tmpfsItem, wholeMebibytes } from "./shared";

/** Default image. */
export const singlestoreImage = "ghcr.io/singlestore-labs/singlestoredb-dev:0.2.81";

const configPath = "/etc/compute-mesh";
/** The image's Studio, its scripts and what both nodes have besides `maximum_memory`. */
const reserveBytes = 512 * mebibyte;

const rules: SettingRules = {
  pattern: /^[a-z][a-z0-9_]*$/,
  kind: "the name of one of SingleStore's engine variables",
  owned: new Set(["default_partitions_per_leaf", "local_infile", "maximum_memory", "ssl_ca", "ssl_cert", "ssl_key"]),
};

/** SingleStore's part of the pod; all args are checked before. */
export function planSinglestore(problems: Problems, path: string, args: SinglestoreArgs, request: EngineRequest): EnginePlan {
  checkSettings(problems, request.settings, rules);
  const database = args.database ?? "mesh";
  const free = request.memoryBytes - (request.tmpfsBytes ?? 0) - reserveBytes;
  // SingleStore refuses less than 1 GiB, so a smaller share shows in the sum of the items.
  const each =
    givenSize(problems, joinPath(path, "bufferPool"), args.bufferPool, 1024 * mebibyte) ??
    Math.max(1024 * mebibyte, wholeMebibytes(free / 2));
  const variables: Record<string, string> = {
    maximum_memory: String(each / mebibyte),
    default_partitions_per_leaf: String(args.partitions ?? 2),
    local_infile: "on",
    // Two log files of this size are made per partition; the defaults of 256 MiB would fill a tmpfs with nothing.
    log_file_size_partitions: String(32 * mebibyte),
    log_file_size_ref_dbs: String(32 * mebibyte),
    ...request.settings,
  };
  return {
    image: args.image ?? singlestoreImage,
    port: 3306,
    database,
    uid: 999,
    gid: 998,
    args: ["bash", `${configPath}/start.sh`],
    env: {
      MESH_DATABASE: database,
      INIT_SQL: "/tmp/init.sql",
      ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [`SINGLESTORE_SET_GLOBAL_${name.toUpperCase()}`, value])),
    },
    ...(args.license === undefined
      ? {}
      : { secretEnv: { SINGLESTORE_LICENSE: { secretName: args.license.secretName, key: args.license.key ?? "license" } } }),
    credentials: { username: "MESH_USER", password: "MESH_PASSWORD", morePasswords: ["ROOT_PASSWORD"] },
    reservedUsernames: ["root", "distributed"],
    dataPath: "/data",
    configPath,
    configFiles: { "start.sh": startScript(request) },
    initFiles: request.schema === undefined ? {} : { "10-schema.sql": request.schema },
    initPath: "/docker-entrypoint-initdb.d",
    scratchPaths: { tmp: "/tmp" },
    // The image's own check of both nodes; true only after its start script is through.
    readyCommand: ["/scripts/healthcheck.sh"],
    // Its start script writes to /server and /logs, beside programs that a volume would hide.
    writableRoot: true,
    leastTmpfsBytes: 2048 * mebibyte,
    memory: [...tmpfsItem(request), { what: "2 nodes x maximum_memory", bytes: 2 * each }, { what: "reserve", bytes: reserveBytes }],
  };
}

/** Writes the SQL that the image runs once, sets the certificates, and goes on as the image does. Passwords go through the environment and a private file. */
function startScript({ tls }: EngineRequest): string {
  const certificates = ["cert=tls.crt", "key=tls.key", "ca=ca.crt"].map((pair) => {
    const [key, file] = pair.split("=");
    return `memsqlctl -jy update-config --all --key ssl_${key} --value ${tlsPath}/${file}\n`;
  });
  return `set -euo pipefail
umask 077
# As SQL text: backslashes and quotes.
quoted() { printf '%s' "$1" | sed -e 's/\\\\/\\\\\\\\/g' -e "s/'/''/g"; }
{
  echo "CREATE DATABASE IF NOT EXISTS \\\`$MESH_DATABASE\\\`;"
  echo "CREATE USER IF NOT EXISTS '$MESH_USER'@'%' IDENTIFIED BY '$(quoted "$MESH_PASSWORD")'${tls?.required === true ? " REQUIRE SSL" : ""};"
  echo "GRANT ALL PRIVILEGES ON \\\`$MESH_DATABASE\\\`.* TO '$MESH_USER'@'%';"
  echo "USE \\\`$MESH_DATABASE\\\`;"
  cat /docker-entrypoint-initdb.d/*.sql 2>/dev/null || true
} > "$INIT_SQL"
# The image does the same, but its nodes read certificates only when they start.
if [ ! -f /data/nodes.hcl ]; then tar -xzf /server/data.tgz -C /data; fi
${tls === undefined ? "" : certificates.join("")}exec /scripts/start.sh
`;
}
