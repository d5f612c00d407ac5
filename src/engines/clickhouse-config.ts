/** ClickHouse's configuration files. They stand alone: nothing of the image's own /etc/clickhouse-server is read, so nothing of it can change them. */
import { type EngineRequest, tlsPath } from "./engine";
import { clamp, mebibyte, settingLines, type SettingRules, wholeMebibytes } from "./shared";

/** Where they are mounted. */
export const clickhousePath = "/etc/compute-mesh";
const dataPath = "/var/lib/clickhouse";
/** Where the server listens while the init files run; only inside the pod. */
const initPort = 19000;

/** The user's settings are those of queries and inserts. */
export const clickhouseSettingRules: SettingRules = {
  pattern: /^[a-z][a-z0-9_]*$/,
  kind: "the name of one of ClickHouse's query settings (system.settings)",
  owned: new Set(["insert_deduplicate", "readonly", "allow_ddl"]),
};

/** HTTP is what ingest and agents speak; the native protocol is for clickhouse-client. */
export function clickhousePorts({ tls }: EngineRequest): { http?: number; https?: number; tcp?: number; tcpSecure?: number } {
  const plain = { http: 8123, tcp: 9000 };
  const secure = { https: 8443, tcpSecure: 9440 };
  if (tls === undefined) {
    return plain;
  }
  return tls.required ? secure : { ...plain, ...secure };
}

/** All files by name. `serverBytes`: what the server may use for itself. */
export function clickhouseFiles(request: EngineRequest, database: string, serverBytes: number): Record<string, string> {
  return {
    "config.xml": serverConfig(request, serverBytes, openPorts(request)),
    "init.xml": serverConfig(request, serverBytes, `  <listen_host>127.0.0.1</listen_host>\n  <tcp_port>${initPort}</tcp_port>\n`),
    "users.xml": users(request),
    "client.xml": `<clickhouse>
  <host>127.0.0.1</host>
  <port>${initPort}</port>
  <user>${request.username}</user>
  <password from_env="CLICKHOUSE_PASSWORD"/>
</clickhouse>
`,
    "start.sh": startScript(database),
  };
}

function openPorts(request: EngineRequest): string {
  const { http, https, tcp, tcpSecure } = clickhousePorts(request);
  const ports = { http_port: http, https_port: https, tcp_port: tcp, tcp_port_secure: tcpSecure };
  return `  <listen_host>0.0.0.0</listen_host>
  <listen_host>::</listen_host>
  <listen_try>1</listen_try>
${Object.entries(ports)
  .flatMap(([name, port]) => (port === undefined ? [] : [`  <${name}>${port}</${name}>\n`]))
  .join("")}`;
}

function serverConfig(request: EngineRequest, serverBytes: number, ports: string): string {
  // The caches are part of the server's memory; their defaults (5 GiB and more) are not for a small pod.
  const cache = wholeMebibytes(clamp(serverBytes / 8, 16 * mebibyte, 2048 * mebibyte));
  return `<clickhouse>
  <logger>
    <level>information</level>
    <console>1</console>
  </logger>
${ports}${certificates(request)}  <path>${dataPath}/</path>
  <tmp_path>${dataPath}/tmp/</tmp_path>
  <user_files_path>${dataPath}/user_files/</user_files_path>
  <format_schema_path>${dataPath}/format_schemas/</format_schema_path>
  <users_config>${clickhousePath}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mlock_executable>false</mlock_executable>
  <max_connections>200</max_connections>
  <!-- Said in bytes: the default, a share of the limit, would not see that the tmpfs takes its part. -->
  <max_server_memory_usage>${serverBytes}</max_server_memory_usage>
  <mark_cache_size>${cache}</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>4</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <merge_tree>
    <!-- A pool of 4 has fewer free places than these defaults ask for. -->
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
${durability(request)}  </merge_tree>
</clickhouse>
`;
}

/** On disk each insert waits for the disk, or offsets could outlive the rows below them when the power fails. A tmpfs has no disk to wait for. */
function durability({ tmpfsBytes }: EngineRequest): string {
  return tmpfsBytes === undefined
    ? `    <fsync_after_insert>1</fsync_after_insert>\n    <fsync_part_directory>1</fsync_part_directory>\n`
    : "";
}

function certificates({ tls }: EngineRequest): string {
  if (tls === undefined) {
    return "";
  }
  return `  <openSSL>
    <server>
      <certificateFile>${tlsPath}/tls.crt</certificateFile>
      <privateKeyFile>${tlsPath}/tls.key</privateKeyFile>
      <caConfig>${tlsPath}/ca.crt</caConfig>
      <verificationMode>none</verificationMode>
      <loadDefaultCAFile>false</loadDefaultCAFile>
      <disableProtocols>sslv2,sslv3,tlsv1,tlsv1_1</disableProtocols>
      <preferServerCiphers>true</preferServerCiphers>
    </server>
  </openSSL>
`;
}

/** One user, known by the hash of its password: the server writes this file, with everything that it took from the environment, to the data volume. */
function users({ username, settings }: EngineRequest): string {
  return `<clickhouse>
  <profiles>
    <default>
${settingLines(settings, (name, value) => `      <${name}>${escapeXml(value)}</${name}>`)}    </default>
  </profiles>
  <quotas>
    <default/>
  </quotas>
  <users>
    <${username}>
      <password_sha256_hex from_env="MESH_PASSWORD_SHA256"/>
      <networks>
        <ip>::/0</ip>
      </networks>
      <profile>default</profile>
      <quota>default</quota>
    </${username}>
  </users>
</clickhouse>
`;
}

/** Runs the init files once, on a port that nobody reaches, then becomes the server. */
function startScript(database: string): string {
  return `set -eu
made=${dataPath}/.mesh-made
MESH_PASSWORD_SHA256=$(printf '%s' "$CLICKHOUSE_PASSWORD" | sha256sum | cut -d ' ' -f 1)
export MESH_PASSWORD_SHA256
client() { clickhouse-client --config-file=${clickhousePath}/client.xml "$@"; }
cd ${dataPath}
if [ ! -e "$made" ]; then
  clickhouse-server --config-file=${clickhousePath}/init.xml &
  server=$!
  until client --query "SELECT 1" > /dev/null 2>&1; do
    kill -0 "$server" || { echo "the server ended before the init files ran" >&2; exit 1; }
    sleep 0.2
  done
  client --query "CREATE DATABASE IF NOT EXISTS ${database}"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] || continue
    echo "running $file"
    client --database ${database} --multiquery < "$file" || { echo "$file failed: the database is not made" >&2; kill "$server"; exit 1; }
  done
  kill "$server"
  wait "$server" || true
  touch "$made"
fi
exec clickhouse-server --config-file=${clickhousePath}/config.xml
`;
}

function escapeXml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
