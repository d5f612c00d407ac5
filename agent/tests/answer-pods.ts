/** Pods of a service on loopback, and a gatherer in front of them. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AnswerSettingsArgs, formatAnswerSettings, parseAnswerSettings } from "../../src/model/answers-settings";
import { staticTable } from "../src/answer/discovery";
import { type Gatherer, startGatherer } from "../src/answer/server";

export const snapshot = "20261121t0600z";
/** Amounts of the orders in a shard: shard s has 10 + s orders. */
export const ordersOf = (shard: number): { customer: string; amount: number }[] =>
  Array.from({ length: 10 + shard }, (_unused, index) => ({ customer: `c${(index * 7 + shard) % 5}`, amount: index * 100 + shard }));

export type Handler = (request: IncomingMessage, response: ServerResponse, shards: number[]) => void;

export interface Pod {
  url: string;
  server: Server;
  /** `mesh-shards` of every request that came. */
  asked: string[];
  /** Requests whose connection closed before the answer was out. */
  cutOff: number;
  handler: Handler;
  stop(): Promise<void>;
}

/** A pod that answers sums over the rows of its shards, until a test gives it another handler. */
export async function startPod(handler: Handler = answerHonestly): Promise<Pod> {
  const server = createServer((incoming, response) => {
    const text = String(incoming.headers["mesh-shards"]);
    pod.asked.push(text);
    response.on("close", () => {
      pod.cutOff += response.writableFinished ? 0 : 1;
    });
    pod.handler(incoming, response, text.split(",").map(Number));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const pod: Pod = { url, server, asked: [], cutOff: 0, handler, stop };
  return pod;
}

export function answerHonestly(incoming: IncomingMessage, response: ServerResponse, shards: number[]): void {
  const rows = shards.flatMap(ordersOf);
  const path = (incoming.url ?? "").split("?")[0] ?? "";
  const answer =
    path === "/total"
      ? { count: rows.length, sum: rows.reduce((sum, { amount }) => sum + amount, 0) }
      : path === "/customers"
        ? groupsOf(rows)
        : rows;
  if ((incoming.headers.accept ?? "").includes("ndjson") && Array.isArray(answer)) {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.end(answer.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return;
  }
  sendJson(response, answer, { "mesh-snapshot": snapshot, "mesh-version": "v1", "mesh-shards": shards.join(",") });
}

export function groupsOf(rows: readonly { customer: string; amount: number }[]): { customer: string; sum: number }[] {
  const sums = new Map<string, number>();
  rows.forEach(({ customer, amount }) => sums.set(customer, (sums.get(customer) ?? 0) + amount));
  return [...sums].map(([customer, sum]) => ({ customer, sum })).sort((a, b) => (a.customer < b.customer ? -1 : 1));
}

export function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

export const mergeRules: AnswerSettingsArgs["merge"] = {
  "/total": { fields: { count: { count: true }, sum: { sum: true } } },
  "/customers": { groupBy: ["customer"], fields: { sum: { sum: true } } },
  "/distinct": { union: { by: ["customer"] } },
  "/top": { topK: { k: 3, by: "amount", kParameter: "k" } },
  "/orders": { concat: true },
};

/** Shards 0 to 3: pod 0 first for 0 and 1, pod 1 first for 2 and 3, and each the second owner of the other's. */
export function settingsFor(pods: readonly Pod[], changes: Partial<AnswerSettingsArgs> = {}): AnswerSettingsArgs {
  const owners = pods.map((pod, index) => ({
    node: `n-${index}`,
    url: pod.url,
    shards: [0, 1, 2, 3],
    primary: [2 * index, 2 * index + 1],
  }));
  return { service: "prices", version: "v1", snapshot, shardCount: 4, owners, merge: mergeRules, ...changes };
}

export interface TestGatherer extends Gatherer {
  lines: string[];
  stop(): Promise<void>;
}

export async function gathererFor(args: AnswerSettingsArgs): Promise<TestGatherer> {
  const settings = parseAnswerSettings(formatAnswerSettings(args));
  const lines: string[] = [];
  // Port 0 is no port that settings may name: here any free one will do.
  const gatherer = await startGatherer(
    { ...settings, port: 0 },
    () => staticTable(settings.owners ?? [], settings.shardCount),
    (level, message) => void lines.push(`${level} ${message}`),
  );
  return { ...gatherer, lines, stop: () => gatherer.drain(0) };
}

/** Pods of a test, and the gatherer in front of them. */
export interface TwoPods {
  /** Two new ones for each test. */
  pods: Pod[];
  /** Starts the gatherer of the test; the port that it listens on. */
  start: (changes?: Partial<AnswerSettingsArgs>) => Promise<number>;
  /** The gatherer that the test has started. */
  gatherer: () => TestGatherer;
}

/** Starts and ends two pods for each test of the file, and whatever gatherer the test starts. */
export function twoPods(): TwoPods {
  const pods: Pod[] = [];
  let gatherer: TestGatherer | undefined;
  beforeEach(async () => {
    pods.splice(0, 2, await startPod(), await startPod());
  });
  afterEach(async () => {
    await gatherer?.stop();
    gatherer = undefined;
    await Promise.all(pods.map((pod) => pod.stop()));
  });
  return {
    pods,
    start: async (changes = {}) => {
      gatherer = await gathererFor(settingsFor(pods, changes));
      return gatherer.port;
    },
    gatherer: () => gatherer!,
  };
}

export interface Reply {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  /** The answer was cut off. */
  broken: boolean;
}

/** Asks without a client library, so that a cut-off answer can be seen. */
export function ask(port: number, path: string, headers: Record<string, string> = {}, post?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: "127.0.0.1", port, path, headers, agent: false, method: post === undefined ? "GET" : "POST" },
      (response) => {
        let text = "";
        const done = (broken: boolean) => (): void =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, broken });
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", done(false)).on("error", done(true));
      },
    );
    asking.on("error", reject);
    asking.end(post);
  });
}

export const lines = { accept: "application/x-ndjson" };
export const jsonLines = (text: string): any[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
