/** Free loopback ports. */
import { createServer } from "node:net";
import { randomInt } from "node:crypto";

/** True when the port can be listened on at 127.0.0.1 right now. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

// Below the range from which Linux (32768 and up) and macOS (49152 and up) take ports of outgoing connections, so that none of these gets in between.
const lowest = 20_000;
const highest = 32_000;

/** Free ports of 127.0.0.1, all different and none of `except`. Somebody else may still take one before it is used: callers must cope with that. */
export async function freePorts(count: number, except: readonly number[] = []): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt += 1) {
    if (attempt > 2000) throw new Error(`no ${count} free ports found between ${lowest} and ${highest} on 127.0.0.1`);
    const port = randomInt(lowest, highest);
    if (!ports.includes(port) && !except.includes(port) && (await portIsFree(port))) ports.push(port);
  }
  return ports;
}
