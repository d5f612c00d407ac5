/** Why a shard is missing. */

/** One word per cause, for metrics; the text for people may say more. */
export type FailureWord =
  "timeout" | "refused" | "broken" | "status" | "no_owner" | "wrong_snapshot" | "wrong_shards" | "malformed" | "cancelled";

/** A partial answer that did not come, or that cannot be used. */
export class PartialFailure extends Error {
  public constructor(
    public readonly word: FailureWord,
    /** For example `status 500`. */
    public readonly reason: string,
    /** Whether the same question to another pod is safe and can help. */
    public readonly otherOwner: boolean,
    /** What the pod said, where it refused the question itself (status 400 to 499). */
    public readonly refusal?: { status: number; type: string; body: Buffer },
  ) {
    super(reason);
  }
}

/** A shard that is not in the answer. */
export interface MissingShard {
  shard: number;
  reason: string;
  /** The mesh node that was asked last; absent where there was none to ask. */
  node?: string;
  /** Rows of the shard came before its stream broke, and are in the answer. */
  partly?: boolean;
}

/** A question that gets no answer at all, but a status code. */
export class QuestionError extends Error {
  public constructor(
    public readonly status: number,
    message: string,
    public readonly headers: Record<string, string> = {},
    /** In place of a message: the body of a pod that refused the question. */
    public readonly body?: { type: string; body: Buffer },
  ) {
    super(message);
  }
}
