/** What a LocalDbDaemonSet needs to know of a database engine. Plain values only: no engine knows Pulumi or Kubernetes objects. */
import type { Problems } from "../model/errors";

/** What the component has decided before an engine plans. */
export interface EngineRequest {
  /** Memory limit of the database container in bytes. */
  memoryBytes: number;
  /** Size of the tmpfs that holds the data, in bytes; undefined where the data is on disk. */
  tmpfsBytes?: number;
  /** Extra settings of the engine's configuration file, on top of those derived. */
  settings: Readonly<Record<string, string>>;
  /** SQL or the engine's own language, run once when the database is made. */
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
  port: number;
  /** Name of the database inside the engine. */
  database: string;
  /** User and group id of the engine's process. */
  uid: number;
  /** Arguments of the image's entry point. */
  args: string[];
  env: Record<string, string>;
  /** Names of the environment variables that take the credentials, for the engine itself and for `backing.copyCommand`. */
  credentials: { username: string; password: string; client: { username: string; password: string } };
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
  /** Exits with 0 when the engine answers clients. */
  readyCommand: string[];
  /** Stops the engine so that nothing is lost. */
  stopCommand: string[];
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
