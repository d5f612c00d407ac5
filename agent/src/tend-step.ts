/** What the steps of tending share. */
import type { KafkaSource } from "./attempt";
import type { DatabaseSession, DatabaseState } from "./databases/database";
import type { Health } from "./health";
import type { KafkaLog } from "./kafka";
import type { Log } from "./log";
import type { NodeShards } from "./pod-files";
import type { RetentionWatch } from "./retention-watch";

/** What tending is told besides the context. */
export interface TendOptions {
  node: NodeShards;
  health: Health;
  retention: RetentionWatch;
  kafka: KafkaSource;
  signal: AbortSignal;
}

/** What every step of a round has. */
export interface TendStep {
  session: DatabaseSession;
  state: DatabaseState;
}

/** Says what is waited for: once, again when it changes, and every ten minutes. */
export type Say = (subject: string, level: Parameters<Log>[0], message: string, fields?: Record<string, unknown>) => void;

const repeatMilliseconds = 600_000;

/** Kafka, connected only where it is asked: what needs no look into the log works without it. */
export function lazyKafka(source: KafkaSource): Pick<KafkaLog, "committed"> {
  return {
    committed: async function* (topic, partition, from, to) {
      return yield* (await source.get()).committed(topic, partition, from, to);
    },
  };
}

/** Remembers what was said. */
export function createSay(log: Log): Say {
  const said = new Map<string, { text: string; at: number }>();
  return (subject, level, message, fields = {}) => {
    // Numbers that count up are no news.
    const text = JSON.stringify([message, fields], (_key, value: unknown) => (typeof value === "bigint" ? "#" : value)).replace(
      /\d+/g,
      "#",
    );
    const before = said.get(subject);
    if (before === undefined || before.text !== text || Date.now() - before.at > repeatMilliseconds) {
      said.set(subject, { text, at: Date.now() });
      log(level, message, fields);
    }
  };
}
