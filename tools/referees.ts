/**
 * Servers that none of us wrote and that tests are held against: a Kafka broker, an S3 gateway, emulators of Google Cloud Storage and Azure Blob.
 *
 * `npm run test:all` gets those that are missing into the cache; `npm test` uses what is cached and counts the other tests as skipped.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cachedEntry, cacheEntry, lastDuration, recordDuration } from "./cache";
import { projectRoot } from "./paths";
import { startProgress } from "./progress";

interface Referee {
  /** Key in the cache; a new version is a new key. */
  key: string;
  /** What gets it into `folder`: a program, its arguments, and variables on top of the environment. */
  fetch: (folder: string) => { command: string; args: string[]; env?: NodeJS.ProcessEnv };
  /** The variable by which the tests find it, and where it lies in the folder. */
  variable: string;
  path: string;
}

const goInstall = (module: string, program: string, variable: string, key: string): Referee => ({
  key,
  fetch: (folder) => ({ command: "go", args: ["install", "-trimpath", module], env: { GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "" } }),
  variable,
  path: program,
});

const referees: Referee[] = [
  {
    key: "kafka-4.3.1-1",
    fetch: (folder) => ({
      command: "mvn",
      args: [
        "-B",
        "-q",
        "-f",
        join(projectRoot, "tools", "kafka", "pom.xml"),
        "dependency:copy-dependencies",
        `-DoutputDirectory=${join(folder, "libs")}`,
      ],
    }),
    variable: "KAFKA_LIBS",
    path: "libs",
  },
  goInstall("github.com/versity/versitygw/cmd/versitygw@v1.8.0", "versitygw", "S3_SERVER", "versitygw-1.8.0"),
  goInstall("github.com/fsouza/fake-gcs-server@v1.56.1", "fake-gcs-server", "GCS_SERVER", "fake-gcs-server-1.56.1"),
  {
    key: "azurite-3.35.0",
    fetch: (folder) => ({
      command: "npm",
      args: ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, "azurite@3.35.0"],
    }),
    variable: "AZURITE",
    path: join("node_modules", ".bin", "azurite-blob"),
  },
];

/** Gets every referee that is not cached. Throws with the output of the program that failed. */
export async function fetchReferees(): Promise<void> {
  for (const referee of referees) {
    if (cachedEntry(referee.key)) {
      continue;
    }
    const progress = startProgress(`getting ${referee.key}`, { lastSeconds: lastDuration(referee.key)?.seconds });
    const began = Date.now();
    await cacheEntry(referee.key, (folder) => {
      const { command, args, env } = referee.fetch(folder);
      const child = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...env } });
      if (child.status !== 0) {
        progress.fail();
        throw new Error(`${referee.key}: ${command} failed: ${child.error?.message ?? `${child.stdout}${child.stderr}`.slice(-2000)}`);
      }
      return Promise.resolve({ origin: "built" as const, files: [referee.path] });
    });
    recordDuration(referee.key, { seconds: Math.round((Date.now() - began) / 1000) });
    progress.done();
  }
}

/** The variables by which tests find the referees that are cached; what the user has set stays. */
export function refereeEnvironment(): NodeJS.ProcessEnv {
  const found = referees.flatMap((referee) => {
    const cached = cachedEntry(referee.key);
    return cached ? [[referee.variable, join(cached.dir, referee.path)] as const] : [];
  });
  return { ...Object.fromEntries(found), ...process.env };
}
