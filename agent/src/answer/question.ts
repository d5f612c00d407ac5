/** What a client asks, read from its request and checked. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Merge, ruleOfPath, withParameters } from "../../../src/model/answers";
import type { AnswerSettings } from "../../../src/model/answers-settings";
import { QuestionError } from "./failure";

/** A question, as it goes to every pod. */
export interface Question {
  method: "GET" | "POST";
  /** Path and query as they came. */
  target: string;
  path: string;
  /** Without those of the connection and those for the gatherer alone. */
  headers: Record<string, string | string[]>;
  body?: Buffer;
  merge: Merge;
  /** Whether a second pod may get the question after a first one may have worked on it. */
  canRepeat: boolean;
  wantsLines: boolean;
  requireComplete: boolean;
  timeoutMilliseconds: number;
}

export const ndjson = "application/x-ndjson";

/** Headers of one connection (RFC 9110 section 7.6.1), and what the gatherer says itself. */
const notForwarded = new Set([
  ...[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
  ],
  // Partial answers are read here, so they come as they are; the length is that of the body as it is sent on.
  ...["host", "content-length", "expect", "accept-encoding"],
  ...["mesh-shards", "mesh-snapshot", "mesh-version", "mesh-timeout-ms", "mesh-require-complete", "mesh-idempotent"],
]);

/** @throws QuestionError where there is no answer to such a question */
export async function readQuestion(request: IncomingMessage, settings: AnswerSettings): Promise<Question> {
  const { method = "", url: target = "/" } = request;
  if (method !== "GET" && method !== "POST") {
    throw new QuestionError(405, `${method} is no question: ask by GET, or by POST with a body`, { allow: "GET, POST" });
  }
  if (!target.startsWith("/")) {
    throw new QuestionError(400, "a path is needed");
  }
  checkBinding(request.headers, settings);
  const [path = "/", query] = splitOnce(target, "?");
  const rule = ruleOfPath(settings.merge, path);
  if (rule === undefined) {
    throw new QuestionError(
      404,
      `there is no rule how answers of ${path} are merged; there are rules for ${Object.keys(settings.merge).join(", ")}`,
    );
  }
  const parameters = new URLSearchParams(query);
  const merge = withParameters(rule, (name) => parameters.get(name));
  if (typeof merge === "string") {
    throw new QuestionError(400, merge);
  }
  const body = method === "POST" ? await readBody(request, settings.maxQuestionBytes) : undefined;
  return {
    method,
    target,
    path,
    headers: forwardedHeaders(request.headers),
    ...(body === undefined ? {} : { body }),
    merge,
    canRepeat: method === "GET" || flag(request.headers, "mesh-idempotent"),
    wantsLines: (request.headers.accept ?? "").toLowerCase().includes(ndjson),
    requireComplete: flag(request.headers, "mesh-require-complete"),
    timeoutMilliseconds: readTimeout(request.headers, settings.timeoutMilliseconds),
  };
}

/** A question that names another snapshot or version came the wrong way; an answer from here would be wrong without saying so. */
function checkBinding(headers: IncomingHttpHeaders, { snapshot, version }: AnswerSettings): void {
  for (const [name, own] of Object.entries({ snapshot, version })) {
    for (const header of [`mesh-${name}`, `x-mesh-${name}`]) {
      const asked = headers[header];
      if (asked !== undefined && asked !== own) {
        throw new QuestionError(421, `${header}: ${String(asked)} is asked for, and ${own} is answered here`);
      }
    }
  }
}

function flag(headers: IncomingHttpHeaders, name: string): boolean {
  const value = headers[name];
  if (value !== undefined && value !== "true" && value !== "false") {
    throw new QuestionError(400, `${name}: ${String(value)} is not allowed: true or false`);
  }
  return value === "true";
}

function readTimeout(headers: IncomingHttpHeaders, longest: number): number {
  const value = headers["mesh-timeout-ms"];
  if (value === undefined) {
    return longest;
  }
  if (typeof value !== "string" || !/^[1-9]\d{0,8}$/.test(value)) {
    throw new QuestionError(400, `mesh-timeout-ms: ${String(value)} is not allowed: a whole number of at least 1`);
  }
  return Math.min(Number(value), longest);
}

function forwardedHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  // Whatever the connection header names belongs to this connection as well.
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  const forwarded: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !notForwarded.has(name) && !named.includes(name)) {
      forwarded[name] = value;
    }
  }
  return forwarded;
}

async function readBody(request: IncomingMessage, longest: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longest) {
      throw new QuestionError(413, `the question has more than ${longest} bytes (maxQuestionBytes)`, { connection: "close" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
