/** The HTTP server of the gatherer. */
import { setMaxListeners } from "node:events";
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AnswerSettings } from "../../../src/model/answers-settings";
import { AgentError, messageOf } from "../errors";
import { createHealth, type Health } from "../health";
import type { Log } from "../log";
import { type Answering, answerQuestion, type Outcome } from "./answer";
import { QuestionError } from "./failure";
import { createBudget, createPlaces } from "./limits";
import { createMetrics } from "./metrics";
import type { OwnerTable } from "./owners";
import { readQuestion } from "./question";

/** A running gatherer. */
export interface Gatherer {
  readonly server: Server;
  /** Port of the questions; that of the settings, or a free one for 0. */
  readonly port: number;
  readonly health: Health;
  /** Takes no more questions, lets the running ones end, then closes everything; at most for so long. */
  drain(milliseconds: number): Promise<void>;
}

/** The connection closed while the answer was still coming; the status is that of nginx for it, and only in the metrics. */
const clientGone = 499;
/** Idle connections to pods are kept for so long, in milliseconds; less than the 5 seconds for which Node's server keeps them. */
const idleMilliseconds = 4000;

/**
 * Starts the server of the questions.
 *
 * @param table the owners as they are now; undefined while nothing is known
 * @throws AgentError where the port is taken
 */
export async function startGatherer(settings: AnswerSettings, table: () => OwnerTable | undefined, log: Log): Promise<Gatherer> {
  const own = createHealth();
  const budget = createBudget(settings.maxBufferedBytes);
  const places = createPlaces(settings.maxConcurrentPartials);
  let running = 0;
  let draining = false;
  const metrics = createMetrics(own, () => ({
    mesh_answer_running: { help: "Questions that are being answered.", value: running },
    mesh_answer_buffered_bytes: { help: "Bytes of partial answers in memory.", value: budget.used },
    mesh_answer_pods: { help: "Ready pods that can be asked.", value: table()?.owners.length ?? 0 },
  }));
  const health: Health = { ...own, metrics: () => metrics.text() };
  const agent = new Agent({ keepAlive: true, timeout: idleMilliseconds, maxFreeSockets: 16, scheduling: "lifo" });
  const answering: Answering = { settings, agent, metrics, budget, places, suspects: new Map() };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<Outcome> => {
    const stop = new AbortController();
    // Every request to a pod listens to it.
    setMaxListeners(0, stop.signal);
    const gone = (): void => {
      if (!response.writableFinished) {
        stop.abort(new QuestionError(clientGone, "the client has gone"));
      }
    };
    response.once("close", gone);
    const limit = settings.totalTimeoutMilliseconds;
    const timer = setTimeout(
      () => stop.abort(new QuestionError(504, `no whole answer within ${limit} ms (totalTimeoutMilliseconds)`)),
      limit,
    );
    try {
      const question = await readQuestion(request, settings);
      const owners = table();
      if (owners === undefined) {
        throw new QuestionError(503, "the pods of the service are not known yet", { "retry-after": "2" });
      }
      return await answerQuestion(answering, owners, question, response, stop.signal);
    } catch (error) {
      const failure = error instanceof QuestionError ? error : unforeseen(error, stop.signal, log);
      stop.abort(failure);
      sendError(response, failure);
      return { status: failure.status, complete: failure.headers["mesh-complete"] !== "false" };
    } finally {
      clearTimeout(timer);
      response.off("close", gone);
    }
  };

  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    const start = performance.now();
    running += 1;
    if (draining) {
      response.setHeader("connection", "close");
    }
    void handle(request, response).then(({ status, complete }) => {
      running -= 1;
      metrics.answered(status, (performance.now() - start) / 1000, complete);
    });
  });
  const port = await listen(server, settings.port);
  return {
    server,
    port,
    health,
    drain: async (milliseconds) => {
      draining = true;
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), milliseconds);
      await closed;
      clearTimeout(timer);
      agent.destroy();
    },
  };
}

function unforeseen(error: unknown, signal: AbortSignal, log: Log): QuestionError {
  if (signal.aborted && signal.reason instanceof QuestionError) {
    return signal.reason;
  }
  if (error instanceof RangeError) {
    // A sum of doubles beyond their range: the partial answers cannot be merged.
    return new QuestionError(502, messageOf(error));
  }
  log("error", `a question failed: ${messageOf(error)}`, error instanceof Error ? { stack: error.stack } : {});
  return new QuestionError(500, "the question failed for a reason that nobody foresaw; the log of the gatherer has it");
}

function sendError(response: ServerResponse, failure: QuestionError): void {
  if (response.headersSent || response.destroyed) {
    // What has been sent cannot be taken back; without the trailer and the end of the chunks it is no answer.
    if (!response.writableNeedDrain && response.writableLength === 0) {
      response.destroy();
    } else {
      setTimeout(() => response.destroy(), 100).unref();
    }
    return;
  }
  const { type, body } = failure.body ?? { type: "application/json", body: `${JSON.stringify({ error: failure.message })}\n` };
  response.writeHead(failure.status, { "cache-control": "no-store", ...failure.headers, "content-type": type }).end(body);
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve).once("error", (error: Error) => {
      const todo = "choose another one in settings.json";
      reject(new AgentError({ kind: "usage", what: `port ${port}`, expected: "a free port", found: error.message, todo, cause: error }));
    });
    server.listen(port);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
