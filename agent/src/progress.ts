/**
 * Whether the node's own ingest has passed a cut.
 *
 * Ingest stores the offset after the last record that it wrote, and that need not come to the cut: markers of transactions, aborted records and
 * records that compaction has removed take offsets, too. So where the stored offset is below the cut, Kafka's log between the two is read as a
 * read_committed consumer reads it: if everything there is decided and no committed record is left in it, there is nothing to wait for.
 */
import type { ShardCut } from "../../src/model/cut";
import type { ByPartition } from "../../src/model/offsets";
import type { KafkaLog } from "./kafka";
import type { Log } from "./log";

/** A partition that ingest has not passed. */
export interface Lag {
  topic: string;
  partition: number;
  /** What ingest stored; undefined where it stored nothing yet. */
  next: bigint | undefined;
  cut: bigint;
  /** What is missing, for the log. */
  reason: string;
}

/** The partitions of a cut that ingest has not passed. */
export async function lagOf(cut: ShardCut, offsets: ByPartition<bigint>, kafka: Pick<KafkaLog, "committed">, log: Log): Promise<Lag[]> {
  const lags: Lag[] = [];
  for (const [topic, partitions] of Object.entries(cut.offsets)) {
    for (const [number, to] of Object.entries(partitions)) {
      const partition = Number(number);
      const next = offsets[topic]?.[partition];
      if ((next ?? 0n) < to) {
        const reason = await missing(kafka, topic, partition, next, to, log);
        if (reason !== undefined) {
          lags.push({ topic, partition, next, cut: to, reason });
        }
      }
    }
  }
  return lags;
}

async function missing(
  kafka: Pick<KafkaLog, "committed">,
  topic: string,
  partition: number,
  next: bigint | undefined,
  to: bigint,
  log: Log,
): Promise<string | undefined> {
  const look = kafka.committed(topic, partition, next ?? 0n, to);
  const { value, done } = await look.next();
  if (!done) {
    await look.return({ decided: 0n, logStart: 0n });
    return `the record at offset ${value[0]} is not ingested`;
  }
  if (value.decided < to) {
    return `transactions from offset ${value.decided} on are not decided`;
  }
  if (next !== undefined && value.logStart > next) {
    // Only markers may have been there, or records that nobody can ingest any more: waiting would change neither.
    log("warning", `Kafka has removed offsets that this node had not passed; records there, if any, are in no snapshot`, {
      ...{ topic, partition, next, logStart: value.logStart },
    });
  }
  return undefined;
}
