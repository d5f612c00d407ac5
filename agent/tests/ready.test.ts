/** What a readiness probe runs, against the health of the agent. */
import { execFile } from "node:child_process";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createHealth, type Health, serveHealth } from "../src/health";

const script = join(__dirname, "..", "ready.sh");

let health: Health;
let server: Server;
let port: string;

function ready(asked = port): Promise<{ code: number; said: string }> {
  return new Promise((resolve) =>
    execFile("bash", [script, asked], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), said: `${stdout}${stderr}` }),
    ),
  );
}

beforeEach(async () => {
  health = createHealth();
  server = await serveHealth(health, 0);
  port = String((server.address() as AddressInfo).port);
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

describe("the readiness command of the agent", () => {
  it("says every reason in one line, and ends with 1", async () => {
    expect(await ready()).toEqual({ code: 1, said: "start: store, Kafka and database are not checked yet\n" });
    health.report("kafka", 'topic "orders" is missing');
    expect(await ready()).toEqual({
      code: 1,
      said: 'start: store, Kafka and database are not checked yet; kafka: topic "orders" is missing\n',
    });
  });

  it("ends with 0 once the agent is ready", async () => {
    health.report("start", undefined);
    expect(await ready()).toEqual({ code: 0, said: "ready\n" });
  });

  it("says no more than an Event of Kubernetes can hold", async () => {
    health.report("start", "%s * ".repeat(1000));
    const { code, said } = await ready();
    expect(code).toBe(1);
    expect(said).toBe(`${`start: ${"%s * ".repeat(1000)}`.slice(0, 900)}\n`);
  });

  it("says that nobody listens", async () => {
    const before = port;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await ready(before)).toEqual({ code: 1, said: `the agent does not listen on port ${before}\n` });
  });
});
