/**
 * The gRPC service. It is pulumirpc.ResourceProvider itself and not `@pulumi/pulumi/provider`, because that interface has no way to say which
 * outputs are secret, which property makes a replacement (detailed diff), that an object exists but is not ready (partial failure), or to write a
 * log message beside a resource; and all four are part of the official provider's behaviour.
 */
import type * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { PluginInfo, type PluginAttach } from "@pulumi/pulumi/proto/plugin_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { check } from "./check";
import { configure, diffConfig } from "./configure";
import { create } from "./create";
import { toGrpcError } from "./errors";
import { diffResource } from "./plan";
import { read } from "./read";
import { remove } from "./remove";
import { connectEngine, type Session } from "./session";
import { update } from "./update";

/** The official plugin's release that this one stands in for: not below the SDK's version, or the engine warns at every command. */
export const pluginVersion = "4.34.2";

export function handlers(session: Session): grpc.UntypedServiceImplementation {
  return {
    handshake: unary(() => new messages.ProviderHandshakeResponse().setAcceptSecrets(true).setSupportsAutonamingConfiguration(true)),
    getPluginInfo: unary(() => new PluginInfo().setVersion(pluginVersion)),
    attach: unary((request: PluginAttach) => {
      connectEngine(session, request.getAddress());
      return new Empty();
    }),
    checkConfig: unary((request: messages.CheckRequest) => new messages.CheckResponse().setInputs(request.getNews())),
    diffConfig: unary(diffConfig),
    configure: unary((request: messages.ConfigureRequest) => configure(session, request)),
    check: unary((request: messages.CheckRequest) => check(session, request)),
    diff: unary((request: messages.DiffRequest) => diffResource(session, request)),
    create: unary((request: messages.CreateRequest) => create(session, request)),
    update: unary((request: messages.UpdateRequest) => update(session, request)),
    read: unary((request: messages.ReadRequest) => read(session, request)),
    delete: unary(async (request: messages.DeleteRequest) => {
      await remove(session, request);
      return new Empty();
    }),
    cancel: unary(() => {
      session.cancelled = true;
      return new Empty();
    }),
  };
}

export function unary<Request, Response>(
  answer: (request: Request) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, reply) => {
    void (async () => answer(call.request))().then(
      (response) => reply(null, response),
      (error: unknown) => reply(toGrpcError(error)),
    );
  };
}
