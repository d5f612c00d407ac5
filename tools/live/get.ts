/** One question by HTTP to a port of this machine. `fetch` would not do: it lets no Host header through. */
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
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, path, headers, timeout: milliseconds }, (response) => {
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
