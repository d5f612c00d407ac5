/** Answers one question: as one JSON document, or as a stream of rows with a trailer. */
import type { ServerResponse } from "node:http";
import { mergePartials, type Row } from "../../../src/model/answers-merge";
import { collect, type Collected, type Collecting } from "./collect";
import { type MissingShard, type PartialFailure, QuestionError } from "./failure";
import type { Budget, Lease, Places } from "./limits";
import { mergeByService } from "./merge-service";
import { assign, type OwnerTable } from "./owners";
import { openRows, readWhole, type RowSource } from "./partials";
import { ndjson, type Question } from "./question";
import { concatenate, mergeSorted, type NoteBroken, sortKeysOf, type StreamMerge, streamMergeOf } from "./stream";
import { askPod } from "./upstream";
import { createLineWriter } from "./writer";

/** What all questions share. */
export interface Answering extends Collecting {
  budget: Budget;
  places: Places;
}

/** How a question ended, for the metrics. */
export interface Outcome {
  status: number;
  complete: boolean;
}

/**
 * Asks, merges and writes the answer.
 *
 * @param signal its abort ends everything that is under way for the question
 * @throws QuestionError, or the reason of the signal
 */
export async function answerQuestion(
  answering: Answering,
  table: OwnerTable,
  question: Question,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<Outcome> {
  const lease = answering.budget.lease();
  const everyone = Array.from({ length: answering.settings.shardCount }, (_unused, shard) => shard);
  const pods = assign(
    table,
    everyone,
    () => true,
    () => false,
  ).assignments.length;
  const leavePlaces = await answering.places.take(Math.max(1, pods), signal);
  const stream = question.wantsLines ? streamMergeOf(question.merge) : undefined;
  try {
    return stream === undefined
      ? await answerWhole(answering, table, question, response, signal, lease)
      : await answerStream(answering, table, question, stream, response, signal, lease);
  } finally {
    leavePlaces();
    lease.release();
  }
}

async function answerWhole(
  answering: Answering,
  table: OwnerTable,
  question: Question,
  response: ServerResponse,
  signal: AbortSignal,
  lease: Lease,
): Promise<Outcome> {
  const { settings } = answering;
  const { merge } = question;
  const { partials, missing } = await collect(answering, table, question, signal, async (assignment, attempt) =>
    readWhole(await askPod(answering, question, assignment, attempt.signal), merge, lease),
  );
  refuseMissing(answering, question, { partials, missing });
  const values = partials.map(({ value }) => value);
  const answer =
    merge.operator === "service"
      ? await mergeByService(merge.url, settings, question, partials, missing, lease, signal)
      : mergePartials(merge, values);
  const complete = missing.length === 0;
  // Rows of topK and of a union without keys cannot come as a stream, but can be written as one.
  const rows = question.wantsLines && (merge.operator === "topK" || merge.operator === "union") ? (answer as unknown[]) : undefined;
  response.writeHead(200, headersOf(answering, rows === undefined ? "application/json" : ndjson, complete));
  if (rows === undefined) {
    response.end(`${JSON.stringify({ ...envelopeOf(answering, missing), answer })}\n`);
  } else {
    const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    response.end(`${lines}${JSON.stringify({ ...envelopeOf(answering, missing), rows: rows.length })}\n`);
  }
  return { status: 200, complete };
}

/** A source with the first rows of it, which came while the question could still go to another pod. */
interface StartedSource<T> extends RowSource<T> {
  shards: readonly number[];
  node: string;
}

async function answerStream(
  answering: Answering,
  table: OwnerTable,
  question: Question,
  merge: StreamMerge,
  response: ServerResponse,
  signal: AbortSignal,
  lease: Lease,
): Promise<Outcome> {
  const start =
    <T>(make: (row: unknown, line: string) => T) =>
    (): Promise<Collected<StartedSource<T>>> =>
      collect(answering, table, question, signal, async (assignment, attempt) => {
        const answered = await askPod(answering, question, assignment, attempt.signal);
        const source = await openRows(answered, question.merge, make, lease, question.timeoutMilliseconds, sortKeysOf(merge));
        let first: { rows: T[] | undefined } | undefined = { rows: await source.next() };
        attempt.stopClock();
        return {
          shards: assignment.shards,
          node: assignment.owner.node,
          next: () => {
            const rows = first === undefined ? source.next() : Promise.resolve(first.rows);
            first = undefined;
            return rows;
          },
        };
      });
  const run = async <T>(
    started: Collected<StartedSource<T>>,
    into: (
      sources: StartedSource<T>[],
      write: (line: string) => Promise<void> | undefined,
      broken: NoteBroken<StartedSource<T>>,
    ) => Promise<void>,
  ): Promise<Outcome> => {
    refuseMissing(answering, question, started);
    const missing = [...started.missing];
    // Whether all is complete is known at the end only: the trailer says it, no header does.
    response.writeHead(200, headersOf(answering, ndjson, undefined));
    const writer = createLineWriter(response);
    let rows = 0;
    const write = (line: string): Promise<void> | undefined => {
      rows += 1;
      return writer.write(line);
    };
    await into(
      started.partials.map(({ value }) => value),
      write,
      (source, failure, given) => missing.push(...brokenShards(answering, source, failure, given)),
    );
    missing.sort((a, b) => a.shard - b.shard);
    const trailer = JSON.stringify({ ...envelopeOf(answering, missing), rows });
    if (missing.length > 0 && question.requireComplete) {
      // The status has been sent; a connection that breaks off is what every client notices.
      response.write(`${trailer}\n`, () => response.destroy());
      throw new QuestionError(503, "the stream broke");
    }
    writer.end(trailer);
    return { status: 200, complete: missing.length === 0 };
  };
  return merge.operator === "concat"
    ? await run(await start((_row, line) => line)(), concatenate)
    : await run(await start((row) => row as Row)(), (sources, write, broken) => mergeSorted(sources, merge, write, broken));
}

function brokenShards(
  { metrics }: Answering,
  source: { shards: readonly number[]; node: string },
  failure: PartialFailure,
  given: number,
): MissingShard[] {
  metrics.failed(failure.word);
  return source.shards.map((shard) => ({ shard, reason: failure.reason, node: source.node, ...(given > 0 ? { partly: true } : {}) }));
}

/** No answer at all is no answer, and one that must be complete is none unless it is. */
function refuseMissing(answering: Answering, question: Question, { partials, missing }: Collected<unknown>): void {
  const why =
    partials.length === 0 ? "no shard has answered" : question.requireComplete && missing.length > 0 ? "shards are missing" : undefined;
  if (why !== undefined) {
    const body = Buffer.from(`${JSON.stringify({ error: why, ...envelopeOf(answering, missing) })}\n`);
    throw new QuestionError(503, why, { "mesh-complete": "false" }, { type: "application/json", body });
  }
}

function envelopeOf({ settings }: Answering, missing: readonly MissingShard[]): Record<string, unknown> {
  const { snapshot, version, shardCount } = settings;
  return { snapshot, version, shards: shardCount, complete: missing.length === 0, missing };
}

function headersOf({ settings }: Answering, type: string, complete: boolean | undefined): Record<string, string> {
  return {
    "content-type": type,
    "mesh-snapshot": settings.snapshot,
    "mesh-version": settings.version,
    ...(complete === undefined ? {} : { "mesh-complete": String(complete) }),
    // A snapshot never changes, but an answer that lacks a shard must not be kept.
    ...(complete === true ? {} : { "cache-control": "no-store" }),
  };
}
