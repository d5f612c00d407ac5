/** Kubeconfig files of the embedded cluster, and plain requests with them. */
import { Agent, type RequestOptions, request as httpsRequest } from "node:https";

/** What is needed to reach the API server. */
export interface ApiAccess {
  /** For example `https://127.0.0.1:23456`. */
  server: string;
  /** PEM. */
  caCertificate: string;
  token: string;
}

/** A kubeconfig with everything inside, so that the file can be copied. */
export function kubeconfigText(name: string, access: ApiAccess): string {
  const context = `compute-mesh-${name}`;
  const data = Buffer.from(access.caCertificate).toString("base64");
  return `${[
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    `  - name: ${context}`,
    "    cluster:",
    `      server: ${access.server}`,
    `      certificate-authority-data: ${data}`,
    "users:",
    `  - name: ${context}`,
    "    user:",
    `      token: ${access.token}`,
    "contexts:",
    `  - name: ${context}`,
    "    context:",
    `      cluster: ${context}`,
    `      user: ${context}`,
    `current-context: ${context}`,
  ].join("\n")}\n`;
}

/** An answer of the API server. */
export interface ApiResponse {
  status: number;
  /** Parsed where it is JSON, else text. */
  body: unknown;
}

/** A request to the API server. A string body is sent as it is, anything else as JSON. Default content type: JSON, for PATCH merge patch. */
export type ApiRequest = (method: string, path: string, body?: unknown, contentType?: string) => Promise<ApiResponse>;

/** Requests with one kept connection; `close` ends it. */
export function apiClient(access: ApiAccess, timeoutMilliseconds = 30_000): { request: ApiRequest; close(): void } {
  const agent = new Agent({ keepAlive: true, ca: access.caCertificate, maxSockets: 8 });
  const request: ApiRequest = (method, path, body, contentType) =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
      const options: RequestOptions = {
        method,
        agent,
        timeout: timeoutMilliseconds,
        headers: {
          authorization: `Bearer ${access.token}`,
          accept: "application/json",
          ...(payload && {
            "content-type": contentType ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json"),
            // Without it Node sends the body of a DELETE without framing, and the next request on the connection fails.
            "content-length": payload.length,
          }),
        },
      };
      const call = httpsRequest(new URL(path, access.server), options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const text = Buffer.concat(chunks).toString();
          const json = response.headers["content-type"]?.includes("json") === true;
          resolve({ status: response.statusCode ?? 0, body: json ? JSON.parse(text) : text });
        });
      });
      call.once("timeout", () => call.destroy(new Error(`${method} ${path}: no answer within ${timeoutMilliseconds / 1000} s`)));
      call.once("error", reject);
      call.end(payload);
    });
  return { request, close: () => agent.destroy() };
}
