/**
 * Servers that none of us wrote and that tests are held against, and that run beside the live cluster: a Kafka broker, an S3 gateway, kgateway and Istio with Envoy,
 * MariaDB, Redis and ClickHouse's engine, emulators of Google Cloud Storage and Azure Blob; our own program that fills topics; and libraries
 * and programs that benchmarks are held against.
 *
 * `npm run test:all` and `npm run live` get those that are missing into the cache; `npm test` uses what is cached and counts the other tests as skipped.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cachedEntry, cacheEntry, cacheKey, lastDuration, recordDuration } from "./cache";
import { cachedDebianRoot, debianRoot } from "./debian";
import { cachedEnvoy, resolveEnvoy } from "./live/envoy-binary";
import { projectRoot } from "./paths";
import { currentPlatform, pins, type ToolName } from "./pins";
import { startProgress } from "./progress";
import { resolveTool } from "./resolve";

/** Referees by name. */
export const refereeNames = [
  "kafka",
  "versitygw",
  "fake-gcs-server",
  "azurite",
  "databases",
  "chdb",
  "kgateway",
  "istiod",
  "envoy",
  "mesh-load",
  "redpanda-connect",
  "bento",
  "bench-peers",
  "kustomize",
  "helm",
] as const;
export type RefereeName = (typeof refereeNames)[number];

interface Referee {
  /** The variable by which the tests find it. */
  variable: string;
  /** Its path where it is cached; undefined where it is not. */
  cached(): string | undefined;
  /** Gets it into the cache. Throws with what the program that failed has said. */
  get(): Promise<unknown>;
}

/** What gets something into `folder`: a program, its arguments, and variables on top of the environment. */
type Fetch = (folder: string) => { command: string; args: string[]; env?: NodeJS.ProcessEnv };

/** Fetched by one command. `key`: in the cache, a new version is a new key; `path`: where it lies in the folder. */
function fetched(key: string, variable: string, path: string, fetch: Fetch): Referee {
  const cached = (): string | undefined => {
    const entry = cachedEntry(key);
    return entry && join(entry.dir, path);
  };
  return { variable, cached, get: () => fetchInto(key, path, fetch) };
}

/** Installed from npm, beside this project and not in it. */
const npmInstall = (key: string, variable: string, path: string, packages: string[]): Referee =>
  fetched(key, variable, path, (folder) => ({
    command: "npm",
    args: ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, ...packages],
  }));

const goInstall = (module: string, program: string, variable: string, key: string): Referee =>
  fetched(key, variable, program, (folder) => ({
    command: "go",
    args: ["install", "-trimpath", module],
    env: { GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "" },
  }));

/** Built from one of our pinned modules. */
function pinned(name: ToolName, variable: string): Referee {
  const cached = (): string | undefined => {
    const entry = cachedEntry(cacheKey(pins[name], currentPlatform()));
    return entry && join(entry.dir, pins[name].binaries[0]);
  };
  return { variable, cached, get: () => resolveTool(name) };
}

/** Cache entry of ClickHouse's engine, the folder `site`; its versions are also in tools/live/images/clickhouse-engine/Dockerfile. */
export const chdbKey = "chdb-4.4.0";

/** MariaDB for the MySQL wire, and Redis. */
const databasePackages = ["mariadb-server-core", "mariadb-client-core", "redis-server"];

const referees: Record<RefereeName, Referee> = {
  kafka: fetched("kafka-4.3.1-1", "KAFKA_LIBS", "libs", (folder) => ({
    command: "mvn",
    args: [
      "-B",
      "-q",
      "-f",
      join(projectRoot, "tools", "kafka", "pom.xml"),
      "dependency:copy-dependencies",
      `-DoutputDirectory=${join(folder, "libs")}`,
    ],
  })),
  versitygw: goInstall("github.com/versity/versitygw/cmd/versitygw@v1.8.0", "versitygw", "S3_SERVER", "versitygw-1.8.0"),
  "fake-gcs-server": goInstall("github.com/fsouza/fake-gcs-server@v1.56.1", "fake-gcs-server", "GCS_SERVER", "fake-gcs-server-1.56.1"),
  azurite: npmInstall("azurite-3.35.0", "AZURITE", join("node_modules", ".bin", "azurite-blob"), ["azurite@3.35.0"]),
  databases: {
    variable: "DATABASES_ROOT",
    cached: () => cachedDebianRoot("databases", databasePackages),
    get: () => debianRoot("databases", databasePackages),
  },
  chdb: fetched(chdbKey, "CHDB_SITE", "site", (folder) => ({
    command: "python3",
    args: ["-m", "pip", "install", "--quiet", "--no-deps", "--target", join(folder, "site"), "chdb==4.4.0", "chdb-core==26.9.0"],
  })),
  kgateway: pinned("kgateway", "KGATEWAY"),
  istiod: pinned("istiod", "ISTIOD"),
  envoy: { variable: "ENVOY", cached: cachedEnvoy, get: () => resolveEnvoy() },
  "mesh-load": pinned("mesh-load", "MESH_LOAD"),
  "redpanda-connect": pinned("redpanda-connect", "REDPANDA_CONNECT"),
  bento: pinned("bento", "BENTO"),
  // Other ways to place shards: a ketama ring and jump hash, the most used and best kept of their kind; and to make manifests: cdk8s.
  "bench-peers": npmInstall("bench-peers-1", "BENCH_PEERS", "node_modules", [
    "hashring@3.2.0",
    "jump-gouache@2.1.1",
    "cdk8s@2.70.106",
    "constructs@10.8.1",
  ]),
  // The one that kubectl 1.36.3, the version of our cluster, has built in.
  kustomize: goInstall("sigs.k8s.io/kustomize/kustomize/v5@v5.8.1", "kustomize", "KUSTOMIZE", "kustomize-5.8.1"),
  helm: goInstall("helm.sh/helm/v4/cmd/helm@v4.3.1", "helm", "HELM", "helm-4.3.1"),
};

/** What runs beside the live cluster. */
export const liveReferees: RefereeName[] = ["kafka", "versitygw", "kgateway", "envoy", "mesh-load"];

/** What only `npm run bench` is held against; it gets them itself. */
export const benchReferees: RefereeName[] = ["bench-peers", "kustomize", "helm"];

/** Gets the referees that are not cached; default: those of the tests. Throws with the output of the program that failed. */
export async function fetchReferees(
  names: readonly RefereeName[] = refereeNames.filter((name) => !benchReferees.includes(name)),
): Promise<void> {
  for (const name of names) {
    if (referees[name].cached() === undefined) await referees[name].get();
  }
}

async function fetchInto(key: string, path: string, fetch: Fetch): Promise<void> {
  const progress = startProgress(`getting ${key}`, { lastSeconds: lastDuration(key)?.seconds });
  const began = Date.now();
  await cacheEntry(key, (folder) => {
    const { command, args, env } = fetch(folder);
    const child = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...env } });
    if (child.status !== 0) {
      progress.fail();
      throw new Error(`${key}: ${command} failed: ${child.error?.message ?? `${child.stdout}${child.stderr}`.slice(-2000)}`);
    }
    return Promise.resolve({ origin: "built" as const, files: [path] });
  });
  recordDuration(key, { seconds: Math.round((Date.now() - began) / 1000) });
  progress.done();
}

/** The variables by which tests find the referees that are cached; what the user has set stays. */
export function refereeEnvironment(): NodeJS.ProcessEnv {
  const found = Object.values(referees).flatMap((referee) => {
    const path = referee.cached();
    return path === undefined ? [] : [[referee.variable, path] as const];
  });
  return { ...Object.fromEntries(found), ...process.env };
}
