/** A door as a live cluster has it: a port of this machine that leads to another one, open before anybody listens behind it. */
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import type { Target } from "../../tools/live/services";

export interface Forwarder {
  port: number;
  /** How many connections came so far. */
  connections(): number;
  close(): Promise<void>;
}

export async function forwarder(target: Target): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((outer) => {
    connections += 1;
    const inner = createConnection(target);
    for (const [one, other] of [
      [outer, inner],
      [inner, outer],
    ]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
