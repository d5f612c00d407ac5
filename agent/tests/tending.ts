/** What the tests of tending share: an agent whose rounds are taken one by one. */
import type { DatabaseSettings } from "../src/databases/database";
import { exitCodeOf } from "../src/errors";
import { createHealth, type Health } from "../src/health";
import type { KafkaLog } from "../src/kafka";
import { run } from "../src/main";
import type { NodeShards, Retention } from "../src/pod-files";
import { watchRetention } from "../src/retention-watch";
import type { AgentContext } from "../src/shard-snapshot";
import { createTender } from "../src/tend";
import { contextWith, removeFolder, temporaryFolder, writePodFiles } from "./support";

/** An agent of one node. */
export interface TestAgent {
  context: AgentContext & { lines: string[] };
  health: Health;
  /** May be changed by the test. */
  pinned: string[];
  round: () => Promise<boolean>;
  /** Rounds until there is nothing more to do at once. */
  settle: () => Promise<void>;
}

/** @param changes of the settings; `tends` is set */
export async function startAgent(
  store: string,
  kafka: KafkaLog | (() => Promise<KafkaLog>),
  node: NodeShards,
  changes: Record<string, unknown>,
  now: () => number = Date.now,
): Promise<TestAgent> {
  const context = await contextWith({ directory: { path: store, shared: true } }, { tends: true, ...changes });
  const health = createHealth();
  const pinned: string[] = [];
  const read = (): Retention => ({ keep: { last: 1 }, pinned: [...pinned] });
  const round = createTender(context, {
    node,
    health,
    retention: watchRetention(read, context.settings.unpinnedGraceSeconds, now),
    kafka: { get: typeof kafka === "function" ? kafka : () => Promise.resolve(kafka), failed: () => Promise.resolve() },
    signal: new AbortController().signal,
  });
  return {
    context,
    health,
    pinned,
    round,
    settle: async () => {
      while (await round());
    },
  };
}

/**
 * The step `wait` of a service's pod, on a node with the shards 0 and 1.
 *
 * @returns the exit code, and what it has written
 */
export async function runWait(
  { engine, host, port, database }: DatabaseSettings,
  ...words: string[]
): Promise<{ code: number; lines: string }> {
  const files = temporaryFolder();
  const where = writePodFiles(files, {}).slice(2);
  Object.assign(process.env, { DATABASE_ENGINE: engine, DATABASE_HOST: host, DATABASE_PORT: String(port), DATABASE_NAME: database });
  const lines: string[] = [];
  const written = jest.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  const code = await run(["wait", ...words, ...where], new AbortController().signal, () => undefined).catch((error: unknown) => {
    lines.push((error as Error).message);
    return exitCodeOf(error);
  });
  written.mockRestore();
  removeFolder(files);
  return { code, lines: lines.join("\n") };
}

/** A node that owns its shards first. */
export function nodeWith(node: string, ...shards: number[]): NodeShards {
  return { node, shards, primary: shards };
}
