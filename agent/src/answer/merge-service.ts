/** Has a service of the user merge the partial answers. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AnswerSettings } from "../../../src/model/answers-settings";
import { messageOf } from "../errors";
import type { PartialAnswer } from "./collect";
import { type MissingShard, QuestionError } from "./failure";
import type { Lease } from "./limits";
import { ndjson, type Question } from "./question";

/**
 * Posts one line per partial answer, ascending by shards, and returns the JSON that comes back.
 *
 * @throws QuestionError with status 502 where the service fails
 */
export async function mergeByService(
  url: string,
  settings: AnswerSettings,
  question: Question,
  partials: readonly PartialAnswer<unknown>[],
  missing: readonly MissingShard[],
  lease: Lease,
  signal: AbortSignal,
): Promise<unknown> {
  const lines = partials.map(({ assignment, value }) => `${JSON.stringify({ shards: assignment.shards, answer: value })}\n`);
  const body = Buffer.from(lines.join(""));
  lease.take(body.length);
  const failed = (what: string): QuestionError => new QuestionError(502, `the merging service ${url} ${what}`);
  const limit = AbortSignal.timeout(question.timeoutMilliseconds);
  try {
    return await new Promise((resolve, reject) => {
      const request = (url.startsWith("https:") ? httpsRequest : httpRequest)(url, {
        method: "POST",
        signal: AbortSignal.any([signal, limit]),
        headers: {
          "content-type": ndjson,
          "content-length": body.length,
          accept: "application/json",
          "mesh-snapshot": settings.snapshot,
          "mesh-version": settings.version,
          "mesh-question": question.target,
          "mesh-missing": missing.map(({ shard }) => shard).join(","),
        },
      });
      request.on("error", reject);
      request.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => {
          try {
            lease.take(chunk.length);
            chunks.push(chunk);
          } catch (error) {
            response.destroy();
            reject(error instanceof Error ? error : new Error(messageOf(error)));
          }
        });
        response.once("end", () => {
          if (response.statusCode !== 200) {
            reject(failed(`answered with status ${response.statusCode}`));
            return;
          }
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString("utf8")));
          } catch {
            reject(failed("answered with something else than JSON"));
          }
        });
      });
      request.end(body);
    });
  } catch (error) {
    if (error instanceof QuestionError) {
      throw error;
    }
    if (signal.aborted) {
      throw signal.reason;
    }
    throw failed(limit.aborted ? `did not answer within ${question.timeoutMilliseconds} ms` : `cannot be reached (${messageOf(error)})`);
  }
}
