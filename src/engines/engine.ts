/** What a LocalDbDaemonSet needs to know of a database engine. Plain values only: no engine knows Pulumi or Kubernetes objects. */
import type { Problems } from "../model/errors";

/** Folder of `tls.crt`, `tls.key` and `ca.crt` in the database's container. */
export const tlsPath = "/etc/compute-mesh-tls";

/** TLS of the server. */
export interface TlsRequest {
  /** Whether connections without TLS are refused. */
  required: boolean;
}

/** What the component has decided before an engine plans. */
export interface EngineRequest {
  /** Name of the database's owner; its password is only in a Secret. */
  username: string;
  /** TLS, with the files of `tlsPath`; undefined where connections are plain. */
  tls?: TlsRequest;
  /** Memory limit of the database container in bytes. */
  memoryBytes: number;
  /** Size of the tmpfs that holds the data, in bytes; undefined where the data is on disk. */
  tmpfsBytes?: number;
  /** Extra settings of the engine's configuration file, on top of those derived. */
  settings: Readonly<Record<string, string>>;
  /** SQL, run once when the database is made. */
  schema?: string;
  /** How the backing store is filled, where there is one. */
  backing?: BackingRequest;
}

/** How a backing store is filled. */
export interface BackingRequest {
  /** Hours between two base copies. */
  baseIntervalHours: number;
  /** Longest time in seconds that a committed change stays outside the store. */
  archiveTimeoutSeconds: number;
}

/** One item of the memory that the container may use. */
export interface MemoryItem {
  /** What needs it, for messages, for example `shared_buffers`. */
  what: string;
  bytes: number;
}

/** How the data comes back from the backing store and goes there. The environment variable `STORE_DIRECTORY` is the node's folder in it. */
export interface BackingPlan {
  /** Run before the engine starts: fills an empty data directory from the newest base copy. */
  restoreCommand: string[];
  /** Runs beside the engine for ever: makes base copies and removes old ones. */
  copyCommand: string[];
}

/** Everything that the component puts into the pod for an engine. */
export interface EnginePlan {
  image: string;
  /** Port that clients use: with TLS where there is TLS. */
  port: number;
  /** Second port without TLS, where the engine needs one for that and TLS is not required. */
  plainPort?: number;
  /** Name of the database inside the engine. */
  database: string;
  /** User id of the engine's process. */
  uid: number;
  /** Its group id. Default: `uid`. */
  gid?: number;
  /** Arguments of the image's entry point. */
  args: string[];
  env: Record<string, string>;
  /** More environment variables that take a Secret's value. */
  secretEnv?: Record<string, { secretName: string; key: string }>;
  /** Names of the environment variables that take the credentials, for the engine itself (several may take the password) and for `backing.copyCommand`. */
  credentials: { username: string; password: string; morePasswords?: string[]; client?: { username: string; password: string } };
  /** Names of users that the engine keeps to itself. */
  reservedUsernames?: readonly string[];
  /** Where the data volume is mounted. */
  dataPath: string;
  /** Configuration files and scripts, file name → text, mounted at `configPath`. */
  configFiles: Record<string, string>;
  configPath: string;
  /** Files that the image runs once when the database is made, in the order of their names, mounted at `initPath`. */
  initFiles: Record<string, string>;
  initPath: string;
  /** Small folders that must be writable although the root file system is not, volume name → path. */
  scratchPaths: Record<string, string>;
  /** Most that each of them may hold, as a quantity; a pod that holds more is evicted. Default: `64Mi`. */
  scratchSize?: string;
  /** Exits with 0 when the engine answers clients. */
  readyCommand: string[];
  /** Whether the image writes outside of all mounted folders. Default: false, its root file system is read-only. */
  writableRoot?: boolean;
  /** Stops the engine so that nothing is lost. Default: the signal TERM, which the engine takes for that. */
  stopCommand?: string[];
  /** Least bytes of a tmpfs for an empty database. Default: 128 MiB. */
  leastTmpfsBytes?: number;
  /** All that counts against the memory limit. */
  memory: MemoryItem[];
  backing?: BackingPlan;
}

/** One database engine. */
export interface DatabaseEngine<Args extends object = object> {
  /** Name as in the args of LocalDbDaemonSet and in `LocalDbFacts.engine`. */
  readonly name: string;
  /**
   * Plans the pod's share of this engine; pure.
   *
   * @param problems takes every problem of `args` and `request.settings`; a plan is returned all the same, so that the caller can go on checking
   * @param path property path of `args`
   */
  plan(problems: Problems, path: string, args: Args, request: EngineRequest): EnginePlan;
}
