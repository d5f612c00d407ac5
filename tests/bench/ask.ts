/**
 * Asks over and over, by so many clients at once, and prints the times: `ask.ts <path> <clients> <seconds> <url>…`. Of several URLs each round asks all at
 * once and waits for the last, as a client would that knows every owner itself. A process of its own, in the network of the mesh.
 */
import { Agent, request } from "node:http";

/** What a run of questions took. */
export interface Asked {
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  failed: number;
}

const timeoutMilliseconds = 30_000;

function ask(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(url, { agent, timeout: timeoutMilliseconds }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response
        .on("error", () => resolve(false))
        .on("end", () => resolve(response.statusCode === 200 && !text.includes('"complete":false')));
    });
    asking
      .on("timeout", () => asking.destroy())
      .on("error", () => resolve(false))
      .end();
  });
}

async function run(path: string, clients: number, seconds: number, urls: string[]): Promise<Asked> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients * urls.length });
  const times: number[] = [];
  let failed = 0;
  const began = performance.now();
  const end = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) {
        const start = performance.now();
        const good = await Promise.all(urls.map((url) => ask(url + path, agent)));
        if (good.every(Boolean)) times.push(performance.now() - start);
        else failed += 1;
      }
    }),
  );
  const elapsed = (performance.now() - began) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { perSecond: times.length / elapsed, p50: at(0.5), p99: at(0.99), failed };
}

if (require.main === module) {
  const [path, clients, seconds, ...urls] = process.argv.slice(2);
  void run(path, Number(clients), Number(seconds), urls).then((asked) => process.stdout.write(JSON.stringify(asked)));
}
