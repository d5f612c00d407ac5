/**
 * What the gatherer costs beside asking a pod directly, all in one run: `node -r ts-node/register/transpile-only agent/tests/answer-bench.ts [seconds]`.
 *
 * Gatherer and pods run in processes of their own; ratios compare the same client, the same question and the same number of clients at once.
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnswerSettingsArgs } from "../../src/model/answers-settings";
import { lines, mergeRules, snapshot, startPod } from "./answer-pods";
import { startAnswerProcess } from "./answer-process";

const streamRows = 200_000;

/** The pods' process: tells its parent the addresses. */
async function servePods(count: number): Promise<void> {
  const stream = Array.from(
    { length: 1000 },
    (_unused, index) => `{"customer":"customer-${index}","amount":${index},"item":"item"}\n`,
  ).join("");
  const handler: Parameters<typeof startPod>[0] = (incoming, response) => {
    if (incoming.url === "/total") {
      const body = '{"count":62500,"sum":312500000}';
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length, "mesh-snapshot": snapshot }).end(body);
      return;
    }
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    let sent = 0;
    const more = (): void => {
      while (sent < streamRows / count) {
        sent += 1000;
        if (!response.write(stream)) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  };
  const pods = await Promise.all(Array.from({ length: count }, () => startPod(handler)));
  process.send?.(pods.map(({ url }) => url));
  process.once("disconnect", () => process.exit(0));
}

interface Measured {
  perSecond: number;
  median: number;
  p99: number;
}

/** Asks over and over by so many clients at once. */
async function load(port: number, path: string, clients: number, seconds: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) {
        const start = performance.now();
        await read(port, path, {}, agent);
        times.push(performance.now() - start);
      }
    }),
  );
  const elapsed = (performance.now() - began) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  return { perSecond: times.length / elapsed, median: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)] };
}

/** Bytes of one answer. */
function read(port: number, path: string, headers: Record<string, string>, agent: Agent | false): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, headers: { "mesh-shards": "0", ...headers }, agent }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response
        .on("error", reject)
        .on("end", () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(`status ${response.statusCode}`))));
    });
    asking.on("error", reject).end();
  });
}

async function measure(count: number, seconds: number, folder: string): Promise<void> {
  const pods = fork(__filename, ["pods", String(count)], { execArgv: process.execArgv });
  const urls = await new Promise<string[]>((resolve) => pods.once("message", (message) => resolve(message as string[])));
  const owners = urls.map((url, shard) => ({ node: `n-${shard}`, url, shards: [shard], primary: [shard] }));
  const settings: AnswerSettingsArgs = { service: "bench", version: "v1", snapshot, shardCount: count, owners, merge: mergeRules };
  const gatherer = await startAnswerProcess(folder, settings);
  const direct = Number(new URL(urls[0]).port);
  try {
    for (const port of [direct, gatherer.port]) {
      await load(port, "/total", 8, 1);
    }
    for (const clients of [1, 16]) {
      const one = await load(direct, "/total", clients, seconds);
      const all = await load(gatherer.port, "/total", clients, seconds);
      print(`${count} pods, ${clients} clients`, [
        `direct ${Math.round(one.perSecond)}/s (${one.median.toFixed(2)} ms, p99 ${one.p99.toFixed(2)})`,
        `gatherer ${Math.round(all.perSecond)}/s (${all.median.toFixed(2)} ms, p99 ${all.p99.toFixed(2)})`,
        `answers ×${(all.perSecond / one.perSecond).toFixed(2)}, partial answers ×${((count * all.perSecond) / one.perSecond).toFixed(2)}, +${(all.median - one.median).toFixed(2)} ms`,
      ]);
    }
    const began = performance.now();
    // As many rows from the one pod as from all of them together.
    let bytes = 0;
    for (let again = 0; again < count; again++) {
      bytes += await read(direct, "/orders", lines, false);
    }
    const between = performance.now();
    await read(gatherer.port, "/orders", lines, false);
    const [one, all] = [between - began, performance.now() - between];
    const speed = (milliseconds: number): string => `${Math.round(bytes / 1e3 / milliseconds)} MB/s`;
    print(`${count} pods, stream of ${streamRows} rows`, [`direct ${speed(one)}`, `gatherer ${speed(all)}`, `×${(one / all).toFixed(2)}`]);
    print(`${count} pods`, [`largest memory of the gatherer ${Math.round(gatherer.peakMebibytes())} MiB`]);
  } finally {
    gatherer.child.kill();
    pods.disconnect();
    await gatherer.exited;
  }
}

function print(what: string, parts: string[]): void {
  process.stdout.write(`${what}: ${parts.join("; ")}\n`);
}

async function main(): Promise<void> {
  if (process.argv[2] === "pods") {
    await servePods(Number(process.argv[3]));
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "mesh-answer-bench-"));
  try {
    for (const count of [1, 3, 16]) {
      await measure(count, Number(process.argv[2] ?? 3), folder);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
