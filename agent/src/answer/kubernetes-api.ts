/** Reads from the Kubernetes API with what every pod's ServiceAccount has. */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { messageOf } from "../errors";

/** Where Kubernetes mounts token and certificate. */
export const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface KubernetesApi {
  /** The JSON at a path. @throws Error with one line that says what failed */
  get(path: string, accept?: string): Promise<unknown>;
  close(): void;
}

/** Longest time of one request in milliseconds. */
const timeoutMilliseconds = 5000;

/**
 * @param folder with `token` and `ca.crt`; both are read again for every connection or request, because Kubernetes replaces them
 * @param server host and port; the kubelet sets KUBERNETES_SERVICE_HOST and …_PORT in every pod
 */
export function createKubernetesApi(folder: string, server: { host: string; port: number }): KubernetesApi {
  let agent: Agent | undefined;
  let authority = "";
  const agentFor = (ca: string): Agent => {
    if (agent === undefined || ca !== authority) {
      agent?.destroy();
      authority = ca;
      agent = new Agent({ keepAlive: true, ca, maxSockets: 2 });
    }
    return agent;
  };
  return {
    get: async (path, accept = "application/json") => {
      const token = readFileSync(join(folder, "token"), "utf8").trim();
      const ca = readFileSync(join(folder, "ca.crt"), "utf8");
      const text = await new Promise<string>((resolve, reject) => {
        const asking = request(
          {
            agent: agentFor(ca),
            ...server,
            path,
            headers: { authorization: `Bearer ${token}`, accept },
            signal: AbortSignal.timeout(timeoutMilliseconds),
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("error", reject);
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.once("end", () => {
              const body = Buffer.concat(chunks).toString("utf8");
              if (response.statusCode === 200) {
                resolve(body);
              } else {
                reject(new Error(`GET ${path}: status ${response.statusCode}: ${reasonOf(body)}`));
              }
            });
          },
        );
        asking.on("error", (error) => reject(new Error(`GET ${path}: ${messageOf(error)}`, { cause: error })));
        asking.end();
      });
      return JSON.parse(text) as unknown;
    },
    close: () => agent?.destroy(),
  };
}

/** The message of the API server's Status object. */
function reasonOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === "string" ? message : body.slice(0, 200);
  } catch {
    return body.slice(0, 200);
  }
}
