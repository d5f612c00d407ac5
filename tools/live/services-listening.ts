/** Waiting for a port inside a network namespace that this process is not in. */
import { execFile } from "node:child_process";
import { createConnection } from "node:net";
import { promisify } from "node:util";
import type { RecordedProcess } from "../processes";
import { addressOf, type ServicePlace, untilServing } from "./services";

/** Waits until somebody listens on every port of the place's address. Throws with the log of a process that ends before. */
export async function untilListening(
  what: string,
  place: ServicePlace,
  processes: readonly RecordedProcess[],
  ports: readonly number[],
  seconds = 60,
): Promise<void> {
  const prefix = place.prefix ?? [];
  for (const port of ports) {
    await untilServing(
      what,
      place,
      processes,
      () => (prefix.length === 0 ? connects(addressOf(place), port) : connectsInside(prefix, addressOf(place), port)),
      seconds,
    );
  }
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.setTimeout(1000, () => socket.destroy());
    socket.once("connect", () => {
      resolve(true);
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}

/** Tries for a second inside, so that a process is not started for every try. */
const program = `
const [host, port] = process.argv.slice(1);
const end = Date.now() + 1000;
(function attempt() {
  const socket = require("node:net").createConnection({ host, port: Number(port) });
  socket.once("connect", () => process.exit(0));
  socket.once("error", () => (Date.now() > end ? process.exit(1) : setTimeout(attempt, 25)));
})();
`;

async function connectsInside(prefix: readonly string[], host: string, port: number): Promise<boolean> {
  const [command, ...args] = [...prefix, process.execPath, "-e", program, host, String(port)];
  return promisify(execFile)(command, args, { timeout: 5000 }).then(
    () => true,
    () => false,
  );
}
