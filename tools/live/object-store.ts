/** An object store that speaks S3, as a plain process over a folder: versitygw. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readJson, writeAtomic } from "../files";
import { privateFolder } from "../paths";
import { findOnPath } from "../path-lookup";
import { refereeEnvironment } from "../referees";
import {
  addressOf,
  doorTo,
  progressOf,
  type Service,
  serviceFolder,
  type ServicePlace,
  servicePorts,
  startServiceProcess,
  stopServiceProcess,
} from "./services";
import { untilListening } from "./services-listening";

const service = "object-store";

/** How the store is started. */
export interface ObjectStoreOptions extends ServicePlace {
  /** The program. Default: that of `S3_SERVER` where it is versitygw, the cached one, or that on PATH. */
  program?: string;
  /** Default: a free port. */
  port?: number;
  /** Buckets that are made. Default: `mesh-snapshots`. */
  buckets?: readonly string[];
}

/** Keys of the store's only account. */
export interface ObjectStoreKeys {
  accessKey: string;
  secretKey: string;
}

/** A running store. */
export interface ObjectStoreService extends Service {
  /** For clients inside the namespace and for pods, for example `http://10.200.0.1:9000`. Buckets are the first part of the path. */
  endpoint: string;
  /** The same for clients on this machine. */
  hostEndpoint: string;
  buckets: readonly string[];
  region: string;
  keys: ObjectStoreKeys;
  /** Folder with one folder per bucket; objects are plain files in it. */
  dataFolder: string;
}

/** versitygw, where it is there; else undefined. */
export function findVersitygw(env: NodeJS.ProcessEnv = refereeEnvironment()): string | undefined {
  const given = env["S3_SERVER"];
  return given !== undefined && !given.includes("moto") ? given : findOnPath("versitygw", env);
}

/** Starts the store and waits until it serves. Objects and keys of an earlier start in the same folder are kept. */
export async function startObjectStore(options: ObjectStoreOptions): Promise<ObjectStoreService> {
  const program = options.program ?? findVersitygw();
  if (program === undefined) {
    throw new Error("object store: versitygw is missing: run `npm run test:all` once, or have it on PATH or in S3_SERVER");
  }
  progressOf(options).detail("object store");
  const buckets = options.buckets ?? ["mesh-snapshots"];
  const folder = serviceFolder(options, service);
  const dataFolder = privateFolder(join(folder, "data"));
  for (const bucket of buckets) {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
      throw new Error(
        `object store: bucket ${JSON.stringify(bucket)} is not allowed: 3 to 63 lower-case letters, digits, dots and hyphens`,
      );
    }
    privateFolder(join(dataFolder, bucket));
  }
  const keys = storedKeys(folder);
  const host = addressOf(options);
  const port = options.port ?? (await servicePorts(1))[0];
  const region = "us-east-1";
  const recorded = await startServiceProcess(options, {
    name: service,
    binary: program,
    // Attributes beside the objects: not every file system has extended ones.
    args: [`--port=${host}:${port}`, `--region=${region}`, "posix", `--sidecar=${privateFolder(join(folder, "attributes"))}`, dataFolder],
    // Not as arguments, which every user of the machine can read.
    env: { ROOT_ACCESS_KEY: keys.accessKey, ROOT_SECRET_KEY: keys.secretKey },
  });
  await untilListening("object store", options, [recorded], [port]);
  const door = await doorTo(options, { host, port });
  return {
    name: service,
    processes: [recorded],
    endpoint: `http://${host}:${port}`,
    hostEndpoint: `http://${door.host}:${door.port}`,
    buckets,
    region,
    keys,
    dataFolder,
    stop: () => stopServiceProcess(options, service),
  };
}

/** Keys made at the first start. */
function storedKeys(folder: string): ObjectStoreKeys {
  const file = join(folder, "keys.json");
  const before = readJson<ObjectStoreKeys>(file);
  if (before) return before;
  const keys = { accessKey: randomBytes(10).toString("hex"), secretKey: randomBytes(20).toString("hex") };
  writeAtomic(file, JSON.stringify(keys));
  return keys;
}
