/** Asks a pod for every shard, and another owner where one fails, within the time of the question. */
import type { AnswerSettings } from "../../../src/model/answers-settings";
import { type MissingShard, PartialFailure, QuestionError } from "./failure";
import type { AnswerMetrics } from "./metrics";
import { assign, type Assignment, type Owner, type OwnerTable } from "./owners";
import type { Question } from "./question";
import type { Asking } from "./upstream";

/** A pod that failed is asked last for so long, in milliseconds: until the EndpointSlices know more, or it has recovered. */
const suspectMilliseconds = 5000;

/** What all questions of a gatherer share. */
export interface Collecting extends Asking {
  settings: AnswerSettings;
  metrics: AnswerMetrics;
  /** Address → until when it is asked last, in milliseconds of `performance.now()`. */
  suspects: Map<string, number>;
}

/** One partial answer and whose it is. */
export interface PartialAnswer<T> {
  assignment: Assignment;
  value: T;
}

export interface Collected<T> {
  /** Ascending by their first shards. */
  partials: PartialAnswer<T>[];
  /** Ascending. */
  missing: MissingShard[];
}

/** One try at one pod: `end` stops the clock, and the abort of the question still ends what is under way. */
export interface Attempt {
  signal: AbortSignal;
  /** Stops the clock of this try; what comes later has its own. */
  stopClock(): void;
  /** Ends request and answer. */
  abort(reason: Error): void;
}

interface Missing extends MissingShard {
  refusal?: PartialFailure["refusal"];
}

/**
 * Asks for all shards; `read` makes the value of one partial answer and may throw PartialFailure.
 *
 * A first pod gets half of the time where there is a second one to ask. A failure that another pod would answer alike (the question was refused) or that
 * may have changed something (POST) is not repeated.
 *
 * @throws QuestionError where every pod refused the question with the same status: that status, and what the pod said
 */
export async function collect<T>(
  collecting: Collecting,
  table: OwnerTable,
  question: Question,
  signal: AbortSignal,
  read: (assignment: Assignment, attempt: Attempt) => Promise<T>,
): Promise<Collected<T>> {
  const deadline = performance.now() + question.timeoutMilliseconds;
  const partials: PartialAnswer<T>[] = [];
  const missing: Missing[] = [];
  const ask = async (
    shards: readonly number[],
    tried: ReadonlySet<Owner>,
    last: PartialAnswer<PartialFailure> | undefined,
  ): Promise<void> => {
    const isSuspect = (owner: Owner): boolean => (collecting.suspects.get(owner.address) ?? 0) > performance.now();
    const { assignments, without } = assign(table, shards, (owner) => !tried.has(owner), isSuspect);
    without.forEach((shard) => missing.push(missingShard(shard, last)));
    if (without.length > 0 && last === undefined) {
      collecting.metrics.failed("no_owner");
    }
    await Promise.all(
      assignments.map(async (assignment) => {
        const now = new Set(tried).add(assignment.owner);
        const second = assignment.shards.some((shard) => table.candidates(shard).some((owner) => !now.has(owner)));
        const left = Math.max(0, deadline - performance.now());
        try {
          partials.push({
            assignment,
            value: await attemptWithin(second ? left / 2 : left, signal, (attempt) => read(assignment, attempt)),
          });
          collecting.suspects.delete(assignment.owner.address);
        } catch (error) {
          if (!(error instanceof PartialFailure)) {
            throw error;
          }
          noteFailure(collecting, assignment.owner, error);
          const failure = { assignment, value: error };
          if (mayAskAgain(question, error) && performance.now() < deadline) {
            await ask(assignment.shards, now, failure);
          } else {
            assignment.shards.forEach((shard) => missing.push(missingShard(shard, failure)));
          }
        }
      }),
    );
  };
  await ask(
    Array.from({ length: collecting.settings.shardCount }, (_unused, shard) => shard),
    new Set(),
    undefined,
  );
  if (partials.length === 0) {
    throwRefusal(missing);
  }
  partials.sort((a, b) => (a.assignment.shards[0] ?? 0) - (b.assignment.shards[0] ?? 0));
  missing.sort((a, b) => a.shard - b.shard);
  return { partials, missing: missing.map(({ refusal: _refusal, ...shown }) => shown) };
}

/** A question that may change something goes to a second pod only where the first has never got it. */
function mayAskAgain(question: Question, failure: PartialFailure): boolean {
  return failure.otherOwner && (question.canRepeat || failure.word === "refused");
}

function missingShard(shard: number, failure: PartialAnswer<PartialFailure> | undefined): Missing {
  if (failure === undefined) {
    return { shard, reason: "no ready owner" };
  }
  const { refusal, reason } = failure.value;
  return { shard, reason, node: failure.assignment.owner.node, ...(refusal === undefined ? {} : { refusal }) };
}

function noteFailure(collecting: Collecting, owner: Owner, failure: PartialFailure): void {
  collecting.metrics.failed(failure.word);
  if (failure.refusal === undefined) {
    // Pods come and go; those that are gone must not be remembered for ever.
    for (const [address, until] of collecting.suspects) {
      if (until < performance.now()) {
        collecting.suspects.delete(address);
      }
    }
    collecting.suspects.set(owner.address, performance.now() + suspectMilliseconds);
  }
}

function throwRefusal(missing: readonly Missing[]): void {
  const [first] = missing;
  if (first?.refusal !== undefined && missing.every(({ refusal }) => refusal?.status === first.refusal?.status)) {
    const { status, type, body } = first.refusal;
    throw new QuestionError(status, `every pod refused the question with status ${status}`, {}, { type, body });
  }
}

/** Runs one try. Its end by the clock is a PartialFailure, its end by `parent` has the reason of that. */
async function attemptWithin<T>(milliseconds: number, parent: AbortSignal, run: (attempt: Attempt) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const follow = (): void => controller.abort(parent.reason);
  if (parent.aborted) {
    throw parent.reason as Error;
  }
  parent.addEventListener("abort", follow, { once: true });
  const timer = setTimeout(() => controller.abort(new PartialFailure("timeout", "timeout", true)), milliseconds);
  try {
    return await run({ signal: controller.signal, stopClock: () => clearTimeout(timer), abort: (reason) => controller.abort(reason) });
  } catch (error) {
    controller.abort(error);
    parent.removeEventListener("abort", follow);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
