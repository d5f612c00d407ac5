/** PostgreSQL's configuration files, rendered from what the memory allows. */
import type { Problems } from "../model/errors";
import { keyPath } from "../model/errors";
import { type EngineRequest, type MemoryItem, tlsPath } from "./engine";

const mebibyte = 1024 ** 2;

/** Kept for server processes, autovacuum (2 workers × 32 MiB) and one maintenance command (64 MiB). */
export const postgresReserveBytes = 256 * mebibyte;

/** Where configuration files are mounted. */
export const postgresConfigPath = "/etc/compute-mesh";

/** Sizes that follow from the memory limit; all in bytes. */
export interface PostgresMemory {
  sharedBuffers: number;
  workMem: number;
  maxWalSize: number;
}

/** Settings that decide whether the component works at all; changing them by hand would break it silently. */
const ownedSettings = new Set([
  "archive_command",
  "archive_mode",
  "archive_timeout",
  "config_file",
  "data_directory",
  "hba_file",
  "hot_standby",
  "include",
  "include_dir",
  "include_if_exists",
  "listen_addresses",
  "max_connections",
  "password_encryption",
  "port",
  "restore_command",
  "shared_buffers",
  "ssl",
  "ssl_ca_file",
  "ssl_cert_file",
  "ssl_key_file",
  "unix_socket_directories",
  "wal_level",
  "work_mem",
]);

/**
 * Divides what the tmpfs and the reserve leave over.
 *
 * - `shared_buffers`: a quarter of it (the PostgreSQL manual's starting point), at least 16 MiB; at most 512 MiB where the data is in memory already, 8 GiB otherwise
 * - `work_mem`: the rest divided by `max_connections`, 64 KiB (PostgreSQL's least) to 64 MiB. The model counts one `work_mem` per connection, hence
 *   `hash_mem_multiplier = 1` and no parallel workers within a query: a mesh is parallel over its nodes
 * - `max_wal_size`: an eighth of the tmpfs, because the WAL lies in it too, 64 MiB to 1 GiB; on disk 1 GiB
 */
export function postgresMemory(
  request: EngineRequest,
  maxConnections: number,
  given: { sharedBuffers?: number; workMem?: number },
): PostgresMemory {
  const free = Math.max(0, request.memoryBytes - (request.tmpfsBytes ?? 0) - postgresReserveBytes);
  const most = request.tmpfsBytes === undefined ? 8192 * mebibyte : 512 * mebibyte;
  const sharedBuffers = given.sharedBuffers ?? wholeMebibytes(clamp(free / 4, 16 * mebibyte, most));
  const perConnection = Math.floor(Math.max(0, free - sharedBuffers) / maxConnections / 1024) * 1024;
  return {
    sharedBuffers,
    workMem: given.workMem ?? clamp(perConnection, 64 * 1024, 64 * mebibyte),
    maxWalSize:
      request.tmpfsBytes === undefined ? 1024 * mebibyte : wholeMebibytes(clamp(request.tmpfsBytes / 8, 64 * mebibyte, 1024 * mebibyte)),
  };
}

/** All that counts against the memory limit. */
export function postgresMemoryItems(request: EngineRequest, maxConnections: number, memory: PostgresMemory): MemoryItem[] {
  return [
    ...(request.tmpfsBytes === undefined ? [] : [{ what: "tmpfs", bytes: request.tmpfsBytes }]),
    { what: "shared_buffers", bytes: memory.sharedBuffers },
    { what: `${maxConnections} connections x work_mem`, bytes: maxConnections * memory.workMem },
    { what: "reserve", bytes: postgresReserveBytes },
  ];
}

/** The text of `postgresql.conf`: derived settings, then the user's. */
export function renderPostgresConf(request: EngineRequest, maxConnections: number, memory: PostgresMemory): string {
  return lines({ ...derivedSettings(request, maxConnections, memory), ...request.settings });
}

function derivedSettings(request: EngineRequest, maxConnections: number, memory: PostgresMemory): Record<string, string> {
  return {
    listen_addresses: "*",
    port: "5432",
    unix_socket_directories: "/var/run/postgresql",
    hba_file: `${postgresConfigPath}/pg_hba.conf`,
    password_encryption: "scram-sha-256",
    max_connections: String(maxConnections),
    shared_buffers: kibibytes(memory.sharedBuffers),
    work_mem: kibibytes(memory.workMem),
    hash_mem_multiplier: "1",
    maintenance_work_mem: "64MB",
    autovacuum_work_mem: "32MB",
    autovacuum_max_workers: "2",
    max_parallel_workers_per_gather: "0",
    // `replica`, so that base copies can be taken over the network; never `minimal`.
    wal_level: "replica",
    max_wal_senders: "4",
    max_wal_size: kibibytes(memory.maxWalSize),
    min_wal_size: "32MB",
    wal_keep_size: "0",
    // A forgotten replication slot must not fill the tmpfs.
    max_slot_wal_keep_size: kibibytes(memory.maxWalSize),
    // tmpfs loses everything with the power, so waiting for a disk would buy nothing. Commits still wait until their WAL has left the server's own
    // memory, which is cheap without fsync: with synchronous_commit off a killed server lost its last commits (measured), while ingest, which
    // believed in them, went on behind them.
    synchronous_commit: "on",
    ...(request.tmpfsBytes === undefined ? { fsync: "on", full_page_writes: "on" } : { fsync: "off", full_page_writes: "off" }),
    ...archiving(request),
    ...certificates(request),
    log_destination: "stderr",
    logging_collector: "off",
    log_timezone: "UTC",
    timezone: "UTC",
  };
}

function archiving({ backing }: EngineRequest): Record<string, string> {
  if (backing === undefined) {
    return { archive_mode: "off" };
  }
  return {
    archive_mode: "on",
    archive_command: `sh ${postgresConfigPath}/archive.sh "%p" "%f"`,
    archive_timeout: String(backing.archiveTimeoutSeconds),
    restore_command: `sh ${postgresConfigPath}/fetch.sh "%f" "%p"`,
    // Clients that were let in during the replay would see old rows as current ones.
    hot_standby: "off",
  };
}

function certificates({ tls }: EngineRequest): Record<string, string> {
  return tls === undefined
    ? {}
    : { ssl: "on", ssl_cert_file: `${tlsPath}/tls.crt`, ssl_key_file: `${tlsPath}/tls.key`, ssl_ca_file: `${tlsPath}/ca.crt` };
}

/** `pg_hba.conf`: passwords by SCRAM everywhere, and base copies from the pod itself and from pods that the NetworkPolicy lets in. */
export function postgresHba({ tls }: EngineRequest): string {
  const host = tls?.required === true ? "hostssl" : "host";
  return `local all all scram-sha-256
${host} all all all scram-sha-256
local replication all scram-sha-256
${host} replication all all scram-sha-256
`;
}

/** Checks the user's settings: names as PostgreSQL writes them, and none that the component decides. */
export function checkPostgresSettings(problems: Problems, settings: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(settings)) {
    const path = keyPath("settings", key);
    if (!/^[a-z_][a-z0-9_.]*$/.test(key)) {
      problems.add(path, value, "the name of a postgresql.conf setting is allowed: lower-case letters, digits, underscores and dots");
    } else if (ownedSettings.has(key)) {
      problems.add(
        path,
        value,
        "the component decides this setting; sizes and connections are arguments of engine.postgres, archiving is backingStore, certificates are tls",
      );
    } else if (typeof value !== "string" || /[\r\n]/.test(value)) {
      problems.add(path, value, 'one line of text is allowed, for example "on" or "64MB"');
    }
  }
}

/** One `name = 'value'` per line, sorted; quotes are doubled as in SQL. */
function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key} = '${value.replace(/\\/g, "\\\\").replace(/'/g, "''")}'\n`)
    .join("");
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024)}kB`;
}

function wholeMebibytes(bytes: number): number {
  return Math.floor(bytes / mebibyte) * mebibyte;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
