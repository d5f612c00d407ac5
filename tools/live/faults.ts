/** Faults on the way to a service: a proxy in front of it that is slow, breaks off, fails or is down, as it is told while it runs. */
import { join } from "node:path";
import { projectRoot } from "../paths";
import {
  addressOf,
  doorTo,
  type Service,
  serviceFolder,
  type ServicePlace,
  servicePorts,
  startServiceProcess,
  stopServiceProcess,
  type Target,
  untilServing,
} from "./services";
import { removeSocket, requestSocket, socketPath } from "./services-socket";

/** What goes wrong now. Nothing, where nothing is said. */
export interface Faults {
  /** Speed of each direction of each connection. Default: unlimited. */
  bytesPerSecond?: number;
  /** Delay of each piece of data, in each direction. Default: 0. */
  delayMilliseconds?: number;
  /** After so many bytes more, of all connections and directions together, the connection that carries the next one is reset; once. Default: never. */
  resetAfterBytes?: number;
  /** HTTP only: requests whose "METHOD /path" matches the expression (default: all) get the status and do not reach the service, so many times (default: always). */
  fail?: { status: number; match?: string; times?: number };
  /** Every open connection is reset, and every new one at once. Default: false. */
  down?: boolean;
}

/** What a proxy has seen since its start. */
export interface FaultCounts {
  connections: number;
  /** Connections that came while it was down. */
  refused: number;
  /** Connections broken off by `resetAfterBytes`. */
  reset: number;
  /** Requests answered by `fail`. */
  failed: number;
  /** HTTP only. */
  requests: number;
  /** Of both directions. */
  bytes: number;
}

/** How a proxy is started. */
export interface FaultProxyOptions extends ServicePlace {
  /** Tells several of one folder apart: lower-case letters, digits and hyphens. */
  name: string;
  target: Target;
  /** `http` where requests are to fail one by one; it works for everything that speaks HTTP/1.1. Default: `tcp`. */
  protocol?: "tcp" | "http";
  /** Default: a free port. */
  port?: number;
}

/** A running proxy. */
export interface FaultProxy extends Service {
  /** Where it listens. */
  at: Target;
  /** The same for clients on this machine. */
  hostAt: Target;
  /** Replaces all faults. `{}` heals everything. */
  set(faults: Faults): Promise<void>;
  counts(): Promise<FaultCounts>;
}

/** Starts a proxy in front of a service, without faults. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  if (!/^[a-z0-9-]+$/.test(options.name)) {
    throw new Error(`fault proxy: name: ${JSON.stringify(options.name)} is not allowed: lower-case letters, digits and hyphens`);
  }
  const name = `faults-${options.name}`;
  const control = socketPath(serviceFolder(options, name), "control.sock");
  removeSocket(control);
  const at = { host: addressOf(options), port: options.port ?? (await servicePorts(1))[0] };
  const recorded = await startServiceProcess(options, {
    name,
    binary: process.execPath,
    args: [
      join(projectRoot, "tools", "live", "fault-proxy.cjs"),
      `--control=${control}`,
      `--listen=${at.host}:${at.port}`,
      `--target=${options.target.host}:${options.target.port}`,
      `--protocol=${options.protocol ?? "tcp"}`,
    ],
  });
  const ask = async (method: "GET" | "PUT", body?: string): Promise<{ counts: FaultCounts }> => {
    const answer = await requestSocket(control, method, "/", body);
    if (answer.status !== 200) throw new Error(`fault proxy ${options.name}: ${answer.body}`);
    return JSON.parse(answer.body) as { counts: FaultCounts };
  };
  await untilServing(`fault proxy ${options.name}`, options, [recorded], async () => (await ask("GET")).counts !== undefined, 15);
  return {
    name,
    processes: [recorded],
    at,
    hostAt: await doorTo(options, at),
    set: async (faults) => void (await ask("PUT", JSON.stringify(faults))),
    counts: async () => (await ask("GET")).counts,
    stop: async () => {
      await stopServiceProcess(options, name, 0);
      removeSocket(control);
    },
  };
}
