/** The first step of a service's pod: waits until the database of its node shows every own shard of the snapshot that it is bound to. */
import { setTimeout as sleep } from "node:timers/promises";
import { Problems } from "../../src/model/errors";
import { checkInteger, checkOneOf } from "../../src/model/checks";
import { isSnapshotId, snapshotIdRule } from "../../src/model/snapshot-id";
import { connectDatabase, engineNames } from "./databases";
import type { DatabaseSettings } from "./databases/database";
import { requiredVariable } from "./environment";
import { AgentError, canRetry, messageOf, readingFrom } from "./errors";
import type { Log } from "./log";
import type { NodeShards } from "./pod-files";

/** How to wait. */
export interface WaitOptions {
  node: NodeShards;
  log: Log;
  signal: AbortSignal;
  /** Seconds; without it there is no end. */
  timeoutSeconds?: number;
}

const pollMilliseconds = 1000;
const tellMilliseconds = 30_000;

/** The database of the node as a service's pod knows it: by variables. */
export function databaseOfEnvironment(): DatabaseSettings {
  const variable = (name: string, purpose: string): string => requiredVariable(name, purpose);
  const engine = process.env["DATABASE_ENGINE"] ?? "postgres";
  const port = Number(variable("DATABASE_PORT", "the port of the database"));
  const caFile = process.env["DATABASE_CA_FILE"] ?? "";
  const encrypted = process.env["DATABASE_TLS"] ?? "";
  readingFrom("usage", "environment", "correct the pod of the service", () => {
    const problems = new Problems("environment");
    checkOneOf(problems, "DATABASE_ENGINE", engine, engineNames);
    checkOneOf(problems, "DATABASE_TLS", encrypted === "" ? "false" : encrypted, ["true", "false"]);
    checkInteger(problems, "DATABASE_PORT", port, { min: 1, max: 65535 });
    problems.throwIfAny();
  });
  return {
    engine,
    host: variable("DATABASE_HOST", "the host of the database"),
    port,
    database: variable("DATABASE_NAME", "the name of the database"),
    // A file says so by itself, as long as nothing says the contrary.
    ...(encrypted === "true" || (encrypted === "" && caFile !== "") ? { tls: caFile === "" ? {} : { caFile } } : {}),
  };
}

/**
 * Waits, whatever is missing: the database, the snapshot, shards of it. Nothing is written.
 *
 * @throws AgentError of kind `usage` where `snapshot` is no id, `incomplete` where the time is up or the signal comes
 */
export async function waitForSnapshot(snapshot: string, settings: DatabaseSettings, options: WaitOptions): Promise<void> {
  const { node, log, signal, timeoutSeconds } = options;
  if (!isSnapshotId(snapshot)) {
    const todo = "bind the service's version to a snapshot";
    throw new AgentError({ kind: "usage", what: "snapshot", expected: snapshotIdRule, found: snapshot, todo });
  }
  const began = Date.now();
  let toldAt = 0;
  for (;;) {
    const missing = await whatIsMissing(snapshot, settings, node);
    if (missing === undefined) {
      log("info", "the database of this node shows every own shard of the snapshot", { snapshot, shards: node.shards });
      return;
    }
    const seconds = Math.round((Date.now() - began) / 1000);
    if (signal.aborted || (timeoutSeconds !== undefined && seconds >= timeoutSeconds)) {
      throw new AgentError({
        kind: "incomplete",
        what: `snapshot ${snapshot} on node ${node.node}`,
        expected: `all ${node.shards.length} own shards within ${timeoutSeconds ?? seconds} seconds`,
        found: missing,
        todo: "look at the log of the SnapshotGroup's agent on this node",
      });
    }
    if (Date.now() - toldAt >= tellMilliseconds) {
      toldAt = Date.now();
      log("info", "waiting for the snapshot", { snapshot, node: node.node, missing, since: new Date(began).toISOString(), seconds });
    }
    await sleep(pollMilliseconds, undefined, { signal }).catch(() => undefined);
  }
}

/** As text; undefined where all is there. */
async function whatIsMissing(snapshot: string, settings: DatabaseSettings, node: NodeShards): Promise<string | undefined> {
  if (node.shards.length === 0) {
    return undefined;
  }
  try {
    const session = await connectDatabase(settings);
    try {
      // Partition s belongs to shard s whatever the number of shards is, and the cuts of a shard come together.
      const cuts = Object.values(await session.cuts(snapshot));
      const missing = node.shards.filter((shard) => !cuts.some((offsets) => offsets[shard] !== undefined));
      if (missing.length === 0) {
        return undefined;
      }
      const { shards } = await session.state();
      const views = (await session.snapshots()).includes(snapshot);
      const lacking = missing.filter((shard) => !shards.has(shard));
      const behind = missing.filter((shard) => shards.has(shard));
      return [
        ...(views ? [] : ["its views are not there: it is not pinned, or the agent of this node has not seen that yet"]),
        ...(lacking.length === 0 ? [] : [`${shardsText(lacking)} not in the database: the agent restores them, or leaves them to ingest`]),
        ...(behind.length === 0 ? [] : [`${shardsText(behind)} not shown: its cut is not taken yet, or ingest has not passed it`]),
      ].join("; ");
    } finally {
      await session.close();
    }
  } catch (error) {
    // A database that starts gives many errors; a wrong password is told the same way, as it may be corrected in its Secret.
    return `${messageOf(error)}${canRetry(error) ? "" : " (it will not come by waiting alone)"}`;
  }
}

function shardsText(shards: readonly number[]): string {
  const shown = shards.slice(0, 16).join(", ");
  const more = shards.length > 16 ? ` and ${shards.length - 16} more` : "";
  return `${shards.length === 1 ? "shard" : "shards"} ${shown}${more}`;
}
