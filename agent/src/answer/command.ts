/** `compute-mesh-agent answer`: settings, discovery and server put together. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnswerSettings, parseAnswerSettings, shardFilesPath } from "../../../src/model/answers-settings";
import { AgentError, messageOf, readingFrom } from "../errors";
import { serveHealth } from "../health";
import type { Log } from "../log";
import { staticTable, watchOwners } from "./discovery";
import { createKubernetesApi, serviceAccountFolder } from "./kubernetes-api";
import type { OwnerTable } from "./owners";
import { startGatherer } from "./server";
import { createShardFiles } from "./shard-files";

/** Running questions may take so long after SIGTERM, in milliseconds. */
const drainMilliseconds = 30_000;

/**
 * Answers questions until the signal, then lets the running ones end.
 *
 * The folders of the shard files and of the ServiceAccount can be other ones by the variables SHARD_FILES and API_ACCESS.
 */
export async function runAnswer(folder: string, signal: AbortSignal, log: Log): Promise<void> {
  const settings = readAnswerSettings(join(folder, "settings.json"));
  const { service, version, snapshot, shardCount, upstream, owners, healthPort } = settings;
  let table: OwnerTable | undefined = owners === undefined ? undefined : staticTable(owners, shardCount);
  const gatherer = await startGatherer(settings, () => table, log);
  const { health } = gatherer;
  health.report("start", undefined);
  if (table === undefined) {
    health.report("discovery", "the API server has not answered yet");
  }
  const healthServer = await serveHealth(health, healthPort);
  log("info", `answering for ${service} ${version} at snapshot ${snapshot}`, { port: gatherer.port, shards: shardCount });
  try {
    if (upstream !== undefined) {
      const api = createKubernetesApi(process.env["API_ACCESS"] ?? serviceAccountFolder, apiServer());
      const files = createShardFiles(process.env["SHARD_FILES"] ?? shardFilesPath, shardCount, log);
      let problem: string | undefined;
      await watchOwners(api, upstream, files, shardCount, signal, (found) => (table = found), {
        log,
        looked: (now) => {
          health.alive();
          if (now !== undefined && now !== problem) {
            log("warning", `the pods of ${upstream.endpointService} cannot be looked up: ${now}`);
          }
          problem = now;
          // What is known goes on being asked while the API server is away, so that is no reason to take this pod away.
          health.report("discovery", table === undefined ? now : undefined);
        },
      });
      api.close();
    } else {
      await aliveUntil(signal, () => health.alive());
    }
    health.report("stopping", "the pod is about to end");
    await gatherer.drain(drainMilliseconds);
  } finally {
    healthServer.close();
    healthServer.closeAllConnections();
  }
}

/** @throws AgentError with everything that is wrong */
export function readAnswerSettings(file: string): AnswerSettings {
  return readingFrom("usage", file, "correct the answers of the VersionedService; the settings come from there", () => {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      const todo = "mount the settings ConfigMap of the gatherer, or name its folder by --settings";
      throw new AgentError({ kind: "usage", what: file, expected: "a readable file", found: messageOf(error), todo, cause: error });
    }
    return parseAnswerSettings(text);
  });
}

function apiServer(): { host: string; port: number } {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (host === undefined || port === undefined) {
    throw new AgentError({
      kind: "usage",
      what: "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT",
      expected: "the address of the API server, as every pod has it",
      found: "nothing",
      todo: "run in a pod, or name the pods by `owners` in settings.json",
    });
  }
  return { host, port: Number(port) };
}

async function aliveUntil(signal: AbortSignal, alive: () => void): Promise<void> {
  const timer = setInterval(alive, 60_000);
  await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })));
  clearInterval(timer);
}
