/**
 * The engine tells a policy pack about its stack by ConfigureStack, after it has the pack's port; but the SDK's runner of packs reads stack and
 * configuration from the environment, when it starts. So: answer as the pack, take ConfigureStack, start the pack, and hand every other call on.
 */
import * as grpc from "@grpc/grpc-js";
import { AnalyzerService } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import { AnalyzerHandshakeResponse, AnalyzerStackConfigureRequest, AnalyzerStackConfigureResponse } from "@pulumi/pulumi/proto/analyzer_pb";
import { bindLoopback, errorText, messageLimits } from "../plugin/serve";
import type { Sink } from "./children";
import type { Environment } from "./options";

/** Starts the pack with more environment; resolves with its exit code. */
export type Launch = (environment: Environment, stdout: Sink) => Promise<number>;

type RawCall = grpc.handleUnaryCall<Buffer, Buffer>;

/** @param onCancel takes what to do when the engine does not want the pack any more */
export async function servePolicyPack(launch: Launch, stdout: Sink, onCancel: (cancelled: () => void) => void): Promise<number> {
  const configuration = deferred<Environment>();
  const pack = deferred<grpc.Client>();
  // Without a caller waiting for it, a pack that does not start must not end the host.
  pack.promise.catch(() => undefined);
  const server = new grpc.Server(messageLimits);
  server.addService(rawDefinition(), rawHandlers(configuration.resolve, pack.promise));
  const port = await bindLoopback(server);
  onCancel(() => configuration.resolve({}));
  stdout(Buffer.from(`${port}\n`));
  const code = await launch(
    await configuration.promise,
    portReader(
      (packPort) => pack.resolve(new grpc.Client(`127.0.0.1:${packPort}`, grpc.credentials.createInsecure(), messageLimits)),
      stdout,
    ),
  );
  pack.reject(new Error(`the policy pack ended with exit code ${code}`));
  server.forceShutdown();
  return code;
}

/** A sink that takes the first line of digits for the port and hands on everything else: a pack may print while it loads, before its port. */
export function portReader(found: (port: string) => void, rest: Sink): Sink {
  let head = "";
  let seen = false;
  return (chunk) => {
    if (seen) {
      rest(chunk);
      return;
    }
    head += chunk.toString();
    for (let end = head.indexOf("\n"); !seen && end >= 0; end = head.indexOf("\n")) {
      const line = head.slice(0, end);
      head = head.slice(end + 1);
      seen = /^\d+$/.test(line.trim());
      if (seen) {
        found(line.trim());
      } else {
        rest(Buffer.from(`${line}\n`));
      }
    }
    if (seen && head !== "") {
      rest(Buffer.from(head));
    }
  };
}

/** What the SDK's runner of packs reads at its start. */
export function stackEnvironment(request: AnalyzerStackConfigureRequest): Environment {
  return {
    PULUMI_NODEJS_ORGANIZATION: request.getOrganization(),
    PULUMI_NODEJS_PROJECT: request.getProject(),
    PULUMI_NODEJS_STACK: request.getStack(),
    PULUMI_NODEJS_DRY_RUN: String(request.getDryRun()),
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigSecretKeysList()),
  };
}

const raw = (bytes: Buffer): Buffer => bytes;

/** The Analyzer service with messages left as bytes, so that calls newer than these stubs' fields pass through whole. */
function rawDefinition(): grpc.ServiceDefinition {
  const methods = Object.entries(AnalyzerService as grpc.ServiceDefinition);
  return Object.fromEntries(
    methods.map(([name, method]) => [
      name,
      { ...method, requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
    ]),
  );
}

function rawHandlers(configured: (environment: Environment) => void, pack: Promise<grpc.Client>): Record<string, RawCall> {
  const forward =
    (path: string): RawCall =>
    (call, reply) => {
      // A call before ConfigureStack means that there is no stack: the pack is asked for its own sake.
      configured({});
      pack.then(
        (client) => client.makeUnaryRequest(path, raw, raw, call.request, reply),
        (error: unknown) => reply({ code: grpc.status.UNKNOWN, details: errorText(error) }),
      );
    };
  const methods = Object.entries(AnalyzerService as grpc.ServiceDefinition);
  return {
    ...Object.fromEntries(methods.map(([name, method]) => [name, forward(method.path)])),
    handshake: (_call, reply) => reply(null, Buffer.from(new AnalyzerHandshakeResponse().serializeBinary())),
    configureStack: (call, reply) => {
      configured(stackEnvironment(AnalyzerStackConfigureRequest.deserializeBinary(call.request)));
      reply(null, Buffer.from(new AnalyzerStackConfigureResponse().serializeBinary()));
    },
  };
}

interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((ok, fail) => {
    resolve = ok;
    reject = fail;
  });
  return { promise, resolve, reject };
}
