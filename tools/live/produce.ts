/** Filling topics with records of known sums, and reading the sums that a log holds, by our program mesh-load (tools/go/load). */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { refereeEnvironment } from "../referees";

/** What to write: documents `{id, customer, amount, item, at}` with the customer as key, spread over the partitions by Kafka's default hash. */
export interface ProduceOptions {
  topic: string;
  /** Default: 1,000,000, duplicates not counted. */
  messages?: number;
  /** Different customers. Default: 1000. */
  keys?: number;
  /** The same seed gives the same customers and amounts. Default: 1. */
  seed?: number;
  /** `id` of the first record. Default: 0. */
  firstId?: number;
  /** Records a second. Default: as fast as it goes. */
  rate?: number;
  /** Time of the first record in milliseconds. Default: every record bears the time of its writing. */
  startMilliseconds?: number;
  /** With `startMilliseconds`: the records' times spread evenly over it. Default: 0, all have the same time. */
  spanMilliseconds?: number;
  /** Each time is moved by up to so much to either side, so that times are out of order. Default: 0. */
  disorderMilliseconds?: number;
  /** Every n-th record is written, and counted, twice. Default: none. */
  duplicates?: number;
  /** Every n-th record is no JSON or has a text as amount, by turns. Default: none. */
  poison?: number;
  /** Every n-th record has no value. Default: none. */
  tombstones?: number;
  /** Records of one transaction. Default: no transactions. */
  transactions?: number;
  /** Every n-th transaction is aborted. Default: none. */
  abortEvery?: number;
  /** Sums by time in steps of this length. Default: none. */
  bucketMilliseconds?: number;
}

/** What to read. */
export interface TruthOptions {
  topic: string;
  /** Partition → offset up to which, not including it, it is read. Default: what the log holds now. */
  cut?: Readonly<Record<string, number>>;
  /** Each partition is read up to its first record of this time, in milliseconds, or later. Not with `cut`. */
  atMilliseconds?: number;
  /** Counts records of open and aborted transactions too. Default: false. */
  uncommitted?: boolean;
  bucketMilliseconds?: number;
}

/** What a set of amounts adds up to. */
export interface Sums {
  count: number;
  sum: number;
  min: number;
  max: number;
}

/** Sums of records by everything that a test may ask for. Poisoned records and tombstones are counted, but in no sum. */
export interface Totals {
  topic: string;
  total: Sums;
  byPartition: Record<string, Sums>;
  /** By customer. */
  byKey: Record<string, Sums>;
  /** By the beginning of the step of time, RFC 3339. */
  byTime?: Record<string, Sums>;
  poisoned: number;
  tombstones: number;
  seconds: number;
}

/** What was written. Records of aborted transactions are in no sum and in no count but `aborted`. */
export interface Produced extends Totals {
  /** Records that were written twice, those of aborted transactions among them. */
  duplicates: number;
  aborted: number;
  /** Partition → offset behind the last record written here; the marker that ends a transaction comes behind that. */
  nextOffsets: Record<string, number>;
  recordsPerSecond: number;
}

/** What the log holds up to `cut`. */
export interface Truth extends Totals {
  /** Partition → offset up to which it was read. */
  cut: Record<string, number>;
}

/** The program, where it is cached or named by `MESH_LOAD`; else undefined. */
export function findLoad(env: NodeJS.ProcessEnv = refereeEnvironment()): string | undefined {
  return env["MESH_LOAD"];
}

/** Writes records, and returns what they add up to by the brokers' acknowledgements. */
export async function produce(brokers: readonly string[], options: ProduceOptions): Promise<Produced> {
  return run<Produced>("produce", brokers, {
    topic: options.topic,
    messages: options.messages,
    keys: options.keys,
    seed: options.seed,
    "first-id": options.firstId,
    rate: options.rate,
    start: options.startMilliseconds,
    span: milliseconds(options.spanMilliseconds),
    disorder: milliseconds(options.disorderMilliseconds),
    duplicates: options.duplicates,
    poison: options.poison,
    tombstones: options.tombstones,
    transactions: options.transactions,
    "abort-every": options.abortEvery,
    bucket: milliseconds(options.bucketMilliseconds),
  });
}

/** Reads the log, and returns what it adds up to. Knows nothing of ingest, so that a mesh can be held against it. */
export async function readTruth(brokers: readonly string[], options: TruthOptions): Promise<Truth> {
  const cut = options.cut && Object.entries(options.cut).map(([partition, offset]) => `${partition}=${offset}`);
  return run<Truth>("truth", brokers, {
    topic: options.topic,
    cut: cut?.join(","),
    at: options.atMilliseconds,
    uncommitted: options.uncommitted,
    bucket: milliseconds(options.bucketMilliseconds),
  });
}

const milliseconds = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}ms`);

async function run<T>(
  command: string,
  brokers: readonly string[],
  flags: Readonly<Record<string, string | number | boolean | undefined>>,
): Promise<T> {
  const program = findLoad();
  if (program === undefined) throw new Error("mesh-load is missing: run `npm run test:all` once, or set MESH_LOAD");
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  const args = [command, `-brokers=${brokers.join(",")}`, ...given.map(([name, value]) => `-${name}=${value}`)];
  try {
    const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1024 * 1024 * 1024 });
    return JSON.parse(stdout) as T;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(stderr?.trim().split("\n").pop() || message, { cause: error });
  }
}
