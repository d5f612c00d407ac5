/** Asks one pod for the partial answer of some shards. */
import { type Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { AnswerSettings } from "../../../src/model/answers-settings";
import { messageOf } from "../errors";
import { PartialFailure, QuestionError } from "./failure";
import type { Assignment } from "./owners";
import type { Question } from "./question";

/** Most of what is kept of a refusal, to hand it on. */
const maxRefusalBytes = 64 * 1024;

/** What the asking needs besides the question. */
export interface Asking {
  agent: Agent;
  settings: AnswerSettings;
}

/**
 * Asks, and returns the answer once its headers say that it is the right one. Aborting the signal ends request and answer with its reason.
 *
 * @throws PartialFailure
 */
export async function askPod(asking: Asking, question: Question, assignment: Assignment, signal: AbortSignal): Promise<IncomingMessage> {
  let response: IncomingMessage;
  try {
    response = await send(asking, question, assignment, signal);
  } catch (error) {
    if (!(error instanceof StaleConnection)) {
      throw error;
    }
    // The pod closed the connection that was kept for it, as it may at any time; that says nothing about the pod.
    response = await send(asking, question, assignment, signal, true);
  }
  const { statusCode: status = 0 } = response;
  if (status !== 200) {
    throw await statusFailure(response, status);
  }
  try {
    checkHeaders(response, asking.settings, assignment.shards);
  } catch (error) {
    response.destroy();
    throw error;
  }
  return response;
}

class StaleConnection extends Error {}

function send(
  { agent, settings }: Asking,
  question: Question,
  { owner, shards }: Assignment,
  signal: AbortSignal,
  again = false,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    let answered: IncomingMessage | undefined;
    const request: ClientRequest = httpRequest({
      // A fresh connection for the second try: all that were kept may be closed.
      agent: again ? false : agent,
      host: owner.host,
      port: owner.port,
      method: question.method,
      path: question.target,
      headers: {
        ...question.headers,
        host: owner.address,
        ...(question.body === undefined ? {} : { "content-length": question.body.length }),
        "mesh-shards": shards.join(","),
        "mesh-snapshot": settings.snapshot,
        "mesh-version": settings.version,
      },
    });
    const abort = (): void => {
      answered?.destroy(signal.reason as Error);
      request.destroy(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("close", () => signal.removeEventListener("abort", abort));
    request.once("response", (response) => {
      answered = response;
      // An answer that is ended on purpose while nobody reads it is no fault of the program.
      response.on("error", () => undefined);
      resolve(response);
    });
    request.on("error", (error) => {
      const code = (error as NodeJS.ErrnoException).code;
      const stale = request.reusedSocket && question.canRepeat && !again && (code === "ECONNRESET" || code === "EPIPE");
      reject(stale ? new StaleConnection() : signal.aborted ? (signal.reason as Error) : connectionFailure(error));
    });
    request.end(question.body);
  });
}

/** What a broken connection means; what was thrown on purpose stays as it is. */
export function connectionFailure(error: unknown): PartialFailure | QuestionError {
  if (error instanceof PartialFailure || error instanceof QuestionError) {
    return error;
  }
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const unreached = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENOTFOUND", "EAI_AGAIN"].includes(code);
  return unreached
    ? new PartialFailure("refused", code === "ECONNREFUSED" ? "refused" : `unreachable (${code})`, true)
    : new PartialFailure("broken", `broken connection (${messageOf(error)})`, true);
}

/** Statuses that another pod may not have: out of time, too early, too much to do, not here. */
const otherPodMayDo = [408, 421, 425, 429];

async function statusFailure(response: IncomingMessage, status: number): Promise<PartialFailure | QuestionError> {
  const refused = status >= 400 && status < 500 && !otherPodMayDo.includes(status);
  if (!refused) {
    response.resume();
    return new PartialFailure("status", `status ${status}`, true);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxRefusalBytes) {
        break;
      }
      chunks.push(chunk);
    }
  } catch (error) {
    return connectionFailure(error);
  }
  const type = response.headers["content-type"] ?? "text/plain; charset=utf-8";
  return new PartialFailure("status", `status ${status}`, false, { status, type, body: Buffer.concat(chunks) });
}

function checkHeaders(response: IncomingMessage, settings: AnswerSettings, shards: readonly number[]): void {
  const { headers } = response;
  for (const name of ["snapshot", "version"] as const) {
    const given = headers[`mesh-${name}`];
    if (given !== undefined && given !== settings[name]) {
      throw new PartialFailure("wrong_snapshot", `answered from ${name} ${String(given)}, asked for ${settings[name]}`, true);
    }
  }
  const answered = headers["mesh-shards"];
  if (answered !== undefined && !sameShards(String(answered), shards)) {
    throw new PartialFailure(
      "wrong_shards",
      `answered for shards ${String(answered).slice(0, 60)}, asked for ${shards.join(",").slice(0, 60)}`,
      true,
    );
  }
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new PartialFailure("malformed", `malformed: content-encoding ${encoding} was not asked for`, true);
  }
}

function sameShards(text: string, shards: readonly number[]): boolean {
  const given = text
    .split(",")
    .map((part) => Number(part.trim()))
    .sort((a, b) => a - b);
  return given.length === shards.length && given.every((shard, index) => shard === shards[index]);
}
