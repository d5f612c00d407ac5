/** Questions by HTTP to a port of this machine. `fetch` would not do: it lets no Host header through. */
import { request } from "node:http";

/** What came back, whatever its status. */
export interface Got {
  status: number;
  text: string;
}

/**
 * GET.
 *
 * @param milliseconds without a byte; 30,000 by default
 * @throws where nothing answers in time, or the answer is cut off
 */
export function get(port: number, path: string, headers: Record<string, string> = {}, milliseconds = 30_000): Promise<Got> {
  return ask(port, { method: "GET", path, headers }, milliseconds);
}

/** The same with any method, and no body. */
export function ask(
  port: number,
  question: { method: string; path: string; headers: Record<string, string> },
  milliseconds: number,
): Promise<Got> {
  return new Promise((resolve, reject) => {
    // A connection of its own: one that a gateway has just closed would fail the question after it.
    const outgoing = request({ ...question, host: "127.0.0.1", port, timeout: milliseconds, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => (response.complete ? resolve({ status: response.statusCode ?? 0, text }) : reject(new Error("cut off"))));
      response.on("error", reject);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${milliseconds} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
