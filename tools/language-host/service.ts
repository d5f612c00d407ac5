/**
 * The gRPC service pulumirpc.LanguageRuntime. Not served: GeneratePackage and Link (SDKs of component packages), GenerateProgram, GenerateProject
 * and Pack; the engine reports these as unimplemented.
 */
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import * as messages from "@pulumi/pulumi/proto/language_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { version as sdkVersion } from "@pulumi/pulumi/version";
import { errorText } from "../plugin/serve";
import { stopAll } from "./children";
import { installDependencies, programDependencies, requiredPackages } from "./packages";
import { run } from "./run";
import { runPlugin } from "./run-plugin";

export interface Host {
  /** host:port of the engine; an argument of the host, or told by the handshake. */
  engineAddress: string;
}

export function handlers(host: Host): grpc.UntypedServiceImplementation {
  return {
    handshake: unary<messages.LanguageHandshakeRequest, messages.LanguageHandshakeResponse>(({ request }) => {
      host.engineAddress = request.getEngineAddress() || host.engineAddress;
      return new messages.LanguageHandshakeResponse();
    }),
    getPluginInfo: unary(() => new PluginInfo().setVersion(sdkVersion)),
    // Only engines before 3.142 ask; later ones ask for packages.
    getRequiredPlugins: unary(() => new messages.GetRequiredPluginsResponse()),
    getRequiredPackages: unary<messages.GetRequiredPackagesRequest, messages.GetRequiredPackagesResponse>(({ request }) =>
      requiredPackages(request),
    ),
    run: unary<messages.RunRequest, messages.RunResponse>((call) => run(call, host.engineAddress)),
    runPlugin: streaming(runPlugin),
    installDependencies: streaming(installDependencies),
    about: unary(() => new messages.AboutResponse().setExecutable(process.execPath).setVersion(process.version)),
    getProgramDependencies: unary<messages.GetProgramDependenciesRequest, messages.GetProgramDependenciesResponse>(({ request }) =>
      programDependencies(request),
    ),
    runtimeOptionsPrompts: unary(() => new messages.RuntimeOptionsResponse()),
    template: unary(() => new messages.TemplateResponse()),
    cancel: unary(() => {
      void stopAll(5000);
      return new Empty();
    }),
  };
}

function unary<Request, Response>(
  answer: (call: grpc.ServerUnaryCall<Request, Response>) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, reply) => {
    void (async () => answer(call))().then(
      (response) => reply(null, response),
      (error: unknown) => reply({ code: grpc.status.UNKNOWN, details: errorText(error) }),
    );
  };
}

function streaming<Request, Response>(
  serve: (call: grpc.ServerWritableStream<Request, Response>) => Promise<void>,
): grpc.handleServerStreamingCall<Request, Response> {
  return (call) => {
    serve(call).then(
      () => call.end(),
      (error: unknown) => call.emit("error", { code: grpc.status.UNKNOWN, details: errorText(error) }),
    );
  };
}
