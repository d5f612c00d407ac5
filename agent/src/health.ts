/** `/healthz`, `/readyz` and `/metrics`. */
import { createServer, type Server } from "node:http";
import { AgentError } from "./errors";

/** Port of the three, as the SnapshotGroup declares it. */
export const agentPort = 8081;

/** The loop must come round this often, in milliseconds; a dump of hours counts as coming round while it moves. */
const livenessMilliseconds = 10 * 60 * 1000;

/** What the agent knows about itself. */
export interface Health {
  /** Notes that work goes on. */
  alive(): void;
  /** Sets or clears a reason for not being ready; each subject has one. */
  report(subject: string, problem: string | undefined): void;
  /** Sets a gauge. `labels` as `name="value"`. */
  gauge(name: string, help: string, value: number, labels?: string): void;
  /** Adds to a counter. */
  count(name: string, help: string, more: number, labels?: string): void;
  healthz(): { status: number; text: string };
  readyz(): { status: number; text: string };
  metrics(): string;
}

export function createHealth(now: () => number = Date.now): Health {
  let lastAlive = now();
  // Not ready before the first look at store, Kafka and database.
  const problems = new Map<string, string>([["start", "store, Kafka and database are not checked yet"]]);
  const metrics = new Map<string, { help: string; type: string; values: Map<string, number> }>();
  const valuesOf = (name: string, help: string, type: string): Map<string, number> => {
    const metric = metrics.get(name) ?? { help, type, values: new Map<string, number>() };
    metrics.set(name, metric);
    return metric.values;
  };
  return {
    alive: () => {
      lastAlive = now();
    },
    report: (subject, problem) => void (problem === undefined ? problems.delete(subject) : problems.set(subject, problem)),
    gauge: (name, help, value, labels = "") => void valuesOf(name, help, "gauge").set(labels, value),
    count: (name, help, more, labels = "") => {
      const values = valuesOf(name, help, "counter");
      values.set(labels, (values.get(labels) ?? 0) + more);
    },
    healthz: () => {
      const seconds = Math.round((now() - lastAlive) / 1000);
      return seconds * 1000 < livenessMilliseconds
        ? { status: 200, text: "ok\n" }
        : { status: 503, text: `nothing has moved for ${seconds} seconds\n` };
    },
    readyz: () =>
      problems.size === 0
        ? { status: 200, text: "ready\n" }
        : { status: 503, text: [...problems].map(([subject, problem]) => `${subject}: ${problem}\n`).join("") },
    metrics: () =>
      [...metrics]
        .map(([name, { help, type, values }]) => {
          const lines = [...values].map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`);
          return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
        })
        .join(""),
  };
}

/** @throws AgentError where the port is taken */
export async function serveHealth(health: Health, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    const answer =
      path === "/healthz"
        ? health.healthz()
        : path === "/readyz"
          ? health.readyz()
          : path === "/metrics"
            ? { status: 200, text: health.metrics() }
            : { status: 404, text: "known are /healthz, /readyz and /metrics\n" };
    response.writeHead(answer.status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(answer.text);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve).once("error", (error: Error) => {
      const todo = "choose another one by --port";
      reject(new AgentError({ kind: "usage", what: `port ${port}`, expected: "a free port", found: error.message, todo, cause: error }));
    });
    server.listen(port);
  });
  return server;
}
