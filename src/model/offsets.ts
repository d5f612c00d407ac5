/** Kafka offsets: 64-bit whole numbers, `bigint` in memory and decimal text in JSON, because JSON numbers lose digits above 2^53. */
import { checkObject } from "./checks";
import { keyPath, type Problems } from "./errors";

/** Largest offset, a signed 64-bit number. */
export const maxOffset = 2n ** 63n - 1n;

/** A value for each partition of each topic: topic → partition → value. */
export type ByPartition<T> = Record<string, Record<number, T>>;

/** Notes where `value` is no offset in memory. */
export function checkOffset(problems: Problems, path: string, value: unknown): value is bigint {
  if (typeof value === "bigint" && value >= 0n && value <= maxOffset) {
    return true;
  }
  problems.add(path, value, `a Kafka offset from 0 to ${maxOffset} is allowed`);
  return false;
}

/** The offset that JSON text holds; anything but a decimal string gives undefined, which is noted. */
export function readOffset(problems: Problems, path: string, value: unknown): bigint | undefined {
  if (typeof value === "string" && /^(0|[1-9]\d{0,18})$/.test(value) && BigInt(value) <= maxOffset) {
    return BigInt(value);
  }
  problems.add(path, value, `a Kafka offset as decimal text is allowed, for example "1200", at most "${maxOffset}"`);
  return undefined;
}

/** Visits every partition of every topic, in the order of the topics' names; notes what is no topic or no partition. */
export function visitPartitions(
  problems: Problems,
  path: string,
  value: unknown,
  visit: (topic: string, partition: number, path: string, value: unknown) => void,
): void {
  if (!checkObject(problems, path, value)) {
    return;
  }
  for (const topic of Object.keys(value).sort()) {
    const partitions = value[topic];
    const topicPath = keyPath(path, topic);
    if (!checkObject(problems, topicPath, partitions)) {
      continue;
    }
    if (Object.keys(partitions).length === 0) {
      problems.add(topicPath, partitions, "at least one partition is expected, because a shard covers some of every topic");
    }
    for (const [key, inner] of Object.entries(partitions)) {
      const partition = Number(key);
      if (/^(0|[1-9]\d*)$/.test(key) && partition <= 0x7fffffff) {
        visit(topic, partition, keyPath(topicPath, key), inner);
      } else {
        problems.add(keyPath(topicPath, key), key, "the number of a partition is expected as the key");
      }
    }
  }
}

/** Every value replaced, topics and partitions kept, topics sorted. */
export function mapPartitions<A, B>(values: ByPartition<A>, change: (value: A) => B): ByPartition<B> {
  return Object.fromEntries(
    Object.keys(values)
      .sort()
      .map((topic) => [topic, Object.fromEntries(Object.entries(values[topic]).map(([partition, value]) => [partition, change(value)]))]),
  );
}

/** Notes where the partitions are not exactly those that are expected, topic → partitions. */
export function checkPartitions(
  problems: Problems,
  path: string,
  values: ByPartition<unknown>,
  expected: Record<string, readonly number[]>,
): void {
  for (const topic of [...new Set([...Object.keys(values), ...Object.keys(expected)])].sort()) {
    const given = Object.keys(values[topic] ?? {}).map(Number);
    const wanted = expected[topic] ?? [];
    if (given.length !== wanted.length || given.some((partition) => !wanted.includes(partition))) {
      problems.add(
        keyPath(path, topic),
        given,
        wanted.length === 0 ? "the shard covers nothing of this topic" : `the shard covers the partitions ${wanted.join(", ")}`,
      );
    }
  }
}
