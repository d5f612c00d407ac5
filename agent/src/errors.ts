/** Failures as whoever reads the log needs them: what, expected, found, and what to do. Each kind has its exit code. */
import { MeshInputError } from "../../src/model/errors";

/** Exit codes of the program by kind of failure; 0 is success and 1 a failure that nobody foresaw. */
export const exitCodes = {
  /** Wrong arguments, settings or node file. */
  usage: 2,
  /** The time is up and a shard is not in the store. */
  incomplete: 3,
  /** No such snapshot, or none that is complete. */
  unknownSnapshot: 4,
  /** What the store holds is not what was written, or not what Kafka holds. */
  corrupted: 5,
  /** Done, it would destroy something or give a wrong result. */
  refused: 6,
  /** Store, database or Kafka cannot be reached or does not let the agent in. */
  unreachable: 7,
} as const;

export type FailureKind = keyof typeof exitCodes;

/** One failure. */
export interface Failure {
  kind: FailureKind;
  /** What it is about: shard, file, partition. */
  what: string;
  expected: string;
  found: string;
  /** What a person can do. */
  todo: string;
  /** Whether trying again without a change can help. Default: false. */
  retry?: boolean;
  cause?: unknown;
}

/** A failure that was foreseen. */
export class AgentError extends Error {
  public readonly kind: FailureKind;
  public readonly retry: boolean;

  public constructor(failure: Failure) {
    super(`${failure.what}: expected ${failure.expected}, found ${failure.found}; ${failure.todo}`, { cause: failure.cause });
    this.name = "AgentError";
    this.kind = failure.kind;
    this.retry = failure.retry ?? false;
  }
}

/** The exit code for whatever was thrown. */
export function exitCodeOf(error: unknown): number {
  return error instanceof AgentError ? exitCodes[error.kind] : error instanceof MeshInputError ? exitCodes.usage : 1;
}

/** The text of whatever was thrown. Errors without a message (an AggregateError of several addresses) give their code. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = (error as { code?: unknown }).code;
  return error.message !== "" ? error.message : typeof code === "string" ? code : error.name;
}

/** Whether trying again can help: not where the agent itself knows better. */
export function canRetry(error: unknown): boolean {
  return error instanceof AgentError ? error.retry : !(error instanceof MeshInputError);
}

/** Reads a document of the model; what is wrong in it is told with the place where it lies. */
export function readingFrom<T>(kind: FailureKind, where: string, todo: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MeshInputError)) {
      throw error;
    }
    const found = error.problems.map(({ path, given, allowed }) => `${path === "" ? "" : `${path}: `}${given} (${allowed})`).join(", ");
    throw new AgentError({ kind, what: where, expected: `a readable ${error.subject}`, found, todo, cause: error });
  }
}
