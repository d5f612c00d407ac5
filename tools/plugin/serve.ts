/**
 * What every Pulumi plugin of ours does alike: serve one gRPC service on a loopback port, print that port, and leave when the engine is gone.
 */
import * as grpc from "@grpc/grpc-js";
import * as net from "node:net";

/** The engine's own limit (rpcutil): a state with many objects goes over the wire in one message. */
export const messageLimits = {
  "grpc.max_receive_message_length": 400 * 1024 * 1024,
  "grpc.max_send_message_length": 400 * 1024 * 1024,
};

/** How often a plugin looks whether its engine still lives, in milliseconds. */
const probeEveryMs = 5000;

export interface PluginService {
  definition: grpc.ServiceDefinition;
  /** Handlers by method name of the definition; methods without a handler answer UNIMPLEMENTED. */
  handlers: grpc.UntypedServiceImplementation;
  /** host:port of the engine, asked before every probe: it may become known only with the handshake. */
  engineAddress: () => string;
  /** Called once, on SIGINT or SIGTERM (the engine's way to end a plugin) and when the engine is gone; resolves when this process may exit. */
  close: (reason: "signal" | "engine gone") => Promise<void>;
}

/** Starts the server and prints the port as the first line on stdout, which is how the engine learns it: nothing may be printed before. */
export async function servePlugin(service: PluginService): Promise<void> {
  const server = new grpc.Server(messageLimits);
  server.addService(service.definition, service.handlers);
  const port = await bindLoopback(server);
  process.stdout.write(`${port}\n`);
  leaveWithTheEngine(service);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void service.close("signal").finally(() => process.exit(0)));
  }
}

/** Binds to a free loopback port. */
export function bindLoopback(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port)));
  });
}

/** The engine's address is the last positional argument; the flags before it (`--tracing`, `-logtostderr`) do not concern us. */
export function engineAddressFromArgs(args: readonly string[]): string {
  return args.filter((argument) => !argument.startsWith("-")).at(-1) ?? "";
}

/** The text of anything thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An engine that was killed ends nobody, so its plugins and their programs would live for ever: leave when its port is closed. */
function leaveWithTheEngine(service: PluginService): void {
  const probe = setInterval(() => {
    const [host, port] = service.engineAddress().split(":");
    if (!host || !port) {
      return;
    }
    const socket = net.connect(Number(port), host, () => socket.destroy());
    socket.on("error", () => {
      clearInterval(probe);
      void service.close("engine gone").finally(() => process.exit(1));
    });
  }, probeEveryMs);
  probe.unref();
}
